/* Durations and sizes as people write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "90s" "10m" "2h" "3d" "1500ms" or plain seconds. -EINVAL, -ERANGE. */
int duration_parse(const char *text, int64_t *ret_ms);
/* "4096", "64KiB" "64MiB" "64GiB" "2TiB" (powers of 1024), "64kB" "64MB" "64GB" (of
 * 1000). */
int size_parse(const char *text, int64_t *ret_bytes);
