/* Random names from the kernel. */
#pragma once

#include <stddef.h>

/* Fills ret_text with n random hex digits (even, up to 64) and a NUL. 0 or negative
 * errno. */
int random_hex(char *ret_text, size_t n);
