/* Time-outs of what passes here: waiting in the queue, preparing, the silence of a
 * host. Those of transfers and of the program are the host's to keep (src/agent), since
 * this daemon may be away.
 *
 * Decisions use clock_ms(), which no step of the wall clock moves; and since it says
 * nothing of the time before this daemon, each limit begins anew with it. A time-out
 * may come late, never early. */
#include "engine/internal.h"
#include "util/clock.h"

/* Not while it waits for its retry, and once only when it comes back into the queue
 * since a host had no room for it after all. */
static int64_t queue_ends_at(struct run *run)
{
	int64_t now = clock_ms(), limit_ms = run->spec->timeouts.queue_ms;

	if (limit_ms > 0 && run->queue_ends_at == 0) {
		run->queue_ends_at =
			(run->retry_at > now ? run->retry_at : now) + limit_ms;
	}
	return run->queue_ends_at;
}

void limit_follow(struct job *job)
{
	struct run *run = job->run;
	int64_t prepare_ms = run->spec->timeouts.prepare_ms;

	run->limit_at = 0;
	if (job_get(job)->state == JOB_QUEUED) {
		run->limit_at = queue_ends_at(run);
	} else if (job_get(job)->state == JOB_PREPARING && prepare_ms > 0) {
		run->limit_at = clock_ms() + prepare_ms;
	}
}

/* Before it was committed, silence is trouble with the preparation only. */
void limit_note_silence(struct job *job, bool is_silent)
{
	struct run *run = job->run;

	if (!is_silent) {
		run->silent_at = 0;
	} else if (run->silent_at == 0 && job_get(job)->attempt.n > 0) {
		run->silent_at = clock_ms();
	}
}

/* INT64_MAX: never. */
static int64_t silence_ends_at(const struct run *run)
{
	int64_t limit_ms = run->spec->timeouts.unreachable_ms;

	return run->silent_at > 0 && limit_ms > 0 ? run->silent_at + limit_ms
						  : INT64_MAX;
}

bool limit_silence_is_over(const struct run *run)
{
	return clock_ms() >= silence_ends_at(run);
}

bool limit_is_over(const struct run *run)
{
	return run->limit_at > 0 && clock_ms() >= run->limit_at;
}

int64_t run_deadline(const struct job *job, int64_t at)
{
	const struct run *run = job->run;

	if (run->is_busy) {
		return at; /* its answer wakes it */
	}
	if (run->wake_at > 0) {
		at = clock_earlier(at, run->wake_at);
	}
	if (job_state_is_final(job_get(job)->state)) {
		return at;
	}
	if (run->limit_at > 0) {
		at = clock_earlier(at, run->limit_at);
	}
	return clock_earlier(at, silence_ends_at(run));
}
