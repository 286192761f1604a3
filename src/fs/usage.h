/* How many bytes the files of a job have, and those of all jobs of a user with their
 * specs, for the limits. Counted once from the disk when something is written, then
 * kept up to date by every change; near enough for a limit. */
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/store.h"

enum {
	USAGE_ENTRIES = 32,
	/* What a file or directory counts besides its bytes: a million empty ones are
	 * a million rows and inodes. */
	USAGE_FILE_BYTES = 4096,
};

struct usage_entry {
	int64_t key; /* 0: free */
	int64_t bytes;
	uint64_t used; /* by usage_table.clock; the least goes first */
};
struct usage_cache {
	int64_t limit_bytes; /* of one; 0: none */
	struct usage_entry entries[USAGE_ENTRIES];
};
struct usage_table {
	struct store *store;
	pthread_mutex_t lock; /* guards what follows; held over memory only */
	uint64_t clock;
	struct usage_cache jobs;  /* by id */
	struct usage_cache users; /* by uid + 1 */
};

void usage_init(struct usage_table *table, struct store *store, int64_t job_limit_bytes,
		int64_t user_limit_bytes);
void usage_fini(struct usage_table *table);

/* The job's files are about to grow by that many bytes (less than 0: to shrink); uid is
 * whose job it is. -EDQUOT: they must not; -EIO. */
int usage_charge(struct usage_table *table, int64_t job, uid_t uid, int64_t bytes);
/* The same of a spec, which is limited by itself but counts for its user. */
int usage_charge_spec(struct usage_table *table, uid_t uid, int64_t bytes);
/* What the job's files have. -EIO. */
int usage_count(struct usage_table *table, int64_t job, int64_t *ret_bytes);
/* A job of the user became somebody else's, or the other way round: count anew. */
void usage_forget(struct usage_table *table, uid_t uid);
