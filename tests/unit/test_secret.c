#include "util/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* The line of VmFlags of the mapping that holds p; false when it has no such flag. */
static bool has_flag(const void *p, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool inside = false, found = false;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			inside = (uintptr_t)p >= from && (uintptr_t)p < to;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			found = strstr(line, flag);
		}
	}
	(void)fclose(maps);
	return found;
}

/* The sanitizers make mlock(2) do nothing. */
static bool is_locked(const void *p)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return p;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return p;
#endif
#endif
	return has_flag(p, " lo");
}

TEST("a secret is a copy in pages that are left out of core dumps")
{
	char *secret = secret_copy("hidden words", 6);

	CHECK_STR(secret, "hidden");
	CHECK(has_flag(secret, " dd"));
	CHECK_INT(secret_lock(secret), 0);
	CHECK(is_locked(secret));
	CHECK(!secret_free(secret));
}

TEST("a large secret has room, an empty one too")
{
	char *large = secret_alloc(100000), *empty = secret_copy("", 0);

	CHECK(large && empty);
	for (size_t i = 0; i < 100000; i++) {
		CHECK(large[i] == 0);
	}
	memset(large, 'x', 100000);
	CHECK_STR(empty, "");
	CHECK(!secret_free(large) && !secret_free(empty));
}

TEST("the pages of a freed secret are gone")
{
	char *secret = secret_copy("hidden", 6);
	unsigned char state;
	void *page = (void *)((uintptr_t)secret & ~(uintptr_t)4095);

	CHECK(mincore(page, 1, &state) == 0);
	CHECK(!secret_free(secret));
	CHECK(mincore(page, 1, &state) < 0 && errno == ENOMEM);
}

TEST("a child has the secret, and can lock it once more")
{
	char *secret = secret_copy("hidden", 6);
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		bool was_locked = has_flag(secret, " lo");

		_exit(strcmp(secret, "hidden") || was_locked ||
		      secret_lock(secret) < 0 || !is_locked(secret));
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(!secret_free(secret));
}

TEST("nothing is no secret")
{
	CHECK(!secret_free(NULL));
	CHECK_INT(secret_lock(NULL), 0);
	CHECK(!secret_alloc(SIZE_MAX));
	CHECK(!secret_alloc(SIZE_MAX / 2 + 1));
}

TEST_MAIN
