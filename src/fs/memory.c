#include "fs/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/mem.h"
#include "util/random.h"

enum {
	CELL_BYTES = 4096,
	HEAD_BYTES = 64 * 1024,
	TEXT_BYTES = CELL_BYTES - 24, /* in one cell */
	LEN_BITS = 32,
	KEPT_TEXT_MAX = 64 * 1024,
};
static const char magic[8] = "jobfs\n\1";

struct memory_cell {
	_Atomic uint32_t kind;
	_Atomic uint32_t next; /* of a text; 0: none */
	uint64_t number;       /* counts who had it */
	union {
		struct memory_handle handle;
		struct memory_draft draft;
		char text[TEXT_BYTES];
	};
};

_Static_assert(sizeof(struct memory_cell) <= CELL_BYTES, "a record is too long");
_Static_assert(sizeof(struct memory_head) <= HEAD_BYTES, "the head is too long");

static const size_t all_bytes = HEAD_BYTES + (size_t)MEMORY_CELLS_MAX * CELL_BYTES;

static struct memory_cell *at(struct memory *m, uint32_t cell)
{
	return (struct memory_cell *)(void *)((char *)m->cells +
					      (size_t)cell * CELL_BYTES);
}

/* --- life ------------------------------------------------------------------------ */

struct memory *memory_free(struct memory *m)
{
	if (m) {
		if (m->head) {
			(void)munmap(m->head, all_bytes);
		}
		closep(&m->fd);
		(void)pthread_mutex_destroy(&m->lock);
		free(m->free);
		free(m);
	}
	return NULL;
}

static void memory_freep(struct memory **m)
{
	*m = memory_free(*m);
}

/* Takes fd over. Pages come to be as they are touched. */
static int map(int fd, struct memory **ret_memory)
{
	cleanup_(memory_freep) struct memory *m = calloc(1, sizeof(*m));
	void *pages;

	if (!m) {
		(void)close(fd);
		return -ENOMEM;
	}
	m->fd = fd;
	(void)pthread_mutex_init(&m->lock, NULL);
	pages = mmap(NULL, all_bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (pages == MAP_FAILED) {
		return -errno;
	}
	(void)madvise(pages, all_bytes, MADV_DONTFORK);
	m->head = pages;
	m->cells = (struct memory_cell *)(void *)((char *)pages + HEAD_BYTES);
	*ret_memory = steal_ptr(&m);
	return 0;
}

/* Marks a chain of text as used, as far as it is sane. */
static void mark_text(struct memory *m, uint32_t cell, bool *is_used)
{
	while (cell > 0 && cell < m->head->n_cells && !is_used[cell]) {
		is_used[cell] = true;
		cell = at(m, cell)->next;
	}
}

static void mark_record(struct memory *m, uint32_t cell, bool *is_used)
{
	const struct memory_cell *c = at(m, cell);

	if (c->kind == MEMORY_HANDLE) {
		mark_text(m, (uint32_t)(c->handle.text >> LEN_BITS), is_used);
	} else if (c->kind == MEMORY_DRAFT) {
		mark_text(m, c->draft.cell, is_used);
	}
	is_used[cell] = is_used[cell] || c->kind != MEMORY_FREE;
}

static int find_free(struct memory *m)
{
	uint32_t n = m->head->n_cells;
	cleanup_free bool *is_used = calloc(n, sizeof(*is_used));

	m->free = calloc(MEMORY_CELLS_MAX, sizeof(*m->free));
	if (!is_used || !m->free) {
		return -ENOMEM;
	}
	for (uint32_t cell = 1; cell < n; cell++) {
		mark_record(m, cell, is_used);
	}
	for (uint32_t cell = n - 1; cell > 0; cell--) {
		if (!is_used[cell]) {
			m->free[m->n_free++] = cell;
		}
	}
	return 0;
}

static bool is_too_long(const char *name)
{
	return strlen(name) >= MEMORY_NAME_MAX;
}

int memory_new(const char *mountpoint, const char *options, struct memory **ret_memory)
{
	cleanup_(memory_freep) struct memory *m = NULL;
	int fd, r;

	options = options ? options : "";
	if (is_too_long(mountpoint) || is_too_long(options)) {
		return -ENAMETOOLONG;
	}
	fd = memfd_create("jobfs", MFD_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (ftruncate(fd, (off_t)all_bytes) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	r = map(fd, &m);
	r = r < 0 ? r : random_bytes(&m->head->key, sizeof(m->head->key));
	if (r < 0) {
		return r;
	}
	m->head->n_cells = 1; /* 0 means none */
	r = find_free(m);
	if (r < 0) {
		return r;
	}
	memcpy(m->head->mountpoint, mountpoint, strlen(mountpoint) + 1);
	memcpy(m->head->options, options, strlen(options) + 1);
	m->head->layout = MEMORY_LAYOUT;
	m->head->head_bytes = sizeof(struct memory_head);
	m->head->view_bytes = sizeof(struct view);
	m->head->file_bytes = sizeof(struct store_file);
	memcpy(m->head->magic, magic, sizeof(magic));
	*ret_memory = steal_ptr(&m);
	return 0;
}

static bool is_ours(const struct memory_head *h, const char *mountpoint,
		    const char *options)
{
	return memcmp(h->magic, magic, sizeof(magic)) == 0 &&
	       h->layout == MEMORY_LAYOUT &&
	       h->head_bytes == sizeof(struct memory_head) &&
	       h->view_bytes == sizeof(struct view) &&
	       h->file_bytes == sizeof(struct store_file) && h->n_cells > 0 &&
	       h->n_cells <= MEMORY_CELLS_MAX && h->init_len > 0 &&
	       h->init_len <= MEMORY_INIT_MAX && streq(h->mountpoint, mountpoint) &&
	       streq(h->options, options ? options : "");
}

int memory_open(int fd, const char *mountpoint, const char *options,
		struct memory **ret_memory)
{
	cleanup_(memory_freep) struct memory *m = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size != all_bytes) {
		(void)close(fd);
		return MEMORY_IS_OTHER;
	}
	r = map(fd, &m);
	if (r == 0 && !is_ours(m->head, mountpoint, options)) {
		r = MEMORY_IS_OTHER;
	}
	r = r == 0 ? find_free(m) : r;
	if (r == 0) {
		*ret_memory = steal_ptr(&m);
	}
	return r;
}

/* A time of service would be the simpler measure, but a daemon that is killed every
 * moment from outside is no reason to let programs fail. What a single request does to
 * daemons is request_is_given_up()'s matter. */
bool memory_note_takeover(struct memory *m)
{
	return m->head->takeovers++ < MEMORY_TAKEOVERS_MAX;
}

void memory_note_served(struct memory *m)
{
	if (m->head->takeovers > 0) {
		m->head->takeovers = 0;
	}
}

const struct store_answer *memory_find_answer(const struct memory *m, uint64_t number)
{
	const struct memory_head *head = m->head;

	for (size_t i = 0; i < MEMORY_ANSWERS_MAX; i++) {
		if (head->answers[i].number == number) {
			return &head->answers[i];
		}
	}
	return NULL;
}

/* --- cells ----------------------------------------------------------------------- */

/* 0: all are taken. */
static uint32_t take(struct memory *m)
{
	uint32_t cell = 0;

	(void)pthread_mutex_lock(&m->lock);
	if (m->n_free > 0) {
		cell = m->free[--m->n_free];
	} else if (m->head->n_cells < MEMORY_CELLS_MAX) {
		cell = m->head->n_cells++;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return cell;
}

static void give_back(struct memory *m, uint32_t cell)
{
	(void)pthread_mutex_lock(&m->lock);
	if (m->n_free < MEMORY_CELLS_MAX) {
		m->free[m->n_free++] = cell;
	}
	(void)pthread_mutex_unlock(&m->lock);
}

uint32_t memory_take(struct memory *m, uint64_t *ret_number)
{
	uint32_t cell = take(m);

	if (cell > 0) {
		*ret_number = ++at(m, cell)->number;
		memset(at(m, cell)->text, 0, sizeof(struct memory_handle));
	}
	return cell;
}

void memory_set_kind(struct memory *m, uint32_t cell, enum memory_kind kind)
{
	at(m, cell)->kind = kind;
}

void memory_drop(struct memory *m, uint32_t cell)
{
	at(m, cell)->kind = MEMORY_FREE;
	give_back(m, cell);
}

struct memory_handle *memory_handle(struct memory *m, uint32_t cell)
{
	return &at(m, cell)->handle;
}

struct memory_draft *memory_draft(struct memory *m, uint32_t cell)
{
	return &at(m, cell)->draft;
}

uint64_t memory_number(const struct memory *m, uint32_t cell)
{
	return at((struct memory *)m, cell)->number;
}

uint32_t memory_next(struct memory *m, uint32_t after, enum memory_kind kind)
{
	for (uint32_t cell = after + 1; cell < m->head->n_cells; cell++) {
		if (at(m, cell)->kind == kind) {
			return cell;
		}
	}
	return 0;
}

/* --- texts ----------------------------------------------------------------------- */

/* A cell at the end of a text, or the first one. */
static uint32_t add_cell(struct memory *m)
{
	uint32_t cell = take(m);

	if (cell > 0) {
		at(m, cell)->kind = MEMORY_FREE;
		at(m, cell)->next = 0;
	}
	return cell;
}

int memory_write(struct memory *m, uint32_t *cell, size_t offset, const char *data,
		 size_t len)
{
	uint32_t here;

	*cell = *cell ? *cell : add_cell(m);
	here = *cell;
	while (here && len > 0) {
		if (offset < TEXT_BYTES) {
			size_t n =
				TEXT_BYTES - offset < len ? TEXT_BYTES - offset : len;

			memcpy(at(m, here)->text + offset, data, n);
			data += n;
			len -= n;
			offset += n;
		}
		offset -= TEXT_BYTES;
		if (len > 0 && !at(m, here)->next) {
			at(m, here)->next = add_cell(m);
		}
		here = at(m, here)->next;
	}
	return len > 0 || !*cell ? -ENOMEM : 0;
}

/* What a predecessor has written is not trusted to be a chain, nor to have an end. */
static bool is_cell(const struct memory *m, uint32_t cell)
{
	return cell > 0 && cell < m->head->n_cells;
}

int memory_read(struct memory *m, uint32_t cell, size_t len, struct buf *out)
{
	if (len > (size_t)m->head->n_cells * TEXT_BYTES) {
		return -EIO;
	}
	while (is_cell(m, cell) && len > 0) {
		size_t n = len < TEXT_BYTES ? len : TEXT_BYTES;
		int r = buf_add(out, at(m, cell)->text, n);

		if (r < 0) {
			return r;
		}
		len -= n;
		cell = at(m, cell)->next;
	}
	return len > 0 ? -EIO : 0;
}

void memory_free_text(struct memory *m, uint32_t cell)
{
	for (uint32_t n = m->head->n_cells; n > 0 && is_cell(m, cell); n--) {
		uint32_t next = at(m, cell)->next;

		give_back(m, cell);
		cell = next;
	}
}

static bool are_rare(struct memory *m)
{
	size_t n;

	(void)pthread_mutex_lock(&m->lock);
	n = m->n_free + MEMORY_CELLS_MAX - m->head->n_cells;
	(void)pthread_mutex_unlock(&m->lock);
	return n < MEMORY_CELLS_MAX / 4;
}

uint64_t memory_make_text(struct memory *m, const struct buf *text)
{
	uint32_t cell = 0;

	if (text->len == 0 || text->len > KEPT_TEXT_MAX || are_rare(m)) {
		return 0;
	}
	if (memory_write(m, &cell, 0, text->data, text->len) < 0) {
		memory_free_text(m, cell);
		return 0;
	}
	return (uint64_t)cell << LEN_BITS | text->len;
}

int memory_get_text(struct memory *m, uint64_t text, struct buf *out)
{
	return memory_read(m, (uint32_t)(text >> LEN_BITS), (uint32_t)text, out);
}

void memory_drop_text(struct memory *m, uint64_t text)
{
	memory_free_text(m, (uint32_t)(text >> LEN_BITS));
}
