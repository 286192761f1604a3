#include "fs/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util/mem.h"

void usage_init(struct usage_table *table, struct store *store, int64_t job_limit_bytes,
		int64_t user_limit_bytes)
{
	*table = (struct usage_table){ .store = store,
				       .jobs.limit_bytes = job_limit_bytes,
				       .users.limit_bytes = user_limit_bytes };
	(void)pthread_mutex_init(&table->lock, NULL);
}

void usage_fini(struct usage_table *table)
{
	(void)pthread_mutex_destroy(&table->lock);
}

/* ---- counting ---- */

struct sum {
	int files_fd;
	int64_t bytes;
};

static int add_file(void *arg, const struct store_file *file)
{
	struct sum *sum = arg;
	char name[24];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%lld", (long long)file->id);
	if (!file->is_dir &&
	    fstatat(sum->files_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		sum->bytes += st.st_size;
	}
	sum->bytes += USAGE_FILE_BYTES;
	return 0;
}

static int count_job(struct store *store, int64_t job, int64_t *ret_bytes)
{
	struct sum sum = { .files_fd = store_files_fd(store) };
	int r = store_list_job_files(store, job, add_file, &sum);

	if (r == 0) {
		*ret_bytes = sum.bytes;
	}
	return r;
}

static int count_user(struct store *store, int64_t key, int64_t *ret_bytes)
{
	struct sum sum = { .files_fd = store_files_fd(store) };
	uid_t uid = (uid_t)(key - 1);
	int64_t specs = 0;
	int r = store_sum_specs(store, uid, &specs);

	r = r < 0 ? r : store_list_user_files(store, uid, add_file, &sum);
	if (r == 0) {
		*ret_bytes = sum.bytes + specs;
	}
	return r;
}

/* ---- entries; the lock is held ---- */

static struct usage_entry *find(struct usage_table *table, struct usage_cache *cache,
				int64_t key)
{
	for (int i = 0; i < USAGE_ENTRIES; i++) {
		if (cache->entries[i].key == key) {
			cache->entries[i].used = ++table->clock;
			return &cache->entries[i];
		}
	}
	return NULL;
}

/* A new entry in place of the one that was not used for longest. */
static struct usage_entry *add(struct usage_table *table, struct usage_cache *cache,
			       int64_t key, int64_t bytes)
{
	struct usage_entry *oldest = &cache->entries[0];

	for (int i = 1; i < USAGE_ENTRIES; i++) {
		if (cache->entries[i].used < oldest->used) {
			oldest = &cache->entries[i];
		}
	}
	*oldest = (struct usage_entry){ .key = key,
					.bytes = bytes,
					.used = ++table->clock };
	return oldest;
}

static bool has_room(const struct usage_cache *cache, const struct usage_entry *entry,
		     int64_t bytes)
{
	return !entry || (entry->bytes <= cache->limit_bytes &&
			  bytes <= cache->limit_bytes - entry->bytes);
}

static void apply(struct usage_entry *entry, int64_t bytes)
{
	if (entry) {
		entry->bytes = entry->bytes + bytes > 0 ? entry->bytes + bytes : 0;
	}
}

/* ---- here it ends ---- */

/* Makes the entry if it is needed: what shrinks is right when it is counted. */
static int prepare(struct usage_table *table, struct usage_cache *cache, int64_t key,
		   int64_t bytes,
		   int (*count)(struct store *store, int64_t key, int64_t *ret_bytes))
{
	bool is_known;
	int64_t counted = 0;
	int r;

	if (cache->limit_bytes <= 0 || bytes <= 0) {
		return 0;
	}
	(void)pthread_mutex_lock(&table->lock);
	is_known = find(table, cache, key);
	(void)pthread_mutex_unlock(&table->lock);
	if (is_known) {
		return 0;
	}
	r = count(table->store, key, &counted);
	if (r < 0) {
		return r;
	}
	(void)pthread_mutex_lock(&table->lock);
	if (!find(table, cache, key)) {
		(void)add(table, cache, key, counted);
	}
	(void)pthread_mutex_unlock(&table->lock);
	return 0;
}

/* job 0: it counts for the user only. */
static int charge(struct usage_table *table, int64_t job, uid_t uid, int64_t bytes)
{
	struct usage_entry *of_job, *of_user;
	int64_t user = (int64_t)uid + 1;
	int r = 0;

	if (bytes == 0) {
		return 0;
	}
	if (job > 0) {
		r = prepare(table, &table->jobs, job, bytes, count_job);
	}
	r = r < 0 ? r : prepare(table, &table->users, user, bytes, count_user);
	if (r < 0) {
		return r;
	}
	(void)pthread_mutex_lock(&table->lock);
	of_job = job > 0 ? find(table, &table->jobs, job) : NULL;
	of_user = find(table, &table->users, user);
	if (bytes > 0 && (!has_room(&table->jobs, of_job, bytes) ||
			  !has_room(&table->users, of_user, bytes))) {
		r = -EDQUOT;
	} else {
		apply(of_job, bytes);
		apply(of_user, bytes);
	}
	(void)pthread_mutex_unlock(&table->lock);
	return r;
}

int usage_charge(struct usage_table *table, int64_t job, uid_t uid, int64_t bytes)
{
	return charge(table, job, uid, bytes);
}

int usage_charge_spec(struct usage_table *table, uid_t uid, int64_t bytes)
{
	return charge(table, 0, uid, bytes);
}

int usage_count(struct usage_table *table, int64_t job, int64_t *ret_bytes)
{
	const struct usage_entry *entry;

	(void)pthread_mutex_lock(&table->lock);
	entry = find(table, &table->jobs, job);
	if (entry) {
		*ret_bytes = entry->bytes;
	}
	(void)pthread_mutex_unlock(&table->lock);
	return entry ? 0 : count_job(table->store, job, ret_bytes);
}

void usage_forget(struct usage_table *table, uid_t uid)
{
	struct usage_entry *entry;

	(void)pthread_mutex_lock(&table->lock);
	entry = find(table, &table->users, (int64_t)uid + 1);
	if (entry) {
		*entry = (struct usage_entry){ .key = 0 };
	}
	(void)pthread_mutex_unlock(&table->lock);
}
