/* Writing JSON objects: commas and quotes in one place. Nothing is checked here; a
 * failure sticks in the buffer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

struct json_out {
	struct buf *out;
	bool has_member; /* of the object or array that is open */
};

/* key NULL: the document, or an element of an array. */
void json_open(struct json_out *j, const char *key, char bracket);
void json_close(struct json_out *j, char bracket);
void json_str(struct json_out *j, const char *key, const char *value); /* NULL: null */
void json_int(struct json_out *j, const char *key, int64_t value);
void json_bool(struct json_out *j, const char *key, bool value);
void json_null(struct json_out *j, const char *key);
/* RFC 3339; 0 is null. */
void json_time(struct json_out *j, const char *key, int64_t wall_ms);
