/* One attempt follows another: how the first begins, what is kept of it when it is
 * over, and when another is made. An attempt is a row of its own; the job's record
 * holds the current one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/random.h"

enum {
	BACKOFF_MAX_MS = 3600000,
	ATTEMPTS_MAX = 4095, /* what an inode number has room for */
	/* S3 tells seconds: so apart, no output of one attempt is taken for one of the
	 * next, whose inputs are looked for later than this. */
	OUTPUTS_APART_MS = 3000,
};

/* --- the beginning --------------------------------------------------------------- */

static int set_transfer(struct job_transfer *t, const char *name, const char *uri,
			int64_t total)
{
	t->total = total;
	t->state = TRANSFER_WAITING;
	return job_set_text(&t->name, name) < 0 || job_set_text(&t->uri, uri) < 0
		       ? -ENOMEM
		       : 0;
}

/* The lines of `progress`: every input, then the outputs. */
static int set_transfers(struct job *job, struct job_record *r)
{
	const struct spec *spec = job->run->spec;
	size_t n = spec->n_inputs + spec->has_outputs;
	int error = 0;

	if (n == 0 || r->transfers) {
		return 0;
	}
	r->transfers = calloc(n, sizeof(*r->transfers));
	if (!r->transfers) {
		return -ENOMEM;
	}
	r->n_transfers = n;
	for (size_t i = 0; i < spec->n_inputs && error == 0; i++) {
		cleanup_buf struct buf uri = BUF_INIT;

		(void)buf_printf(&uri, "s3://%s/%s", spec->inputs[i].bucket,
				 spec->inputs[i].key);
		error = set_transfer(&r->transfers[i], spec->inputs[i].name,
				     buf_text(&uri), job->run->listed[i].bytes);
	}
	if (spec->has_outputs && error == 0) {
		error = set_transfer(&r->transfers[n - 1], "outputs",
				     job->run->destination, -1);
	}
	return error;
}

/* Between the logs of two attempts; it belongs to neither. Metrics, for programs,
 * have no such line. */
static void mark_log(struct engine *e, struct job *job)
{
	const struct job_record *r = job_get(job);
	cleanup_buf struct buf line = BUF_INIT;

	(void)buf_printf(&line, "==> attempt %d on %s <==\n", r->attempt.n,
			 r->attempt.host);
	(void)job_append(e, job, STREAM_LOG, buf_text(&line), line.len);
	(void)job_append(e, job, STREAM_TRANSFER, buf_text(&line), line.len);
}

void attempt_begin(struct engine *e, struct job *job)
{
	struct job_record *r = job_edit(e, job);

	if (!r) {
		return;
	}
	FAILPOINT("job.attempt");
	r->attempt.n = ++r->n_attempts;
	if (r->attempt.n > 1) {
		mark_log(e, job);
	}
	for (int i = 0; i < STREAM_OF_HOST_COUNT; i++) {
		r->attempt.base[i] = r->stream_size[i];
	}
	r->attempt.outputs_since_s = job->run->outputs_since_s;
	if (job_set_text(&r->attempt.storeid, job->host->storeid) < 0 ||
	    job_set_text(&r->attempt.engine, spec_engine_word(job->run->engine)) < 0 ||
	    job_set_text(&r->checkpoint_uri, job->run->checkpoints) < 0 ||
	    set_transfers(job, r) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	job->run->is_polled = true; /* nothing was sent yet: there is nothing to ask */
	job_step_done(job);
	(void)job_event(e, job, "attempt", "attempt %d on %s", r->attempt.n,
			r->attempt.host);
}

/* --- the end --------------------------------------------------------------------- */

void attempt_close(struct engine *e, struct job *job, struct job_verdict verdict,
		   const char *text)
{
	struct job_record *r = job_edit(e, job);

	if (!r || r->attempt.n == 0) {
		return;
	}
	r->attempt.state = verdict.state;
	r->attempt.reason = verdict.reason;
	r->attempt.exit_code = r->exit_code;
	r->attempt.started_ms = r->started_ms;
	r->attempt.exited_ms = r->exited_ms;
	r->attempt.ended_ms = clock_wall_ms();
	for (int i = 0; i < STREAM_OF_HOST_COUNT; i++) {
		r->attempt.end_at[i] = r->stream_size[i];
	}
	if (job_set_text(&r->attempt.message, text) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

/* --- another one ----------------------------------------------------------------- */

/* The row of the attempt that is over is written for the last time. */
static int keep_row(struct engine *e, const struct job_record *r)
{
	struct err err = ERR_INIT;
	int error = engine_write(e);

	if (error == 0 && r->attempt.n > 0) {
		error = store_put_attempt(e->store, r, &err);
		if (error < 0) {
			engine_fail_turn(e, error, &err);
		}
	}
	return error;
}

/* outputs.jsonl lists those of one attempt. */
static int drop_outputs(struct engine *e, struct job_record *r)
{
	struct job_gap all = { 0, r->stream_size[STREAM_OUTPUTS] };
	struct err err = ERR_INIT;
	int error = store_trim(e->store, r->id, STREAM_OUTPUTS, &all, &err);

	if (error < 0) {
		engine_fail_turn(e, error, &err);
	}
	r->stream_size[STREAM_OUTPUTS] = 0;
	return error;
}

/* A task may still read the spec of the old one. */
static int forget_run(struct engine *e, struct job *job)
{
	int r;

	run_detach(e, job);
	r = run_attach_stored(e, job);
	if (r < 0) {
		engine_fail_turn(e, r, NULL);
	}
	return r;
}

/* So long at the least, where the last attempt may have left outputs. */
static int64_t wait_for_outputs(const struct job *job, int64_t wait_ms)
{
	bool has_outputs = job_get(job)->attempt.n > 0 && job->run->spec->has_outputs;

	return has_outputs && wait_ms < OUTPUTS_APART_MS ? OUTPUTS_APART_MS : wait_ms;
}

/* By the name that it has by now it may write where another job does. */
static void check_place(struct engine *e, struct job *job)
{
	const struct job *other = destination_find_any(e, job);

	if (other) {
		(void)job_transition(
			e, job, JOB_FAILED, REASON_INVALID_SPEC,
			"it cannot be tried again as %s: job %s, which is not "
			"finished, writes to its destination; rename it and "
			"echo retry > ctl",
			job_get(job)->name, job_get(other)->name);
	}
}

int attempt_again(struct engine *e, struct job *job, int64_t wait_ms, const char *text)
{
	struct job_record *r = job_edit(e, job);
	int64_t queue_ends_at = job_get(job)->attempt.n ? 0 : job->run->queue_ends_at;

	if (!r) {
		return -ENOMEM;
	}
	wait_ms = wait_for_outputs(job, wait_ms);
	leftover_add(e, job);
	if (keep_row(e, r) < 0 || drop_outputs(e, r) < 0) {
		return e->turn_error;
	}
	schedule_release(e, job);
	job->host = NULL;
	job_attempt_reset(r);
	if (forget_run(e, job) < 0) {
		return e->turn_error;
	}
	r->retry_at_ms = wait_ms > 0 ? clock_wall_ms() + wait_ms : 0;
	job->run->retry_at = wait_ms > 0 ? clock_ms() + wait_ms : 0;
	job->run->queue_ends_at = queue_ends_at;
	(void)job_transition(e, job, JOB_QUEUED,
			     wait_ms > 0 ? REASON_WAITING_FOR_RETRY : REASON_NONE, "%s",
			     text);
	check_place(e, job);
	return 0;
}

/* It doubles with every attempt; jitter keeps jobs that failed together apart. */
static int64_t backoff_ms(const struct spec_retry *retry, int n)
{
	int64_t ms = retry->backoff_ms;

	for (int i = 1; i < n && ms < BACKOFF_MAX_MS; i++) {
		ms *= 2;
	}
	ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
	return ms / 2 + (int64_t)(random_fraction() * (double)(ms - ms / 2));
}

/* What the program made is there, and only not in S3; nor is it the program's exit code
 * that asks for another run. */
static bool lacks_upload_only(const struct job *job, const struct job_facts *facts,
			      enum job_reason reason)
{
	const struct job_record *r = job_get(job);

	return (reason == REASON_UPLOAD_FAILED || reason == REASON_TIMEOUT_UPLOAD) &&
	       !spec_retries(&job->run->spec->retry, REASON_NONE, r->exit_code, true) &&
	       r->state == JOB_UPLOADING && job->host && job_may_upload_again(facts);
}

/* Instead of another attempt, which would pay for all of it once more. */
static bool upload_again(struct engine *e, struct job *job, enum job_reason reason,
			 int64_t wait_ms, const char *why)
{
	struct job_record *r = job_edit(e, job);

	if (!r) {
		return false;
	}
	r->upload_again = true;
	r->attempt.state = JOB_NEW; /* it is not over after all */
	job->run->wake_at = clock_ms() + wait_ms;
	return job_trouble(e, job, reason, why) == 0;
}

bool attempt_retry(struct engine *e, struct job *job, struct job_verdict verdict,
		   const char *text)
{
	const struct spec_retry *retry = &job->run->spec->retry;
	struct job_record *r = job_edit(e, job);
	struct job_facts facts;
	int64_t wait_ms;
	char why[ERR_TEXT_MAX], when[CLOCK_TEXT_MAX];

	if (!r || verdict.state != JOB_FAILED || r->cancel ||
	    r->retries + 1 >= retry->max_attempts || r->n_attempts >= ATTEMPTS_MAX) {
		return false;
	}
	job_get_facts(e, job, &facts);
	if (!spec_retries(retry, verdict.reason, r->exit_code,
			  job_may_have_run(&facts))) {
		return false;
	}
	r->retries++;
	wait_ms = wait_for_outputs(job, backoff_ms(retry, r->retries));
	clock_format(clock_wall_ms() + wait_ms, when);
	(void)snprintf(why, sizeof(why),
		       "attempt %d of %d failed (%s): %.400s; %s until %s", r->retries,
		       retry->max_attempts, job_reason_name(verdict.reason), text,
		       lacks_upload_only(job, &facts, verdict.reason)
			       ? "the outputs are uploaded again, which waits"
			       : "the next one waits",
		       when);
	if (lacks_upload_only(job, &facts, verdict.reason)) {
		return upload_again(e, job, verdict.reason, wait_ms, why);
	}
	return attempt_again(e, job, wait_ms > 0 ? wait_ms : 1, why) == 0;
}
