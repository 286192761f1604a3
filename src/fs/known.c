#include "fs/known.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "fs/ino.h"
#include "fs/node.h"

enum { BUCKETS_FIRST = 16 };

struct family {
	uint64_t key;
	uint64_t lookups; /* > 0 */
	uint64_t rows;	  /* bits of row_bit(), of all that were looked up */
	SLIST_ENTRY(family) link;
};
SLIST_HEAD(family_list, family);

struct known_shard {
	pthread_mutex_t lock; /* guards what follows; held over memory only */
	struct family_list *buckets;
	size_t n_buckets; /* a power of two */
	size_t n;
	bool is_lost; /* no memory: what is not found may be known all the same */
};

void known_init(struct known *known)
{
	known->shards = calloc(KNOWN_SHARDS, sizeof(*known->shards));
	for (int i = 0; known->shards && i < KNOWN_SHARDS; i++) {
		(void)pthread_mutex_init(&known->shards[i].lock, NULL);
	}
}

static void shard_fini(struct known_shard *shard)
{
	struct family *f;

	for (size_t i = 0; i < shard->n_buckets; i++) {
		while ((f = SLIST_FIRST(&shard->buckets[i]))) {
			SLIST_REMOVE_HEAD(&shard->buckets[i], link);
			free(f);
		}
	}
	free(shard->buckets);
	(void)pthread_mutex_destroy(&shard->lock);
}

void known_fini(struct known *known)
{
	for (int i = 0; known->shards && i < KNOWN_SHARDS; i++) {
		shard_fini(&known->shards[i]);
	}
	free(known->shards);
	known->shards = NULL;
}

/* False: files of the user have no family. */
static bool get_key(uint64_t ino, uint64_t *ret_key)
{
	const struct node *node;
	struct ino_parts p;

	if (ino_parse(ino, &p) < 0 || p.scope == INO_FILE) {
		return false;
	}
	node = node_get(p.row);
	*ret_key = node && node->more == MORE_LINKS ? UINT64_MAX - p.row
						    : ino / (INO_ROW_MAX + 1);
	return true;
}

/* Some rows share one. */
static uint64_t row_bit(uint64_t ino)
{
	return UINT64_C(1) << ino % 64;
}

/* The shard that counts the inode, locked, and its key there; NULL: none does. */
static struct known_shard *shard_enter(struct known *known, uint64_t ino,
				       uint64_t *ret_key)
{
	struct known_shard *shard;

	if (!known->shards || !get_key(ino, ret_key)) {
		return NULL;
	}
	shard = &known->shards[*ret_key % KNOWN_SHARDS];
	(void)pthread_mutex_lock(&shard->lock);
	return shard;
}

static struct family_list *bucket_of(const struct known_shard *shard, uint64_t key)
{
	return &shard->buckets[key / KNOWN_SHARDS & (shard->n_buckets - 1)];
}

static struct family *find(const struct known_shard *shard, uint64_t key)
{
	struct family *f = NULL;

	if (shard->n_buckets > 0) {
		SLIST_FOREACH(f, bucket_of(shard, key), link)
		{
			if (f->key == key) {
				break;
			}
		}
	}
	return f;
}

/* Room for one more; without it the chains just grow longer, unless there are none. */
static bool grow(struct known_shard *shard)
{
	size_t n_old = shard->n_buckets;
	struct family_list *old = shard->buckets;
	size_t n = n_old ? n_old * 2 : BUCKETS_FIRST;
	struct family_list *buckets;
	struct family *f;

	if (shard->n < n_old) {
		return true;
	}
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets) {
		return n_old > 0;
	}
	shard->buckets = buckets;
	shard->n_buckets = n;
	for (size_t i = 0; i < n_old; i++) {
		while ((f = SLIST_FIRST(&old[i]))) {
			SLIST_REMOVE_HEAD(&old[i], link);
			SLIST_INSERT_HEAD(bucket_of(shard, f->key), f, link);
		}
	}
	free(old);
	return true;
}

static struct family *add(struct known_shard *shard, uint64_t key)
{
	struct family *f = grow(shard) ? calloc(1, sizeof(*f)) : NULL;

	if (!f) {
		shard->is_lost = true;
		return NULL;
	}
	f->key = key;
	SLIST_INSERT_HEAD(bucket_of(shard, key), f, link);
	shard->n++;
	return f;
}

void known_add(struct known *known, uint64_t ino)
{
	uint64_t key;
	struct known_shard *shard = shard_enter(known, ino, &key);
	struct family *f;

	if (!shard) {
		return;
	}
	f = find(shard, key);
	f = f ? f : add(shard, key);
	if (f) {
		f->lookups++;
		f->rows |= row_bit(ino);
	}
	(void)pthread_mutex_unlock(&shard->lock);
}

void known_forget(struct known *known, uint64_t ino, uint64_t n)
{
	uint64_t key;
	struct known_shard *shard = shard_enter(known, ino, &key);
	struct family *f;

	if (!shard) {
		return;
	}
	f = find(shard, key);
	if (f && f->lookups > n) {
		f->lookups -= n;
	} else if (f) {
		SLIST_REMOVE(bucket_of(shard, key), f, family, link);
		shard->n--;
		free(f);
	}
	(void)pthread_mutex_unlock(&shard->lock);
}

void known_lose(struct known *known)
{
	for (int i = 0; known->shards && i < KNOWN_SHARDS; i++) {
		(void)pthread_mutex_lock(&known->shards[i].lock);
		known->shards[i].is_lost = true;
		(void)pthread_mutex_unlock(&known->shards[i].lock);
	}
}

/* rows: any of these. */
static bool has_any(struct known *known, uint64_t ino, uint64_t rows)
{
	uint64_t key;
	struct known_shard *shard = shard_enter(known, ino, &key);
	const struct family *f;
	bool has;

	if (!shard) {
		return !known->shards; /* nothing is counted: it may be */
	}
	f = find(shard, key);
	has = shard->is_lost || (f && f->rows & rows);
	(void)pthread_mutex_unlock(&shard->lock);
	return has;
}

bool known_has(struct known *known, uint64_t ino)
{
	return has_any(known, ino, ~UINT64_C(0));
}

bool known_has_row(struct known *known, uint64_t ino)
{
	return has_any(known, ino, row_bit(ino));
}
