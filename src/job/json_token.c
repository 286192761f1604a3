#include "job/json_token.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "job/show.h"
#include "util/mem.h"
#include "util/utf8.h"

enum {
	NUMBER_LEN_MAX = 64, /* no number that anybody writes is longer */
	FOUND_MAX = SHOW_MAX + 32,
};

void json_token_skip_space(const struct json_text *text, size_t *at)
{
	while (*at < text->len && json_token_is_one_of(text->data[*at], " \t\n\r")) {
		(*at)++;
	}
}

void json_token_show(const struct json_text *text, size_t at, size_t max,
		     char ret_shown[static SHOW_MAX])
{
	size_t left = text->len - at;

	show_text(text->data + at, left < max ? left : max, ret_shown);
}

/* ---- numbers ---- */

static size_t number_len(const struct json_text *text, size_t at)
{
	size_t end = at;

	while (end < text->len && (isalnum((unsigned char)text->data[end]) ||
				   json_token_is_one_of(text->data[end], "+-._"))) {
		end++;
	}
	return end - at;
}

static const char *skip_digits(const char *p)
{
	while (isdigit((unsigned char)*p)) {
		p++;
	}
	return p;
}

/* What was expected instead of number; NULL when it is right, and then its kind. */
static const char *number_flaw(const char *number, enum json_kind *ret_kind)
{
	const char *p = number + (*number == '-');
	const char *digits = p;

	*ret_kind = JSON_INT;
	p = skip_digits(p);
	if (p == digits) {
		return isalpha((unsigned char)*p)
			       ? "a finite number in digits"
			       : "a number that begins with a digit or -";
	}
	if (*digits == '0' && p > digits + 1) {
		return "a number without leading zeros";
	}
	if (*p == '.') {
		*ret_kind = JSON_REAL;
		digits = p + 1;
		p = skip_digits(digits);
		if (p == digits) {
			return "a digit after the decimal point";
		}
	}
	if (*p == 'e' || *p == 'E') {
		*ret_kind = JSON_REAL;
		digits = p + 1 + (p[1] == '+' || p[1] == '-');
		p = skip_digits(digits);
		if (p == digits) {
			return "a digit in the exponent";
		}
	}
	if (*p) {
		return "a decimal number (text and units stand in double quotes)";
	}
	return NULL;
}

static const char *number_range_flaw(const char *number, enum json_kind kind)
{
	if (kind == JSON_REAL) {
		return isinf(strtod(number, NULL)) ? "a number below 1.8e308" : NULL;
	}
	errno = 0;
	(void)strtoimax(number, NULL, 10);
	return errno == ERANGE ? "an integer of at most 64 bits" : NULL;
}

int json_token_number(const struct json_text *text, size_t *at,
		      enum json_kind *ret_kind, struct err *e)
{
	size_t len = number_len(text, *at);
	char number[NUMBER_LEN_MAX + 1], shown[SHOW_MAX];
	enum json_kind kind = JSON_INT;
	const char *expected;

	if (len > NUMBER_LEN_MAX) {
		expected = "a number of at most 64 characters";
	} else {
		memcpy(number, text->data + *at, len);
		number[len] = '\0';
		expected = number_flaw(number, &kind);
		if (!expected) {
			expected = number_range_flaw(number, kind);
		}
	}
	if (expected) {
		json_token_show(text, *at, len, shown);
		return err_set(e, -EINVAL, "found the number %s; expected %s", shown,
			       expected);
	}
	*at += len;
	*ret_kind = kind;
	return 0;
}

/* ---- words and the rest ---- */

static size_t word_len(const struct json_text *text, size_t at)
{
	size_t end = at;

	while (end < text->len &&
	       (isalnum((unsigned char)text->data[end]) || text->data[end] == '_')) {
		end++;
	}
	return end - at;
}

/* Words of other languages, and what they are in JSON. */
static const struct {
	const char *word, *expected;
} foreign_words[] = {
	{ "true", "true in small letters" },
	{ "false", "false in small letters" },
	{ "null", "null in small letters" },
	{ "none", "null" },
	{ "nil", "null" },
	{ "undefined", "null" },
	{ "yes", "true" },
	{ "no", "false" },
	{ "nan", "a number (JSON has no NaN)" },
	{ "inf", "a number (JSON has no infinity)" },
	{ "infinity", "a number (JSON has no infinity)" },
};

static bool word_is(const char *word, size_t len, const char *other)
{
	return len == strlen(other) && memcmp(word, other, len) == 0;
}

int json_token_word(const struct json_text *text, size_t *at, enum json_kind *ret_kind,
		    struct err *e)
{
	const char *word = text->data + *at;
	size_t len = word_len(text, *at);
	const char *expected =
		len > 0 ? "a value (text stands in double quotes)" : "a value";

	if (word_is(word, len, "true") || word_is(word, len, "false")) {
		*ret_kind = JSON_BOOL;
		*at += len;
		return 0;
	}
	if (word_is(word, len, "null")) {
		*ret_kind = JSON_NULL;
		*at += len;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(foreign_words); i++) {
		if (len == strlen(foreign_words[i].word) &&
		    strncasecmp(word, foreign_words[i].word, len) == 0) {
			expected = foreign_words[i].expected;
		}
	}
	return json_token_unexpected(text, *at, expected, e);
}

/* Does a comment begin here, as other languages write it? */
static bool is_comment(const struct json_text *text, size_t at)
{
	return text->data[at] == '#' ||
	       (text->data[at] == '/' && at + 1 < text->len &&
		json_token_is_one_of(text->data[at + 1], "/*"));
}

static void describe_control(const char *text, char ret[static FOUND_MAX])
{
	unsigned char c = (unsigned char)text[0];

	if (c == 0) {
		(void)snprintf(ret, FOUND_MAX, "a NUL byte");
	} else {
		(void)snprintf(ret, FOUND_MAX, "the control character U+%04X",
			       c < 0x80 ? c : (unsigned char)text[1]);
	}
}

/* What stands at the byte `at` (there is one), as words. */
static void describe(const struct json_text *text, size_t at,
		     char ret[static FOUND_MAX])
{
	unsigned char c = (unsigned char)text->data[at];
	size_t n = utf8_char_len(text->data + at, text->len - at);
	char shown[SHOW_MAX];

	if (c == '"') {
		(void)snprintf(ret, FOUND_MAX, "a string");
	} else if (n == 0) {
		(void)snprintf(ret, FOUND_MAX, "the byte 0x%02x, which is not UTF-8",
			       c);
	} else if (show_control_len(text->data + at, n) > 0) {
		describe_control(text->data + at, ret);
	} else if (isalpha(c) || c == '_') {
		json_token_show(text, at, word_len(text, at), shown);
		(void)snprintf(ret, FOUND_MAX, "the word %s", shown);
	} else if (isdigit(c) || json_token_is_one_of((char)c, "+-.")) {
		json_token_show(text, at, number_len(text, at), shown);
		(void)snprintf(ret, FOUND_MAX, "the number %s", shown);
	} else {
		json_token_show(text, at, n, ret);
	}
}

int json_token_unexpected(const struct json_text *text, size_t at, const char *expected,
			  struct err *e)
{
	char found[FOUND_MAX];

	if (at == text->len) {
		return err_set(e, -EINVAL, "found end of text; expected %s", expected);
	}
	if (is_comment(text, at)) {
		return err_set(e, -EINVAL,
			       "found a comment; expected %s (JSON has no comments)",
			       expected);
	}
	if (text->data[at] == '\'') {
		return err_set(e, -EINVAL,
			       "found a single quote; expected %s (JSON has only "
			       "double quotes)",
			       expected);
	}
	describe(text, at, found);
	return err_set(e, -EINVAL, "found %s; expected %s", found, expected);
}
