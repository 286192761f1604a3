/* With -DFUZZ_REPLAY, the main() of a fuzz target: runs it on each file of the
 * directories given. */
#pragma once

#ifdef FUZZ_REPLAY

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The memory is as long as the file, so that a sanitizer sees a byte too many. */
static int replay_file(int dir, const char *name)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	cleanup_free uint8_t *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	data = malloc((size_t)st.st_size + (st.st_size == 0));
	if (!data) {
		return -ENOMEM;
	}
	if (read(fd, data, (size_t)st.st_size) != (ssize_t)st.st_size) {
		return -EIO;
	}
	return LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
}

/* Gives how many files there were, or a negative errno. */
static int replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int n = 0, r = 0;

	if (!dir) {
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.') {
			r = replay_file(dirfd(dir), entry->d_name);
			n++;
		}
	}
	(void)closedir(dir);
	return r < 0 ? r : n;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = replay_directory(argv[i]);

		if (n <= 0) {
			(void)fprintf(stderr, "%s: %s\n", argv[i],
				      n < 0 ? strerror(-n) : "no files");
			return EXIT_FAILURE;
		}
		(void)printf("%s: %d files\n", argv[i], n);
	}
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
