#include "fs/handle.h"

#include "fs/ino.h"

void handle_table_init(struct handle_table *table)
{
	(void)pthread_mutex_init(&table->lock, NULL);
	for (int i = 0; i < HANDLE_BUCKETS; i++) {
		LIST_INIT(&table->buckets[i]);
	}
}

static struct handle *handle_free(struct handle *h)
{
	if (h->waker) {
		fuse_pollhandle_destroy(h->waker);
	}
	closep(&h->fd);
	buf_fini(&h->text);
	(void)draft_unref(h->draft);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

static void drop_all(struct handle_list *bucket)
{
	struct handle *h;

	while ((h = LIST_FIRST(bucket))) {
		LIST_REMOVE(h, link);
		handle_free(h);
	}
}

/* At an unmount by force no release comes for what is open. */
void handle_table_fini(struct handle_table *table)
{
	for (int i = 0; i < HANDLE_BUCKETS; i++) {
		drop_all(&table->buckets[i]);
	}
	(void)pthread_mutex_destroy(&table->lock);
}

struct handle *handle_new(enum handle_kind kind, uint64_t ino, int64_t job)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h) {
		return NULL;
	}
	h->kind = kind;
	h->ino = ino;
	h->job = job;
	h->refs = 1;
	h->fd = -1;
	(void)pthread_mutex_init(&h->lock, NULL);
	return h;
}

struct handle *handle_ref(struct handle *h)
{
	h->refs++;
	return h;
}

struct handle *handle_unref(struct handle *h)
{
	if (!h || --h->refs > 0) {
		return NULL;
	}
	return handle_free(h);
}

void handle_unrefp(struct handle **handle)
{
	*handle = handle_unref(*handle);
}

static struct handle_list *bucket_of(struct handle_table *table, uint64_t ino)
{
	return &table->buckets[ino % HANDLE_BUCKETS];
}

void handle_publish(struct handle_table *table, struct handle *h)
{
	(void)pthread_mutex_lock(&table->lock);
	LIST_INSERT_HEAD(bucket_of(table, h->ino), h, link);
	(void)pthread_mutex_unlock(&table->lock);
}

void handle_forget(struct handle_table *table, struct handle *h)
{
	(void)pthread_mutex_lock(&table->lock);
	LIST_REMOVE(h, link);
	table->n_wakers -= h->waker != NULL;
	(void)pthread_mutex_unlock(&table->lock);
}

struct handle *handle_find_file(struct handle_table *table, int64_t file)
{
	uint64_t ino = ino_file(file);
	struct handle *h;

	(void)pthread_mutex_lock(&table->lock);
	LIST_FOREACH(h, bucket_of(table, ino), link)
	{
		if (h->ino == ino) {
			h->refs++;
			break;
		}
	}
	(void)pthread_mutex_unlock(&table->lock);
	return h;
}

static bool is_writer(const struct handle *h, int64_t job)
{
	return h->job == job && h->is_in_files && h->may_write;
}

bool handle_is_job_written(struct handle_table *table, int64_t job)
{
	bool found = false;

	(void)pthread_mutex_lock(&table->lock);
	for (int i = 0; i < HANDLE_BUCKETS && !found; i++) {
		struct handle *h;

		LIST_FOREACH(h, &table->buckets[i], link)
		{
			found = found || is_writer(h, job);
		}
	}
	(void)pthread_mutex_unlock(&table->lock);
	return found;
}

struct fuse_pollhandle *handle_swap_waker(struct handle_table *table, struct handle *h,
					  struct fuse_pollhandle *waker)
{
	struct fuse_pollhandle *old;

	(void)pthread_mutex_lock(&table->lock);
	old = h->waker;
	h->waker = waker;
	table->n_wakers += old == NULL;
	(void)pthread_mutex_unlock(&table->lock);
	return old;
}

size_t handle_take_wakers(struct handle_table *table, uint64_t ino,
			  struct fuse_pollhandle **ret_wakers, size_t max)
{
	struct handle *h;
	size_t n = 0;

	(void)pthread_mutex_lock(&table->lock);
	if (table->n_wakers > 0) {
		LIST_FOREACH(h, bucket_of(table, ino), link)
		{
			if (h->ino == ino && h->waker && n < max) {
				ret_wakers[n++] = steal_ptr(&h->waker);
			}
		}
	}
	table->n_wakers -= n;
	(void)pthread_mutex_unlock(&table->lock);
	return n;
}
