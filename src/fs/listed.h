/* What the kernel keeps of the listings of jobs' directories. A program that lists one
 * again and again then costs one request, and not four; and what it sees is never older
 * than its opendir(3). */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fuse_file_info;
struct object;

enum { LISTED_SLOTS = 1024 };

struct listed_slot { /* the last job of those that share it */
	int64_t job;
	uint64_t version; /* what the kernel may have is of this one; 0: it has nothing
			   */
	unsigned in_flight; /* listings that are being made */
	bool is_mixed;	    /* the kernel may have one of another version */
};

struct listed {
	pthread_mutex_t lock; /* guards what follows; held over memory only */
	pthread_cond_t freed; /* nothing is in flight in a slot any more */
	struct listed_slot slots[LISTED_SLOTS];
};

void listed_init(struct listed *listed);
void listed_fini(struct listed *listed);

/* OPENDIR: whether the kernel may keep the listing, and whether it may use the one that
 * it has. Sets fi->fh, which the two below are given: 0, or the version now. */
void listed_open(struct listed *listed, const struct object *dir,
		 struct fuse_file_info *fi);
/* Around the making of a (part of a) listing for a directory with such a handle.
 * is_whole: it began at the begin, and nothing was left for another one. Returns the
 * mark of its offsets: the kernel is given mark | cookie. Those of one version do not
 * go on in another one, so the kernel never joins two. */
uint64_t listed_begin(struct listed *listed, const struct object *dir, uint64_t fh);
void listed_end(struct listed *listed, const struct object *dir, uint64_t fh,
		bool is_whole);

/* Of an offset that the kernel was given. */
uint64_t listed_cookie(uint64_t fh, uint64_t offset);
