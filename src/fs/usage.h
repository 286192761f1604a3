/* How many bytes the files of a job have, for the limit. Counted once from the disk
 * when a job is written to, then kept up to date by every change; near enough for a
 * limit. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "store/store.h"

enum { USAGE_ENTRIES = 32 };

struct usage_entry {
	int64_t job; /* 0: free */
	int64_t bytes;
	uint64_t used; /* by usage_table.clock; the least goes first */
};
struct usage_table {
	int64_t limit_bytes; /* of one job; 0: none */
	struct store *store;
	pthread_mutex_t lock; /* guards what follows; held over memory only */
	uint64_t clock;
	struct usage_entry entries[USAGE_ENTRIES];
};

void usage_init(struct usage_table *table, struct store *store, int64_t limit_bytes);
void usage_fini(struct usage_table *table);

/* The job's files are about to grow by that many bytes (less than 0: to shrink).
 * -EDQUOT: they must not; -EIO. */
int usage_charge(struct usage_table *table, int64_t job, int64_t bytes);
