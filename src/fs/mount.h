/* The mount point: is it free, and what a dead jobfs left there. */
#pragma once

#include "util/err.h"

/* Makes sure that nothing is mounted at path (as fspath_resolve() made it). The mount
 * of a jobfs whose daemon is dead is taken away. -EBUSY: something else is mounted
 * there, or a jobfs that lives; -ENOTDIR, -ENOENT. */
int mount_clear(const char *path, struct err *e);
