#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_helper.h"
#include "util/mem.h"

static void reopen(void)
{
	store = store_close(store);
	open_store();
}

static struct job_record *make_job(const char *name, const char *key)
{
	struct job_record *r = job_record_new();
	struct err e = ERR_INIT;

	CHECK(r);
	CHECK_INT(job_set_text(&r->name, name), 0);
	(void)snprintf(r->key, sizeof(r->key), "%s", key);
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_add_job(store, r, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	return r;
}

/* As another program sees it. */
static void check_database(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *row = NULL;

	CHECK_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	CHECK_INT(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &row, NULL),
		  SQLITE_OK);
	CHECK_INT(sqlite3_step(row), SQLITE_ROW);
	CHECK_STR((const char *)sqlite3_column_text(row, 0), "ok");
	CHECK_INT(sqlite3_finalize(row), SQLITE_OK);
	CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static struct job_record *loaded[8];
static int n_loaded;

static int take(void *arg, struct job_record *record)
{
	(void)arg;
	CHECK(n_loaded < 8);
	loaded[n_loaded++] = record;
	return 0;
}

static void load(void)
{
	struct err e = ERR_INIT;

	n_loaded = 0;
	CHECK_INT(store_load_jobs(store, take, NULL, &e), 0);
}

static void unload(void)
{
	while (n_loaded > 0) {
		(void)job_record_unref(loaded[--n_loaded]);
	}
}

/* As a daemon that is killed after its commit. */
static void add_and_die(const char *name, const char *key)
{
	pid_t child;
	int status = -1;

	store = store_close(store);
	child = fork();
	if (child == 0) {
		open_store();
		(void)job_record_unref(make_job(name, key));
		_exit(0);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
	open_store();
}

TEST("a commit that does not wait for the disk outlives its daemon")
{
	new_store();
	add_and_die("light", "0011223344556677");
	load();
	CHECK_INT(n_loaded, 1);
	CHECK_STR(loaded[0]->name, "light");
	unload();
	CHECK_INT(store_sync(store), 0);
	end_store();
}

TEST("a job is read back as it was written, after a restart too")
{
	struct job_record *r;
	struct err e = ERR_INIT;

	new_store();
	r = make_job("exp1", "0011223344556677");
	r->state = JOB_RUNNING;
	r->reason = REASON_CANCELLED;
	r->exit_code = 3;
	r->uid = 4000000000U;
	r->stream_size[STREAM_LOG] = INT64_C(1) << 40;
	r->attempt = (struct job_attempt){ .n = 2,
					   .is_claimed = true,
					   .base = { [STREAM_LOG] = 17 } };
	CHECK_INT(job_set_text(&r->attempt.host, "gpu1"), 0);
	CHECK_INT(job_set_text(&r->attempt.exit, "exit 3"), 0);
	CHECK_INT(job_set_text(&r->message, "a\nb"), 0);
	CHECK_INT(job_set_text(&r->checkpoint_uri, "s3://b/c/"), 0);
	r->checkpoint_ms = INT64_C(1) << 41;
	r->checkpoint_bytes = INT64_C(1) << 42;
	r->checkpoint_count = 7;
	r->transfers = calloc(1, sizeof(*r->transfers));
	r->n_transfers = 1;
	r->transfers[0].state = TRANSFER_DONE;
	r->transfers[0].total = -1;
	r->transfers[0].began_ms = 5;
	r->transfers[0].ended_ms = 6;
	r->transfers[0].cached = 7;
	CHECK_INT(job_set_text(&r->transfers[0].name, "train"), 0);
	CHECK_INT(job_set_text(&r->transfers[0].uri, "s3://b/with space"), 0);
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_put_job(store, r, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	reopen();
	load();
	CHECK_INT(n_loaded, 1);
	CHECK_INT(loaded[0]->id, r->id);
	CHECK_STR(loaded[0]->key, r->key);
	CHECK_INT(loaded[0]->state, JOB_RUNNING);
	CHECK_INT(loaded[0]->reason, REASON_CANCELLED);
	CHECK_INT(loaded[0]->exit_code, 3);
	CHECK_INT(loaded[0]->uid, 4000000000U);
	CHECK_INT(loaded[0]->stream_size[STREAM_LOG], INT64_C(1) << 40);
	CHECK_STR(loaded[0]->checkpoint_uri, "s3://b/c/");
	CHECK_INT(loaded[0]->checkpoint_ms, INT64_C(1) << 41);
	CHECK_INT(loaded[0]->checkpoint_bytes, INT64_C(1) << 42);
	CHECK_INT(loaded[0]->checkpoint_count, 7);
	CHECK_INT(loaded[0]->attempt.n, 2);
	CHECK(loaded[0]->attempt.is_claimed && !loaded[0]->attempt.is_acked);
	CHECK_STR(loaded[0]->attempt.exit, "exit 3");
	CHECK(!loaded[0]->attempt.end && !loaded[0]->error);
	CHECK_STR(loaded[0]->message, "a\nb");
	CHECK_INT(loaded[0]->n_transfers, 1);
	CHECK_STR(loaded[0]->transfers[0].uri, "s3://b/with space");
	CHECK_INT(loaded[0]->transfers[0].total, -1);
	CHECK_INT(loaded[0]->transfers[0].began_ms, 5);
	CHECK_INT(loaded[0]->transfers[0].ended_ms, 6);
	CHECK_INT(loaded[0]->transfers[0].cached, 7);
	unload();
	(void)job_record_unref(r);
	end_store();
}

TEST("a name and a key are given once, an id never again")
{
	struct job_record *a, *b;
	struct buf files = BUF_INIT;
	struct err e = ERR_INIT;
	int64_t first;

	new_store();
	a = make_job("a", "1111111111111111");
	first = a->id;
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_add_job(store, a, &e), -EEXIST);
	CHECK_INT(store_delete_job(store, first, &files, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	b = make_job("a", "2222222222222222");
	CHECK(b->id > first);
	(void)job_record_unref(a);
	(void)job_record_unref(b);
	buf_fini(&files);
	end_store();
}

TEST("a job is renamed by that alone, and not to a name that is taken")
{
	struct job_record *a, *b;
	struct err e = ERR_INIT;

	new_store();
	a = make_job("a", "1111111111111111");
	b = make_job("b", "2222222222222222");
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(job_set_text(&a->name, "c"), 0);
	CHECK_INT(store_put_job(store, a, &e), 0);
	CHECK_INT(store_rename_job(store, b->id, "a", &e), -EEXIST);
	CHECK_INT(store_rename_job(store, b->id, "d", &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	reopen();
	load();
	CHECK_INT(n_loaded, 2);
	CHECK_STR(loaded[0]->name, "a");
	CHECK_STR(loaded[0]->key, "1111111111111111");
	CHECK_STR(loaded[1]->name, "d");
	unload();
	(void)job_record_unref(a);
	(void)job_record_unref(b);
	end_store();
}

TEST("a job has the id that it is given, and the next one goes on from there")
{
	struct job_record *a = job_record_new(), *b;
	struct err e = ERR_INIT;
	int64_t last = -1;

	new_store();
	CHECK_INT(store_last_job(store, &last), 0);
	CHECK_INT(last, 0);
	CHECK(a);
	a->id = 7;
	CHECK_INT(job_set_text(&a->name, "a"), 0);
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_add_job(store, a, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	CHECK_INT(a->id, 7);
	b = make_job("b", "2222222222222222");
	CHECK_INT(b->id, 8);
	CHECK_INT(store_last_job(store, &last), 0);
	CHECK_INT(last, 8);
	a->id = 9;
	CHECK_INT(job_set_text(&a->name, "c"), 0);
	(void)snprintf(a->key, sizeof(a->key), "%s", "3333333333333333");
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_add_job(store, a, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	reopen();
	CHECK_INT(store_last_job(store, &last), 0);
	CHECK(last >= 9);
	(void)job_record_unref(a);
	(void)job_record_unref(b);
	end_store();
}

TEST("what was not committed was not written")
{
	struct job_record *r;
	struct err e = ERR_INIT;
	char data[8];

	new_store();
	r = make_job("a", "1111111111111111");
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 0, "abc", 3, &e), 0);
	store_rollback(store);
	CHECK_INT(store_read_stream(store, r->id, STREAM_LOG, 0, data, 8), 0);
	(void)job_record_unref(r);
	end_store();
}

/* A reader that starts anywhere and asks for any length sees the same bytes. */
static void check_stream(int64_t job, const char *want, size_t len)
{
	static const size_t starts[] = {
		0, 1, 4095, 16383, 16384, 65535, 65536, 99999
	};
	static char data[300000];

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (size_t ask = 1; ask < sizeof(data); ask = ask * 7 + 1) {
			size_t left = starts[i] < len ? len - starts[i] : 0;
			size_t n = ask < left ? ask : left;

			CHECK_INT(store_read_stream(store, job, STREAM_LOG,
						    (int64_t)starts[i], data, ask),
				  n);
			CHECK(memcmp(data, want + starts[i], n) == 0);
		}
	}
}

TEST("a stream is the sum of its appends, at every offset and length")
{
	static const size_t sizes[] = { 1, 10, 5000, 16383, 1, 70000, 3, 140000, 2 };
	static char bytes[300000];
	struct err e = ERR_INIT;
	struct job_record *r;
	size_t len = 0;

	new_store();
	r = make_job("a", "1111111111111111");
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)(i * 31 + (i >> 8));
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_INT(store_begin(store, &e), 0);
		CHECK_INT(store_append(store, r->id, STREAM_LOG, (int64_t)len,
				       bytes + len, sizes[i], &e),
			  0);
		CHECK_INT(store_commit(store, &e), 0);
		len += sizes[i];
		CHECK_INT(store_stream_size(store, r->id, STREAM_LOG), len);
	}
	check_stream(r->id, bytes, len);
	reopen();
	check_stream(r->id, bytes, len);
	(void)job_record_unref(r);
	end_store();
}

TEST("bytes at any other offset than the end are refused")
{
	struct err e = ERR_INIT;
	struct job_record *r;

	new_store();
	r = make_job("a", "1111111111111111");
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 0, "abc", 3, &e), 0);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 0, "abc", 3, &e), -ESTALE);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 4, "abc", 3, &e), -ESTALE);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 3, "def", 3, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	(void)job_record_unref(r);
	end_store();
}

TEST("what follows a place that was kept goes there, however long it is")
{
	static char text[9000];
	struct err e = ERR_INIT;
	struct job_record *r;
	char data[2] = "";

	new_store();
	r = make_job("a", "1111111111111111");
	memset(text, 'x', sizeof(text));
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_skip(store, r->id, STREAM_LOG, 100, &e), 0);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 100, text, sizeof(text), &e),
		  0);
	CHECK_INT(store_append(store, r->id, STREAM_LOG, 9100, "y", 1, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	CHECK_INT(store_stream_size(store, r->id, STREAM_LOG), 9101);
	CHECK_INT(store_read_stream(store, r->id, STREAM_LOG, 9099, data, 2), 2);
	CHECK(memcmp(data, "xy", 2) == 0);
	(void)job_record_unref(r);
	end_store();
}

enum { LARGE = 6 << 20 }; /* more than SQLite keeps in memory of a transaction */

/* Appends, by pieces that grow, and changes the first pages again. */
static void append_large(struct job_record *r, const char *bytes)
{
	struct err e = ERR_INIT;
	size_t n = 100;

	CHECK_INT(store_begin(store, &e), 0);
	for (size_t at = 0; at < LARGE; at += n, n = n * 2 < 300000 ? n * 2 : 100) {
		n = n < LARGE - at ? n : LARGE - at;
		CHECK_INT(store_append(store, r->id, STREAM_LOG, (int64_t)at,
				       bytes + at, n, &e),
			  0);
		r->stream_size[STREAM_LOG] = (int64_t)(at + n);
		CHECK_INT(store_put_job(store, r, &e), 0);
	}
}

static void check_large(const struct job_record *r, const char *bytes)
{
	static char data[LARGE];

	CHECK_INT(store_read_stream(store, r->id, STREAM_LOG, 0, data, LARGE), LARGE);
	CHECK(memcmp(data, bytes, LARGE) == 0);
}

TEST("what was committed is there for others at once, however large it is")
{
	static char bytes[LARGE];
	struct err e = ERR_INIT;
	struct job_record *r, *other;
	char path[80], data[3];

	new_store();
	r = make_job("a", "1111111111111111");
	for (size_t i = 0; i < LARGE; i++) {
		bytes[i] = (char)(i * 31 + (i >> 8));
	}
	append_large(r, bytes);
	store_rollback(store);
	CHECK_INT(store_read_stream(store, r->id, STREAM_LOG, 0, data, 3), 0);
	append_large(r, bytes);
	CHECK_INT(store_commit(store, &e), 0);
	check_large(r, bytes);
	(void)snprintf(path, sizeof(path), "%s/jobfs.db", dir);
	check_database(path);
	other = make_job("b", "2222222222222222"); /* a small one behind it */
	load();
	CHECK_INT(n_loaded, 2);
	CHECK_INT(loaded[0]->stream_size[STREAM_LOG], LARGE);
	unload();
	check_database(path);
	reopen();
	check_large(r, bytes);
	(void)job_record_unref(r);
	(void)job_record_unref(other);
	end_store();
}

static int count(void *arg, const struct store_file *file)
{
	(void)file;
	++*(int *)arg;
	return 0;
}

TEST("files have parents, unique names, and ids above the fixed directories")
{
	struct store_file f = { .job = 1, .parent = FILE_PARENT_FILES, .name = "a" }, g;
	struct err e = ERR_INIT;
	int n = 0;

	new_store();
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_add_file(store, &f, &e), 0);
	CHECK(f.id >= FILE_ID_FIRST);
	CHECK_INT(store_add_file(store, &f, &e), -EEXIST);
	/* the writer's thread sees its own transaction */
	CHECK_INT(store_find_file(store, 1, FILE_PARENT_FILES, "a", &g), 0);
	CHECK_INT(store_commit(store, &e), 0);
	CHECK_INT(g.id, f.id);
	CHECK_INT(store_find_file(store, 1, FILE_PARENT_JOB, "a", &g), -ENOENT);
	CHECK_INT(store_list_files(store, 1, FILE_PARENT_FILES, 0, count, &n), 0);
	CHECK_INT(n, 1);
	end_store();
}

TEST("a second daemon on the same directory is refused by name")
{
	struct store *second = NULL;
	struct err e = ERR_INIT;
	pid_t me = getpid(), child;
	char want[64];
	int status;

	new_store();
	(void)snprintf(want, sizeof(want), "another jobfs (process %d) uses", (int)me);
	child = fork(); /* within one process the kernel does not say who */
	CHECK(child >= 0);
	if (child == 0) {
		int r = store_open(dir, &second, &e);

		_exit(r == -EBUSY && strstr(e.text, want) ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
	CHECK_INT(store_open(dir, &second, &e), -EBUSY);
	end_store();
}

TEST("a job that waits for its next attempt is no damage, one that lacks an attempt is")
{
	cleanup_record struct job_record *r = NULL;
	struct err e = ERR_INIT;
	struct store *other = NULL;

	new_store();
	r = make_job("exp1", "0011223344556677");
	for (int attempts = 1; attempts >= 0; attempts--) {
		CHECK_INT(store_begin(store, &e), 0);
		r->n_attempts = attempts;
		r->attempt.n = 1;
		CHECK_INT(store_put_job(store, r, &e), 0);
		r->attempt.n = 0;
		CHECK_INT(store_put_job(store, r, &e), 0);
		CHECK_INT(store_commit(store, &e), 0);
		store = store_close(store);
		CHECK_INT(store_open(dir, &other, &e), attempts > 0 ? 0 : -EUCLEAN);
		store = other;
		other = NULL;
	}
	CHECK(strstr(e.text, "job 1 lacks its attempt 1"));
	end_store();
}

/* --- a damaged database ----------------------------------------------------------- */

enum { N_DAMAGED = 40, PAGE = 8192 };

static void fill_store(void)
{
	static char text[3000];
	struct err e = ERR_INIT;

	memset(text, 'x', sizeof(text));
	new_store();
	CHECK_INT(store_begin(store, &e), 0);
	for (int i = 0; i < N_DAMAGED; i++) {
		cleanup_record struct job_record *r = job_record_new();
		char name[32];

		CHECK(r);
		(void)snprintf(name, sizeof(name), "job-%d", i);
		(void)snprintf(r->key, sizeof(r->key), "%016x", i);
		CHECK_INT(job_set_text(&r->name, name), 0);
		CHECK_INT(store_add_job(store, r, &e), 0);
		r->state = JOB_SUCCEEDED;
		r->attempt.n = 1;
		CHECK_INT(store_put_job(store, r, &e), 0);
		CHECK_INT(store_put_spec(store, r->id, text, sizeof(text), &e), 0);
		CHECK_INT(store_append(store, r->id, STREAM_LOG, 0, text, sizeof(text),
				       &e),
			  0);
	}
	CHECK_INT(store_commit(store, &e), 0);
	store = store_close(store); /* which moves all of the WAL into the database */
}

static int count_right(void *arg, struct job_record *record)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "job-%d", (int)record->id - 1);
	*(int *)arg += streq(record->name, name) && record->state == JOB_SUCCEEDED &&
		       strtol(record->key, NULL, 16) == record->id - 1 &&
		       record->attempt.n == 1;
	(void)job_record_unref(record);
	return 0;
}

/* Uses whatever can be read; true: it opened. */
static bool use_damaged(int *ret_right)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	char data[4096];
	int r = store_open(dir, &store, &e);

	if (r < 0) {
		CHECK(e.text[0]);
		return false;
	}
	r = store_load_jobs(store, count_right, ret_right, &e);
	for (int i = 1; i <= N_DAMAGED; i++) {
		(void)store_read_spec(store, i, &text);
		(void)store_read_stream(store, i, STREAM_LOG, 0, data, sizeof(data));
	}
	if (store_begin(store, &e) == 0) {
		(void)store_append(store, 1, STREAM_LOG, 3000, data, 100, &e);
		store_rollback(store);
	}
	store = store_close(store);
	return r == 0;
}

static void flip(int fd, off_t at, unsigned char bits)
{
	unsigned char byte;

	CHECK(pread(fd, &byte, 1, at) == 1);
	byte ^= bits;
	CHECK(pwrite(fd, &byte, 1, at) == 1);
}

TEST("a byte that was changed anywhere is noticed, or changes no job")
{
	cleanup_close int fd = -1;
	unsigned seed = 17;
	char path[96];
	off_t size;
	int opened = 0, refused = 0;

	fill_store();
	(void)snprintf(path, sizeof(path), "%s/jobfs.db", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	CHECK(size / PAGE > 20);
	for (int i = 0; i < 300; i++) { /* every page, more than once */
		off_t at = i % (size / PAGE) * PAGE + rand_r(&seed) % PAGE;
		unsigned char bits = (unsigned char)(1 << rand_r(&seed) % 8);
		int right = 0;

		flip(fd, at, bits);
		if (use_damaged(&right)) {
			opened++;
			CHECK_INT(right, N_DAMAGED);
		} else {
			refused++;
		}
		flip(fd, at, bits);
	}
	CHECK(opened > 0 && refused > 0);
	end_store();
}

TEST("which hosts are drained is kept")
{
	struct err e = ERR_INIT;

	new_store();
	CHECK_INT(store_is_drained(store, "gpu-a"), 0);
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_set_drained(store, "gpu-a", true, &e), 0);
	CHECK_INT(store_set_drained(store, "gpu-a", true, &e), 0);
	CHECK_INT(store_set_drained(store, "gpu-b", false, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	CHECK_INT(store_is_drained(store, "gpu-a"), 1);
	CHECK_INT(store_is_drained(store, "gpu-b"), 0);
	reopen();
	CHECK_INT(store_is_drained(store, "gpu-a"), 1);
	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_set_drained(store, "gpu-a", false, &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
	CHECK_INT(store_is_drained(store, "gpu-a"), 0);
	end_store();
}

TEST_MAIN

/* As the schema was before version 6. */
static const char downgrade[] =
	"ALTER TABLE job DROP COLUMN checkpoint_uri;"
	"ALTER TABLE job DROP COLUMN checkpoint;"
	"ALTER TABLE job DROP COLUMN checkpoint_bytes;"
	"ALTER TABLE job DROP COLUMN checkpoint_count;"
	"UPDATE chunk SET stream = 2 WHERE stream = 3;"
	"UPDATE chunk SET stream = 3 WHERE stream = 4;"
	"ALTER TABLE job DROP COLUMN metrics_written;"
	"ALTER TABLE job DROP COLUMN metrics_size;"
	"ALTER TABLE job DROP COLUMN metrics_gap_from;"
	"ALTER TABLE job DROP COLUMN metrics_gap_to;"
	"ALTER TABLE attempt DROP COLUMN metrics_base;"
	"ALTER TABLE attempt DROP COLUMN metrics_end;"
	"ALTER TABLE attempt DROP COLUMN engine;"
	"ALTER TABLE job DROP COLUMN has_files;"
	"INSERT INTO file(job, parent, name, is_dir, mode, uid, gid)"
	" SELECT id, 1, 'f', 0, 420, 0, 0 FROM job WHERE name = 'b';"
	"PRAGMA user_version = 5;";

static void append(int64_t job, enum job_stream stream, const char *text)
{
	struct err e = ERR_INIT;

	CHECK_INT(store_begin(store, &e), 0);
	CHECK_INT(store_append(store, job, stream, 0, text, strlen(text), &e), 0);
	CHECK_INT(store_commit(store, &e), 0);
}

static void holds(int64_t job, enum job_stream stream, const char *text)
{
	char data[16] = "";

	CHECK_INT(store_read_stream(store, job, stream, 0, data, sizeof(data) - 1),
		  strlen(text));
	CHECK_STR(data, text);
}

static int note_files(void *arg, struct job_record *record)
{
	CHECK_INT(record->has_files, streq(record->name, "b"));
	++*(int *)arg;
	(void)job_record_unref(record);
	return 0;
}

TEST("streams of an older schema are found under their new numbers, and files noted")
{
	struct job_record *r;
	struct err e = ERR_INIT;
	char path[96];
	sqlite3 *db;
	int64_t id;
	int n = 0;

	new_store();
	r = make_job("a", "0000000000000001");
	id = r->id;
	(void)job_record_unref(r);
	(void)job_record_unref(make_job("b", "0000000000000002"));
	append(id, STREAM_LOG, "log");
	append(id, STREAM_EVENTS, "events");
	append(id, STREAM_OUTPUTS, "outputs");
	append(0, STREAM_EVENTS, "all");
	store = store_close(store);
	(void)snprintf(path, sizeof(path), "%s/jobfs.db", dir);
	CHECK_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, downgrade, NULL, NULL, NULL), SQLITE_OK);
	CHECK_INT(sqlite3_close(db), SQLITE_OK);
	open_store();
	holds(id, STREAM_LOG, "log");
	holds(id, STREAM_METRICS, "");
	holds(id, STREAM_EVENTS, "events");
	holds(id, STREAM_OUTPUTS, "outputs");
	holds(0, STREAM_EVENTS, "all");
	CHECK_INT(store_load_jobs(store, note_files, &n, &e), 0);
	CHECK_INT(n, 2);
	end_store();
}
