/* The problem. The kernel keeps a listing (FOPEN_CACHE_DIR) that it puts together of
 * the answers to READDIR, and uses it for as long as OPENDIR says so
 * (FOPEN_KEEP_CACHE). A job's directory changes by itself, and an answer that was made
 * before a change may reach the kernel, or what the kernel keeps, after it. There is no
 * way to take that back at the right moment.
 *
 * The way. A listing of a job's directory follows from a few bits: which of the files
 * that come and go are there. These are its version (files of the user have other
 * rules: a directory that has some is not kept). For each directory we know of which
 * version the answers were that the kernel was given since it last had to begin anew;
 * OPENDIR lets it keep what it has if all of them were of the version that is now.
 *
 * Why this is enough. What the kernel keeps is one answer and a later one that says
 * that it was all (a listing that needs more counts as mixed). Say that it keeps one of
 * version A, and the version is B now. When that answer was made, the slot had version
 * A, or was mixed, so some OPENDIR in between began anew. The program that got the
 * answer may have been slow, and handed it to what the kernel keeps after that. But
 * then it asks for the rest after that, too, with a handle that is of A, or else was
 * mixed from the begin: the slot is mixed again, and the next OPENDIR begins anew once
 * more. And no other program's end completes it, because its offsets are of B.
 *
 * The kernel looks at the directory's time of change too, but a millisecond can have
 * two changes. */
#include "fs/listed.h"

#include <fuse3/fuse_lowlevel.h>
#include <string.h>

#include "fs/object.h"

enum {
	COOKIE_BITS = 32,
	MARK_BITS = 24, /* of the version in an offset, which must be positive */
};

void listed_init(struct listed *listed)
{
	memset(listed, 0, sizeof(*listed));
	(void)pthread_mutex_init(&listed->lock, NULL);
	(void)pthread_cond_init(&listed->freed, NULL);
}

void listed_fini(struct listed *listed)
{
	(void)pthread_cond_destroy(&listed->freed);
	(void)pthread_mutex_destroy(&listed->lock);
}

/* 0: it is not to be kept. Before a job is accepted its spec.json comes and goes with
 * those who write it. */
static uint64_t version_of(const struct object *dir)
{
	uint64_t version = 0;
	unsigned bit = 0;

	if (dir->node->id != NODE_JOB || dir->record->has_files ||
	    !dir->record->is_accepted) {
		return 0;
	}
	for (const struct node *node = node_next(NODE_JOB, 0); node;
	     node = node_next(NODE_JOB, node->id)) {
		version |= (uint64_t)node_exists(node, dir->record) << bit++ % 64;
	}
	return version;
}

static struct listed_slot *slot_of(struct listed *listed, int64_t job)
{
	return &listed->slots[job % LISTED_SLOTS];
}

static void begin_anew(struct listed_slot *slot)
{
	slot->version = 0;
	slot->is_mixed = false;
}

void listed_open(struct listed *listed, const struct object *dir,
		 struct fuse_file_info *fi)
{
	uint64_t version = version_of(dir);
	struct listed_slot *slot;

	fi->fh = 0;
	if (version == 0) {
		return;
	}
	(void)pthread_mutex_lock(&listed->lock);
	slot = slot_of(listed, dir->record->id);
	if (slot->job != dir->record->id && slot->in_flight == 0) {
		slot->job = dir->record->id;
		begin_anew(slot);
	}
	if (slot->job == dir->record->id) {
		fi->fh = version;
		fi->cache_readdir = 1;
		fi->keep_cache = slot->in_flight == 0 && !slot->is_mixed &&
				 slot->version == version;
		if (!fi->keep_cache && slot->in_flight == 0) {
			begin_anew(slot);
		}
	}
	(void)pthread_mutex_unlock(&listed->lock);
}

/* Of 64 bits that are close to each other. */
static uint64_t mark_of(uint64_t version)
{
	version *= UINT64_C(0x9e3779b97f4a7c15);
	return version >> (64 - MARK_BITS) << COOKIE_BITS;
}

uint64_t listed_begin(struct listed *listed, const struct object *dir, uint64_t fh)
{
	uint64_t version = version_of(dir);
	struct listed_slot *slot;

	if (fh == 0) {
		return 0;
	}
	(void)pthread_mutex_lock(&listed->lock);
	slot = slot_of(listed, dir->record->id);
	while (slot->job != dir->record->id && slot->in_flight > 0) {
		(void)pthread_cond_wait(&listed->freed, &listed->lock);
	}
	if (slot->job != dir->record->id) { /* of which nothing is known any more */
		slot->job = dir->record->id;
		slot->is_mixed = true;
	}
	if (slot->version == 0) {
		slot->version = version;
	}
	slot->is_mixed |= version != fh || version != slot->version;
	slot->in_flight++;
	(void)pthread_mutex_unlock(&listed->lock);
	return mark_of(version);
}

void listed_end(struct listed *listed, const struct object *dir, uint64_t fh,
		bool is_whole)
{
	struct listed_slot *slot;

	if (fh == 0) {
		return;
	}
	(void)pthread_mutex_lock(&listed->lock);
	slot = slot_of(listed, dir->record->id);
	slot->is_mixed |= !is_whole;
	if (--slot->in_flight == 0) {
		(void)pthread_cond_broadcast(&listed->freed);
	}
	(void)pthread_mutex_unlock(&listed->lock);
}

uint64_t listed_cookie(uint64_t fh, uint64_t offset)
{
	return fh == 0 ? offset : offset & ((UINT64_C(1) << COOKIE_BITS) - 1);
}
