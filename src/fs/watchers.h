/* Who watches: the inodes of the mount that a process of this machine has a watch of
 * inotify or fanotify on, as the kernel lists them in /proc/PID/fdinfo. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct watchers {
	uint64_t *inodes; /* sorted */
	size_t n;
};
#define WATCHERS_INIT                                                                  \
	{                                                                              \
		.inodes = NULL                                                         \
	}

/* Of the file system that the device number is of. One look costs some microseconds for
 * each open file of the machine. -EPERM: we cannot see all processes, -EOPNOTSUPP: the
 * whole mount is watched; then everything has to be told, and so has it on any other
 * negative errno. */
int watchers_look(dev_t device, struct watchers *ret_watchers);
bool watchers_have(const struct watchers *watchers, uint64_t ino);
void watchers_fini(struct watchers *watchers);
