/* What inotify is still to be told, by inode and by name: the queue of the notifier,
 * who locks it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { NOTICE_BUCKETS = 1024 };

/* An inode, or a name, that was told of lately or is to be. */
struct notice {
	uint64_t key; /* the inode, or the directory of the name */
	uint64_t ino;
	char *name;    /* owned; NULL: the one that it has */
	unsigned what; /* TELL_...; 0: nothing came since it was told */
	bool is_resting;
	bool is_new;	   /* something came since notices_begin_look() */
	int64_t rested_at; /* clock_ms() */
	TAILQ_ENTRY(notice) order;
	LIST_ENTRY(notice) bucket;
};
TAILQ_HEAD(notice_list, notice);
LIST_HEAD(notice_bucket, notice);

struct notices {
	struct notice_list ready, resting; /* the latter by rested_at */
	struct notice_bucket buckets[NOTICE_BUCKETS];
	size_t n;
	size_t n_ready;
};

void notices_init(struct notices *notices);
void notices_drop_all(struct notices *notices);

/* name: in the directory whose inode `key` is; NULL: key is the inode. What has no room
 * is not told. */
void notices_add(struct notices *notices, uint64_t key, const char *name, uint64_t ino,
		 unsigned what);
/* Takes the first that is ready and lets it rest; the name stays valid until the next
 * one is taken, if nobody drops any. false: there is none; *ret_timeout_ms is when to
 * look again, -1: not before something is added. */
bool notices_take(struct notices *notices, struct notice *ret, int *ret_timeout_ms);
bool notices_are_all_told(const struct notices *notices);

/* Drops of those that are ready what nobody watches, and returns how many. Who watches
 * is looked at in between, unlocked; what is added meanwhile stays, behind what is
 * watched, which is so many. */
void notices_begin_look(struct notices *notices);
size_t notices_end_look(struct notices *notices,
			bool (*is_watched)(void *arg, const struct notice *notice),
			void *arg, size_t *ret_watched);
