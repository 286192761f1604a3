/* UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, at most U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The length in bytes (1-4) of the character at text, 0 when it is not valid. */
size_t utf8_char_len(const char *text, size_t len);
/* Puts a "?" in place of each byte that is not valid, so that the text can be shown. */
void utf8_clean(char *text);
bool utf8_is_valid(const char *text, size_t len);
