/* The thread that makes the kernel tell inotify what the daemon changed. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;
struct notifier;

/* Bits of what is to be told of an inode. */
enum {
	TELL_MODIFY = 1,
	TELL_CLOSE = 2,	 /* somebody who could write has closed it */
	TELL_CREATE = 4, /* its name is there now */
	TELL_DELETE = 8, /* it is not any more */
};

/* What the thread is about to do through the mount, so that its requests are known. */
enum {
	ACT_CREATE = 1,
	ACT_DELETE = 2,
	ACT_MODIFY = 4,
	ACT_OPEN = 8,
};
struct act {
	unsigned kinds;		 /* ACT_...; 0: nothing */
	uint64_t ino;		 /* of what it is done to */
	char name[NAME_MAX + 1]; /* of that in its directory */
};

int notifier_new(struct fs *fs, struct notifier **ret_notifier);
struct notifier *notifier_free(struct notifier *notifier); /* NULL is fine; stops it */
/* Once the mount is served; without it notices only pile up. */
int notifier_start(struct notifier *notifier);
/* While the mount is still served. */
void notifier_stop(struct notifier *notifier);

/* Any thread; waits for nothing. */
void notifier_tell(struct notifier *notifier, uint64_t ino, unsigned what);
/* The same of a name in a directory, whatever has it: by the time that it is told what
 * had it may have another one, or be gone. ino: what has it now, or had it last. */
void notifier_tell_name(struct notifier *notifier, uint64_t dir, const char *name,
			uint64_t ino, unsigned what);

/* Does the request come from the toucher? Then it is of this act. */
bool notifier_is_asking(struct notifier *notifier, pid_t thread, struct act *ret_act);
/* The thread itself: what it does next; name: the last part of its path. */
void notifier_announce(struct notifier *notifier, unsigned kinds, uint64_t ino,
		       const char *name);
