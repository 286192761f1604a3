#include "conf/comment.h"

#include <stdbool.h>
#include <string.h>

static bool begins(const char *text, size_t len, size_t at, const char *pair)
{
	return len - at >= 2 && text[at] == pair[0] && text[at + 1] == pair[1];
}

/* Behind the string whose opening quote is at; a string ends with its line at the
 * latest. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '\n'; at++) {
		if (text[at] == '"') {
			return at + 1;
		}
		if (text[at] == '\\' && at + 1 < len && text[at + 1] != '\n') {
			at++;
		}
	}
	return at;
}

/* Behind the comment that begins at; len + 1 when it has no end. */
static size_t find_end(const char *text, size_t len, size_t at)
{
	bool is_line = text[at + 1] == '/';
	const char *end;

	if (is_line) {
		end = memchr(text + at, '\n', len - at);
		return end ? (size_t)(end - text) : len;
	}
	end = memmem(text + at + 2, len - at - 2, "*/", 2);
	return end ? (size_t)(end - text) + 2 : len + 1;
}

/* Line ends stay: they keep the numbers of the lines after them. */
static void blank(char *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (text[i] != '\n' && text[i] != '\r') {
			text[i] = ' ';
		}
	}
}

/* Behind what stands at: a string, a comment (blanked), or one byte of anything else;
 * len + 1 for a comment that has no end. */
static size_t skip(char *text, size_t len, size_t at)
{
	size_t end;

	if (text[at] == '"') {
		return skip_string(text, len, at);
	}
	if (!begins(text, len, at, "//") && !begins(text, len, at, "/*")) {
		return at + 1;
	}
	end = find_end(text, len, at);
	if (end <= len) {
		blank(text, at, end);
	}
	return end;
}

size_t comment_blank(char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t end = skip(text, len, at);

		if (end > len) {
			return at;
		}
		at = end;
	}
	return len;
}
