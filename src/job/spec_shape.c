/* Is the spec whole? Asked after every write(2), so it looks at each byte once and
 * keeps only what it needs to go on: how deep it is, which brackets are open, whether
 * it is in a string.
 *
 * The rule: a proper prefix of a valid spec is never complete. A valid spec is an
 * object and its last bracket closes it, so no prefix has closed it; and "can never be
 * right" is only said of a byte that no valid spec has at such a place. What is not
 * looked at (commas, keys, UTF-8, equal keys) only means that spec_parse() says it
 * later. */
#include "job/spec.h"

#include <string.h>

enum { OPEN_OBJECT = 1 }; /* a bit of struct spec_scan.objects */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Outside of strings a valid spec holds these besides brackets and quotes: numbers,
 * true, false, null, commas, colons. */
static bool is_plain(char c)
{
	return c && strchr("0123456789+-.eEtrufalsn,:", c);
}

static void scan_open(struct spec_scan *scan, char c)
{
	if (scan->depth == SPEC_DEPTH_MAX) {
		scan->shape = SPEC_COMPLETE;
		return;
	}
	scan->depth++;
	scan->objects = scan->objects << 1 | (c == '{' ? OPEN_OBJECT : 0);
}

/* The document's own bracket closes it; a bracket of the other kind spoils it. */
static void scan_close(struct spec_scan *scan, char c)
{
	if ((scan->objects & OPEN_OBJECT) != (c == '}' ? OPEN_OBJECT : 0) ||
	    scan->depth == 1) {
		scan->shape = SPEC_COMPLETE;
		return;
	}
	scan->depth--;
	scan->objects >>= 1;
}

static void scan_string(struct spec_scan *scan, char c)
{
	if ((unsigned char)c < 0x20 || (scan->in_escape && !strchr("\"\\/bfnrtu", c))) {
		scan->shape = SPEC_COMPLETE;
	} else if (scan->in_escape) {
		scan->in_escape = false;
	} else if (c == '\\') {
		scan->in_escape = true;
	} else if (c == '"') {
		scan->in_string = false;
	}
}

static void scan_byte(struct spec_scan *scan, char c)
{
	bool is_inside = scan->depth > 0;

	if (scan->in_string) {
		scan_string(scan, c);
	} else if (c == '{' || (is_inside && c == '[')) {
		scan_open(scan, c);
	} else if (is_inside && (c == '}' || c == ']')) {
		scan_close(scan, c);
	} else if (is_inside && c == '"') {
		scan->in_string = true;
	} else if (!is_space(c) && !(is_inside && is_plain(c))) {
		scan->shape = SPEC_COMPLETE;
	}
}

enum spec_shape spec_scan_feed(struct spec_scan *scan, const char *text, size_t len)
{
	for (size_t i = 0; i < len && scan->shape == SPEC_INCOMPLETE; i++) {
		scan_byte(scan, text[i]);
		if (++scan->len > SPEC_SIZE_MAX) {
			scan->shape = SPEC_COMPLETE;
		}
	}
	return scan->shape;
}

enum spec_shape spec_shape(const char *text, size_t len)
{
	struct spec_scan scan = SPEC_SCAN_INIT;

	return spec_scan_feed(&scan, text, len);
}
