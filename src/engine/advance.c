/* The next step of a job: gathers the facts, asks job_next_step(), and starts what it
 * says. Steps that need another thread or a host set run->is_busy; their answer wakes
 * the job. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/log.h"

enum {
	RETRY_FIRST_MS = 500,
	RETRY_MAX_MS = 15000,
	RETRY_HOST_MS = 15000, /* to find the host of a job that is over */
	STEPS_MAX = 32,	       /* of one job in one turn */
};

void job_get_facts(const struct engine *e, const struct job *job, struct job_facts *f)
{
	const struct job_record *r = job_get(job);
	const struct run *run = job->run;

	*f = (struct job_facts){
		.is_presigned = urls_engine(e, job) == SPEC_ENGINE_PRESIGNED,
		.wants_urls = run->want.is_open,
		.wants_list = run->want.is_outputs || run->want.checkpoint,
		.has_list =
			run->want.checkpoint ? run->want.has_list : run->has_manifest,
		.has_begun = run->begun.len > 0,
		.state = r->state,
		.cancel = r->cancel,
		.needs_s3 = run_needs_s3(run),
		.is_dry_run = run->spec->is_dry_run,
		.has_outputs = run->spec->has_outputs,
		.has_checkpoints = run->spec->has_checkpoints,
		.host_is_ready = job->host &&
				 (r->attempt.n > 0 ? host_answers(job->host)
						   : job->host->state == HOST_READY),
		.same_store = r->attempt.storeid && job->host &&
			      streq(r->attempt.storeid, job->host->storeid),
		.cli_is_ready = urls_tool_is_ready(e, job),
		.inputs_checked = run->inputs_checked,
		.room_checked = run->room_checked,
		.has_payload = run->payload != NULL,
		.is_committed = r->attempt.n > 0,
		.is_polled = run->is_polled,
		.payload_sent = run->payload_sent,
		.is_claimed = r->attempt.is_claimed,
		.is_void = run->is_void,
		.cancel_sent = run->cancel_sent,
		.cancel_noted = run->cancel_noted,
		.cancel_now_due = r->cancel_now && !run->cancel_now_sent,
		.alive = run->alive,
		.exit = job_exit_parse(r->attempt.exit),
		.end = job_end_parse(r->attempt.end),
		.logs_are_whole = run_has_logs(job),
		.has_manifest = run->has_manifest,
		.is_verified = r->outputs_uri != NULL,
		.is_acked = r->attempt.is_acked,
		.timeout = job_timeout_parse(r->attempt.timeout),
		.queue_is_over = r->state == JOB_QUEUED && limit_is_over(run),
		.silence_is_over = limit_silence_is_over(run),
		.signal_due = r->signal != NULL,
		.upload_again = r->upload_again,
		.lacks_keys = keys_are_missing(e, job),
		.wants_keys = keys_are_due(run),
	};
}

/* --- failing and going on -------------------------------------------------------- */

void job_step_done(struct job *job)
{
	job->run->trouble_at = 0;
	job->run->tries = 0;
	job->run->is_refused = false;
}

void job_retry_later(struct job *job)
{
	int64_t wait = RETRY_FIRST_MS;

	for (int i = 0; i < job->run->tries && wait < RETRY_MAX_MS; i++) {
		wait *= 2;
	}
	job->run->tries++;
	job->run->wake_at = clock_ms() + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

bool job_step_failed(struct engine *e, struct job *job, enum job_reason reason,
		     int64_t patience_ms, const char *text)
{
	struct run *run = job->run;
	int64_t now = clock_ms();
	bool may_run = job_get(job)->attempt.n > 0;

	run->is_refused = false;
	if (run->trouble_at == 0) {
		run->trouble_at = now;
	}
	if (!may_run && now - run->trouble_at >= patience_ms) {
		job_finish(e, job, (struct job_verdict){ JOB_FAILED, reason }, text);
		return false;
	}
	if (!job_state_is_final(job_get(job)->state)) {
		(void)job_trouble(e, job, reason, text);
	}
	job_retry_later(job);
	return true;
}

/* Its time-out said that a silent host has lost the job: when it is back, it is to end
 * and forget what it may still run. */
static void give_up_host(struct engine *e, struct job *job)
{
	struct job_record *r = job_edit(e, job);

	if (r && r->attempt.n > 0) {
		leftover_add(e, job);
		r->attempt.is_acked = true;
	}
}

void job_finish(struct engine *e, struct job *job, struct job_verdict verdict,
		const char *detail)
{
	cleanup_buf struct buf text = BUF_INIT;

	job_explain(e, job, verdict, detail, &text);
	FAILPOINT("job.finish");
	attempt_close(e, job, verdict, buf_text(&text));
	if (attempt_retry(e, job, verdict, buf_text(&text)) || !job->run) {
		return;
	}
	if (verdict.reason == REASON_HOST_UNREACHABLE) {
		give_up_host(e, job);
	}
	(void)job_transition(e, job, verdict.state, verdict.reason, "%s",
			     buf_text(&text));
	schedule_release(e, job);
	job->run->wants_poll = false;
	job->run->wake_at = 0;
	job_wake(e, job);
}

/* --- steps of our own ------------------------------------------------------------ */

/* A job judges only what its host said after it began to wait: the trouble of yesterday
 * may be mended. A job that may run there does not judge at all. */
static void step_wait_host(struct engine *e, struct job *job)
{
	struct host *host = job->host;
	struct run *run = job->run;

	if (!host) {
		limit_note_silence(job, true);
		if (!job_state_is_final(job_get(job)->state)) {
			(void)job_trouble(e, job, REASON_HOST_UNKNOWN,
					  "the job's host is not in the configuration "
					  "any more");
		}
		return;
	}
	host_prepare(e, host);
	if (job_state_is_final(job_get(job)->state)) {
		run->wake_at = clock_ms() + RETRY_HOST_MS;
		return;
	}
	if (run->host_since > 0 && host->failed_at >= run->host_since &&
	    !job_get(job)->attempt.is_claimed &&
	    !job_step_failed(e, job, host->reason,
			     host_fault_is_permanent(host->fault)
				     ? 0
				     : e->conf->limits.connect_patience_ms,
			     host->trouble)) {
		return;
	}
	if (run->host_since == 0) {
		run->host_since = clock_ms();
	}
	if (host->state == HOST_NEW) { /* else the answer of the probe wakes it */
		run->wake_at = host->wake_at;
	}
}

bool job_leave_host(struct engine *e, struct job *job, enum job_reason reason,
		    const char *why)
{
	if (job_get(job)->attempt.n == 0 && schedule_has_other(e, job)) {
		(void)attempt_again(e, job, 0, why);
		return true;
	}
	return !job_step_failed(e, job, reason, 0, why);
}

static void step_wait_cli(struct engine *e, struct job *job)
{
	struct host *host = job->host;
	struct run *run = job->run;

	if (run->cli_since > 0 && host->s3_failed_at >= run->cli_since &&
	    job_leave_host(e, job, host->s3_reason, host->s3_trouble)) {
		return;
	}
	if (urls_engine(e, job) == SPEC_ENGINE_PRESIGNED) {
		char text[ERR_TEXT_MAX];

		(void)snprintf(text, sizeof(text),
			       "host %s has no curl of version 7.68 or later (and "
			       "xargs), which presigned transfers need",
			       host->conf->name);
		(void)job_step_failed(e, job, REASON_CLI_INSTALL_FAILED, 0, text);
		return;
	}
	if (run->cli_since == 0) {
		run->cli_since = clock_ms();
	}
	host_prepare_cli(e, host);
	if (host->cli == CLI_ABSENT) {
		host_install_cli(e, host);
	}
	if (host->cli == CLI_NEW || !host_may_sign(host)) {
		run->wake_at = host->cli_wake_at;
	}
}

static void step_poll(struct job *job)
{
	job->run->wants_poll = true;
}

static void step_finish(struct engine *e, struct job *job,
			const struct job_facts *facts)
{
	job_finish(e, job, job_verdict(facts), "");
}

/* The job is over and its host knows. If that is news of this turn, the run stays until
 * it is on disk. */
static void end_run(struct engine *e, struct job *job, const struct job_facts *facts)
{
	if (!job_state_is_final(facts->state)) {
		return;
	}
	if (job->working) {
		job->run_is_over = true;
	} else {
		run_detach(e, job);
	}
}

/* What the host needs to move data: credentials or URLs. */
static void step_rights(struct engine *e, struct job *job, enum job_step step)
{
	if (step == STEP_KEYS) {
		step_keys(e, job);
	} else if (step == STEP_RENEW) {
		step_renew(e, job);
	} else {
		step_urls(e, job);
	}
}

/* false: nothing more can be done in this turn. */
static bool take_step(struct engine *e, struct job *job, enum job_step step,
		      const struct job_facts *facts)
{
	log_debug("job %s: %s", job_get(job)->name, job_step_name(step));
	switch (step) {
	case STEP_NONE:
		end_run(e, job, facts);
		return false;
	case STEP_WAIT_HOST:
		step_wait_host(e, job);
		return false;
	case STEP_WAIT_CLI:
		if (tool_is_named(urls_engine(e, job))) {
			step_wait_tool(e, job);
		} else {
			step_wait_cli(e, job);
		}
		return false;
	case STEP_CHECK_INPUTS:
		preflight(e, job);
		return false;
	case STEP_CHECK_ROOM:
		return room_check(e, job);
	case STEP_KEYS:
	case STEP_RENEW:
	case STEP_URLS:
		step_rights(e, job, step);
		return false;
	case STEP_PLAN:
		dry_run_finish(e, job);
		return true;
	case STEP_MAKE_PAYLOAD:
		payload_prepare(e, job);
		return false;
	case STEP_COMMIT:
		attempt_begin(e, job);
		return true;
	case STEP_PUT:
		step_put(e, job);
		return false;
	case STEP_LAUNCH:
		step_launch(e, job);
		return false;
	case STEP_POLL:
		step_poll(job);
		return false;
	case STEP_CANCEL:
		step_cancel(e, job);
		return false;
	case STEP_SIGNAL:
		step_signal(e, job);
		return false;
	case STEP_UPLOAD:
		step_upload(e, job);
		return false;
	case STEP_MANIFEST:
		step_manifest(e, job);
		return false;
	case STEP_ABORT:
		step_abort(e, job);
		return false;
	case STEP_VERIFY:
		inspect_outputs(e, job);
		return false;
	case STEP_FINISH:
		step_finish(e, job, facts);
		return true;
	case STEP_ACK:
		step_ack(e, job);
		return false;
	}
	return false;
}

/* What was prepared too long is stopped like a cancel, and the reason is on disk before
 * the host hears of it. */
static void note_limits(struct engine *e, struct job *job)
{
	struct job_record *r;

	if (job_get(job)->state != JOB_PREPARING || !limit_is_over(job->run)) {
		return;
	}
	job->run->limit_at = 0;
	if (job_get(job)->attempt.is_claimed || !(r = job_edit(e, job))) {
		return;
	}
	if (job_set_text(&r->attempt.timeout, "prepare") < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

/* What it waited for has come: the next wait begins anew. */
static void note_waits(struct job *job, const struct job_facts *facts)
{
	if (facts->host_is_ready) {
		job->run->host_since = 0;
	}
	if (facts->cli_is_ready) {
		job->run->cli_since = 0;
	}
}

void job_advance(struct engine *e, struct job *job)
{
	struct job_facts facts;

	for (int i = 0; i < STEPS_MAX && e->turn_error == 0; i++) {
		if (!job->run || job->run->is_busy || job->run->wake_at > clock_ms()) {
			return;
		}
		if (drain_leave(e, job)) {
			return;
		}
		note_limits(e, job);
		job_get_facts(e, job, &facts);
		note_waits(job, &facts);
		if (!take_step(e, job, job_next_step(&facts), &facts)) {
			return;
		}
	}
}
