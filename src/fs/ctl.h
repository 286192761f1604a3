/* `ctl`: one write(2) is one or more verbs, a line each, done in their order up to the
 * first that fails. */
#pragma once

#include "fs/internal.h"

/* Replies, or returns a negative errno: -EINVAL when it is longer than any command. */
int ctl_write(fuse_req_t req, int64_t job, const char *data, size_t size);
