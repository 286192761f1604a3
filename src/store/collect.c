/* What was used once: contents of files whose row is gone, because the daemon died
 * between the commit and their end; pages of jobs that were removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/internal.h"
#include "util/log.h"

/* The database is written anew when so much of it is empty: one page of that many. */
enum { EMPTY_ENOUGH = 4 };

static int64_t bytes_of(const struct store *s)
{
	int64_t database = 0, log = 0;

	store_get_bytes(s, &database, &log);
	return database + log;
}

static bool is_used(struct store *s, int64_t id)
{
	struct store_file file;

	return store_get_file(s, id, &file) != -ENOENT;
}

static int collect_file(struct store *s, const char *name, struct store_freed *freed)
{
	struct stat st;
	char *end;
	int64_t id = strtoll(name, &end, 10);

	if (id < FILE_ID_FIRST || *end || is_used(s, id) ||
	    fstatat(s->files_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return 0;
	}
	if (unlinkat(s->files_fd, name, 0) < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	freed->n_files++;
	freed->bytes += (int64_t)st.st_blocks * 512;
	return 0;
}

static int collect_files(struct store *s, struct store_freed *freed, struct err *e)
{
	int fd = openat(s->files_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = -errno;
		closep(&fd);
		return err_set(e, r, "files: %s", strerror(-r));
	}
	while (r == 0 && (entry = readdir(dir))) {
		r = collect_file(s, entry->d_name, freed);
	}
	(void)closedir(dir);
	return r < 0 ? err_set(e, r, "files: %s", strerror(-r)) : 0;
}

static int collect_pages(struct store *s, struct err *e)
{
	struct store_connection *c = &s->writer;
	int64_t empty = 0, all = 0;
	int r = 0;

	if (store_read_number(c, "PRAGMA freelist_count", &empty) < 0 ||
	    store_read_number(c, "PRAGMA page_count", &all) < 0) {
		return store_error(c, e);
	}
	if (empty * EMPTY_ENOUGH > all) {
		r = store_run_text(c, "VACUUM", e);
	}
	/* a reader may keep it from that: then the log is as long as it was */
	return r < 0 ? r : store_run_text(c, "PRAGMA wal_checkpoint(TRUNCATE)", e);
}

int store_collect(struct store *s, struct store_freed *ret_freed, struct err *e)
{
	int64_t before = bytes_of(s);
	int r;

	*ret_freed = (struct store_freed){ .n_files = 0 };
	r = collect_files(s, ret_freed, e);
	r = r < 0 ? r : collect_pages(s, e);
	if (bytes_of(s) < before) {
		ret_freed->bytes += before - bytes_of(s);
	}
	return r;
}
