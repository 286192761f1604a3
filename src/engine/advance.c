/* The next step of a job: gathers the facts, asks job_next_step(), and starts what it
 * says. Steps that need another thread or a host set run->is_busy; their answer wakes
 * the job. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	PUT_TIMEOUT_MS =
		6 * 60 * 60000, /* files/ over a slow line; silence ends it sooner */
	LAUNCH_TIMEOUT_MS = 60000,
	VERB_TIMEOUT_MS = 60000,
	MANIFEST_TIMEOUT_MS = 10 * 60000,
	REPLY_MAX = 1 << 20, /* with what a login shell says before */
	MANIFEST_MAX = 256 << 20,
	RETRY_FIRST_MS = 500,
	RETRY_MAX_MS = 15000,
	RETRY_ACK_MS = 60000,
	STEPS_MAX = 32, /* of one job in one turn */
};

static bool logs_are_whole(const struct job *job)
{
	const struct job_record *r = job_get(job);
	const struct run *run = job->run;

	return run->is_polled &&
	       run->host_log <= r->stream_size[STREAM_LOG] - r->attempt.log_base &&
	       run->host_transfer <=
		       r->stream_size[STREAM_TRANSFER] - r->attempt.transfer_base;
}

static void get_facts(const struct job *job, struct job_facts *f)
{
	const struct job_record *r = job_get(job);
	const struct run *run = job->run;

	*f = (struct job_facts){
		.state = r->state,
		.cancel = r->cancel,
		.needs_s3 = run_needs_s3(run),
		.has_outputs = run->spec->has_outputs,
		.host_is_ready = job->host && job->host->state == HOST_READY,
		.same_store = r->attempt.storeid && job->host &&
			      streq(r->attempt.storeid, job->host->storeid),
		.cli_is_ready = job->host && job->host->cli == CLI_READY,
		.inputs_checked = run->inputs_checked,
		.has_payload = run->payload != NULL,
		.is_committed = r->attempt.n > 0,
		.is_polled = run->is_polled,
		.payload_sent = run->payload_sent,
		.is_claimed = r->attempt.is_claimed,
		.is_void = run->is_void,
		.cancel_sent = run->cancel_sent,
		.cancel_now_due = r->cancel_now && !run->cancel_now_sent,
		.alive = run->alive,
		.exit = job_exit_parse(r->attempt.exit),
		.end = job_end_parse(r->attempt.end),
		.logs_are_whole = logs_are_whole(job),
		.has_manifest = run->has_manifest,
		.is_verified = r->outputs_uri != NULL,
		.is_acked = r->attempt.is_acked,
		.timed_out = r->attempt.timed_out,
	};
}

/* --- failing and going on
 * -------------------------------------------------------------------- */

void job_step_done(struct job *job)
{
	job->run->trouble_at = 0;
	job->run->tries = 0;
}

static void retry_later(struct job *job)
{
	int64_t wait = RETRY_FIRST_MS;

	for (int i = 0; i < job->run->tries && wait < RETRY_MAX_MS; i++) {
		wait *= 2;
	}
	job->run->tries++;
	job->run->wake_at = clock_ms() + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

void job_step_failed(struct engine *e, struct job *job, enum job_reason reason,
		     int64_t patience_ms, const char *text)
{
	struct run *run = job->run;
	int64_t now = clock_ms();
	bool may_run = job_get(job)->attempt.n > 0;

	if (run->trouble_at == 0) {
		run->trouble_at = now;
	}
	if (!may_run && now - run->trouble_at >= patience_ms) {
		job_finish(e, job, (struct job_verdict){ JOB_FAILED, reason }, text);
		return;
	}
	if (!job_state_is_final(job_get(job)->state)) {
		(void)job_trouble(e, job, reason, text);
	}
	retry_later(job);
}

/* --- the end
 * ---------------------------------------------------------------------------------------
 */

static const char *program_name(const struct spec *spec)
{
	switch (spec->program) {
	case SPEC_SCRIPT:
		return spec->script;
	case SPEC_ARGV:
		return spec->argv[0];
	case SPEC_SHELL:
		break;
	}
	return "run";
}

static void explain_download(const struct job_record *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_transfers; i++) {
		if (r->transfers[i].state == TRANSFER_FAILED) {
			(void)buf_printf(out,
					 "input \"%s\" (%s) could not be downloaded to "
					 "%s; transfer.log has what the AWS CLI said",
					 r->transfers[i].name, r->transfers[i].uri,
					 r->attempt.host);
			return;
		}
	}
	(void)buf_printf(out,
			 "the inputs could not be downloaded to %s; see transfer.log",
			 r->attempt.host);
}

/* How the program ended, as a sentence. */
static void explain_program(const struct job *job, enum job_reason reason,
			    struct buf *out)
{
	const struct job_record *r = job_get(job);
	struct job_exit exit = job_exit_parse(r->attempt.exit);
	const char *name = program_name(job->run->spec);

	if (reason == REASON_SIGNALED) {
		(void)buf_printf(
			out, "%s was killed by signal %d on %s (exit code %d); see log",
			name, exit.code - 128, r->attempt.host, exit.code);
	} else if (reason == REASON_SETUP_FAILED) {
		(void)buf_printf(out,
				 "setup exited with code %d on %s, so %s did not run; "
				 "see log",
				 exit.code, r->attempt.host, name);
	} else if (reason == REASON_TIMEOUT_RUN) {
		(void)buf_printf(
			out, "%s was stopped on %s when timeouts.run (%lld s) was over",
			name, r->attempt.host,
			(long long)job->run->spec->run_limit_ms / 1000);
	} else {
		(void)buf_printf(out, "%s exited with code %d on %s; see log", name,
				 exit.code, r->attempt.host);
	}
}

static void explain_host(const struct job *job, enum job_reason reason, struct buf *out)
{
	const struct job_record *r = job_get(job);

	if (reason == REASON_HOST_REBOOTED) {
		(void)buf_printf(out, "host %s was rebooted while the job ran",
				 r->attempt.host);
	} else if (reason == REASON_HOST_STATE_LOST) {
		(void)buf_printf(
			out,
			"host %s has another ~/.jobfs than when the job was sent "
			"there (a new disk or another machine): whether the job "
			"ran cannot be known",
			r->attempt.host);
	} else {
		(void)buf_printf(
			out,
			"the job's processes on %s were killed (out of memory?), so "
			"its exit code is not known%s%s",
			r->attempt.host, r->attempt.end ? ": " : "",
			r->attempt.end ? r->attempt.end : "");
	}
}

static void explain(const struct job *job, struct job_verdict v, const char *detail,
		    struct buf *out)
{
	const struct job_record *r = job_get(job);

	switch ((int)v.reason) { /* int: the others are all told by their detail */
	case REASON_NONE:
		if (r->outputs_uri) {
			(void)buf_printf(out, "%lld outputs are in %s",
					 (long long)r->outputs_count, r->outputs_uri);
		}
		break;
	case REASON_CANCELLED:
		(void)buf_add_str(out, r->attempt.is_claimed
					       ? "cancelled while it was on its host"
					       : "cancelled before it ran");
		break;
	case REASON_DOWNLOAD_FAILED:
		explain_download(r, out);
		break;
	case REASON_UPLOAD_FAILED:
		(void)buf_printf(
			out, "%s; they are still on %s in ~/.jobfs/jobs/%s-%d/work/%s",
			detail[0] ? detail
				  : "the outputs could not be uploaded (see "
				    "transfer.log)",
			r->attempt.host, r->key, r->attempt.n,
			job->run->spec->output_path);
		break;
	case REASON_NON_ZERO_EXIT:
	case REASON_SIGNALED:
	case REASON_SETUP_FAILED:
	case REASON_TIMEOUT_RUN:
		explain_program(job, v.reason, out);
		break;
	case REASON_HOST_REBOOTED:
	case REASON_HOST_STATE_LOST:
	case REASON_LOST:
		explain_host(job, v.reason, out);
		break;
	default:
		(void)buf_add_str(out, detail);
	}
}

void job_finish(struct engine *e, struct job *job, struct job_verdict verdict,
		const char *detail)
{
	cleanup_buf struct buf text = BUF_INIT;
	const struct job_record *r = job_get(job);

	explain(job, verdict, detail, &text);
	if (verdict.state == JOB_FAILED && verdict.reason != REASON_UPLOAD_FAILED &&
	    job_end_parse(r->attempt.end) == END_UPLOAD_FAILED) {
		(void)buf_printf(&text,
				 "; its outputs could not be uploaded and are still on "
				 "%s in ~/.jobfs/jobs/%s-%d/work/%s",
				 r->attempt.host, r->key, r->attempt.n,
				 job->run->spec->output_path);
	}
	(void)job_transition(e, job, verdict.state, verdict.reason, "%s",
			     buf_text(&text));
	schedule_release(e, job);
	job->run->wants_poll = false;
	job->run->wake_at = 0;
	job_wake(e, job);
}

/* --- steps
 * -------------------------------------------------------------------------------------------
 */

static struct remote_call *job_call(struct engine *e, struct job *job,
				    const struct call_spec *what, const char *more_args)
{
	struct call_spec spec = *what;
	char name[ATTEMPT_NAME_MAX], args[256];
	struct remote_call *call;

	attempt_name(job_get(job), name);
	(void)snprintf(args, sizeof(args), "%s%s%s", name, more_args[0] ? " " : "",
		       more_args);
	spec.host = job->host;
	spec.args = args;
	spec.job = job_get(job)->id;
	spec.attempt = job_get(job)->attempt.n;
	call = call_queue(e, &spec);
	if (!call) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return NULL;
	}
	job->run->is_busy = true;
	return call;
}

/* A verb was not answered, or with an error: say so and try again. */
static void verb_failed(struct engine *e, struct host *host, struct job *job,
			const char *verb, struct call_reply *reply)
{
	char text[ERR_TEXT_MAX];

	if (reply->fault == REMOTE_OK && !reply->has_frame) {
		host->state = HOST_NEW; /* the agent does not answer: look at the host
					   again */
	}
	if (!job) {
		return;
	}
	if (reply->fault != REMOTE_OK && reply->fault != REMOTE_ABORTED) {
		retry_later(job);
		return;
	}
	(void)snprintf(text, sizeof(text), "host %s could not %s the job: %s",
		       host->conf->name, verb,
		       reply->text[0]	  ? reply->text
		       : reply->has_frame ? reply->frame.code
					  : reply->noise);
	log_warning("job %s: %s", job_get(job)->name, text);
	job_step_failed(e, job, REASON_HOST_UNFIT, INT64_MAX, text);
}

static void handle_put(struct engine *e, struct host *host, struct job *job,
		       struct call_reply *reply)
{
	if (job && reply_is(reply, "OK")) {
		job_step_done(job);
		job->run->payload_sent = true;
		return;
	}
	verb_failed(e, host, job, "store the files of", reply);
}

static void step_put(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "put",
				  .timeout_ms = PUT_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_put };
	struct remote_call *call;
	char size[32];

	(void)snprintf(size, sizeof(size), "%lld",
		       (long long)payload_size(job->run->payload));
	call = job_call(e, job, &spec, size);
	if (call && payload_attach(job->run->payload, call) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

static void poll_soon(struct job *job)
{
	job->run->poll_interval_ms = 0;
	job->run->poll_at = 0;
}

static void handle_launch(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	struct frame_item item;
	struct job_record *r;
	bool is_claimed = false;

	if (!job || !reply_is(reply, "OK")) {
		if (job && reply->has_frame &&
		    has_suffix(reply->frame.code, "PAYLOAD")) {
			job->run->payload_sent = false;
		}
		/* it may have started all the same: ask before launching again */
		if (job) {
			job->run->is_polled = false;
			poll_soon(job);
		}
		verb_failed(e, host, job, "start", reply);
		return;
	}
	while (frame_next(&reply->frame, &item)) {
		is_claimed |= frame_item_is(&item, "claim") && item.value_len > 4 &&
			      memcmp(item.value, "run ", 4) == 0;
	}
	job_step_done(job);
	poll_soon(job);
	r = job_edit(e, job);
	if (r && is_claimed && !r->attempt.is_claimed) {
		r->attempt.is_claimed = true;
		(void)job_trouble(e, job, REASON_NONE, NULL);
		(void)job_event(e, job, "launched", "started on %s", host->conf->name);
	} else if (!is_claimed) {
		job->run->is_polled = false; /* void: the poll says so */
	}
}

static void step_launch(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "launch",
				  .timeout_ms = LAUNCH_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_launch };
	struct remote_call *call =
		job_call(e, job, &spec, payload_digest(job->run->payload));

	if (!call) {
		return;
	}
	if (run_needs_s3(job->run)) {
		(void)call_add_secrets(e, call);
	} else {
		(void)buf_printf(&call->input, "END %s\n", call_nonce(call));
	}
}

static void handle_cancel(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	if (!job || !(reply_is(reply, "OK") || reply_is(reply, "VOIDED"))) {
		verb_failed(e, host, job, "cancel", reply);
		return;
	}
	job_step_done(job);
	job->run->cancel_sent = true;
	job->run->cancel_now_sent |= job_get(job)->cancel_now;
	job->run->is_void = reply_is(reply, "VOIDED");
	poll_soon(job);
	if (!job->run->is_void && job_get(job)->state != JOB_STOPPING &&
	    job_state_may_follow(job_get(job)->state, JOB_STOPPING)) {
		(void)job_transition(e, job, JOB_STOPPING, REASON_CANCELLED, "%s",
				     job_get(job)->cancel_now
					     ? "the program is being killed"
					     : "the program was asked to end");
	}
}

static void step_cancel(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "cancel",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_cancel };
	char grace[32];

	(void)snprintf(grace, sizeof(grace), "%lld",
		       job_get(job)->cancel_now
			       ? 0LL
			       : (long long)(e->conf->limits.stop_grace_ms + 999) /
					 1000);
	(void)job_call(e, job, &spec, grace);
}

static void handle_upload(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	if (!job || !reply_is(reply, "OK")) {
		verb_failed(e, host, job, "upload the outputs of", reply);
		return;
	}
	job_step_done(job);
	job->run->alive = ALIVE_UNKNOWN;
	poll_soon(job);
	(void)job_event(e, job, "upload", "%s", "uploading again on the host");
}

static void step_upload(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "upload",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_upload };
	struct remote_call *call = job_call(e, job, &spec, "");

	if (call) {
		(void)call_add_secrets(e, call);
	}
}

/* Links, sockets and the like are no outputs; the timeline names the first of them. */
static void note_skipped(struct engine *e, struct job *job,
			 const struct frame_item *item)
{
	const char *end = item->value + item->value_len;
	char first[256];
	size_t n = 0;

	for (const char *p = item->value; p < end; p++) {
		n += *p == '\0';
	}
	if (n > 0) {
		frame_item_text(item, first, sizeof(first));
		(void)job_event(e, job, "skipped",
				"%zu entries of the output directory are not uploaded, "
				"the first is a %s",
				n, first);
	}
}

static void handle_manifest(struct engine *e, struct host *host, struct job *job,
			    struct call_reply *reply)
{
	struct buf *records;
	struct frame_item item;

	if (!job || !reply_is(reply, "OK")) {
		verb_failed(e, host, job, "list the outputs of", reply);
		return;
	}
	records = &job->run->manifest;
	buf_truncate(records, 0);
	records->max = MANIFEST_MAX;
	while (frame_next(&reply->frame, &item)) {
		if (item.is_data && frame_item_is(&item, "manifest")) {
			(void)buf_add(records, item.value, item.value_len);
		} else if (item.is_data && frame_item_is(&item, "skipped")) {
			note_skipped(e, job, &item);
		}
	}
	if (records->error) {
		engine_fail_turn(e, records->error, NULL);
		return;
	}
	job_step_done(job);
	job->run->has_manifest = true;
}

static void step_manifest(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "manifest",
				  .timeout_ms = MANIFEST_TIMEOUT_MS,
				  .output_max = MANIFEST_MAX,
				  .handle = handle_manifest };

	(void)job_call(e, job, &spec, "");
}

static void handle_ack(struct engine *e, struct host *host, struct job *job,
		       struct call_reply *reply)
{
	struct job_record *r;

	(void)host;
	if (!job) {
		return;
	}
	if (!reply->has_frame) { /* no answer: the host may come back */
		job->run->wake_at = clock_ms() + RETRY_ACK_MS;
		return;
	}
	r = job_edit(e, job);
	if (r) {
		r->attempt.is_acked = true;
	}
}

static void step_ack(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "ack",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_ack };

	(void)job_call(e, job, &spec, "");
}

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
				     buf_text(&uri), job->run->input_bytes[i]);
	}
	if (spec->has_outputs && error == 0) {
		error = set_transfer(&r->transfers[n - 1], "outputs",
				     job->run->destination, -1);
	}
	return error;
}

/* From the commit of this turn on the attempt exists: it will be launched under this
 * name and no other, however often this daemon dies. */
static void step_commit(struct engine *e, struct job *job)
{
	struct job_record *r = job_edit(e, job);

	if (!r) {
		return;
	}
	r->attempt.n = 1;
	r->attempt.log_base = r->stream_size[STREAM_LOG];
	r->attempt.transfer_base = r->stream_size[STREAM_TRANSFER];
	if (job_set_text(&r->attempt.storeid, job->host->storeid) < 0 ||
	    set_transfers(job, r) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	job->run->is_polled = true; /* nothing was sent yet: there is nothing to ask */
	job_step_done(job);
	(void)job_event(e, job, "attempt", "attempt %d on %s", r->attempt.n,
			r->attempt.host);
}

static void step_wait_host(struct engine *e, struct job *job)
{
	struct host *host = job->host;

	if (!host) {
		(void)job_trouble(
			e, job, REASON_HOST_UNKNOWN,
			"the job's host is not in the configuration any more");
		return;
	}
	host_prepare(e, host);
	if (job_state_is_final(job_get(job)->state)) {
		job->run->wake_at = clock_ms() + RETRY_ACK_MS;
	} else if (host->trouble_ms) {
		bool is_permanent = host_fault_is_permanent(host->fault);

		job_step_failed(e, job, host->reason,
				is_permanent ? 0 : e->conf->limits.connect_patience_ms,
				host->trouble);
	}
}

static void step_wait_cli(struct engine *e, struct job *job)
{
	struct host *host = job->host;

	if (job->run->waited_for_cli && host->cli_error[0]) {
		job->run->waited_for_cli = false;
		job_step_failed(e, job, REASON_CLI_INSTALL_FAILED, 0, host->cli_error);
		return;
	}
	job->run->waited_for_cli = true;
	host_prepare_cli(e, host);
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

/* false: nothing more can be done in this turn. */
static bool take_step(struct engine *e, struct job *job, enum job_step step,
		      const struct job_facts *facts)
{
	log_debug("job %s: %s", job_get(job)->name, job_step_name(step));
	switch (step) {
	case STEP_NONE:
		if (job_state_is_final(facts->state)) {
			run_detach(e, job);
		}
		return false;
	case STEP_WAIT_HOST:
		step_wait_host(e, job);
		return false;
	case STEP_WAIT_CLI:
		step_wait_cli(e, job);
		return false;
	case STEP_CHECK_INPUTS:
		inspect_inputs(e, job);
		return false;
	case STEP_MAKE_PAYLOAD:
		payload_prepare(e, job);
		return false;
	case STEP_COMMIT:
		step_commit(e, job);
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
	case STEP_UPLOAD:
		step_upload(e, job);
		return false;
	case STEP_MANIFEST:
		step_manifest(e, job);
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

void job_advance(struct engine *e, struct job *job)
{
	struct job_facts facts;

	for (int i = 0; i < STEPS_MAX && e->turn_error == 0; i++) {
		if (!job->run || job->run->is_busy ||
		    (job->run->wake_at > clock_ms() && !job_get(job)->cancel)) {
			return;
		}
		get_facts(job, &facts);
		if (!take_step(e, job, job_next_step(&facts), &facts)) {
			return;
		}
	}
}
