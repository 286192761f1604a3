#include "s3/uri.h"

#include <errno.h>

bool s3_is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

int s3_encode(const char *text, bool keep_slash, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char code[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (s3_is_unreserved(*text) || (keep_slash && *text == '/')) {
			(void)buf_add_char(out, *text);
		} else {
			(void)buf_add(out, code, sizeof(code));
		}
	}
	return out->error;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

/* The byte that the two digits at text stand for; 0 when it is none. */
static unsigned char code_value(const char *text)
{
	int high = hex_value(text[0]);
	int low = high < 0 ? -1 : hex_value(text[1]);

	return low < 0 ? 0 : (unsigned char)(high * 16 + low);
}

int s3_decode(char *text)
{
	unsigned char *to = (unsigned char *)text;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			c = code_value(text + 1);
			text += 2;
		}
		if (c == 0) {
			return -EBADMSG;
		}
		*to++ = c;
	}
	*to = '\0';
	return 0;
}
