/* Ownership made visible: cleanup attributes and the giving away of pointers. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define cleanup_(fn) __attribute__((cleanup(fn)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(const int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
	}
}

#define cleanup_free  cleanup_(freep)
#define cleanup_close cleanup_(closep)

/* Gives away what *p owns: returns it and leaves NULL behind. */
#define steal_ptr(p)                                                                   \
	({                                                                             \
		__typeof__(p) steal_from_ = (p);                                       \
		__typeof__(*p) stolen_ = *steal_from_;                                 \
		*steal_from_ = NULL;                                                   \
		stolen_;                                                               \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline int streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline int has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static inline int has_suffix(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && memcmp(text + n - m, suffix, m) == 0;
}
