/* Logs without their middle, as a reader sees them. */
#include "fs/view.h"

#include "store_helper.h"
#include "util/mem.h"

static struct job_record *record;

static void append(int64_t offset, const char *text)
{
	struct err e = ERR_INIT;

	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_append(store, record->id, STREAM_LOG, offset, text,
			       strlen(text), &e),
		  0);
	CHECK_INT(store_commit(store, &e), 0);
	record->stream_size[STREAM_LOG] = offset + (int64_t)strlen(text);
}

static void skip(int64_t from, int64_t to)
{
	struct err e = ERR_INIT;

	record->gap[STREAM_LOG] = (struct job_gap){ from, to };
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_skip(store, record->id, STREAM_LOG, to, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
}

/* A job of its own with "0123456789", the bytes up to 100 missing, then "abcdef". */
static void make_log(void)
{
	static int n;
	struct err e = ERR_INIT;

	(void)job_record_unref(record);
	record = job_record_new();
	CHECK(record);
	(void)snprintf(record->key, sizeof(record->key), "%d", ++n);
	CHECK_INT(job_set_text(&record->name, record->key), 0);
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_add_job(store, record, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	append(0, "0123456789");
	skip(10, 100);
	append(100, "abcdef");
}

static const char *read_all(struct view *view, size_t at_once)
{
	static char text[256];
	size_t n = 0;
	ssize_t got;

	while ((got = view_read(view, store, record, STREAM_LOG, (int64_t)n, text + n,
				at_once)) > 0) {
		n += (size_t)got;
	}
	CHECK_INT(got, 0);
	text[n] = '\0';
	return text;
}

#define MARK(n) "\n==> " n " bytes of the log were left out here <==\n"

TEST("a log without its middle says how much is missing, however it is read")
{
	static const char whole[] = "0123456789" MARK("                  90") "abcdef";

	new_store();
	make_log();
	for (size_t n = 1; n < sizeof(whole); n++) {
		struct view view = view_of_stream(record, STREAM_LOG);

		CHECK_INT(view_size(&view, record, STREAM_LOG), sizeof(whole) - 1);
		CHECK_STR(read_all(&view, n), whole);
	}
}

TEST("a part of it begins and ends where its attempt did")
{
	struct view before, across, behind, inside;

	make_log();
	before = view_of_part(record, STREAM_LOG, 2, 5);
	across = view_of_part(record, STREAM_LOG, 8, 102);
	behind = view_of_part(record, STREAM_LOG, 103, -1);
	inside = view_of_part(record, STREAM_LOG, 20, 50);
	CHECK_STR(read_all(&before, 64), "234");
	CHECK_STR(read_all(&across, 64), "89" MARK("                  90") "ab");
	CHECK_STR(read_all(&behind, 64), "def");
	CHECK_STR(read_all(&inside, 64), MARK("                  30"));
	CHECK_INT(view_size(&before, record, STREAM_LOG), 3);
	CHECK_INT(view_size(&behind, record, STREAM_LOG), 3);
}

TEST("who is overtaken while reading goes on behind what was lost")
{
	struct err e = ERR_INIT;
	struct view view;
	char text[4];

	make_log();
	append(106, "ghij");
	view = view_of_part(record, STREAM_LOG, 100, -1);
	CHECK_INT(view_read(&view, store, record, STREAM_LOG, 0, text, 2), 2);
	record->gap[STREAM_LOG].to = 200;
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(
		store_trim(store, record->id, STREAM_LOG, &record->gap[STREAM_LOG], &e),
		0);
	CHECK_INT(store_skip(store, record->id, STREAM_LOG, 200, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	append(200, "end");
	{
		static const char rest[] = MARK("                  98") "end";
		char got[128] = "";

		CHECK_INT(view_read(&view, store, record, STREAM_LOG, 2, got,
				    sizeof(got) - 1),
			  sizeof(rest) - 1);
		CHECK_STR(got, rest);
	}
}

TEST("a chunk that lies in the gap as a whole is given back")
{
	struct err e = ERR_INIT;
	char text[8];

	make_log();
	record->gap[STREAM_LOG].to = 106;
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(
		store_trim(store, record->id, STREAM_LOG, &record->gap[STREAM_LOG], &e),
		0);
	CHECK_INT(store_commit(store, &e), 0);
	CHECK_INT(store_read_stream(store, record->id, STREAM_LOG, 100, text, 4), 0);
	CHECK_INT(store_read_stream(store, record->id, STREAM_LOG, 0, text, 4), 4);
	record = job_record_unref(record);
	end_store();
}

TEST_MAIN
