/* What the last turn answered: one row, replaced in the transaction of each turn. */
#include <errno.h>
#include <string.h>

#include "store/internal.h"

int store_put_answers(struct store *s, const struct store_answer *answers, size_t n,
		      struct err *e)
{
	sqlite3_stmt *statement = store_prepare(s, &s->writer, SQL_PUT_ANSWERS, e);

	if (!statement) {
		return -EIO;
	}
	(void)sqlite3_bind_blob64(statement, 1, answers, n * sizeof(*answers),
				  SQLITE_STATIC);
	return store_run(&s->writer, statement, e);
}

struct reading {
	struct store_answer *answers;
	size_t max, n;
};

static int take_answers(sqlite3_stmt *row, void *arg)
{
	struct reading *r = arg;
	const void *list = sqlite3_column_blob(row, 0);

	r->n = (size_t)sqlite3_column_bytes(row, 0) / sizeof(*r->answers);
	r->n = r->n < r->max ? r->n : r->max;
	if (r->n > 0) {
		memcpy(r->answers, list, r->n * sizeof(*r->answers));
	}
	return 0;
}

ssize_t store_get_answers(struct store *s, struct store_answer *ret_answers, size_t max)
{
	struct reading r = { .answers = ret_answers, .max = max };
	sqlite3_stmt *row;
	struct store_connection *c = store_query(s, SQL_GET_ANSWERS, &row);
	int error;

	if (!row) {
		return -EIO;
	}
	error = store_get_one(s, c, row, take_answers, &r);
	return error < 0 && error != -ENOENT ? error : (ssize_t)r.n;
}
