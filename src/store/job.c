/* Rows of jobs and attempts. One table says which column is which member; the
 * statements, the binding and the loading all walk it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

enum column_type {
	COLUMN_INT64,
	COLUMN_INT,
	COLUMN_UINT, /* uid_t, gid_t, mode_t */
	COLUMN_BOOL,
	COLUMN_TEXT,
	COLUMN_KEY, /* char[] of the job's key */
	COLUMN_STATE,
	COLUMN_REASON,
	COLUMN_TRANSFERS,
};

struct column {
	const char *name;
	enum column_type type;
	size_t offset; /* in struct job_record */
};

#define MEMBER(column, type, member)                                                   \
	{                                                                              \
		(column), COLUMN_##type, offsetof(struct job_record, member)           \
	}

/* id comes first: parameter 1 of every statement. Key and name are next, which a job
 * hardly ever changes, and which have indexes. */
enum { FIRST_CHANGING = 3, RESERVED_IDS = 256 };
static const struct column job_columns[] = {
	MEMBER("id", INT64, id),
	MEMBER("key", KEY, key),
	MEMBER("name", TEXT, name),
	MEMBER("uid", UINT, uid),
	MEMBER("gid", UINT, gid),
	MEMBER("mode", UINT, mode),
	MEMBER("state", STATE, state),
	MEMBER("reason", REASON, reason),
	MEMBER("message", TEXT, message),
	MEMBER("error", TEXT, error),
	MEMBER("accepted", BOOL, is_accepted),
	MEMBER("spec_size", INT64, spec_size),
	MEMBER("has_files", BOOL, has_files),
	MEMBER("created", INT64, created_ms),
	MEMBER("submitted", INT64, submitted_ms),
	MEMBER("started", INT64, started_ms),
	MEMBER("exited", INT64, exited_ms),
	MEMBER("ended", INT64, ended_ms),
	MEMBER("changed", INT64, changed_ms),
	MEMBER("log_written", INT64, written_ms[STREAM_LOG]),
	MEMBER("transfer_written", INT64, written_ms[STREAM_TRANSFER]),
	MEMBER("metrics_written", INT64, written_ms[STREAM_METRICS]),
	MEMBER("events_written", INT64, written_ms[STREAM_EVENTS]),
	MEMBER("outputs_written", INT64, written_ms[STREAM_OUTPUTS]),
	MEMBER("cancel", BOOL, cancel),
	MEMBER("cancel_now", BOOL, cancel_now),
	MEMBER("exit_code", INT, exit_code),
	MEMBER("log_size", INT64, stream_size[STREAM_LOG]),
	MEMBER("transfer_size", INT64, stream_size[STREAM_TRANSFER]),
	MEMBER("metrics_size", INT64, stream_size[STREAM_METRICS]),
	MEMBER("events_size", INT64, stream_size[STREAM_EVENTS]),
	MEMBER("outputs_size", INT64, stream_size[STREAM_OUTPUTS]),
	MEMBER("event_seq", INT64, event_seq),
	MEMBER("outputs_uri", TEXT, outputs_uri),
	MEMBER("outputs_count", INT64, outputs_count),
	MEMBER("outputs_bytes", INT64, outputs_bytes),
	MEMBER("attempt", INT, attempt.n),
	MEMBER("priority", INT, priority),
	MEMBER("attempts", INT, n_attempts),
	MEMBER("retries", INT, retries),
	MEMBER("retry_at", INT64, retry_at_ms),
	MEMBER("signal", TEXT, signal),
	MEMBER("upload_again", BOOL, upload_again),
	MEMBER("log_gap_from", INT64, gap[STREAM_LOG].from),
	MEMBER("log_gap_to", INT64, gap[STREAM_LOG].to),
	MEMBER("transfer_gap_from", INT64, gap[STREAM_TRANSFER].from),
	MEMBER("transfer_gap_to", INT64, gap[STREAM_TRANSFER].to),
	MEMBER("metrics_gap_from", INT64, gap[STREAM_METRICS].from),
	MEMBER("metrics_gap_to", INT64, gap[STREAM_METRICS].to),
	MEMBER("checkpoint_uri", TEXT, checkpoint_uri),
	MEMBER("checkpoint", INT64, checkpoint_ms),
	MEMBER("checkpoint_bytes", INT64, checkpoint_bytes),
	MEMBER("checkpoint_count", INT64, checkpoint_count),
};

static const struct column attempt_columns[] = {
	MEMBER("job", INT64, id),
	MEMBER("n", INT, attempt.n),
	MEMBER("host", TEXT, attempt.host),
	MEMBER("gpus", TEXT, attempt.gpus),
	MEMBER("storeid", TEXT, attempt.storeid),
	MEMBER("engine", TEXT, attempt.engine),
	MEMBER("claimed", BOOL, attempt.is_claimed),
	MEMBER("acked", BOOL, attempt.is_acked),
	MEMBER("exit", TEXT, attempt.exit),
	MEMBER("end", TEXT, attempt.end),
	MEMBER("timeout", TEXT, attempt.timeout),
	MEMBER("log_base", INT64, attempt.base[STREAM_LOG]),
	MEMBER("log_end", INT64, attempt.end_at[STREAM_LOG]),
	MEMBER("transfer_base", INT64, attempt.base[STREAM_TRANSFER]),
	MEMBER("transfer_end", INT64, attempt.end_at[STREAM_TRANSFER]),
	MEMBER("metrics_base", INT64, attempt.base[STREAM_METRICS]),
	MEMBER("metrics_end", INT64, attempt.end_at[STREAM_METRICS]),
	MEMBER("state", STATE, attempt.state),
	MEMBER("reason", REASON, attempt.reason),
	MEMBER("message", TEXT, attempt.message),
	MEMBER("exit_code", INT, attempt.exit_code),
	MEMBER("started", INT64, attempt.started_ms),
	MEMBER("exited", INT64, attempt.exited_ms),
	MEMBER("ended", INT64, attempt.ended_ms),
	MEMBER("outputs_since", INT64, attempt.outputs_since_s),
	MEMBER("transfers", TRANSFERS, transfers),
};

/* The transfers of an attempt are read only as a whole: one text, a line each, members
 * apart by tabs (names and URIs hold no control characters). */
static int bind_transfers(sqlite3_stmt *statement, int index,
			  const struct job_record *r)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < r->n_transfers; i++) {
		const struct job_transfer *t = &r->transfers[i];

		(void)buf_printf(&text, "%d\t%lld\t%lld\t%s\t%s\t%lld\t%lld\t%lld\n",
				 (int)t->state, (long long)t->bytes,
				 (long long)t->total, t->name, t->uri,
				 (long long)t->began_ms, (long long)t->ended_ms,
				 (long long)t->cached);
	}
	if (text.error) {
		return text.error;
	}
	(void)sqlite3_bind_text(statement, index, buf_text(&text), -1,
				SQLITE_TRANSIENT);
	return 0;
}

static int bind_column(sqlite3_stmt *statement, int index, const struct column *c,
		       const struct job_record *r)
{
	const char *member = (const char *)r + c->offset;

	switch (c->type) {
	case COLUMN_INT64:
		(void)sqlite3_bind_int64(statement, index, *(const int64_t *)member);
		break;
	case COLUMN_INT:
		(void)sqlite3_bind_int64(statement, index, *(const int *)member);
		break;
	case COLUMN_UINT:
		(void)sqlite3_bind_int64(statement, index, *(const unsigned *)member);
		break;
	case COLUMN_BOOL:
		(void)sqlite3_bind_int64(statement, index, *(const bool *)member);
		break;
	case COLUMN_TEXT:
		(void)sqlite3_bind_text(statement, index, *(char *const *)member, -1,
					SQLITE_STATIC);
		break;
	case COLUMN_KEY:
		(void)sqlite3_bind_text(statement, index, member, -1, SQLITE_STATIC);
		break;
	case COLUMN_STATE:
		(void)sqlite3_bind_text(statement, index,
					job_state_name(*(const enum job_state *)member),
					-1, SQLITE_STATIC);
		break;
	case COLUMN_REASON:
		(void)sqlite3_bind_text(
			statement, index,
			job_reason_name(*(const enum job_reason *)member), -1,
			SQLITE_STATIC);
		break;
	case COLUMN_TRANSFERS:
		return bind_transfers(statement, index, r);
	}
	return 0;
}

static int bind_columns(sqlite3_stmt *statement, const struct column *columns, size_t n,
			const struct job_record *r)
{
	for (size_t i = 0; i < n; i++) {
		int error = bind_column(statement, (int)i + 1, &columns[i], r);

		if (error < 0) {
			return error;
		}
	}
	return 0;
}

static int parse_transfer(char *line, struct job_transfer *ret)
{
	long long bytes, total, began = 0, ended = 0, cached = 0;
	int state, used = 0;
	char *uri, *times;

	if (sscanf(line, "%d\t%lld\t%lld\t%n", &state, &bytes, &total, &used) != 3 ||
	    used == 0) {
		return -EUCLEAN;
	}
	uri = strchr(line + used, '\t');
	if (!uri) {
		return -EUCLEAN;
	}
	*uri++ = '\0';
	times = strchr(uri, '\t'); /* older ones have none, or no last one */
	if (times) {
		*times++ = '\0';
		if (sscanf(times, "%lld\t%lld\t%lld", &began, &ended, &cached) < 2) {
			return -EUCLEAN;
		}
	}
	ret->began_ms = began;
	ret->ended_ms = ended;
	ret->cached = cached;
	ret->state = (enum job_transfer_state)state;
	ret->bytes = bytes;
	ret->total = total;
	ret->name = strdup(line + used);
	ret->uri = strdup(uri);
	return ret->name && ret->uri ? 0 : -ENOMEM;
}

static int load_transfers(const char *text, struct job_record *r)
{
	cleanup_free char *copy = strdup(text ? text : "");
	char *save = NULL;
	size_t n = 0;

	if (!copy) {
		return -ENOMEM;
	}
	for (const char *p = copy; *p; p++) {
		n += *p == '\n';
	}
	if (n == 0) {
		return 0;
	}
	r->transfers = calloc(n, sizeof(*r->transfers));
	if (!r->transfers) {
		return -ENOMEM;
	}
	for (char *line = strtok_r(copy, "\n", &save); line && r->n_transfers < n;
	     line = strtok_r(NULL, "\n", &save)) {
		int error = parse_transfer(line, &r->transfers[r->n_transfers++]);

		if (error < 0) {
			return error;
		}
	}
	return 0;
}

static int load_text(sqlite3_stmt *row, int index, char **member)
{
	const char *text = (const char *)sqlite3_column_text(row, index);

	return job_set_text(member, text);
}

static int load_column(sqlite3_stmt *row, int index, const struct column *c,
		       struct job_record *r)
{
	char *member = (char *)r + c->offset;
	int64_t number = sqlite3_column_int64(row, index);
	const char *text;

	switch (c->type) {
	case COLUMN_INT64:
		*(int64_t *)member = number;
		break;
	case COLUMN_INT:
		*(int *)member = (int)number;
		break;
	case COLUMN_UINT:
		*(unsigned *)member = (unsigned)number;
		break;
	case COLUMN_BOOL:
		*(bool *)member = number != 0;
		break;
	case COLUMN_TEXT:
		return load_text(row, index, (char **)member);
	case COLUMN_KEY:
		text = (const char *)sqlite3_column_text(row, index);
		(void)snprintf(member, JOB_KEY_LEN + 1, "%s", text ? text : "");
		break;
	case COLUMN_STATE:
		text = (const char *)sqlite3_column_text(row, index);
		*(enum job_state *)member = job_state_from_name(text ? text : "");
		return *(enum job_state *)member == JOB_STATE_COUNT ? -EUCLEAN : 0;
	case COLUMN_REASON:
		text = (const char *)sqlite3_column_text(row, index);
		*(enum job_reason *)member = job_reason_from_name(text ? text : "");
		break;
	case COLUMN_TRANSFERS:
		return load_transfers((const char *)sqlite3_column_text(row, index), r);
	}
	return 0;
}

/* "a, b, c" and as many parameters. */
static void add_names(struct buf *b, const struct column *columns, size_t n,
		      const char *prefix)
{
	for (size_t i = 0; i < n; i++) {
		(void)buf_printf(b, "%s%s%s", i ? ", " : "", prefix, columns[i].name);
	}
}

static void add_parameters(struct buf *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)buf_printf(b, "%s?%zu", i ? ", " : "", i + 1);
	}
}

static char *make_insert(const char *verb, const char *table,
			 const struct column *columns, size_t n)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s INTO %s(", verb, table);
	add_names(&b, columns, n, "");
	(void)buf_add_str(&b, ") VALUES(");
	add_parameters(&b, n);
	(void)buf_add_str(&b, ")");
	return buf_steal(&b);
}

/* Without what has an index: SQLite writes that anew for every column that is named,
 * even if it is the same. */
static char *make_update(void)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)buf_add_str(&b, "UPDATE job SET ");
	for (size_t i = FIRST_CHANGING; i < ARRAY_SIZE(job_columns); i++) {
		(void)buf_printf(&b, "%s%s = ?%zu", i > FIRST_CHANGING ? ", " : "",
				 job_columns[i].name, i + 1);
	}
	(void)buf_add_str(&b, " WHERE id = ?1");
	return buf_steal(&b);
}

static char *make_load(void)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)buf_add_str(&b, "SELECT ");
	add_names(&b, job_columns, ARRAY_SIZE(job_columns), "job.");
	(void)buf_add_str(&b, ", ");
	add_names(&b, attempt_columns, ARRAY_SIZE(attempt_columns), "attempt.");
	(void)buf_add_str(&b, " FROM job LEFT JOIN attempt ON attempt.job = job.id AND"
			      " attempt.n = job.attempt ORDER BY job.id");
	return buf_steal(&b);
}

static char *make_get_attempt(void)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)buf_add_str(&b, "SELECT ");
	add_names(&b, attempt_columns, ARRAY_SIZE(attempt_columns), "");
	(void)buf_add_str(&b, " FROM attempt WHERE job = ?1 AND n = ?2");
	return buf_steal(&b);
}

int store_make_job_sql(struct store *s)
{
	s->sql[SQL_ADD_JOB] =
		make_insert("INSERT", "job", job_columns, ARRAY_SIZE(job_columns));
	s->sql[SQL_PUT_JOB] = make_update();
	s->sql[SQL_PUT_ATTEMPT] =
		make_insert("INSERT OR REPLACE", "attempt", attempt_columns,
			    ARRAY_SIZE(attempt_columns));
	s->sql[SQL_LOAD_JOBS] = make_load();
	s->sql[SQL_GET_ATTEMPT] = make_get_attempt();
	return s->sql[SQL_ADD_JOB] && s->sql[SQL_PUT_JOB] && s->sql[SQL_PUT_ATTEMPT] &&
			       s->sql[SQL_LOAD_JOBS] && s->sql[SQL_GET_ATTEMPT]
		       ? 0
		       : -ENOMEM;
}

/* The highest id is written ahead, so that not every new job changes that row too. */
static int reserve_ids(struct store *s, int64_t id, struct err *e)
{
	sqlite3_stmt *statement;
	int r;

	if (id <= s->jobs_to) {
		return 0;
	}
	statement = store_prepare(s, &s->writer, SQL_RESERVE_JOBS, e);
	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, id + RESERVED_IDS - 1);
	r = store_run(&s->writer, statement, e);
	if (r == 0) {
		s->jobs_to = id + RESERVED_IDS - 1;
	}
	return r;
}

int store_add_job(struct store *s, struct job_record *record, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_ADD_JOB, e);
	int r = statement ? reserve_ids(s, record->id, e) : -EIO;

	if (r < 0) {
		return r;
	}
	r = bind_columns(statement, job_columns, ARRAY_SIZE(job_columns), record);
	if (r < 0) {
		return err_set(e, r, "no memory");
	}
	if (record->id == 0) {
		(void)sqlite3_bind_null(statement, 1); /* AUTOINCREMENT gives it */
	}
	r = store_run(&s->writer, statement, e);
	if (r == 0) {
		record->id = sqlite3_last_insert_rowid(s->writer.db);
	}
	return r;
}

int store_last_job(struct store *s, int64_t *ret_id)
{
	return store_read_number(&s->writer,
				 "SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
				 " WHERE name = 'job'",
				 ret_id);
}

static int put_row(struct store *s, enum store_sql which, const struct column *columns,
		   size_t n, const struct job_record *record, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, which, e);
	int r;

	if (!statement) {
		return -EIO;
	}
	r = bind_columns(statement, columns, n, record);
	if (r < 0) {
		return err_set(e, r, "no memory");
	}
	return store_run(&s->writer, statement, e);
}

int store_put_job(struct store *s, const struct job_record *record, struct err *e)
{
	int r = put_row(s, SQL_PUT_JOB, job_columns, ARRAY_SIZE(job_columns), record,
			e);

	return r == 0 && record->attempt.n > 0 ? store_put_attempt(s, record, e) : r;
}

int store_rename_job(struct store *s, int64_t job, const char *name, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_RENAME_JOB, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, job);
	(void)sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

int store_put_attempt(struct store *s, const struct job_record *record, struct err *e)
{
	return put_row(s, SQL_PUT_ATTEMPT, attempt_columns, ARRAY_SIZE(attempt_columns),
		       record, e);
}

static int take_attempt(sqlite3_stmt *row, void *arg)
{
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attempt_columns) && error == 0; i++) {
		error = load_column(row, (int)i, &attempt_columns[i], arg);
	}
	return error;
}

int store_get_attempt(struct store *s, int64_t job, int n,
		      struct job_record **ret_record)
{
	cleanup_record struct job_record *record = job_record_new();
	struct store_connection *c;
	sqlite3_stmt *row;
	int r;

	if (!record) {
		return -ENOMEM;
	}
	c = store_query(s, SQL_GET_ATTEMPT, &row);
	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	(void)sqlite3_bind_int64(row, 2, n);
	r = store_get_one(s, c, row, take_attempt, record);
	if (r == 0) {
		*ret_record = steal_ptr(&record);
	}
	return r;
}

static int list_job_files(struct store *s, int64_t job, struct buf *ret_files,
			  struct err *e)
{
	sqlite3_stmt *row = store_prepare(s, &s->writer, SQL_LIST_JOB_FILES, e);
	int result;

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	while ((result = sqlite3_step(row)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(row, 0);

		(void)buf_add(ret_files, &id, sizeof(id));
	}
	(void)sqlite3_reset(row);
	return result == SQLITE_DONE ? ret_files->error : store_error(&s->writer, e);
}

int store_delete_job(struct store *s, int64_t job, struct buf *ret_files, struct err *e)
{
	static const enum store_sql verbs[] = {
		SQL_DELETE_JOB,	   SQL_DELETE_ATTEMPTS, SQL_DELETE_SPEC,
		SQL_DELETE_CHUNKS, SQL_DELETE_FILES,
	};
	int r = list_job_files(s, job, ret_files, e);

	for (size_t i = 0; i < ARRAY_SIZE(verbs) && r == 0; i++) {
		sqlite3_stmt *statement = store_prepare(s, &s->writer, verbs[i], e);

		if (!statement) {
			return -EIO;
		}
		(void)sqlite3_bind_int64(statement, 1, job);
		r = store_run(&s->writer, statement, e);
	}
	return r;
}

static int load_row(sqlite3_stmt *row, struct job_record *r)
{
	int index = 0, error = 0;
	int64_t id;

	for (size_t i = 0; i < ARRAY_SIZE(job_columns) && error == 0; i++) {
		error = load_column(row, index++, &job_columns[i], r);
	}
	if (r->attempt.n == 0) {
		return error;
	}
	id = r->id;
	for (size_t i = 0; i < ARRAY_SIZE(attempt_columns) && error == 0; i++) {
		error = load_column(row, index++, &attempt_columns[i], r);
	}
	return error == 0 && r->id != id ? -EUCLEAN : error;
}

int store_load_jobs(struct store *s, int (*each)(void *arg, struct job_record *record),
		    void *arg, struct err *e)
{
	struct store_connection *c = &s->writer;
	sqlite3_stmt *row = store_prepare(s, c, SQL_LOAD_JOBS, e);
	int result, r = 0;

	if (!row) {
		return -EIO;
	}
	while (r == 0 && (result = sqlite3_step(row)) == SQLITE_ROW) {
		cleanup_record struct job_record *record = job_record_new();

		r = record ? load_row(row, record) : -ENOMEM;
		if (r < 0) {
			err_set(e, r, "the job database is damaged: job %lld: %s",
				(long long)sqlite3_column_int64(row, 0), strerror(-r));
		} else {
			r = each(arg, steal_ptr(&record));
		}
	}
	if (r == 0 && result != SQLITE_DONE) {
		r = store_error(c, e);
	}
	(void)sqlite3_reset(row);
	return r;
}
