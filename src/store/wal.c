/* The write-ahead log. What is committed goes there first; a checkpoint moves it into
 * the database, and once all of it is there and nobody reads it, the log begins anew. A
 * program that goes on reading an old state (a backup that hangs, a forgotten sqlite3)
 * keeps it from that, and it grows with every commit. Nothing of ours is at fault then
 * or can change it, so it is said; when that program has ended the next commits bring
 * the file back to WAL_MAX_BYTES. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"
#include "util/log.h"

/* A checkpoint holds up all who wait for a commit, and waits twice for the disk; most
 * pages of many commits are the same few. */
enum { CHECKPOINT_PAGES = 4000, WAL_MAX_BYTES = 64 << 20 };

static int64_t wal_bytes(sqlite3 *db, int64_t pages)
{
	int64_t page_size = 0;
	sqlite3_stmt *row = NULL;

	if (sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &row, NULL) == SQLITE_OK &&
	    sqlite3_step(row) == SQLITE_ROW) {
		page_size = sqlite3_column_int64(row, 0);
	}
	(void)sqlite3_finalize(row);
	return pages * page_size;
}

/* At twice the size it is said again. */
static void warn(struct store *s, sqlite3 *db, int pages)
{
	int64_t bytes = wal_bytes(db, pages);

	if (bytes > WAL_MAX_BYTES && pages >= s->wal.told_pages * 2) {
		log_warning("the write-ahead log of %s has %lld MiB: a program reads "
			    "an old state of the database and does not end; until "
			    "then the log only grows",
			    s->path, (long long)(bytes >> 20));
		s->wal.told_pages = pages;
	}
}

/* After each commit of the writer; pages: those that the log has now. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *s = arg;
	int all = 0, moved = 0;

	if (pages < s->wal.pages) { /* it began anew */
		s->wal.pages = s->wal.told_pages = 0;
	}
	if (pages - s->wal.pages < CHECKPOINT_PAGES && s->wal.told_pages == 0) {
		return SQLITE_OK;
	}
	s->wal.pages = pages;
	(void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, &all,
					&moved);
	if (moved < all) {
		warn(s, db, pages);
	}
	return SQLITE_OK; /* a checkpoint that did not work is done by the next */
}

void store_watch_wal(struct store *s)
{
	(void)sqlite3_wal_hook(s->writer.db, on_commit, s);
}

void store_get_bytes(const struct store *s, int64_t *ret_database, int64_t *ret_log)
{
	struct stat st;

	*ret_database = stat(s->path, &st) == 0 ? (int64_t)st.st_size : 0;
	*ret_log = fstat(s->wal_fd, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* SQLite's own descriptor of it is SQLite's. It keeps the file as long as somebody has
 * the database open, and its locks are on others: closing this one gives none up. */
int store_open_wal(struct store *s)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s-wal", s->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	s->wal_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return s->wal_fd < 0 ? -errno : 0;
}

/* The kernel tells of pages that it could not write once, to whoever asks first: a
 * user's fsync(2) may take it, so it is kept for the engine. */
int store_sync(struct store *s)
{
	if (fdatasync(s->wal_fd) < 0) {
		atomic_store(&s->sync_error, -errno);
	}
	return atomic_load(&s->sync_error);
}
