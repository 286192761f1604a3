/* For parsers that want a file: bytes as a file that only memory holds. */
#pragma once

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEMORY_FILE_PATH_MAX = 32 };

/* The caller closes what it returns; path is good until then. */
static inline int memory_file_open(const uint8_t *data, size_t size,
				   char path[static MEMORY_FILE_PATH_MAX])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0 && fchmod(fd, 0600) == 0);
	assert(write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, MEMORY_FILE_PATH_MAX, "/proc/self/fd/%d", fd);
	return fd;
}
