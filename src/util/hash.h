/* A hash of text, for tables in memory. */
#pragma once

#include <stddef.h>

static inline size_t hash_text(const char *text)
{
	size_t h = 5381; /* Bernstein's */

	for (; *text; text++) {
		h = h * 33 + (unsigned char)*text;
	}
	return h;
}
