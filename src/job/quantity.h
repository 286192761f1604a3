/* Durations and sizes as people write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

/* "90s" "10m" "2h" "3d" "1500ms" or plain seconds. -EINVAL, -ERANGE. */
int duration_parse(const char *text, int64_t *ret_ms);
/* "4096", "64KiB" "64MiB" "64GiB" "2TiB" (powers of 1024), "64kB" "64MB" "64GB" (of
 * 1000). */
int size_parse(const char *text, int64_t *ret_bytes);
/* "17 B", "1.5 KiB", "100.0 GiB". -ENOMEM, -EFBIG. */
int size_print(int64_t bytes, struct buf *out);
