#include "util/secret.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Stands in front of the secret, at the beginning of its first page. */
struct secret {
	size_t mapped; /* bytes, whole pages */
	char text[];
};

static struct secret *secret_of(char *text)
{
	return (struct secret *)(void *)(text - offsetof(struct secret, text));
}

char *secret_alloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct secret *s;
	size_t mapped;

	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	mapped = (sizeof(*s) + size + page - 1) / page * page;
	s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (s == MAP_FAILED) {
		return NULL;
	}
	s->mapped = mapped;
	/* Both are a second line of defence behind PR_SET_DUMPABLE and an encrypted
	 * swap: a kernel that refuses them does not keep the daemon from working. */
	(void)madvise(s, mapped, MADV_DONTDUMP);
	(void)mlock(s, mapped);
	return s->text;
}

char *secret_copy(const char *text, size_t len)
{
	char *secret = len < SIZE_MAX ? secret_alloc(len + 1) : NULL;

	if (secret) {
		memcpy(secret, text, len);
	}
	return secret;
}

char *secret_free(char *secret)
{
	struct secret *s;
	size_t mapped;

	if (!secret) {
		return NULL;
	}
	s = secret_of(secret);
	mapped = s->mapped;
	explicit_bzero(s, mapped);
	(void)munmap(s, mapped);
	return NULL;
}

void secret_freep(char **secret)
{
	*secret = secret_free(*secret);
}

int secret_lock(char *secret)
{
	if (!secret) {
		return 0;
	}
	return mlock(secret_of(secret), secret_of(secret)->mapped) < 0 ? -errno : 0;
}
