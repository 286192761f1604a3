#include "util/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/utf8.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_wipe(struct buf *b)
{
	if (b->data) {
		explicit_bzero(b->data, b->capacity);
	}
	buf_fini(b);
}

static int buf_grow(struct buf *b, size_t len)
{
	size_t max = b->max ? b->max : BUF_MAX_DEFAULT;
	size_t want, capacity;
	char *data;

	if (b->error) {
		return b->error;
	}
	if (len > max || b->len > max - len) {
		return b->error = -EFBIG;
	}
	want = b->len + len + 1;
	if (want <= b->capacity) {
		return 0;
	}
	capacity = b->capacity ? b->capacity : 64;
	while (capacity < want) {
		capacity += capacity / 2;
	}
	data = realloc(b->data, capacity);
	if (!data) {
		return b->error = -ENOMEM;
	}
	b->data = data;
	b->capacity = capacity;
	b->data[b->len] = '\0';
	return 0;
}

char *buf_reserve(struct buf *b, size_t len)
{
	if (buf_grow(b, len) < 0) {
		return NULL;
	}
	return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	if (buf_grow(b, len) < 0) {
		return b->error;
	}
	if (len > 0) {
		memcpy(b->data + b->len, data, len);
	}
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add_str(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_add_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		return b->error ? b->error : (b->error = -EINVAL);
	}
	if (buf_grow(b, (size_t)n) < 0) {
		return b->error;
	}
	va_start(args, format);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
	return 0;
}

static int buf_add_json_char(struct buf *b, const char *bytes, size_t len)
{
	unsigned char c = (unsigned char)bytes[0];

	switch (c) {
	case '"':
		return buf_add_str(b, "\\\"");
	case '\\':
		return buf_add_str(b, "\\\\");
	case '\n':
		return buf_add_str(b, "\\n");
	case '\t':
		return buf_add_str(b, "\\t");
	case '\r':
		return buf_add_str(b, "\\r");
	}
	if (c < 0x20 || c == 0x7f) {
		return buf_printf(b, "\\u%04x", c);
	}
	return buf_add(b, bytes, len);
}

int buf_add_json_str(struct buf *b, const char *text)
{
	size_t left = strlen(text);

	(void)buf_add_char(b, '"');
	while (left > 0) {
		size_t n = utf8_char_len(text, left);

		if (n == 0) {
			(void)buf_add_str(b, "\\ufffd");
			n = 1;
		} else {
			(void)buf_add_json_char(b, text, n);
		}
		text += n;
		left -= n;
	}
	return buf_add_char(b, '"');
}

int buf_add_sh_quoted(struct buf *b, const char *text)
{
	(void)buf_add_char(b, '\'');
	for (; *text; text++) {
		if (*text == '\'') {
			(void)buf_add_str(b, "'\\''");
		} else {
			(void)buf_add_char(b, *text);
		}
	}
	return buf_add_char(b, '\'');
}

void buf_consume(struct buf *b, size_t len)
{
	if (len > b->len) {
		len = b->len;
	}
	if (len == 0) {
		return;
	}
	memmove(b->data, b->data + len, b->len - len + 1);
	b->len -= len;
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len < b->len) {
		b->len = len;
		b->data[len] = '\0';
	}
}

char *buf_steal(struct buf *b)
{
	char *data;

	if (buf_grow(b, 0) < 0) {
		return NULL;
	}
	data = b->data;
	*b = (struct buf)BUF_INIT;
	return data;
}
