/* What must hold, whatever goes wrong:
 *
 * - the program of an attempt starts at most once, on one host, with a slot and GPUs
 * that nobody else has; not after the host said VOIDED, not after its job is over, and
 * not beside another attempt of the same job;
 * - what was published or answered is on disk: after a crash no record is behind what
 * was seen before, and no accepted job is missing;
 * - a final state is never left; when it comes, nothing of the job lives any more;
 * - it is true: SUCCEEDED only with exit 0 and every output in S3; an exit code is the
 *   program's; CANCELLED only if somebody asked, and not of a program that had ended;
 *   what failed has a cause that really happened;
 * - a stored log is a prefix of what the program printed, and in the end all of it;
 * - once nothing breaks any more, every accepted job ends, and no slot is left taken.
 */
#include <stdlib.h>
#include <string.h>

#include "job/record.h"
#include "sim.h"
#include "store/store.h"

/* --- starts ----------------------------------------------------------------------- */

static void check_room(struct attempt *a)
{
	const struct machine *m = a->machine;
	const struct attempt *other;
	int n = 1;

	LIST_FOREACH(other, &m->attempts, link)
	{
		if (other == a || !other->program_lives) {
			continue;
		}
		n++;
		if (other->plan.gpus & a->plan.gpus) {
			violation(m->sim, "%s: %s and %s have the same GPU", m->name,
				  a->name, other->name);
		}
	}
	if (n > m->slots) {
		violation(m->sim, "%s: %d programs on %d slots", m->name, n, m->slots);
	}
	if (a->plan.gpus >> m->gpus) {
		violation(m->sim, "%s: %s has a GPU that the host has not", m->name,
			  a->name);
	}
}

/* After one that ran, another starts only if its spec says so of how that one ended. */
static void check_retry(struct attempt *a, const struct attempt *before,
			const struct user_job *j)
{
	if (before->starts > 0 && before->true_code != 1) {
		violation(a->machine->sim, "%s starts, %s ended with %d", a->name,
			  before->name, before->true_code);
	} else if (before->starts > 0 && j && !j->retries_code_1) {
		violation(a->machine->sim, "%s starts after %s, nobody wants that",
			  a->name, before->name);
	}
}

static void check_only_one(struct attempt *a, const struct user_job *j)
{
	struct sim *sim = a->machine->sim;
	const struct attempt *other;

	for (int i = 0; i < sim->n_machines; i++) {
		LIST_FOREACH(other, &sim->machines[i].attempts, link)
		{
			if (other == a || strncmp(other->name, a->name, JOB_KEY_LEN)) {
				continue;
			}
			if (streq(other->name, a->name) && other->starts > 0) {
				violation(sim, "%s starts on %s and on %s", a->name,
					  other->machine->name, a->machine->name);
			} else if (other->program_lives) {
				violation(sim, "%s starts beside %s", a->name,
					  other->name);
			} else if (!streq(other->name, a->name)) {
				check_retry(a, other, j);
			}
		}
	}
}

void ledger_start(struct attempt *a)
{
	struct sim *sim = a->machine->sim;
	const struct user_job *j = user_find(sim, a->name);

	trace(sim, "%s %s: program starts", a->machine->name, a->name);
	if (a->starts > 1) {
		violation(sim, "%s starts for the %dth time", a->name, a->starts);
	}
	if (a->is_voided) {
		violation(sim, "%s starts after it was void", a->name);
	}
	if (j && j->is_final) {
		violation(sim, "%s starts when %s is over", a->name, j->name);
	}
	check_room(a);
	check_only_one(a, j);
}

void ledger_voided(struct attempt *a)
{
	a->is_voided = true;
}

/* --- logs ------------------------------------------------------------------------- */

/* The one that ran, where the disk of another is gone; NULL: the host never heard of
 * it. */
static const struct attempt *find_attempt(struct sim *sim, const struct job_record *r)
{
	const struct attempt *a, *found = NULL;
	char name[NAME_MAX_SIM];

	(void)snprintf(name, sizeof(name), "%s-%d", r->key, r->attempt.n);
	for (int i = 0; r->attempt.host && i < sim->n_machines; i++) {
		if (!streq(sim->machines[i].name, r->attempt.host)) {
			continue;
		}
		LIST_FOREACH(a, &sim->machines[i].attempts, link)
		{
			if (streq(a->name, name) && (!found || a->starts > 0)) {
				found = a;
			}
		}
	}
	return found;
}

/* Bytes `from` to the end of what is stored, against what the program printed. */
static void check_log(struct sim *sim, const struct user_job *j,
		      const struct job_record *r, int64_t from)
{
	const struct attempt *a = find_attempt(sim, r);
	int64_t at =
		from < r->attempt.base[STREAM_LOG] ? r->attempt.base[STREAM_LOG] : from;
	char data[4096];
	ssize_t n;

	if (r->attempt.n == 0 || at >= r->stream_size[STREAM_LOG]) {
		return; /* all of it is of attempts before */
	}
	if (!a) {
		violation(sim, "%s has a log, and was nowhere", j->name);
		return;
	}
	while (at < r->stream_size[STREAM_LOG] &&
	       (n = store_read_stream(sim->daemon.store, j->id, STREAM_LOG, at, data,
				      sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n; i++, at++) {
			int64_t offset = at - r->attempt.base[STREAM_LOG];

			if (data[i] != attempt_log_byte(a, offset)) {
				violation(sim, "%s: byte %lld of its log is wrong",
					  j->name, (long long)offset);
				return;
			}
		}
	}
	if (r->stream_size[STREAM_LOG] - r->attempt.base[STREAM_LOG] >
	    a->most_printed) {
		violation(sim, "%s: its log has more than was printed", j->name);
	}
}

/* All of an attempt's metrics, which are every second byte that it printed. */
static void check_metrics(struct sim *sim, const struct user_job *j,
			  const struct job_record *r, const struct attempt *a)
{
	int64_t base = r->attempt.base[STREAM_METRICS], at = base;
	int64_t end = r->stream_size[STREAM_METRICS];
	char data[4096];
	ssize_t n;

	if (end - base != (j->has_metrics ? a->printed / 2 : 0)) {
		violation(sim, "%s SUCCEEDED with %lld bytes of metrics", j->name,
			  (long long)(end - base));
	}
	while (at < end &&
	       (n = store_read_stream(sim->daemon.store, j->id, STREAM_METRICS, at,
				      data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n; i++, at++) {
			if (data[i] != attempt_log_byte(a, 2 * (at - base))) {
				violation(sim, "%s: byte %lld of its metrics is wrong",
					  j->name, (long long)(at - base));
				return;
			}
		}
	}
}

/* --- verdicts --------------------------------------------------------------------- */

static void check_success(struct sim *sim, const struct user_job *j,
			  const struct job_record *r, const struct attempt *a)
{
	char key[400];

	if (!a || a->true_code != 0) {
		violation(sim, "%s SUCCEEDED, its program did not", j->name);
		return;
	}
	if (j->has_outputs != (r->outputs_uri != NULL)) {
		violation(sim, "%s SUCCEEDED without its outputs", j->name);
	}
	for (int i = 0; j->has_outputs && i < a->fate.n_outputs; i++) {
		(void)snprintf(key, sizeof(key), "results/%s/out-%d", r->key, i);
		if (!bucket_has(&sim->bucket, key, a->fate.sizes[i], a->name)) {
			violation(sim, "%s SUCCEEDED, %s is not in S3", j->name, key);
		}
	}
	if (r->stream_size[STREAM_LOG] - r->attempt.base[STREAM_LOG] != a->printed) {
		violation(sim, "%s SUCCEEDED with %lld of %lld bytes of its log",
			  j->name, (long long)r->stream_size[STREAM_LOG],
			  (long long)a->printed);
	}
	check_metrics(sim, j, r, a);
}

/* Did the program end with a code of its own, and was there somebody to write it down?
 */
static bool has_result(const struct attempt *a)
{
	return a && has_prefix(a->exit, "exit ");
}

static void check_failure(struct sim *sim, const struct user_job *j,
			  const struct job_record *r, const struct attempt *a)
{
	const char *why = NULL;
	bool was_lost = !a || a->was_hurt || a->is_wiped;

	switch (r->reason) {
	case REASON_NON_ZERO_EXIT:
	case REASON_SIGNALED:
		why = has_result(a) && a->true_code != 0 ? NULL : "its program did not";
		break;
	case REASON_LOST:
	case REASON_HOST_REBOOTED:
		why = !was_lost	      ? "nothing was lost"
		      : has_result(a) ? "its result is there"
				      : NULL;
		why = a && a->is_wiped ? NULL : why;
		break;
	case REASON_HOST_STATE_LOST:
		why = a && !a->is_wiped ? "its host has it still" : NULL;
		break;
	case REASON_UPLOAD_FAILED:
		why = a && !a->upload_failed && !was_lost ? "its upload did not" : NULL;
		break;
	case REASON_DOWNLOAD_FAILED:
		why = a && a->download_failed ? NULL : "its download did not";
		break;
	case REASON_NO_SUCH_INPUT:
		why = j->is_missing_input ? NULL : "its inputs are there";
		break;
	case REASON_TIMEOUT_RUN:
		why = a && a->timed_out ? NULL : "its time was not over";
		break;
	case REASON_HOST_UNREACHABLE:
	case REASON_HOST_REFUSED:
	case REASON_HOST_UNFIT:
	case REASON_S3_UNREACHABLE:
	case REASON_BAD_CREDENTIALS:
		why = sim->options.is_calm ? "nothing was wrong" : NULL;
		why = a && a->starts > 0 ? "its program ran" : why;
		break;
	case REASON_NONE:
	case REASON_INVALID_SPEC:
	case REASON_WAITING_FOR_FILES:
	case REASON_WAITING_FOR_SLOT:
	case REASON_WAITING_FOR_RETRY:
	case REASON_HOST_DRAINED:
	case REASON_HELD:
	case REASON_TIMEOUT_QUEUE:
	case REASON_TIMEOUT_PREPARE:
	case REASON_TIMEOUT_DOWNLOAD:
	case REASON_TIMEOUT_UPLOAD:
	case REASON_HOST_UNKNOWN:
	case REASON_HOST_CLOCK:
	case REASON_HOST_DISK:
	case REASON_HOST_KEY:
	case REASON_HOST_AUTH:
	case REASON_CLI_INSTALL_FAILED:
	case REASON_NO_CREDENTIALS:
	case REASON_ACCESS_DENIED:
	case REASON_SETUP_FAILED:
	case REASON_CANCELLED:
	case REASON_INTERNAL:
	case JOB_REASON_COUNT:
		why = "that cannot be here";
		break;
	}
	if (why) {
		violation(sim, "%s FAILED, %s: %s", j->name, job_reason_name(r->reason),
			  why);
	}
}

static void check_cancelled(struct sim *sim, const struct user_job *j,
			    const struct attempt *a)
{
	if (!j->cancel_asked) {
		violation(sim, "%s is CANCELLED, nobody asked", j->name);
	}
	if (has_result(a) && a->ended_before_cancel) {
		violation(sim, "%s is CANCELLED, it had ended before with %d", j->name,
			  a->true_code);
	}
}

static void check_final(struct sim *sim, struct user_job *j, const struct job_record *r)
{
	const struct attempt *a = find_attempt(sim, r);

	trace(sim, "%s: %s %s", j->name, job_state_name(r->state),
	      job_reason_name(r->reason));
	j->is_final = true;
	sim->n_by_state[r->state]++;
	if (a && a->program_lives && !a->is_wiped) {
		violation(sim, "%s is over, its program lives", j->name);
	}
	if (r->exit_code >= 0 && (!a || r->exit_code != a->true_code)) {
		violation(sim, "%s: exit code %d, the program's is %d", j->name,
			  r->exit_code, a ? a->true_code : -1);
	}
	if (r->state == JOB_SUCCEEDED) {
		check_success(sim, j, r, a);
	} else if (r->state == JOB_CANCELLED) {
		check_cancelled(sim, j, a);
	} else {
		check_failure(sim, j, r, a);
	}
}

/* --- records ---------------------------------------------------------------------- */

/* Nothing that was seen is taken back. */
static void check_forward(struct sim *sim, const struct user_job *j,
			  const struct job_record *old, const struct job_record *new)
{
	const char *what = NULL;

	if (job_state_is_final(old->state) && new->state != old->state) {
		what = "left its final state";
	} else if (new->n_attempts < old->n_attempts ||
		   (old->is_accepted && !new->is_accepted)) {
		what = "was sent, and is not";
	} else if (old->cancel && !new->cancel) {
		what = "is not cancelled any more";
	} else if (new->event_seq < old->event_seq) {
		what = "lost events";
	} else if (old->attempt.n == new->attempt.n && old->exit_code >= 0 &&
		   new->exit_code != old->exit_code) {
		what = "has another exit code";
	} else if (old->attempt.n == new->attempt.n && old->outputs_uri &&
		   !new->outputs_uri) {
		what = "lost its outputs";
	}
	for (int i = 0; i < JOB_STREAM_COUNT; i++) {
		if (i == STREAM_OUTPUTS && old->attempt.n != new->attempt.n) {
			continue; /* it lists those of one attempt */
		}
		if (new->stream_size[i] < old->stream_size[i]) {
			what = "lost bytes of a stream";
		}
	}
	if (what) {
		violation(sim, "%s (%s -> %s) %s", j->name, job_state_name(old->state),
			  job_state_name(new->state), what);
	}
}

static void look_at(struct sim *sim, struct user_job *j)
{
	struct job_record *r = engine_get_job(sim->daemon.engine, j->id),
			  *old = j->seen;

	if (!r) {
		violation(sim, "%s is gone", j->name);
		return;
	}
	if (r == old) {
		(void)job_record_unref(r);
		return;
	}
	(void)snprintf(j->key, sizeof(j->key), "%s", r->key);
	if (old) {
		check_forward(sim, j, old, r);
	}
	if (old ? r->stream_size[STREAM_LOG] > old->stream_size[STREAM_LOG]
		: r->stream_size[STREAM_LOG] > 0) {
		check_log(sim, j, r, old ? old->stream_size[STREAM_LOG] : 0);
	}
	if (!old || old->state != r->state || old->reason != r->reason) {
		trace(sim, "%s: %s %s", j->name, job_state_name(r->state),
		      job_reason_name(r->reason));
	}
	if (job_state_is_final(r->state) && !j->is_final) {
		check_final(sim, j, r);
	}
	(void)job_record_unref(old);
	j->seen = r;
}

void ledger_look(struct sim *sim)
{
	for (int i = 0; i < sim->n_jobs; i++) {
		struct user_job *j = &sim->jobs[i];

		if (j->id && !j->is_settled) {
			look_at(sim, j);
			j->is_settled =
				j->seen && j->is_final &&
				(j->seen->attempt.n == 0 || j->seen->attempt.is_acked);
		}
	}
}

/* What is on disk, against what was seen before the crash. */
void ledger_restart(struct sim *sim)
{
	for (int i = 0; i < sim->n_jobs; i++) {
		struct user_job *j = &sim->jobs[i];
		cleanup_record struct job_record *r = NULL;

		if (!j->id) {
			continue;
		}
		look_at(sim, j);
		r = engine_get_job(sim->daemon.engine, j->id);
		if (r && j->is_accepted && !r->is_accepted) {
			violation(sim, "%s was accepted, and is not", j->name);
		}
		if (r && j->cancel_heard && !r->cancel) {
			violation(sim, "%s: its cancel was answered, and is forgotten",
				  j->name);
		}
		if (r && r->stream_size[STREAM_LOG] > 0) {
			check_log(sim, j, r, 0);
		}
	}
}

bool ledger_all_done(struct sim *sim)
{
	if (!sim->daemon.engine) {
		return false;
	}
	for (int i = 0; i < sim->n_jobs; i++) {
		if (!sim->jobs[i].is_accepted || !sim->jobs[i].is_final) {
			return false;
		}
	}
	return true;
}

void ledger_end(struct sim *sim)
{
	struct engine_host host;

	for (int i = 0; i < sim->n_jobs && !ledger_all_done(sim); i++) {
		const struct user_job *j = &sim->jobs[i];

		if (!j->is_accepted || !j->is_final) {
			violation(sim, "%s does not end: %s %s", j->name,
				  j->seen ? job_state_name(j->seen->state) : "-",
				  j->seen ? job_reason_name(j->seen->reason) : "");
		}
	}
	for (int i = 0; i < sim->n_machines && ledger_all_done(sim); i++) {
		engine_get_host(sim->daemon.engine, (size_t)i, &host);
		if (host.slots_used || host.gpus_used) {
			violation(sim, "%s: %d slots and %d GPUs are still taken",
				  sim->machines[i].name, host.slots_used,
				  host.gpus_used);
		}
	}
}
