#include "fs/handle.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fs/ino.h"

enum { CELL_BITS = 18 }; /* of fh; the others count */
_Static_assert(MEMORY_CELLS_MAX == 1 << CELL_BITS, "fh has no room for a cell");
static const size_t by_cell_bytes = MEMORY_CELLS_MAX * sizeof(struct handle *);

void handle_table_init(struct handle_table *table)
{
	(void)pthread_mutex_init(&table->lock, NULL);
	for (int i = 0; i < HANDLE_BUCKETS; i++) {
		LIST_INIT(&table->buckets[i]);
	}
}

/* Pages of it come to be as they are touched. */
int handle_table_set_memory(struct handle_table *table, struct memory *memory)
{
	void *pages = mmap(NULL, by_cell_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (pages == MAP_FAILED) {
		return -errno;
	}
	table->memory = memory;
	table->by_cell = pages;
	return 0;
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
	if (table->by_cell) {
		(void)munmap((void *)table->by_cell, by_cell_bytes);
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

static uint32_t cell_of(uint64_t fh)
{
	return (uint32_t)(fh & (MEMORY_CELLS_MAX - 1));
}

/* The record is whole. */
static void enter(struct handle_table *table, struct handle *h, uint32_t cell)
{
	h->memory = table->memory;
	h->kept = memory_handle(table->memory, cell);
	h->fh = memory_number(table->memory, cell) << CELL_BITS | cell;
	(void)pthread_mutex_lock(&table->lock);
	LIST_INSERT_HEAD(bucket_of(table, h->ino), h, link);
	(void)pthread_mutex_unlock(&table->lock);
	table->by_cell[cell] = h;
}

int handle_publish(struct handle_table *table, struct handle *h, uint64_t request)
{
	uint64_t number;
	uint32_t cell = memory_take(table->memory, &number);
	struct memory_handle *kept;

	if (!cell) {
		return -ENOMEM;
	}
	kept = memory_handle(table->memory, cell);
	kept->request = request;
	kept->ino = h->ino;
	kept->job = h->job;
	kept->kind = h->kind;
	kept->stream = h->stream;
	kept->is_cached = h->is_cached;
	kept->is_in_files = h->is_in_files;
	kept->may_write = h->may_write;
	kept->opener_tid = h->opener_tid;
	kept->opener_pid = h->opener_pid;
	kept->file = h->file;
	kept->views[0] = h->view;
	kept->is_written = h->is_written;
	kept->text = memory_make_text(table->memory, &h->text);
	memory_set_kind(table->memory, cell, MEMORY_HANDLE);
	enter(table, h, cell);
	return 0;
}

struct handle *handle_adopt(struct handle_table *table, uint32_t cell)
{
	const struct memory_handle *kept = memory_handle(table->memory, cell);
	struct handle *h =
		handle_new((enum handle_kind)kept->kind, kept->ino, kept->job);

	if (!h) {
		return NULL;
	}
	h->stream = (enum job_stream)kept->stream;
	h->is_cached = kept->is_cached;
	h->is_in_files = kept->is_in_files;
	h->may_write = kept->may_write;
	h->opener_tid = kept->opener_tid;
	h->opener_pid = kept->opener_pid;
	h->file = kept->file;
	h->view = kept->views[kept->view_now & 1];
	h->read_to = kept->read_to;
	h->was_read = kept->was_read;
	h->is_written = kept->is_written;
	if (memory_get_text(table->memory, kept->text, &h->text) < 0) {
		return handle_free(h);
	}
	h->is_lost = h->kind == HANDLE_TEXT && h->text.len == 0;
	enter(table, h, cell);
	return h;
}

void handle_forget(struct handle_table *table, struct handle *h)
{
	uint32_t cell = cell_of(h->fh);
	uint64_t text;

	table->by_cell[cell] = NULL;
	(void)pthread_mutex_lock(&table->lock);
	LIST_REMOVE(h, link);
	table->n_wakers -= h->waker != NULL;
	(void)pthread_mutex_lock(&h->lock);
	text = h->kept->text;
	h->kept = NULL;
	(void)pthread_mutex_unlock(&h->lock);
	(void)pthread_mutex_unlock(&table->lock);
	memory_drop(table->memory, cell);
	memory_drop_text(table->memory, text);
}

struct handle *handle_of(struct handle_table *table, const struct fuse_file_info *fi)
{
	uint64_t fh = fi ? fi->fh : 0;
	struct handle *h = table->by_cell[cell_of(fh)];

	return h && h->fh == fh ? h : NULL;
}

struct handle *handle_find_request(struct handle_table *table, uint64_t request)
{
	struct memory *memory = table->memory;

	for (uint32_t cell = 1; cell < memory->head->n_cells; cell++) {
		struct handle *h = table->by_cell[cell];

		if (h && memory_handle(memory, cell)->request == request) {
			return h;
		}
	}
	return NULL;
}

/* --- what a successor must know -------------------------------------------------- */

/* Who asks has the handle open, and h->lock keeps others from changing the same. */

void handle_set_text(struct handle *h, struct buf *text)
{
	struct buf old;
	uint64_t old_kept = 0;

	(void)pthread_mutex_lock(&h->lock);
	old = h->text;
	h->text = *text;
	if (h->kept) {
		old_kept = h->kept->text;
		h->kept->text = memory_make_text(h->memory, &h->text);
		memory_drop_text(h->memory, old_kept);
	}
	(void)pthread_mutex_unlock(&h->lock);
	*text = old;
}

void handle_set_view(struct handle *h, const struct view *view)
{
	(void)pthread_mutex_lock(&h->lock);
	if (h->kept && memcmp(&h->view, view, sizeof(*view)) != 0) {
		unsigned next = h->kept->view_now + 1;

		h->kept->views[next & 1] = *view;
		h->kept->view_now = next;
	}
	h->view = *view;
	(void)pthread_mutex_unlock(&h->lock);
}

void handle_note_read(struct handle *h, int64_t to)
{
	h->was_read = true;
	h->kept->was_read = true;
	if (to > h->read_to) {
		h->read_to = to;
		h->kept->read_to = to;
	}
}

/* An answer of the engine may come after the last close. */
void handle_note_written(struct handle_table *table, struct handle *h, bool is)
{
	(void)pthread_mutex_lock(&table->lock);
	if (h->kept) {
		h->kept->is_written = is;
	}
	(void)pthread_mutex_unlock(&table->lock);
}

/* --- finding ---------------------------------------------------------------------- */

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
					  struct fuse_pollhandle *waker,
					  uint64_t poll_id)
{
	struct fuse_pollhandle *old;

	(void)pthread_mutex_lock(&table->lock);
	old = h->waker;
	h->waker = waker;
	h->kept->poll_id = poll_id;
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
