/* Attempts that their hosts have still to forget. */
#include <errno.h>
#include <stdio.h>

#include "store/internal.h"

int store_add_leftover(struct store *s, const struct store_leftover *leftover,
		       struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_ADD_LEFTOVER, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_text(statement, 1, leftover->attempt, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(statement, 2, leftover->host, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(statement, 3, leftover->kill);
	return store_run(&s->writer, statement, e);
}

int store_delete_leftover(struct store *s, const char *attempt, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_DELETE_LEFTOVER, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_text(statement, 1, attempt, -1, SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

static void load_row(sqlite3_stmt *row, struct store_leftover *ret)
{
	const char *attempt = (const char *)sqlite3_column_text(row, 0);
	const char *host = (const char *)sqlite3_column_text(row, 1);

	(void)snprintf(ret->attempt, sizeof(ret->attempt), "%s",
		       attempt ? attempt : "");
	(void)snprintf(ret->host, sizeof(ret->host), "%s", host ? host : "");
	ret->kill = sqlite3_column_int64(row, 2) != 0;
}

int store_list_leftovers(struct store *s,
			 int (*each)(void *arg, const struct store_leftover *leftover),
			 void *arg)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_LIST_LEFTOVERS, &row);
	int result = SQLITE_DONE, r = 0;

	if (!row) {
		return -EIO;
	}
	while (r == 0 && (result = sqlite3_step(row)) == SQLITE_ROW) {
		struct store_leftover leftover;

		load_row(row, &leftover);
		r = each(arg, &leftover);
	}
	(void)sqlite3_reset(row);
	store_reader_put(s, c);
	return r == 0 && result != SQLITE_DONE ? -EIO : r;
}
