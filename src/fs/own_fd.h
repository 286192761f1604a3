/* Descriptors of the notifier's thread. Its table is its own (notifier.c), so its
 * numbers mean other descriptors than those of the other threads; ThreadSanitizer,
 * which takes a number for the same descriptor in all of them, must not see it open,
 * read and close. */
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/mem.h"

static inline int own_open(int dir, const char *path, int flags)
{
	return (int)syscall(SYS_openat, dir, path, flags | O_CLOEXEC, 0);
}

static inline ssize_t own_read(int fd, void *data, size_t len)
{
	return syscall(SYS_read, fd, data, len);
}

/* Makes a number refer to what fd refers to. */
static inline int own_dup_to(int fd, int number)
{
	return (int)syscall(SYS_dup3, fd, number, O_CLOEXEC);
}

static inline void own_closep(const int *fd)
{
	if (*fd >= 0) {
		(void)syscall(SYS_close, *fd);
	}
}

#define cleanup_own_close cleanup_(own_closep)
