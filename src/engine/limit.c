/* Time-outs of what passes here: waiting in the queue, preparing, the silence of a
 * host. Those of transfers and of the program are the host's to keep (src/agent), since
 * this daemon may be away.
 *
 * Decisions use clock_ms(), which no step of the wall clock moves; and since it says
 * nothing of the time before this daemon, each limit begins anew with it. A time-out
 * may come late, never early. */
#include "engine/internal.h"
#include "util/clock.h"

void limit_follow(struct job *job)
{
	const struct spec_timeouts *t = &job->run->spec->timeouts;
	enum job_state state = job_get(job)->state;
	int64_t limit_ms = state == JOB_QUEUED	    ? t->queue_ms
			   : state == JOB_PREPARING ? t->prepare_ms
						    : 0;

	job->run->limit_at = limit_ms > 0 ? clock_ms() + limit_ms : 0;
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
