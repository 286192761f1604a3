/* `ctl`: one write(2) is one or more verbs, a line each, done in their order up to the
 * first that fails. */
#pragma once

#include "fs/internal.h"

/* ino: of the ctl of a job, of a host, or of all hosts. Replies, or returns a negative
 * errno: -EINVAL when it is longer than any command. */
int ctl_write(fuse_req_t req, uint64_t ino, const char *data, size_t size);
