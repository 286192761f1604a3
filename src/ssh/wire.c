#include "ssh/wire.h"

#include <string.h>

bool slice_is(struct slice s, const char *text)
{
	return slice_equal(s, (struct slice){ text, strlen(text) });
}

bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct slice slice_cut(struct slice *rest, char at)
{
	const char *end = rest->len > 0 ? memchr(rest->data, at, rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct slice head = { rest->data, len };

	rest->data += end ? len + 1 : len;
	rest->len -= end ? len + 1 : len;
	return head;
}

struct slice wire_get_bytes(struct wire *w, size_t len)
{
	struct slice s = { NULL, 0 };

	if (w->bad || len > w->left) {
		w->bad = true;
		return s;
	}
	s = (struct slice){ w->data, len };
	w->data += len;
	w->left -= len;
	return s;
}

unsigned char wire_get_byte(struct wire *w)
{
	struct slice s = wire_get_bytes(w, 1);

	return s.len == 1 ? (unsigned char)s.data[0] : 0;
}

uint32_t wire_get_u32(struct wire *w)
{
	struct slice s = wire_get_bytes(w, 4);
	const unsigned char *p = (const unsigned char *)s.data;

	if (s.len != 4) {
		return 0;
	}
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct slice wire_get_string(struct wire *w)
{
	uint32_t len = wire_get_u32(w);

	return wire_get_bytes(w, len);
}

int wire_add_u32(struct buf *b, uint32_t value)
{
	unsigned char bytes[4] = { (unsigned char)(value >> 24),
				   (unsigned char)(value >> 16),
				   (unsigned char)(value >> 8), (unsigned char)value };

	return buf_add(b, bytes, sizeof(bytes));
}

int wire_add_string(struct buf *b, const void *data, size_t len)
{
	(void)wire_add_u32(b, (uint32_t)len);
	return buf_add(b, data, len);
}
