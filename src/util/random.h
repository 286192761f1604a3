/* Random names from the kernel. */
#pragma once

#include <stddef.h>

/* Fills data with n random bytes. 0 or negative errno. */
int random_bytes(void *data, size_t n);
/* Fills ret_text with n random hex digits (even, up to 64) and a NUL. 0 or negative
 * errno. */
int random_hex(char *ret_text, size_t n);

/* From 0 up to, but not, 1; for jitter. */
double random_fraction(void);

/* A simulation's dice in place of the kernel's, so that a run can be repeated. Before
 * there are threads; NULL: the kernel's again. */
struct random_source {
	void (*bytes)(void *arg, void *data, size_t n);
	void *arg;
};
void random_set_source(const struct random_source *source); /* borrowed */
