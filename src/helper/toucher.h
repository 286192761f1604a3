/* What the daemon and jobfs-toucher say to each other, over SOCK_SEQPACKET. The toucher
 * says a toucher_reply once it has its way into the mount, and one for each order.
 *
 *     jobfs-toucher MOUNTPOINT             the socket is descriptor TOUCHER_FD
 *     jobfs-toucher MOUNTPOINT statfs      asks the mount once; exit code 0: it
 * answers, TOUCHER_IS_DEAD: its daemon is dead
 */
#pragma once

#include <stdint.h>

enum { TOUCHER_FD = 3, TOUCHER_PATH_MAX = 4096, TOUCHER_WAY_MAX = 64 };

enum { TOUCHER_IS_DEAD = 3 };

/* Numbers of bits; those of an order are done in this order. */
enum toucher_verb {
	TOUCHER_CREATE,	  /* mknod(2) */
	TOUCHER_MAKE_DIR, /* mkdir(2) */
	TOUCHER_LINK,	  /* symlink(2) */
	TOUCHER_MODIFY,	  /* utimensat(2) of the time of change */
	TOUCHER_CLOSE,	  /* open(2) for writing, and close */
	TOUCHER_DELETE,	  /* unlink(2) */
	TOUCHER_VERB_COUNT,
};

struct toucher_order {
	uint32_t verbs;
	char path[TOUCHER_PATH_MAX]; /* below the mount point; sent up to its NUL */
};

struct toucher_reply {
	int32_t result;		   /* 0 or negative errno */
	char way[TOUCHER_WAY_MAX]; /* of the first one: which it has */
	uint64_t device;	   /* and of which file system: stat(2)'s number */
};
