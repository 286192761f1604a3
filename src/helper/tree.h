/* A way into our own mount that does not keep it mounted. A descriptor of the mount
 * itself would make `fusermount3 -u` fail with EBUSY; a private mount of the same file
 * system does not, and what is done through it is seen by all who watch through any
 * mount of it. In exchange it keeps the file system alive after everybody else has
 * unmounted it, so whoever holds one must look at tree_is_mounted() when mounts_fd
 * says that the mounts of this machine have changed. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct tree_way;
struct tree {
	const char *mountpoint; /* borrowed */
	const struct tree_way *way;
	int fd;	       /* of the private mount; -1: the way is the path */
	dev_t device;  /* of the file system */
	int mounts_fd; /* poll(2) it for POLLPRI */
};

#define TREE_INIT                                                                      \
	{                                                                              \
		.fd = -1, .mounts_fd = -1                                              \
	}

/* Requests come to the daemon during this. Negative errno: there is no way. */
int tree_open(struct tree *tree, const char *mountpoint);
/* Without a way in: only to see whether it is still mounted. Asks nothing of the
 * daemon. */
int tree_watch(struct tree *tree, const char *mountpoint);
void tree_close(struct tree *tree);
const char *tree_way_name(const struct tree *tree);
/* Is the file system still mounted where others see it? */
bool tree_is_mounted(const struct tree *tree);
/* A descriptor of the root, to be given back with tree_leave(); negative errno. */
int tree_enter(const struct tree *tree);
void tree_leave(const struct tree *tree, int fd);
