#include "fs/notices.h"

#include <stdlib.h>
#include <string.h>

#include "fs/notifier.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/mem.h"

enum {
	REST_MS = 50, /* between two touches of one inode */
	NOTICES_MAX = 16384,
};

void notices_init(struct notices *q)
{
	*q = (struct notices){ .n = 0 };
	TAILQ_INIT(&q->ready);
	TAILQ_INIT(&q->resting);
	for (int i = 0; i < NOTICE_BUCKETS; i++) {
		LIST_INIT(&q->buckets[i]);
	}
}

static struct notice_bucket *bucket_of(struct notices *q, uint64_t key,
				       const char *name)
{
	return &q->buckets[(key ^ key >> 8 ^ hash_text(name ? name : "")) %
			   NOTICE_BUCKETS];
}

static bool is_same_name(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

static struct notice *find(struct notices *q, uint64_t key, const char *name)
{
	struct notice *notice;

	LIST_FOREACH(notice, bucket_of(q, key, name), bucket)
	{
		if (notice->key == key && is_same_name(notice->name, name)) {
			break;
		}
	}
	return notice;
}

static void make_ready(struct notices *q, struct notice *notice)
{
	notice->is_resting = false;
	TAILQ_INSERT_TAIL(&q->ready, notice, order);
	q->n_ready++;
}

/* Out of the one list or the other. */
static void take_out(struct notices *q, struct notice *notice)
{
	TAILQ_REMOVE(notice->is_resting ? &q->resting : &q->ready, notice, order);
	q->n_ready -= !notice->is_resting;
}

static struct notice *make(struct notices *q, uint64_t key, const char *name)
{
	struct notice *notice = q->n < NOTICES_MAX ? calloc(1, sizeof(*notice)) : NULL;

	if (notice && name && !(notice->name = strdup(name))) {
		free(notice);
		return NULL;
	}
	if (notice) {
		notice->key = key;
		make_ready(q, notice);
		LIST_INSERT_HEAD(bucket_of(q, key, name), notice, bucket);
		q->n++;
	}
	return notice;
}

static void drop(struct notices *q, struct notice *notice)
{
	take_out(q, notice);
	LIST_REMOVE(notice, bucket);
	q->n--;
	free(notice->name);
	free(notice);
}

/* What came and went before it was told was never there; what went and came again was
 * changed. */
static unsigned merge(unsigned old, unsigned new)
{
	if ((new &TELL_DELETE) && (old & TELL_CREATE)) {
		return 0;
	}
	if (new &TELL_DELETE) {
		return TELL_DELETE;
	}
	if ((new &TELL_CREATE) && (old & TELL_DELETE)) {
		return (new & ~(unsigned)TELL_CREATE) | TELL_MODIFY;
	}
	return old | new;
}

void notices_add(struct notices *q, uint64_t key, const char *name, uint64_t ino,
		 unsigned what)
{
	struct notice *notice = find(q, key, name);

	notice = notice ? notice : make(q, key, name);
	if (notice) {
		notice->ino = ino;
		notice->what = merge(notice->what, what);
		notice->is_new = true;
	}
}

static void end_rests(struct notices *q, int64_t now)
{
	struct notice *notice;

	while ((notice = TAILQ_FIRST(&q->resting)) && notice->rested_at <= now) {
		if (notice->what == 0) {
			drop(q, notice);
			continue;
		}
		take_out(q, notice);
		make_ready(q, notice);
	}
}

bool notices_take(struct notices *q, struct notice *ret, int *ret_timeout_ms)
{
	int64_t now = clock_ms();
	struct notice *notice;

	end_rests(q, now);
	notice = TAILQ_FIRST(&q->ready);
	if (!notice) {
		notice = TAILQ_FIRST(&q->resting);
		*ret_timeout_ms = notice ? (int)(notice->rested_at - now) : -1;
		return false;
	}
	*ret = *notice;
	take_out(q, notice);
	notice->what = 0;
	notice->is_resting = true;
	notice->rested_at = now + REST_MS;
	TAILQ_INSERT_TAIL(&q->resting, notice, order);
	*ret_timeout_ms = 0;
	return true;
}

bool notices_are_all_told(const struct notices *q)
{
	const struct notice *notice;

	TAILQ_FOREACH(notice, &q->resting, order)
	{
		if (notice->what) {
			return false;
		}
	}
	return TAILQ_EMPTY(&q->ready);
}

void notices_begin_look(struct notices *q)
{
	struct notice *notice;

	TAILQ_FOREACH(notice, &q->ready, order)
	{
		notice->is_new = false;
	}
}

size_t notices_end_look(struct notices *q,
			bool (*is_watched)(void *arg, const struct notice *notice),
			void *arg, size_t *ret_watched)
{
	struct notice *notice = TAILQ_FIRST(&q->ready), *next;
	size_t n = q->n, n_watched = 0;

	for (size_t left = q->n_ready; left > 0; left--, notice = next) {
		next = TAILQ_NEXT(notice, order);
		if (is_watched(arg, notice)) {
			n_watched++;
		} else if (notice->is_new) { /* behind those that are */
			take_out(q, notice);
			make_ready(q, notice);
		} else {
			drop(q, notice);
		}
	}
	*ret_watched = n_watched;
	return n - q->n;
}

void notices_drop_all(struct notices *q)
{
	struct notice *notice;

	while ((notice = TAILQ_FIRST(&q->ready)) ||
	       (notice = TAILQ_FIRST(&q->resting))) {
		drop(q, notice);
	}
}
