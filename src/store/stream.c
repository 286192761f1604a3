/* Specs and append-only streams. A stream is a run of chunks without gaps; small
 * appends are merged into the last chunk, so that a slow log does not become a row a
 * line. */
#include <errno.h>
#include <string.h>

#include "store/internal.h"

enum {
	CHUNK_MAX = 64 << 10, /* bytes of one chunk */
	/* A last chunk is added to up to that size: then its row is in one page, and no
	 * chain of others is written anew with each line. */
	CHUNK_MERGE = 4000,
};

int store_put_spec(struct store *s, int64_t job, const char *text, size_t len,
		   struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_PUT_SPEC, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, job);
	(void)sqlite3_bind_blob64(statement, 2, len ? text : "", len, SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

static int take_spec(sqlite3_stmt *row, void *arg)
{
	return buf_add(arg, sqlite3_column_blob(row, 0),
		       (size_t)sqlite3_column_bytes(row, 0));
}

int store_read_spec(struct store *s, int64_t job, struct buf *out)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_GET_SPEC, &row);

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	return store_get_one(s, c, row, take_spec, out);
}

struct last_chunk {
	int64_t id; /* 0: the stream is empty */
	int64_t end;
	bool is_open;	 /* for what is appended now */
	struct buf data; /* when it is open */
};

/* An empty one is always open: it has the place of what comes next. */
static bool may_grow(size_t len, size_t more)
{
	return len == 0 || len + more <= CHUNK_MERGE;
}

static int find_last_chunk(struct store *s, int64_t job, enum job_stream stream,
			   size_t more, struct last_chunk *ret, struct err *e)
{
	sqlite3_stmt *row = store_prepare(s, &s->writer, SQL_LAST_CHUNK, e);
	int result, r = 0;

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	(void)sqlite3_bind_int64(row, 2, (int)stream);
	result = sqlite3_step(row);
	if (result == SQLITE_ROW) {
		size_t len = (size_t)sqlite3_column_bytes(row, 2);

		ret->id = sqlite3_column_int64(row, 0);
		ret->end = sqlite3_column_int64(row, 1) + (int64_t)len;
		ret->is_open = may_grow(len, more);
		if (ret->is_open) {
			r = buf_add(&ret->data, sqlite3_column_blob(row, 2), len);
		}
	} else if (result != SQLITE_DONE) {
		r = store_error(&s->writer, e);
	}
	(void)sqlite3_reset(row);
	return r;
}

static int add_chunk(struct store *s, int64_t job, enum job_stream stream,
		     int64_t offset, const char *data, size_t len, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_ADD_CHUNK, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, job);
	(void)sqlite3_bind_int64(statement, 2, (int)stream);
	(void)sqlite3_bind_int64(statement, 3, offset);
	(void)sqlite3_bind_blob64(statement, 4, data, len, SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

static int put_chunk(struct store *s, int64_t id, const struct buf *data, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_PUT_CHUNK, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, id);
	(void)sqlite3_bind_blob64(statement, 2, data->data, data->len, SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

static int append_chunks(struct store *s, int64_t job, enum job_stream stream,
			 int64_t offset, const char *data, size_t len, struct err *e)
{
	int r = 0;

	while (len > 0 && r == 0) {
		size_t n = len < CHUNK_MAX ? len : CHUNK_MAX;

		r = add_chunk(s, job, stream, offset, data, n, e);
		data += n;
		len -= n;
		offset += (int64_t)n;
	}
	return r;
}

int store_append(struct store *s, int64_t job, enum job_stream stream, int64_t offset,
		 const void *data, size_t len, struct err *e)
{
	struct last_chunk last = { .id = 0 };
	size_t n = 0; /* what goes into the last chunk */
	int r;

	if (len == 0) {
		return 0;
	}
	r = find_last_chunk(s, job, stream, len, &last, e);
	if (r == 0 && last.end != offset) {
		r = err_set(e, -ESTALE, "stream %d of job %lld ends at %lld, not %lld",
			    (int)stream, (long long)job, (long long)last.end,
			    (long long)offset);
	}
	if (r == 0 && last.is_open) {
		n = len < CHUNK_MAX ? len : CHUNK_MAX;
		r = buf_add(&last.data, data, n);
		r = r < 0 ? r : put_chunk(s, last.id, &last.data, e);
	}
	if (r == 0) {
		r = append_chunks(s, job, stream, offset + (int64_t)n,
				  (const char *)data + n, len - n, e);
	}
	buf_fini(&last.data);
	return r;
}

/* An empty chunk keeps the place; the next append goes into it. */
int store_skip(struct store *s, int64_t job, enum job_stream stream, int64_t offset,
	       struct err *e)
{
	return add_chunk(s, job, stream, offset, "", 0, e);
}

int store_trim(struct store *s, int64_t job, enum job_stream stream,
	       const struct job_gap *gap, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_TRIM_CHUNKS, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, job);
	(void)sqlite3_bind_int64(statement, 2, (int)stream);
	(void)sqlite3_bind_int64(statement, 3, gap->from);
	(void)sqlite3_bind_int64(statement, 4, gap->to);
	return store_run(&s->writer, statement, e);
}

/* Copies what the chunk at `start` holds of the wanted bytes. */
static size_t copy_chunk(sqlite3_stmt *row, int64_t offset, char *data, size_t len)
{
	int64_t start = sqlite3_column_int64(row, 0);
	int64_t size = sqlite3_column_bytes(row, 1);
	const char *bytes = sqlite3_column_blob(row, 1);
	int64_t skip = offset - start;
	size_t n;

	if (skip < 0 || skip >= size) {
		return 0;
	}
	n = (size_t)(size - skip);
	n = n < len ? n : len;
	memcpy(data, bytes + skip, n);
	return n;
}

ssize_t store_read_stream(struct store *s, int64_t job, enum job_stream stream,
			  int64_t offset, char *data, size_t len)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_READ_CHUNKS, &row);
	size_t done = 0;
	int result;

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	(void)sqlite3_bind_int64(row, 2, (int)stream);
	(void)sqlite3_bind_int64(row, 3, offset);
	(void)sqlite3_bind_int64(row, 4, offset + (int64_t)len);
	while ((result = sqlite3_step(row)) == SQLITE_ROW && done < len) {
		done += copy_chunk(row, offset + (int64_t)done, data + done,
				   len - done);
	}
	(void)sqlite3_reset(row);
	store_reader_put(s, c);
	return result == SQLITE_ROW || result == SQLITE_DONE ? (ssize_t)done : -EIO;
}

static int take_size(sqlite3_stmt *row, void *arg)
{
	*(int64_t *)arg = sqlite3_column_int64(row, 1) + sqlite3_column_bytes(row, 2);
	return 0;
}

int64_t store_stream_size(struct store *s, int64_t job, enum job_stream stream)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_LAST_CHUNK, &row);
	int64_t size = 0;
	int r;

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	(void)sqlite3_bind_int64(row, 2, (int)stream);
	r = store_get_one(s, c, row, take_size, &size);
	return r == 0 || r == -ENOENT ? size : r;
}
