/* The SSH wire format (RFC 4251, section 5): reading that never leaves its bytes,
 * writing into a buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

/* Bytes somewhere else, borrowed from there. */
struct slice {
	const char *data;
	size_t len;
};

bool slice_is(struct slice s, const char *text);
bool slice_equal(struct slice a, struct slice b);
/* Removes what stands in front of the first `at`, and that, from rest, and returns it;
 * all of it when there is none. */
struct slice slice_cut(struct slice *rest, char at);
static inline struct slice slice_of(const struct buf *b)
{
	return (struct slice){ b->data, b->len };
}

/* What is still to be read. After a read beyond the end `bad` is set and every further
 * read gives zero or nothing, so that a run of reads needs one check at its end. */
struct wire {
	const char *data;
	size_t left;
	bool bad;
};

static inline struct wire wire_of(const void *data, size_t len)
{
	return (struct wire){ .data = data, .left = len };
}
unsigned char wire_get_byte(struct wire *w);
uint32_t wire_get_u32(struct wire *w);
struct slice wire_get_bytes(struct wire *w, size_t len);
struct slice wire_get_string(struct wire *w);

/* Each returns b->error. */
int wire_add_u32(struct buf *b, uint32_t value);
int wire_add_string(struct buf *b, const void *data, size_t len);
