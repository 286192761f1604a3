#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/draft.h"
#include "fs/handle.h"
#include "fs/memory.h"

static struct memory *begin(void)
{
	struct memory *m = NULL;

	CHECK_INT(memory_new("/jobs", "allow_other", &m), 0);
	m->head->init_len = 80;
	return m;
}

/* The daemon dies at this very moment; the next one has the memory. */
static struct memory *die(struct memory *m)
{
	int fd = dup(m->fd);
	struct memory *next = NULL;

	CHECK(fd >= 0);
	(void)memory_free(m);
	CHECK_INT(memory_open(fd, "/jobs", "allow_other", &next), 0);
	return next;
}

static void fill(struct buf *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		(void)buf_add_char(text, (char)('a' + i % 26));
	}
	CHECK_INT(text->error, 0);
}

static void check_same(const struct buf *have, const struct buf *want)
{
	CHECK_INT(have->len, want->len);
	CHECK(memcmp(buf_text(have), buf_text(want), want->len) == 0);
}

TEST("it is opened only by a jobfs that would have made it the same")
{
	struct memory *m = begin(), *other = NULL;

	CHECK_INT(memory_open(dup(m->fd), "/other", "allow_other", &other),
		  MEMORY_IS_OTHER);
	CHECK_INT(memory_open(dup(m->fd), "/jobs", NULL, &other), MEMORY_IS_OTHER);
	m->head->layout++;
	CHECK_INT(memory_open(dup(m->fd), "/jobs", "allow_other", &other),
		  MEMORY_IS_OTHER);
	m->head->layout--;
	m->head->init_len = 0; /* before the kernel has asked anything */
	CHECK_INT(memory_open(dup(m->fd), "/jobs", "allow_other", &other),
		  MEMORY_IS_OTHER);
	CHECK_INT(memory_open(open("/dev/null", O_RDWR), "/jobs", NULL, &other),
		  MEMORY_IS_OTHER);
	(void)memory_free(m);
}

TEST("what was taken but is no record is free again after a death")
{
	struct memory *m = begin();
	uint64_t number = 0, again = 0;
	uint32_t cell = memory_take(m, &number);
	uint32_t text = 0;

	CHECK_INT(memory_write(m, &text, 0, "lost", 4), 0);
	m = die(m);
	CHECK_INT(memory_next(m, 0, MEMORY_HANDLE), 0);
	CHECK_INT(m->n_free, 2);
	CHECK_INT(memory_take(m, &again), cell);
	CHECK(again > number);
	(void)memory_free(m);
}

TEST("a text of many cells is written at any place and read as a whole")
{
	struct memory *m = begin();
	cleanup_buf struct buf want = BUF_INIT;
	cleanup_buf struct buf have = BUF_INIT;
	uint32_t cell = 0;
	size_t used;

	fill(&want, 20000);
	for (size_t at = 0; at < want.len; at += 777) {
		size_t n = want.len - at < 777 ? want.len - at : 777;

		CHECK_INT(memory_write(m, &cell, at, want.data + at, n), 0);
	}
	CHECK_INT(memory_write(m, &cell, 9000, want.data + 9000, 5000), 0);
	CHECK_INT(memory_read(m, cell, want.len, &have), 0);
	check_same(&have, &want);
	used = m->head->n_cells;
	memory_free_text(m, cell);
	CHECK_INT(m->n_free, used - 1);
	(void)memory_free(m);
}

TEST("what daemon after daemon dies of is left alone, unless one of them serves")
{
	struct memory *m = begin();
	int n = 0;

	for (int i = 0; i < 100; i++) {
		CHECK(memory_note_takeover(m));
		memory_note_served(m);
		m = die(m);
	}
	while (n < 100 && memory_note_takeover(m)) {
		m = die(m);
		n++;
	}
	CHECK_INT(n, MEMORY_TAKEOVERS_MAX);
	(void)memory_free(m);
}

TEST("long texts, and any once cells are rare, leave the cells to open files")
{
	struct memory *m = begin();
	cleanup_buf struct buf small = BUF_INIT;
	cleanup_buf struct buf big = BUF_INIT;
	uint64_t number = 0;
	int n = 0;

	fill(&small, 60000);
	fill(&big, 70000);
	CHECK(memory_make_text(m, &big) == 0);
	CHECK_INT(m->head->n_cells, 1);
	m->head->n_cells =
		MEMORY_CELLS_MAX / 4 * 3 - 20; /* all but a quarter is used */
	while (memory_make_text(m, &small)) {
		n++;
	}
	CHECK_INT(n, 2);
	CHECK(memory_take(m, &number) > 0);
	(void)memory_free(m);
}

TEST("a text that is no chain with an end is neither followed nor freed for ever")
{
	struct memory *m = begin();
	cleanup_buf struct buf text = BUF_INIT;
	uint32_t cell = MEMORY_CELLS_MAX + 7;

	CHECK_INT(memory_read(m, cell, 1, &text), -EIO);
	memory_free_text(m, cell);
	CHECK_INT(m->n_free, 0);
	CHECK_INT(memory_get_text(m, UINT64_C(1) << 32 | UINT32_MAX, &text), -EIO);
	(void)memory_free(m);
}

static struct handle *publish(struct handle_table *table, uint64_t request)
{
	struct handle *h = handle_new(HANDLE_TEXT, 4711, 18);
	struct buf text = BUF_INIT;

	CHECK(h != NULL);
	fill(&text, 5000);
	handle_set_text(h, &text);
	CHECK_INT(handle_publish(table, h, request), 0);
	return h;
}

TEST("an open file is found again by what the kernel knows of it, and by its request")
{
	struct handle_table table = { .n_wakers = 0 }, next = { .n_wakers = 0 };
	struct fuse_file_info fi = { .flags = O_RDONLY };
	struct memory *m = begin();
	struct handle *h;
	cleanup_buf struct buf text = BUF_INIT;

	handle_table_init(&table);
	CHECK_INT(handle_table_set_memory(&table, m), 0);
	h = publish(&table, 42);
	handle_note_read(h, 17);
	fi.fh = h->fh;
	handle_table_fini(&table);

	m = die(m);
	handle_table_init(&next);
	CHECK_INT(handle_table_set_memory(&next, m), 0);
	CHECK(handle_of(&next, &fi) == NULL);
	h = handle_adopt(&next, memory_next(m, 0, MEMORY_HANDLE));
	CHECK(h && handle_of(&next, &fi) == h);
	CHECK(handle_find_request(&next, 42) == h);
	CHECK(handle_find_request(&next, 43) == NULL);
	CHECK_INT(h->read_to, 17);
	CHECK(h->was_read && !h->is_written);
	fill(&text, 5000);
	check_same(&h->text, &text);
	handle_forget(&next, h);
	(void)handle_unref(h);
	CHECK(handle_of(&next, &fi) == NULL);
	CHECK_INT(m->n_free, m->head->n_cells - 1);
	h = publish(&next, 44);
	CHECK(handle_of(&next, &fi) == NULL); /* the cell is another's now */
	handle_table_fini(&next);
	(void)memory_free(m);
}

static int load_nothing(void *arg, int64_t job, struct buf *out)
{
	(void)arg;
	(void)job;
	(void)out;
	return 0;
}

static void append(struct draft *d, const char *text, uint64_t request)
{
	cleanup_buf struct buf whole = BUF_INIT;

	CHECK(draft_write(d, text, strlen(text), -1, request, &whole) >= 0);
}

TEST("a draft goes on where it was, and what is appended again is there once")
{
	static struct draft_table dead; /* nobody frees what it had */
	struct draft_table next;
	struct memory *m = begin();
	struct draft *d = NULL;
	cleanup_buf struct buf text = BUF_INIT;

	draft_table_init(&dead);
	dead.memory = m;
	CHECK_INT(draft_get(&dead, 7, load_nothing, NULL, &d), 0);
	draft_attach(d);
	append(d, "one ", 2);
	append(d, "two ", 4);
	append(d, "three ", 6);

	m = die(m);
	draft_table_init(&next);
	next.memory = m;
	d = draft_adopt(&next, memory_next(m, 0, MEMORY_DRAFT));
	CHECK(d != NULL);
	CHECK_INT(draft_job(d), 7);
	CHECK(draft_is_left_unsaved(d));
	append(d, "two ", 4);
	append(d, "three ", 6);
	append(d, "four", 8);
	CHECK_INT(draft_copy(d, &text), 0);
	CHECK_STR(buf_text(&text), "one two three four");
	draft_note_accepted(d, &text);
	CHECK(!draft_is_left_unsaved(d));
	CHECK_INT(draft_resize(d, 0), 0);
	CHECK(!draft_is_left_unsaved(d));
	CHECK_INT(draft_resize(d, 1), 0);
	CHECK(draft_is_left_unsaved(d));
	(void)draft_unref(d);
	CHECK_INT(m->n_free, m->head->n_cells - 1);
	draft_table_fini(&next);
	(void)memory_free(m);
}

TEST_MAIN
