/* The problem: SQLite writes a commit to the log page by page, each as two writes, its
 * header and the page. To call the kernel twenty times for what a new directory changes
 * costs as much as all the rest of that commit.
 *
 * The rule: what the writer appends to the log is gathered, and written at once with
 * the last page of the commit, which SQLite marks in that page's header; and before
 * anything else is done with the file. The writes keep their order, and the last one
 * fails if they do.
 *
 * Why it is enough: of the log everybody else reads only what the index, which is in
 * shared memory, says to be committed; and there it is entered after the last page was
 * written without error. What is not committed is read by the writer alone, through
 * this. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "util/mem.h"

enum {
	GATHERED_MAX = 96 << 10, /* bytes; SQLite's own write takes less than 128 KiB */
	HEADER_BYTES = 24,	 /* of a page: sqlite.org/fileformat2.html#walformat */
	HEADER_COMMITS = 4,	 /* a word at this offset is not 0: the last page */
};

/* SQLite's open log points to the methods, and so to all of it. */
struct store_gather {
	sqlite3_io_methods methods; /* first */
	const sqlite3_io_methods *real;
	int64_t end;  /* behind the last write */
	size_t n;     /* bytes gathered, which end there */
	bool is_last; /* the page that comes now commits */
	char bytes[GATHERED_MAX];
};

static struct store_gather *gather_of(sqlite3_file *file)
{
	return (struct store_gather *)(void *)file->pMethods;
}

static int flush(sqlite3_file *file)
{
	struct store_gather *g = gather_of(file);
	int n = (int)g->n;

	g->n = 0;
	return n > 0 ? g->real->xWrite(file, g->bytes, n, g->end - n) : SQLITE_OK;
}

static bool is_header_of_last(const char *data, int n)
{
	static const char zero[4];

	return n == HEADER_BYTES && memcmp(data + HEADER_COMMITS, zero, 4) != 0;
}

/* What is appended to the write before it is gathered; the rest begins the log anew, or
 * mends what is there. */
static int gather_write(sqlite3_file *file, const void *data, int n,
			sqlite3_int64 offset)
{
	struct store_gather *g = gather_of(file);
	bool is_appended = offset == g->end && n <= GATHERED_MAX;
	bool commits = g->is_last;
	int code = SQLITE_OK;

	if (!is_appended || g->n + (size_t)n > GATHERED_MAX) {
		code = flush(file);
	}
	g->is_last = is_header_of_last(data, n);
	g->end = offset + n;
	if (code != SQLITE_OK || !is_appended) {
		return code == SQLITE_OK ? g->real->xWrite(file, data, n, offset)
					 : code;
	}
	memcpy(g->bytes + g->n, data, (size_t)n);
	g->n += (size_t)n;
	return commits ? flush(file) : SQLITE_OK;
}

static int gather_read(sqlite3_file *file, void *data, int n, sqlite3_int64 offset)
{
	int code = flush(file);

	return code == SQLITE_OK ? gather_of(file)->real->xRead(file, data, n, offset)
				 : code;
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int code = flush(file);

	return code == SQLITE_OK ? gather_of(file)->real->xTruncate(file, size) : code;
}

static int gather_sync(sqlite3_file *file, int flags)
{
	int code = flush(file);

	return code == SQLITE_OK ? gather_of(file)->real->xSync(file, flags) : code;
}

static int gather_file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	int code = flush(file);

	return code == SQLITE_OK ? gather_of(file)->real->xFileSize(file, ret_size)
				 : code;
}

/* SQLite closes it when it no longer needs it: what is left was not committed. */
static int gather_close(sqlite3_file *file)
{
	struct store_gather *g = gather_of(file);
	int code;

	(void)flush(file);
	file->pMethods = g->real;
	code = g->real->xClose(file);
	free(g);
	return code;
}

int store_gather_log(struct store *s)
{
	sqlite3_file *file = NULL;
	struct store_gather *g;

	if (sqlite3_file_control(s->writer.db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
				 &file) != SQLITE_OK ||
	    !file || !file->pMethods) {
		return -EIO;
	}
	g = malloc(sizeof(*g));
	if (!g) {
		return -ENOMEM;
	}
	g->real = file->pMethods;
	g->methods = *g->real;
	g->methods.xClose = gather_close;
	g->methods.xRead = gather_read;
	g->methods.xWrite = gather_write;
	g->methods.xTruncate = gather_truncate;
	g->methods.xSync = gather_sync;
	g->methods.xFileSize = gather_file_size;
	g->end = -1;
	g->n = 0;
	g->is_last = false;
	file->pMethods = &g->methods;
	return 0;
}
