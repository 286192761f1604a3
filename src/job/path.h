/* Paths of a job: relative, below one of its directories, the same on every host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

enum {
	PATH_LEN_MAX = 1024,	 /* bytes */
	PATH_NAME_LEN_MAX = 255, /* bytes of one part between slashes (NAME_MAX) */
};

/* No leading or trailing slash, no empty, "." or ".." parts, not too long. -EINVAL:
 * e->text says "what; expected what". Control characters are not looked at. */
int path_check(const char *path, struct err *e);

/* Is path the same as base, or below it? */
bool path_is_within(const char *path, const char *base);
/* Is one of them within the other? */
bool path_overlaps(const char *a, const char *b);

/* Orders paths so that what is below a path follows it at once: "a" "a/b" "a-b". */
int path_compare(const char *a, const char *b);
