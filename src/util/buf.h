/* A growing byte buffer with a maximum. A failure (no memory, maximum reached) sticks,
 * so that a run of appends needs one check at its end. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/mem.h"

struct buf {
	char *data;	 /* NUL-terminated when not NULL; the NUL is not counted */
	size_t len;	 /* bytes */
	size_t capacity; /* bytes allocated */
	size_t max;	 /* bytes; 0 means BUF_MAX_DEFAULT */
	int error;	 /* 0, -ENOMEM or -EFBIG; sticks */
};

enum { BUF_MAX_DEFAULT = 64 << 20 };

#define BUF_INIT                                                                       \
	{                                                                              \
		.data = NULL                                                           \
	}

void buf_fini(struct buf *b);
#define cleanup_buf cleanup_(buf_fini)
/* The same of a secret: the bytes are wiped first. What grew has left copies behind, so
 * reserve all of it before the first byte. */
void buf_wipe(struct buf *b);
#define cleanup_buf_wipe cleanup_(buf_wipe)

/* Each returns b->error. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *text);
int buf_add_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* One JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
int buf_add_json_str(struct buf *b, const char *text);
/* One sh word in single quotes, safe for every byte but NUL. */
int buf_add_sh_quoted(struct buf *b, const char *text);

/* Makes room for len more bytes and returns where they go, NULL on failure. The caller
 * fills them and then adds to b->len. */
char *buf_reserve(struct buf *b, size_t len);
/* Drops the first len bytes. */
void buf_consume(struct buf *b, size_t len);
void buf_truncate(struct buf *b, size_t len);
/* Gives away the bytes (the caller frees); NULL when b->error is set or on no memory.
 */
char *buf_steal(struct buf *b);

static inline const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}
