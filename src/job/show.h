/* Foreign text in messages for people: quoted, cut, harmless for a terminal. And which
 * known names are near to one that was mistyped. */
#pragma once

#include <stddef.h>

enum { SHOW_MAX = 80 }; /* bytes with the NUL */

/* "text" in double quotes; control characters (C0, DEL, C1), characters that turn the
 * direction of writing, and bytes that are not UTF-8 as escapes; "..." where it is cut.
 */
void show_text(const char *text, size_t len, char ret_shown[static SHOW_MAX]);

/* The bytes of the control character at text: C0, DEL or C1 (two bytes); 0 when there
 * is none. */
size_t show_control_len(const char *text, size_t len);

/* How many letters are to be changed, added, dropped or swapped to make b of a, case
 * aside. Names longer than 64 bytes are far from everything: INT_MAX. */
int show_distance(const char *a, const char *b);
