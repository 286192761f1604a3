#include "fs/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util/buf.h"

void usage_init(struct usage_table *table, struct store *store, int64_t limit_bytes)
{
	*table = (struct usage_table){ .store = store, .limit_bytes = limit_bytes };
	(void)pthread_mutex_init(&table->lock, NULL);
}

void usage_fini(struct usage_table *table)
{
	(void)pthread_mutex_destroy(&table->lock);
}

struct sum {
	int files_fd;
	int64_t bytes;
	struct buf dirs; /* ids (int64_t) that are still to be looked into */
};

static int add_file(void *arg, const struct store_file *file)
{
	struct sum *sum = arg;
	char name[24];
	struct stat st;

	if (file->is_dir) {
		return buf_add(&sum->dirs, &file->id, sizeof(file->id));
	}
	(void)snprintf(name, sizeof(name), "%lld", (long long)file->id);
	if (fstatat(sum->files_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		sum->bytes += st.st_size;
	}
	return 0;
}

static int count_bytes(struct store *store, int64_t job, int64_t *ret_bytes)
{
	static const int64_t tops[] = { FILE_PARENT_JOB, FILE_PARENT_FILES };
	struct sum sum = { .files_fd = store_files_fd(store), .dirs = BUF_INIT };
	int r;

	r = buf_add(&sum.dirs, tops, sizeof(tops));
	while (r == 0 && sum.dirs.len > 0) {
		int64_t dir;

		sum.dirs.len -= sizeof(dir);
		memcpy(&dir, sum.dirs.data + sum.dirs.len, sizeof(dir));
		r = store_list_files(store, job, dir, 0, add_file, &sum);
		r = r < 0 ? r : sum.dirs.error;
	}
	buf_fini(&sum.dirs);
	if (r == 0) {
		*ret_bytes = sum.bytes;
	}
	return r;
}

/* The entry of the job, or NULL; the lock is held. */
static struct usage_entry *find(struct usage_table *table, int64_t job)
{
	for (int i = 0; i < USAGE_ENTRIES; i++) {
		if (table->entries[i].job == job) {
			table->entries[i].used = ++table->clock;
			return &table->entries[i];
		}
	}
	return NULL;
}

/* A new entry in place of the one that was not used for longest; the lock is held. */
static struct usage_entry *add(struct usage_table *table, int64_t job, int64_t bytes)
{
	struct usage_entry *oldest = &table->entries[0];

	for (int i = 1; i < USAGE_ENTRIES; i++) {
		if (table->entries[i].used < oldest->used) {
			oldest = &table->entries[i];
		}
	}
	*oldest = (struct usage_entry){ .job = job,
					.bytes = bytes,
					.used = ++table->clock };
	return oldest;
}

static int charge_locked(struct usage_table *table, struct usage_entry *entry,
			 int64_t bytes)
{
	if (bytes > 0 && (entry->bytes > table->limit_bytes ||
			  bytes > table->limit_bytes - entry->bytes)) {
		return -EDQUOT;
	}
	entry->bytes = entry->bytes + bytes > 0 ? entry->bytes + bytes : 0;
	return 0;
}

int usage_charge(struct usage_table *table, int64_t job, int64_t bytes)
{
	struct usage_entry *entry;
	int64_t counted = 0;
	int r = 0;

	if (table->limit_bytes <= 0 || bytes == 0) {
		return 0;
	}
	(void)pthread_mutex_lock(&table->lock);
	entry = find(table, job);
	if (entry) {
		r = charge_locked(table, entry, bytes);
	}
	(void)pthread_mutex_unlock(&table->lock);
	if (entry || bytes < 0) { /* what shrinks is right when it is counted */
		return r;
	}
	r = count_bytes(table->store, job, &counted);
	if (r < 0) {
		return r;
	}
	(void)pthread_mutex_lock(&table->lock);
	entry = find(table, job);
	entry = entry ? entry : add(table, job, counted);
	r = charge_locked(table, entry, bytes);
	(void)pthread_mutex_unlock(&table->lock);
	return r;
}
