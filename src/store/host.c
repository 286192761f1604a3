/* Hosts that take no new jobs. */
#include <errno.h>

#include "store/internal.h"

int store_set_drained(struct store *s, const char *host, bool is_drained, struct err *e)
{
	sqlite3_stmt *statement = store_prepare(
		s, &s->writer, is_drained ? SQL_ADD_DRAINED : SQL_DELETE_DRAINED, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_text(statement, 1, host, -1, SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

static int note_found(sqlite3_stmt *row, void *arg)
{
	(void)row;
	(void)arg;
	return 1;
}

int store_is_drained(struct store *s, const char *host)
{
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_GET_DRAINED, &row);
	int r;

	if (!row) {
		return -EIO;
	}
	(void)sqlite3_bind_text(row, 1, host, -1, SQLITE_STATIC);
	r = store_get_one(s, c, row, note_found, NULL);
	return r == -ENOENT ? 0 : r;
}
