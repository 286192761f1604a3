#include "job/show.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/mem.h"
#include "util/utf8.h"

enum {
	SHOW_CHAR_MAX = 8, /* bytes of one character, as an escape, with the NUL */
	DISTANCE_MAX = 64, /* bytes of a name */
};

/* The code point of a valid character of n bytes. */
static unsigned code_point(const char *text, size_t n)
{
	static const unsigned char first_bits[] = { 0x7f, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *s = (const unsigned char *)text;
	unsigned c = s[0] & first_bits[n];

	for (size_t i = 1; i < n; i++) {
		c = c << 6 | (s[i] & 0x3fU);
	}
	return c;
}

static int is_control(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* Marks that make a terminal show text in another order than it is written in. */
static int turns_direction(unsigned c)
{
	return c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

size_t show_control_len(const char *text, size_t len)
{
	size_t n = utf8_char_len(text, len);

	return n > 0 && is_control(code_point(text, n)) ? n : 0;
}

/* Renders the character at text; returns how many bytes of text that was. */
static size_t show_char(const char *text, size_t len, char ret[static SHOW_CHAR_MAX])
{
	size_t n = utf8_char_len(text, len);
	unsigned c;

	if (n == 0) {
		(void)snprintf(ret, SHOW_CHAR_MAX, "\\x%02x", (unsigned char)text[0]);
		return 1;
	}
	c = code_point(text, n);
	if (c == '"' || c == '\\') {
		(void)snprintf(ret, SHOW_CHAR_MAX, "\\%c", (int)c);
	} else if (c == '\n') {
		(void)snprintf(ret, SHOW_CHAR_MAX, "\\n");
	} else if (c == '\t') {
		(void)snprintf(ret, SHOW_CHAR_MAX, "\\t");
	} else if (is_control(c) || turns_direction(c)) {
		(void)snprintf(ret, SHOW_CHAR_MAX, "\\u%04x", c & 0xffff);
	} else {
		(void)snprintf(ret, SHOW_CHAR_MAX, "%.*s", (int)n, text);
	}
	return n;
}

void show_text(const char *text, size_t len, char ret_shown[static SHOW_MAX])
{
	static const char cut[] = "...\"";
	size_t used = 0;

	ret_shown[used++] = '"';
	for (size_t i = 0; i < len;) {
		char one[SHOW_CHAR_MAX];
		size_t step = show_char(text + i, len - i, one);
		size_t n = strlen(one);

		if (used + n + sizeof(cut) > SHOW_MAX) {
			memcpy(ret_shown + used, cut, sizeof(cut));
			return;
		}
		for (size_t k = 0; k < n; k++) {
			ret_shown[used++] = one[k];
		}
		i += step;
	}
	memcpy(ret_shown + used, "\"", 2);
}

static int same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int min_int(int a, int b)
{
	return a < b ? a : b;
}

/* One cell of the table of optimal string alignment; rows[0] is the row before the
 * last, rows[1] the last one, rows[2] the one that is being made. */
static int distance_cell(int rows[3][DISTANCE_MAX + 1], const char *a, const char *b,
			 size_t i, size_t j)
{
	int best = min_int(rows[1][j] + 1, rows[2][j - 1] + 1);

	best = min_int(best, rows[1][j - 1] + !same_letter(a[i - 1], b[j - 1]));
	if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
	    same_letter(a[i - 2], b[j - 1])) {
		best = min_int(best, rows[0][j - 2] + 1);
	}
	return best;
}

int show_distance(const char *a, const char *b)
{
	int rows[3][DISTANCE_MAX + 1] = { 0 };
	size_t n = strlen(a), m = strlen(b);

	if (n > DISTANCE_MAX || m > DISTANCE_MAX) {
		return INT_MAX;
	}
	for (size_t j = 0; j <= m; j++) {
		rows[1][j] = (int)j;
	}
	for (size_t i = 1; i <= n; i++) {
		rows[2][0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			rows[2][j] = distance_cell(rows, a, b, i, j);
		}
		memcpy(rows[0], rows[1], sizeof(rows[0]));
		memcpy(rows[1], rows[2], sizeof(rows[1]));
	}
	return rows[1][m];
}
