/* The mount point: is it free, and what a dead jobfs left there. */
#pragma once

#include <stdbool.h>

#include "util/err.h"

/* Is a jobfs mounted at path, dead or alive? Asks nothing of it. */
bool mount_is_there(const char *path);
/* Takes the mount of a jobfs at path away, dead or alive, also while it is in use. */
void mount_end(const char *path);
/* Is it one whose daemon is dead? */
bool mount_is_dead(const char *path);
/* Puts what is mounted at `from`, and stays there, in the place of the dead mount of a
 * jobfs at path. Nobody sees the bare directory meanwhile: before Linux 6.5 for the
 * time of two system calls. -EPERM: only root may. */
int mount_replace(const char *from, const char *path);
/* Makes sure that nothing is mounted at path (as fspath_resolve() made it). The mount
 * of a jobfs whose daemon is dead is taken away. -EBUSY: something else is mounted
 * there, or a jobfs that lives; -ENOTDIR, -ENOENT. */
int mount_clear(const char *path, struct err *e);
