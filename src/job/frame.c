#include "job/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The line at p, without its newline; -1 when it is not complete. */
static ssize_t line_len(const char *p, const char *end)
{
	const char *newline = memchr(p, '\n', (size_t)(end - p));

	return newline ? newline - p : -1;
}

/* Digits only; -1 for anything else or for a number beyond int64_t. */
static int64_t parse_number(const char *text, size_t len)
{
	int64_t n = 0;

	if (len == 0 || len > 18) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return -1;
		}
		n = n * 10 + (text[i] - '0');
	}
	return n;
}

/* Reads the item at *p and moves *p behind it. 0 or -EBADMSG. */
static int read_item(const char **p, const char *end, struct frame_item *ret)
{
	const char *line = *p, *space;
	ssize_t len = line_len(line, end);
	struct frame_item item = { .key = line };
	int64_t size;

	if (len < 0) {
		return -EBADMSG;
	}
	space = memchr(line, ' ', (size_t)len);
	item.key_len = space ? (size_t)(space - line) : (size_t)len;
	item.value = space ? space + 1 : line + len;
	item.value_len = (size_t)(line + len - item.value);
	*p = line + len + 1;
	if (!frame_item_is(&item, "data")) {
		*ret = item;
		return 0;
	}
	space = memchr(item.value, ' ', item.value_len);
	if (!space) {
		return -EBADMSG;
	}
	size = parse_number(space + 1, (size_t)(line + len - space - 1));
	if (size < 0 || size >= end - *p || (*p)[size] != '\n') {
		return -EBADMSG;
	}
	item.key = item.value;
	item.key_len = (size_t)(space - item.value);
	item.value = *p;
	item.value_len = (size_t)size;
	item.is_data = 1;
	*p += size + 1;
	*ret = item;
	return 0;
}

static const char *find_begin(const char *data, const char *end, const char *nonce)
{
	char begin[64];
	int len = snprintf(begin, sizeof(begin), "@@%s BEGIN\n", nonce);
	const char *p;

	/* not at the start of a line only: a login shell's last words may lack theirs
	 */
	p = memmem(data, (size_t)(end - data), begin, (size_t)len);
	return p ? p + len : NULL;
}

int frame_open(const char *data, size_t len, const char *nonce, struct frame *ret_frame)
{
	const char *end = data + len, *p;
	char last[64];
	size_t last_len = (size_t)snprintf(last, sizeof(last), "@@%s END ", nonce);
	struct frame frame = { .next = NULL };

	p = len > 0 ? find_begin(data, end, nonce) : NULL;
	if (!p) {
		return -ENOMSG;
	}
	frame.next = p;
	while (p < end) {
		struct frame_item item;
		const char *start = p;
		ssize_t n = line_len(p, end);

		if (n < 0) {
			return -EBADMSG;
		}
		if ((size_t)n > last_len && memcmp(p, last, last_len) == 0) {
			frame.end = start;
			(void)snprintf(frame.code, sizeof(frame.code), "%.*s",
				       (int)((size_t)n - last_len), p + last_len);
			*ret_frame = frame;
			return 0;
		}
		if (read_item(&p, end, &item) < 0) {
			return -EBADMSG;
		}
	}
	return -EBADMSG;
}

int frame_next(struct frame *frame, struct frame_item *ret_item)
{
	if (frame->next >= frame->end) {
		return 0;
	}
	return read_item(&frame->next, frame->end, ret_item) == 0;
}

int frame_item_is(const struct frame_item *item, const char *key)
{
	return strlen(key) == item->key_len &&
	       memcmp(item->key, key, item->key_len) == 0;
}

int64_t frame_item_number(const struct frame_item *item)
{
	return parse_number(item->value, item->value_len);
}

void frame_item_text(const struct frame_item *item, char *ret_text, size_t size)
{
	size_t n = item->value_len < size - 1 ? item->value_len : size - 1;

	memcpy(ret_text, item->value, n);
	ret_text[n] = '\0';
}
