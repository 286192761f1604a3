/* The steps of a job that its host takes: one verb of the agent each, and what is made
 * of the answer. A verb that was not answered is asked again; all of them may be
 * repeated. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "job/manifest.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	PUT_TIMEOUT_MS = 2 * 60000,
	PUT_BYTES_PER_MS = 16, /* and this much more time for files/ over a slow line */
	LAUNCH_TIMEOUT_MS = 60000,
	VERB_TIMEOUT_MS = 60000,
	MANIFEST_TIMEOUT_MS = 10 * 60000,
	REPLY_MAX = 1 << 20, /* with what a login shell says before */
	MANIFEST_MAX = 256 << 20,
	WANTED_MAX = 33 << 20, /* 32 MiB, says the agent, and the frame */
	RETRY_ACK_MS = 60000,
};

struct remote_call *step_call(struct engine *e, struct job *job,
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
	spec.run = job->run->id;
	call = call_queue(e, &spec);
	if (!call) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return NULL;
	}
	job->run->is_busy = true;
	return call;
}

/* A verb was not answered, or with an error: say so and try again. */
void step_failed(struct engine *e, struct host *host, struct job *job, const char *verb,
		 struct call_reply *reply)
{
	char text[ERR_TEXT_MAX];

	if (reply->fault == REMOTE_OK && !reply->has_frame) {
		host_doubt(e, host);
	}
	if (!job) {
		return;
	}
	if (reply->fault != REMOTE_OK && reply->fault != REMOTE_ABORTED) {
		if (!job_get(job)->attempt.is_claimed && host->trouble_ms) {
			(void)job_step_failed(e, job, host->reason,
					      e->conf->limits.connect_patience_ms,
					      host->trouble);
		} else {
			job_retry_later(job);
		}
		return;
	}
	(void)snprintf(text, sizeof(text), "host %s could not %s the job: %s",
		       host->conf->name, verb,
		       reply->text[0]	  ? reply->text
		       : reply->has_frame ? reply->frame.code
					  : reply->noise);
	log_warning("job %s: %s", job_get(job)->name, text);
	if (job_step_failed(e, job, REASON_HOST_UNFIT,
			    e->conf->limits.connect_patience_ms, text)) {
		job->run->is_refused = true;
	}
}

static void handle_put(struct engine *e, struct host *host, struct job *job,
		       struct call_reply *reply)
{
	if (job && reply_is(reply, "OK")) {
		job_step_done(job);
		job->run->payload_sent = true;
		return;
	}
	if (job && reply->fault == REMOTE_ABORTED) { /* a file changed under it */
		job->run->payload = payload_free(job->run->payload);
	}
	step_failed(e, host, job, "store the files of", reply);
}

void step_put(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "put",
				  .timeout_ms = PUT_TIMEOUT_MS +
						payload_size(job->run->payload) /
							PUT_BYTES_PER_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_put };
	struct remote_call *call;
	char size[32];

	(void)snprintf(size, sizeof(size), "%lld",
		       (long long)payload_size(job->run->payload));
	call = step_call(e, job, &spec, size);
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
			job->run->payload = payload_free(job->run->payload);
		}
		/* it may have started all the same: ask before launching again */
		if (job) {
			job->run->is_polled = false;
			poll_soon(job);
		}
		step_failed(e, host, job, "start", reply);
		return;
	}
	while (frame_next(&reply->frame, &item)) {
		is_claimed |= frame_item_is(&item, "claim") && item.value_len > 4 &&
			      memcmp(item.value, "run ", 4) == 0;
	}
	job_step_done(job);
	keys_forget(job->run);
	if (urls_go_with_launch(job->run)) {
		urls_forget(job->run); /* lost on the way, they are made anew */
	}
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

void step_launch(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "launch",
				  .timeout_ms = LAUNCH_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_launch };
	const struct buf *urls = &job->run->urls;
	bool has_urls = urls_go_with_launch(job->run);
	struct remote_call *call;
	char args[128];

	(void)snprintf(args, sizeof(args), "%s", payload_digest(job->run->payload));
	if (has_urls) {
		(void)snprintf(args, sizeof(args), "%s %zu",
			       payload_digest(job->run->payload), urls->len);
	}
	call = step_call(e, job, &spec, args);
	if (!call) {
		return;
	}
	if (run_needs_s3(job->run) && job->run->engine != SPEC_ENGINE_PRESIGNED) {
		keys_attach(e, job, call);
		return;
	}
	(void)buf_printf(&call->input, "END %s\n", call_nonce(call));
	call->input_is_secret = has_urls;
	if (has_urls && (!buf_reserve(&call->input, urls->len) ||
			 buf_add(&call->input, urls->data, urls->len) < 0)) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

static void handle_cancel(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	if (!job || !(reply_is(reply, "OK") || reply_is(reply, "VOIDED"))) {
		step_failed(e, host, job, "cancel", reply);
		return;
	}
	job_step_done(job);
	job->run->cancel_sent = true;
	job->run->cancel_now_sent |= job->run->cancel_now_asked;
	job->run->is_void = reply_is(reply, "VOIDED");
	if (!job->run->is_void && !job_get(job)->attempt.is_claimed) {
		job->run->is_polled = false; /* a late launch was quicker */
	}
	poll_soon(job);
	if (!job->run->is_void && job_get(job)->state != JOB_STOPPING &&
	    job_state_may_follow(job_get(job)->state, JOB_STOPPING)) {
		(void)job_transition(e, job, JOB_STOPPING, REASON_CANCELLED, "%s",
				     job_get(job)->cancel_now
					     ? "the program is being killed"
					     : "the program was asked to end");
	}
}

void step_cancel(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "cancel",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_cancel };
	char grace[32];

	job->run->cancel_now_asked = job_get(job)->cancel_now;
	(void)snprintf(grace, sizeof(grace), "%lld",
		       job_get(job)->cancel_now
			       ? 0LL
			       : (long long)(run_grace_ms(e, job->run) + 999) / 1000);
	(void)step_call(e, job, &spec, grace);
}

/* The program may have ended, or not have begun: then nobody is left to hear it. */
static void handle_signal(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	struct job_record *r;

	if (!job || !reply->has_frame) {
		step_failed(e, host, job, "signal", reply);
		return;
	}
	job_step_done(job);
	r = job_edit(e, job);
	if (r) {
		(void)job_event(e, job, "signal", "%s: %s", r->signal,
				reply_is(reply, "OK") ? "sent" : reply->frame.code);
		(void)job_set_text(&r->signal, NULL);
	}
}

void step_signal(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "signal",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_signal };
	char name[16];

	(void)snprintf(name, sizeof(name), "%s", job_get(job)->signal);
	for (char *p = name; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	(void)step_call(e, job, &spec, name);
}

/* Of an attempt that it had claimed, the host has nothing left. */
static bool is_gone(const struct call_reply *reply)
{
	return reply_is(reply, "ENOCLAIM") || reply_is(reply, "EACKED") ||
	       reply_is(reply, "VOIDED") || reply_is(reply, "ENOMANIFEST");
}

/* The `end` of the first try is gone from the host, or will not count any more. */
static void note_uploading_again(struct engine *e, struct job *job)
{
	struct job_record *r = job_edit(e, job);

	if (r) {
		r->upload_again = false;
		(void)job_set_text(&r->attempt.end, NULL);
		(void)job_set_text(&r->attempt.timeout, NULL);
		job->run->is_polled = false;
		job->run->has_manifest = false;
	}
}

static void handle_upload(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	if (job && is_gone(reply)) {
		job_finish(e, job, (struct job_verdict){ JOB_FAILED, REASON_LOST }, "");
		return;
	}
	if (!job || !reply_is(reply, "OK")) {
		step_failed(e, host, job, "upload the outputs of", reply);
		return;
	}
	if (job_get(job)->upload_again) {
		note_uploading_again(e, job);
	}
	job_step_done(job);
	keys_forget(job->run);
	job->run->alive = ALIVE_UNKNOWN;
	poll_soon(job);
	(void)job_event(e, job, "upload", "%s", "uploading again on the host");
}

void step_upload(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "upload",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_upload };
	struct remote_call *call =
		step_call(e, job, &spec, job_get(job)->upload_again ? "again" : "");

	if (call && run_needs_s3(job->run) &&
	    urls_engine(e, job) != SPEC_ENGINE_PRESIGNED) {
		keys_attach(e, job, call);
	} else if (call) {
		(void)buf_printf(&call->input, "END %s\n", call_nonce(call));
	}
}

/* Links, sockets and the like are no outputs. What the host could not read or name is
 * one that S3 does not have. */
static bool is_lost_output(const char *entry)
{
	return has_prefix(entry, "unreadable ") || has_prefix(entry, "badname ") ||
	       has_prefix(entry, "notdir ") || streq(entry, "symlink .");
}

static void note_skipped(struct engine *e, struct job *job,
			 const struct frame_item *item)
{
	const char *end = item->value + item->value_len;
	struct run *run = job->run;
	char first[256];
	size_t n = 0;

	run->n_lost = 0;
	/* each ends in a NUL, and the block in a newline */
	for (const char *p = item->value; p < end; p += strlen(p) + 1) {
		if (!memchr(p, '\0', (size_t)(end - p))) {
			break;
		}
		n++;
		if (is_lost_output(p) && run->n_lost++ == 0) {
			(void)snprintf(run->lost, sizeof(run->lost), "%s", p);
		}
	}
	if (n > 0) {
		frame_item_text(item, first, sizeof(first));
		(void)job_event(e, job, "skipped",
				"%zu entries of the output directory are not uploaded, "
				"the first is: %s",
				n, first);
	}
}

/* For `progress`: how much there is to upload. */
static void note_total(struct engine *e, struct job *job)
{
	const struct buf *records = &job->run->manifest;
	cleanup_manifest struct manifest_list list = { .n = 0 };
	struct job_record *r = job_edit(e, job);

	if (r && r->n_transfers > 0 &&
	    manifest_parse(buf_text(records), records->len, &list) == 0) {
		r->transfers[r->n_transfers - 1].total = list.bytes;
	}
}

static void handle_manifest(struct engine *e, struct host *host, struct job *job,
			    struct call_reply *reply)
{
	struct buf *records;
	struct frame_item item;

	if (job && is_gone(reply)) {
		job_finish(e, job,
			   (struct job_verdict){ JOB_FAILED, REASON_UPLOAD_FAILED },
			   "the host does not know the outputs any more");
		return;
	}
	if (!job || !reply_is(reply, "OK")) {
		step_failed(e, host, job, "list the outputs of", reply);
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
		} else if (item.is_data && frame_item_is(&item, "begun")) {
			urls_note_begun(job->run, &item);
		}
	}
	if (records->error) {
		engine_fail_turn(e, records->error, NULL);
		return;
	}
	job_step_done(job);
	job->run->has_manifest = true;
	note_total(e, job);
}

static void handle_wanted(struct engine *e, struct host *host, struct job *job,
			  struct call_reply *reply)
{
	struct buf *list;
	struct frame_item item;

	if (job && reply_is(reply, "ENOWANT")) {
		job->run->want.is_open = false; /* the next poll tells */
		job_step_done(job);
		return;
	}
	if (!job || !reply_is(reply, "OK")) {
		step_failed(e, host, job, "ask for the checkpoint's list of", reply);
		return;
	}
	list = &job->run->want.list;
	buf_truncate(list, 0);
	list->max = WANTED_MAX;
	while (frame_next(&reply->frame, &item)) {
		if (item.is_data && frame_item_is(&item, "wanted")) {
			(void)buf_add(list, item.value, item.value_len);
		}
	}
	if (list->error) {
		engine_fail_turn(e, list->error, NULL);
		return;
	}
	job_step_done(job);
	job->run->want.has_list = true;
}

static void step_wanted(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "wanted",
				  .timeout_ms = MANIFEST_TIMEOUT_MS,
				  .output_max = WANTED_MAX,
				  .handle = handle_wanted };
	char args[32];

	(void)snprintf(args, sizeof(args), "%lld", (long long)job->run->want.n);
	(void)step_call(e, job, &spec, args);
}

void step_manifest(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "manifest",
				  .timeout_ms = MANIFEST_TIMEOUT_MS,
				  .output_max = MANIFEST_MAX,
				  .handle = handle_manifest };

	if (job->run->want.is_open && job->run->want.checkpoint) {
		step_wanted(e, job);
		return;
	}
	(void)step_call(e, job, &spec, "");
}

static void handle_ack(struct engine *e, struct host *host, struct job *job,
		       struct call_reply *reply)
{
	struct job_record *r;

	if (reply->fault == REMOTE_OK && !reply->has_frame) {
		host_doubt(e, host);
	}
	if (!job) {
		return;
	}
	/* no answer, no room, or something lives that should not: later */
	if (!reply->has_frame || reply_is(reply, "EALIVE") ||
	    reply_is(reply, "EDISK")) {
		job->run->wake_at = clock_ms() + RETRY_ACK_MS;
		return;
	}
	r = job_edit(e, job);
	if (r) {
		r->attempt.is_acked = true;
	}
}

void step_ack(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "ack",
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_ack };

	/* without an `end` nothing is left there that could still write one */
	(void)step_call(e, job, &spec, job_get(job)->attempt.end ? "" : "force");
}
