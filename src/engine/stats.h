/* What the engine counts of its own work since it was made; for `.jobfs/metrics`. Any
 * thread may read it at any time. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "job/state.h"
#include "util/meter.h"

struct engine_stats {
	int64_t started_ms; /* wall clock */
	struct meter turns, commits, syncs;
	_Atomic uint64_t failed_turns; /* what they thought of did not happen */
	_Atomic uint64_t transitions[JOB_STATE_COUNT]; /* by the new state */
	_Atomic uint64_t failures[JOB_REASON_COUNT];   /* of jobs that FAILED */
	struct meter calls;	       /* to hosts, from sending to the answer */
	_Atomic uint64_t failed_calls; /* that had none */
	struct meter listings;	       /* of S3 */
	_Atomic uint64_t failed_listings;
};
