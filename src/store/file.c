/* Rows of the users' own files; their contents are plain files named by the id. */
#include <errno.h>
#include <stdio.h>

#include "store/internal.h"

static void load_file(sqlite3_stmt *row, struct store_file *ret)
{
	const char *name = (const char *)sqlite3_column_text(row, 3);

	ret->id = sqlite3_column_int64(row, 0);
	ret->job = sqlite3_column_int64(row, 1);
	ret->parent = sqlite3_column_int64(row, 2);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
	ret->is_dir = sqlite3_column_int(row, 4) != 0;
	ret->mode = (mode_t)sqlite3_column_int64(row, 5);
	ret->uid = (uid_t)sqlite3_column_int64(row, 6);
	ret->gid = (gid_t)sqlite3_column_int64(row, 7);
}

int store_add_file(struct store *s, struct store_file *file, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_ADD_FILE, e);
	int r;

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, file->job);
	(void)sqlite3_bind_int64(statement, 2, file->parent);
	(void)sqlite3_bind_text(statement, 3, file->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(statement, 4, file->is_dir);
	(void)sqlite3_bind_int64(statement, 5, file->mode);
	(void)sqlite3_bind_int64(statement, 6, file->uid);
	(void)sqlite3_bind_int64(statement, 7, file->gid);
	r = store_run(&s->writer, statement, e);
	if (r == 0) {
		file->id = sqlite3_last_insert_rowid(s->writer.db);
	}
	return r;
}

int store_put_file(struct store *s, const struct store_file *file, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_PUT_FILE, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, file->id);
	(void)sqlite3_bind_int64(statement, 2, file->parent);
	(void)sqlite3_bind_text(statement, 3, file->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(statement, 4, file->mode);
	(void)sqlite3_bind_int64(statement, 5, file->uid);
	(void)sqlite3_bind_int64(statement, 6, file->gid);
	return store_run(&s->writer, statement, e);
}

int store_delete_file(struct store *s, int64_t id, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_DELETE_FILE, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(statement, 1, id);
	return store_run(&s->writer, statement, e);
}

static int take_file(sqlite3_stmt *row, void *arg)
{
	load_file(row, arg);
	return 0;
}

int store_get_file(struct store *s, int64_t id, struct store_file *ret_file)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_GET_FILE, &row);

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, id);
	return store_get_one(s, c, row, take_file, ret_file);
}

int store_find_file(struct store *s, int64_t job, int64_t parent, const char *name,
		    struct store_file *ret_file)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_FIND_FILE, &row);

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	(void)sqlite3_bind_int64(row, 2, parent);
	(void)sqlite3_bind_text(row, 3, name, -1, SQLITE_STATIC);
	return store_get_one(s, c, row, take_file, ret_file);
}

/* Hands out the rows and gives the reader back. */
static int list(struct store *s, struct store_connection *c, sqlite3_stmt *row,
		int (*each)(void *arg, const struct store_file *file), void *arg)
{
	int result = SQLITE_DONE, stop = 0;

	while (!stop && (result = sqlite3_step(row)) == SQLITE_ROW) {
		struct store_file file;

		load_file(row, &file);
		stop = each(arg, &file);
	}
	(void)sqlite3_reset(row);
	store_reader_put(s, c);
	return result == SQLITE_ROW || result == SQLITE_DONE ? 0 : -EIO;
}

int store_list_files(struct store *s, int64_t job, int64_t parent, int64_t after,
		     int (*each)(void *arg, const struct store_file *file), void *arg)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_LIST_FILES, &row);

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	(void)sqlite3_bind_int64(row, 2, parent);
	(void)sqlite3_bind_int64(row, 3, after);
	return list(s, c, row, each, arg);
}

int store_list_job_files(struct store *s, int64_t job,
			 int (*each)(void *arg, const struct store_file *file),
			 void *arg)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_LIST_FILES_OF_JOB, &row);

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, job);
	return list(s, c, row, each, arg);
}

int store_list_user_files(struct store *s, uid_t uid,
			  int (*each)(void *arg, const struct store_file *file),
			  void *arg)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_LIST_FILES_OF_USER, &row);

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, uid);
	return list(s, c, row, each, arg);
}

int store_sum_specs(struct store *s, uid_t uid, int64_t *ret_bytes)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_SUM_SPECS, &row);
	int r = -EIO;

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_int64(row, 1, uid);
	if (sqlite3_step(row) == SQLITE_ROW) {
		*ret_bytes = sqlite3_column_int64(row, 0);
		r = 0;
	}
	(void)sqlite3_reset(row);
	store_reader_put(s, c);
	return r;
}
