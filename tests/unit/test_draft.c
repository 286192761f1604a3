#include "test.h"

#include <errno.h>

#include "fs/draft.h"
#include "job/spec.h"

static const char right[] = "{ \"run\": \"true\" }";
static int loads;

static int load(void *arg, int64_t job, struct buf *out)
{
	(void)job;
	loads++;
	return arg ? buf_add_str(out, arg) : 0;
}

static struct draft *get(struct draft_table *table, const char *text)
{
	struct draft *d = NULL;

	CHECK_INT(draft_get(table, 1, load, (void *)text, &d), 0);
	return d;
}

static int add(struct draft *d, const char *text, int64_t offset)
{
	cleanup_buf struct buf whole = BUF_INIT;

	return draft_write(d, text, strlen(text), offset, 0, &whole);
}

static void check_text(struct draft *d, const char *want, size_t len)
{
	cleanup_buf struct buf text = BUF_INIT;

	CHECK_INT(draft_copy(d, &text), 0);
	CHECK_INT(text.len, len);
	CHECK(memcmp(buf_text(&text), want, len) == 0);
	CHECK_INT(draft_size(d), len);
}

static uint64_t begin_save(struct draft *d)
{
	cleanup_buf struct buf text = BUF_INIT;
	uint64_t version = 0;

	CHECK_INT(draft_begin_save(d, &text, &version), 0);
	return version;
}

TEST("all who open it share one draft, which goes with the last")
{
	struct draft_table table;
	struct draft *a, *b;

	draft_table_init(&table);
	CHECK(draft_find(&table, 1) == NULL);
	loads = 0;
	a = get(&table, "old");
	b = get(&table, "never loaded");
	CHECK(a == b);
	CHECK_INT(loads, 1);
	check_text(b, "old", 3);
	CHECK(draft_find(&table, 2) == NULL);
	(void)draft_unref(a);
	a = draft_find(&table, 1);
	CHECK(a == b);
	(void)draft_unref(a);
	(void)draft_unref(b);
	CHECK(draft_find(&table, 1) == NULL);
	draft_table_fini(&table);
}

TEST("it is written like a file")
{
	struct draft_table table;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, NULL);
	CHECK_INT(add(d, "abc", 2), DRAFT_IS_WHOLE); /* it begins with a NUL */
	check_text(d, "\0\0abc", 5);
	CHECK_INT(draft_resize(d, 1), 0);
	CHECK_INT(draft_resize(d, 3), 0);
	check_text(d, "\0\0\0", 3);
	CHECK_INT(add(d, "x", -1), DRAFT_IS_WHOLE);
	check_text(d, "\0\0\0x", 4);
	CHECK_INT(draft_resize(d, 0), 0);
	check_text(d, "", 0);
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST("it says when the document is whole, with a copy of it")
{
	struct draft_table table;
	cleanup_buf struct buf whole = BUF_INIT;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, NULL);
	for (size_t i = 0; i + 1 < strlen(right); i++) {
		CHECK_INT(draft_write(d, right + i, 1, (int64_t)i, 0, &whole), 0);
		CHECK(!draft_is_whole(d));
	}
	CHECK_INT(draft_write(d, "}", 1, -1, 0, &whole), DRAFT_IS_WHOLE);
	CHECK(draft_is_whole(d));
	CHECK_STR(buf_text(&whole), right);
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST("it has a largest size, and what does not fit changes nothing")
{
	struct draft_table table;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, "{");
	CHECK_INT(add(d, "x", SPEC_SIZE_MAX), -EFBIG);
	CHECK_INT(add(d, "x", INT64_MAX), -EFBIG);
	CHECK_INT(draft_resize(d, SPEC_SIZE_MAX + 1), -EFBIG);
	CHECK_INT(draft_resize(d, -1), -EFBIG);
	check_text(d, "{", 1);
	CHECK_INT(draft_resize(d, SPEC_SIZE_MAX), 0);
	CHECK_INT(draft_size(d), SPEC_SIZE_MAX);
	CHECK_INT(add(d, "x", -1), -EFBIG);
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST("only the last to close it saves, and only what was not saved")
{
	struct draft_table table;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, "{ ");
	draft_attach(d);
	CHECK(!draft_detach(d));
	draft_attach(d);
	draft_attach(d);
	CHECK_INT(add(d, "{", 0), 0);
	CHECK(!draft_detach(d));
	CHECK(draft_detach(d));
	draft_attach(d);
	(void)begin_save(d);
	CHECK(!draft_detach(d));
	draft_attach(d);
	draft_touch(d);
	CHECK(draft_detach(d));
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST("a version that was accepted is accepted for all who save it, another is not")
{
	struct draft_table table;
	uint64_t first, again, later;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, NULL);
	CHECK_INT(add(d, right, 0), DRAFT_IS_WHOLE);
	first = begin_save(d);
	again = begin_save(d);
	CHECK_INT(add(d, " ", -1), DRAFT_IS_WHOLE);
	later = begin_save(d);
	CHECK_INT(draft_end_save(d, first, 0), 0);
	CHECK_INT(draft_end_save(d, again, -EPERM), 0);
	CHECK_INT(draft_end_save(d, later, -EPERM), -EPERM);
	CHECK_INT(draft_end_save(d, again, -EIO), -EIO);
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST("what was too long is cut until it is made shorter")
{
	struct draft_table table;
	cleanup_buf struct buf out = BUF_INIT;
	uint64_t version;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, NULL);
	CHECK_INT(add(d, right, 0), DRAFT_IS_WHOLE);
	CHECK_INT(add(d, " ", SPEC_SIZE_MAX), -EFBIG);
	CHECK(draft_is_whole(d));
	CHECK_INT(draft_begin_save(d, &out, &version), DRAFT_IS_CUT);
	CHECK_INT(add(d, right, 0), DRAFT_IS_WHOLE);
	CHECK_INT(draft_begin_save(d, &out, &version), DRAFT_IS_CUT);
	CHECK_INT(draft_resize(d, 0), 0);
	CHECK_INT(add(d, right, 0), DRAFT_IS_WHOLE);
	CHECK_INT(draft_begin_save(d, &out, &version), 0);
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST("what a text says is given once, to who saves that version")
{
	struct draft_table table;
	cleanup_buf struct buf text = BUF_INIT, out = BUF_INIT;
	struct spec *spec = calloc(1, sizeof(*spec));
	uint64_t version, later;
	struct draft *d;

	draft_table_init(&table);
	d = get(&table, NULL);
	CHECK(spec);
	CHECK_INT(draft_write(d, right, strlen(right), 0, 0, &text), DRAFT_IS_WHOLE);
	draft_keep_spec(d, &text, spec);
	CHECK_INT(draft_begin_save(d, &out, &version), 0);
	CHECK(draft_take_spec(d, version) == spec);
	CHECK(!draft_take_spec(d, version));
	draft_keep_spec(d, &text, spec);
	CHECK_INT(add(d, " ", (int64_t)strlen(right)), DRAFT_IS_WHOLE);
	CHECK_INT(draft_begin_save(d, &out, &later), 0);
	CHECK(!draft_take_spec(d, later));
	draft_keep_spec(d, &text, calloc(1, sizeof(*spec))); /* it is not the text */
	CHECK(!draft_take_spec(d, later));
	(void)draft_unref(d);
	draft_table_fini(&table);
}

/* While a text was read from the store, a draft came, was saved and went. */
static struct draft_table *busy_table;

static int load_late(void *arg, int64_t job, struct buf *out)
{
	(void)arg;
	if (loads++ == 0) {
		struct draft *other = NULL;

		CHECK_INT(draft_get(busy_table, job, load, NULL, &other), 0);
		(void)draft_unref(other);
		return buf_add_str(out, "old");
	}
	return buf_add_str(out, "new");
}

TEST("what was read before another draft went is read again")
{
	struct draft_table table;
	struct draft *d = NULL;

	draft_table_init(&table);
	busy_table = &table;
	loads = 0;
	CHECK_INT(draft_get(&table, 1, load_late, NULL, &d), 0);
	check_text(d, "new", 3);
	(void)draft_unref(d);
	draft_table_fini(&table);
}

TEST_MAIN
