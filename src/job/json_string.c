#include "job/json_token.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "job/show.h"
#include "util/utf8.h"

/* Four hex digits; -1 when they are not all there. */
static int hex4(const struct json_text *text, size_t at)
{
	int value = 0;

	if (text->len - at < 4) {
		return -1;
	}
	for (size_t i = at; i < at + 4; i++) {
		unsigned char c = (unsigned char)text->data[i];

		if (!isxdigit(c)) {
			return -1;
		}
		value = value * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	return value;
}

static bool is_high_surrogate(int c)
{
	return c >= 0xd800 && c <= 0xdbff;
}

static bool is_low_surrogate(int c)
{
	return c >= 0xdc00 && c <= 0xdfff;
}

/* \uXXXX at *at, or a pair of them. */
static int skip_unicode_escape(const struct json_text *text, size_t *at, struct err *e)
{
	int c = hex4(text, *at + 2), low = -1;
	char shown[SHOW_MAX];

	if (c < 0) {
		json_token_show(text, *at + 2, 4, shown);
		return err_set(e, -EINVAL,
			       "found %s after \\u; expected four hex digits", shown);
	}
	if (c == 0) {
		return err_set(e, -EINVAL,
			       "found \\u0000; expected text without NUL characters");
	}
	if (is_high_surrogate(c) && text->len - *at >= 12 &&
	    memcmp(text->data + *at + 6, "\\u", 2) == 0) {
		low = hex4(text, *at + 8);
	}
	if (is_low_surrogate(c) || (is_high_surrogate(c) && !is_low_surrogate(low))) {
		return err_set(
			e, -EINVAL,
			"found \\u%04x, which is half a character; expected a pair "
			"such as \\ud83d\\ude00",
			(unsigned)c);
	}
	*at += is_high_surrogate(c) ? 12 : 6;
	return 0;
}

static int skip_escape(const struct json_text *text, size_t *at, struct err *e)
{
	char shown[SHOW_MAX];

	if (*at + 1 == text->len) {
		*at = text->len;
		return 0; /* the caller sees the end */
	}
	if (text->data[*at + 1] == 'u') {
		return skip_unicode_escape(text, at, e);
	}
	if (text->data[*at + 1] && strchr("\"\\/bfnrt", text->data[*at + 1])) {
		*at += 2;
		return 0;
	}
	json_token_show(text, *at + 1, 1, shown);
	return err_set(
		e, -EINVAL,
		"found a backslash before %s; expected one of \\\" \\\\ \\/ \\b \\f "
		"\\n \\r \\t \\uXXXX",
		shown);
}

static int control_in_string(unsigned char c, struct err *e)
{
	switch (c) {
	case '\0':
		return err_set(e, -EINVAL,
			       "found a NUL byte inside a string; expected text");
	case '\n':
		return err_set(
			e, -EINVAL,
			"found the end of the line inside a string; expected a closing "
			"quote (a line break in a string is written \\n)");
	case '\t':
		return err_set(e, -EINVAL, "found a tab inside a string; expected \\t");
	case '\r':
		return err_set(
			e, -EINVAL,
			"found a carriage return inside a string; expected a closing "
			"quote (in a string it is written \\r)");
	}
	return err_set(
		e, -EINVAL,
		"found the control character U+%04X inside a string; expected \\u%04x",
		c, c);
}

static int skip_char(const struct json_text *text, size_t *at, struct err *e)
{
	unsigned char c = (unsigned char)text->data[*at];
	size_t n = utf8_char_len(text->data + *at, text->len - *at);

	if (c < 0x20) {
		return control_in_string(c, e);
	}
	if (n == 0) {
		return json_token_unexpected(text, *at, "text in UTF-8", e);
	}
	*at += n;
	return 0;
}

int json_token_string(const struct json_text *text, size_t *at, struct err *e)
{
	size_t start = *at, line, column;

	(*at)++;
	while (*at < text->len && text->data[*at] != '"') {
		int r = text->data[*at] == '\\' ? skip_escape(text, at, e)
						: skip_char(text, at, e);

		if (r < 0) {
			return r;
		}
	}
	if (*at == text->len) {
		json_position(text->data, start, &line, &column);
		return err_set(
			e, -EINVAL,
			"found end of text; expected the closing quote of the string "
			"that begins in line %zu, column %zu",
			line, column);
	}
	(*at)++;
	return 0;
}

static int add_code_point(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		return buf_add_char(out, (char)c);
	}
	if (c < 0x800) {
		(void)buf_add_char(out, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		(void)buf_add_char(out, (char)(0xe0 | c >> 12));
		(void)buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		(void)buf_add_char(out, (char)(0xf0 | c >> 18));
		(void)buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		(void)buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	return buf_add_char(out, (char)(0x80 | (c & 0x3f)));
}

/* Returns how many bytes the escape at p takes. */
static size_t decode_escape(const char *p, struct buf *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const struct json_text text = { p,
					12 }; /* of which only checked bytes are read */
	int c;

	if (p[1] != 'u') {
		(void)buf_add_char(out, values[strchr(names, p[1]) - names]);
		return 2;
	}
	c = hex4(&text, 2);
	if (!is_high_surrogate(c)) {
		(void)add_code_point(out, (unsigned)c);
		return 6;
	}
	(void)add_code_point(out, 0x10000U + (((unsigned)c & 0x3ff) << 10) +
					  ((unsigned)hex4(&text, 8) & 0x3ff));
	return 12;
}

int json_token_decode(const char *quoted, struct buf *out)
{
	const char *p = quoted + 1;

	while (*p != '"') {
		if (*p == '\\') {
			p += decode_escape(p, out);
		} else {
			(void)buf_add_char(out, *p++);
		}
	}
	return out->error;
}
