/* How readers ask: a connection of the pool with its statement, for the length of one
 * call. */
#include <errno.h>

#include "store/internal.h"

struct store_connection *store_query(struct store *s, enum store_sql which,
				     sqlite3_stmt **ret_row)
{
	struct store_connection *c = store_reader_get(s);

	*ret_row = c ? store_prepare(s, c, which, NULL) : NULL;
	if (c && !*ret_row) {
		store_reader_put(s, c);
	}
	return c;
}

int store_get_one(struct store *s, struct store_connection *c, sqlite3_stmt *row,
		  int (*take)(sqlite3_stmt *row, void *arg), void *arg)
{
	int r = -EIO;

	switch (sqlite3_step(row)) {
	case SQLITE_ROW:
		r = take(row, arg);
		break;
	case SQLITE_DONE:
		r = -ENOENT;
		break;
	}
	(void)sqlite3_reset(row);
	store_reader_put(s, c);
	return r;
}
