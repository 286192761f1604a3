/* A small file read whole. */
#pragma once

#include <stddef.h>

#include "util/buf.h"

/* The bytes are allocated at once and never moved, so that buf_wipe() leaves no copy.
 * -EFBIG when there are more than max. */
int file_read_fd(int fd, size_t max, struct buf *ret_data);
int file_read(const char *path, size_t max, struct buf *ret_data);
