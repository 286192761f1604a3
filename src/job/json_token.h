/* The tokens of JSON (RFC 8259), checked to the letter: where each one ends, and a
 * sentence when it is wrong. Knows nothing of how they are put together.
 *
 * Every function reads the token that begins at *at. On success *at is behind it.
 * -EINVAL: *at is the byte that is wrong and e->text says "found X; expected Y". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "job/json.h"
#include "job/show.h"
#include "util/buf.h"
#include "util/err.h"

struct json_text {
	const char *data;
	size_t len;
};

static inline bool json_token_is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

void json_token_skip_space(const struct json_text *text, size_t *at);
int json_token_string(const struct json_text *text, size_t *at, struct err *e);
/* JSON_INT fits int64_t, JSON_REAL is finite. */
int json_token_number(const struct json_text *text, size_t *at,
		      enum json_kind *ret_kind, struct err *e);
/* true, false and null. */
int json_token_word(const struct json_text *text, size_t *at, enum json_kind *ret_kind,
		    struct err *e);
/* Says what stands at the byte at and what should: -EINVAL. */
int json_token_unexpected(const struct json_text *text, size_t at, const char *expected,
			  struct err *e);

/* The bytes from `at` on as text for messages, at most max of them. */
void json_token_show(const struct json_text *text, size_t at, size_t max,
		     char ret_shown[static SHOW_MAX]);

/* Appends the characters of a string that json_token_string() has passed; quoted points
 * at its opening quote. Returns out->error. */
int json_token_decode(const char *quoted, struct buf *out);
