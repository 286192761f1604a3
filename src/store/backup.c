/* A copy of the state while it is in use: the database as of one moment, and the files
 * of the users that it knows of. A directory like a state directory. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/state.h"
#include "store/internal.h"

enum {
	COPY_BYTES = 1 << 20,
	COPY_PAGES = 1024, /* before it looks whether to stop */
	BUSY_MS = 5000,
};

struct backup {
	struct store *store;
	int dir_fd, files_fd;
	sqlite3 *db;
	const atomic_bool *stop;
	struct err *e;
};

static void close_db(sqlite3 **db)
{
	(void)sqlite3_close(*db);
}

static int copy_database(struct backup *b, const char *path)
{
	cleanup_(close_db) sqlite3 *from = NULL;
	sqlite3_backup *copy;
	int result;

	if (sqlite3_open_v2(b->store->path, &from, SQLITE_OPEN_READONLY, NULL) !=
	    SQLITE_OK) {
		return err_set(b->e, -EIO, "%s: %s", b->store->path,
			       sqlite3_errmsg(from));
	}
	if (sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			    NULL) != SQLITE_OK) {
		return err_set(b->e, -EIO, "%s: %s", path, sqlite3_errmsg(b->db));
	}
	(void)sqlite3_busy_timeout(from, BUSY_MS);
	/* one moment, however long it takes */
	if (sqlite3_exec(from, "BEGIN; SELECT count(*) FROM file", NULL, NULL, NULL) !=
	    SQLITE_OK) {
		return err_set(b->e, -EIO, "%s: %s", b->store->path,
			       sqlite3_errmsg(from));
	}
	copy = sqlite3_backup_init(b->db, "main", from, "main");
	do {
		result = copy ? sqlite3_backup_step(copy, COPY_PAGES) : SQLITE_ERROR;
	} while (result == SQLITE_OK && !*b->stop);
	(void)sqlite3_backup_finish(copy);
	if (result == SQLITE_OK) {
		return err_set(b->e, -ESHUTDOWN, "%s: jobfs is stopping", path);
	}
	if (result == SQLITE_FULL) {
		return err_set(b->e, -ENOSPC, "%s: the disk is full", path);
	}
	return result == SQLITE_DONE
		       ? 0
		       : err_set(b->e, -EIO, "%s: %s", path, sqlite3_errstr(result));
}

/* What no host has begun may be begun, and over, by the time that the copy is put back,
 * which knows nothing of it: so it asks first. */
static int hold_queued(struct backup *b)
{
	char *text = sqlite3_mprintf(
		"UPDATE job SET state = %Q, reason = %Q, message ="
		" 'from a backup: echo release > ctl, if it has not run since'"
		" WHERE state IN (%Q, %Q) AND attempt = 0;"
		"PRAGMA journal_mode = DELETE;",
		job_state_name(JOB_HELD), job_reason_name(REASON_HELD),
		job_state_name(JOB_QUEUED), job_state_name(JOB_PREPARING));
	int result = text ? sqlite3_exec(b->db, text, NULL, NULL, NULL) : SQLITE_NOMEM;

	sqlite3_free(text);
	return result == SQLITE_OK ? 0
				   : err_set(b->e, -EIO, "the copy of the database: %s",
					     sqlite3_errstr(result));
}

static int copy_bytes(int from, int to)
{
	ssize_t n;

	do {
		n = sendfile(to, from, NULL, COPY_BYTES);
	} while (n > 0);
	return n < 0 || fsync(to) < 0 ? -errno : 0;
}

/* Its content may be gone since the database was copied, with its row. */
static int copy_file(struct backup *b, int64_t id)
{
	cleanup_close int from = -1, to = -1;
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "%lld", (long long)id);
	from = openat(store_files_fd(b->store), name,
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0) {
		return errno == ENOENT ? 0
				       : err_set(b->e, -errno, "files/%s: %s", name,
						 strerror(errno));
	}
	to = openat(b->files_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = to < 0 ? -errno : copy_bytes(from, to);
	return r < 0 ? err_set(b->e, r, "the copy of files/%s: %s", name, strerror(-r))
		     : 0;
}

static int copy_files(struct backup *b)
{
	sqlite3_stmt *row = NULL;
	int result = sqlite3_prepare_v2(b->db, "SELECT id FROM file WHERE is_dir = 0",
					-1, &row, NULL);
	int r = 0;

	while (result == SQLITE_OK && r == 0) {
		result = sqlite3_step(row);
		if (result != SQLITE_ROW) {
			break;
		}
		result = SQLITE_OK;
		r = *b->stop ? err_set(b->e, -ESHUTDOWN, "jobfs is stopping")
			     : copy_file(b, sqlite3_column_int64(row, 0));
	}
	(void)sqlite3_finalize(row);
	return r < 0 || result == SQLITE_DONE
		       ? r
		       : err_set(b->e, -EIO, "the copy of the database: %s",
				 sqlite3_errstr(result));
}

static int fill(struct backup *b, const char *dir)
{
	cleanup_free char *path = NULL;
	int r;

	if (asprintf(&path, "%s/jobfs.db", dir) < 0) {
		path = NULL;
		return err_set(b->e, -ENOMEM, "no memory");
	}
	r = copy_database(b, path);
	r = r < 0 ? r : hold_queued(b);
	r = r < 0 ? r : copy_files(b);
	if (r == 0 && (fsync(b->files_fd) < 0 || fsync(b->dir_fd) < 0)) {
		r = err_set(b->e, -errno, "%s: %s", dir, strerror(errno));
	}
	return r;
}

static int open_dirs(struct backup *b, const char *dir)
{
	b->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0 || mkdirat(b->dir_fd, "files", 0700) < 0) {
		return err_set(b->e, -errno, "%s: %s", dir, strerror(errno));
	}
	b->files_fd = openat(b->dir_fd, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->files_fd < 0
		       ? err_set(b->e, -errno, "%s/files: %s", dir, strerror(errno))
		       : 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

/* From the one name to the other, which nothing has. */
static int put_in_place(const char *part, const char *dir, struct err *e)
{
	cleanup_free char *above = strdup(dir);
	cleanup_close int fd = -1;

	if (!above) {
		return err_set(e, -ENOMEM, "no memory");
	}
	if (renameat2(AT_FDCWD, part, AT_FDCWD, dir, RENAME_NOREPLACE) < 0) {
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	}
	*strrchr(above, '/') = '\0';
	fd = open(above[0] ? above : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0
		       ? err_set(e, -errno, "%s: %s", above, strerror(errno))
		       : 0;
}

static int make(struct store *s, const char *part, const atomic_bool *stop,
		struct err *e)
{
	struct backup b = {
		.store = s, .dir_fd = -1, .files_fd = -1, .stop = stop, .e = e
	};
	int r = open_dirs(&b, part);

	r = r < 0 ? r : fill(&b, part);
	(void)sqlite3_close(b.db);
	closep(&b.files_fd);
	closep(&b.dir_fd);
	return r;
}

int store_backup(struct store *s, const char *dir, const atomic_bool *stop,
		 struct err *e)
{
	cleanup_free char *part = NULL;
	struct stat st;
	int r;

	if (lstat(dir, &st) == 0) {
		return err_set(e, -EEXIST, "%s: is there already", dir);
	}
	if (asprintf(&part, "%s.XXXXXX", dir) < 0) {
		part = NULL;
		return err_set(e, -ENOMEM, "no memory");
	}
	if (!mkdtemp(part)) {
		return err_set(e, -errno, "%s: %s", part, strerror(errno));
	}
	r = make(s, part, stop, e);
	r = r < 0 ? r : put_in_place(part, dir, e);
	if (r < 0) {
		(void)nftw(part, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	return r;
}
