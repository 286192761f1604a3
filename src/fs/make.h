/* Making what does not exist yet: what may be made where, and the way to the engine. */
#pragma once

#include "fs/ask.h"
#include "fs/object.h"

/* May the caller make `name` in dir? 0; -EPERM, -EACCES,
 * -ENAMETOOLONG, -EINVAL (name of a job), -EEXIST. */
int make_check(fuse_req_t req, const struct object *dir, const char *name, bool is_dir);
/* A file or directory of the user; the ask is taken over, NULL gives -ENOMEM. -EDQUOT.
 */
int make_file(const struct object *dir, const char *name, mode_t mode, struct ask *ask);
