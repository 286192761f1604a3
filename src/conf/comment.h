/* Comments in JSON, which RFC 8259 does not know. */
#pragma once

#include <stddef.h>

/* Writes spaces over the comments of text, from two slashes to the end of the line and
 * between slash-star and star-slash, outside of strings; lines and columns stay as they
 * are. Returns the place of a comment that never ends, else len. */
size_t comment_blank(char *text, size_t len);
