#include "job/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum job_end job_end_parse(const char *text)
{
	static const struct {
		const char *word;
		enum job_end end;
	} words[] = {
		{ "ok", END_OK },
		{ "download-failed", END_DOWNLOAD_FAILED },
		{ "upload-failed", END_UPLOAD_FAILED },
		{ "cancelled", END_CANCELLED },
		{ "lost rebooted", END_REBOOTED },
	};

	if (!text) {
		return END_NONE;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].word);

		if (strncmp(text, words[i].word, n) == 0 &&
		    (text[n] == '\0' || text[n] == ' ')) {
			return words[i].end;
		}
	}
	return END_BROKEN;
}

struct job_exit job_exit_parse(const char *text)
{
	struct job_exit exit = { .kind = EXIT_NONE, .code = -1 };

	if (!text) {
		return exit;
	}
	if (sscanf(text, "exit %d", &exit.code) == 1) {
		exit.kind = EXIT_CODE;
	} else if (sscanf(text, "setup %d", &exit.code) == 1) {
		exit.kind = EXIT_SETUP;
	} else {
		exit.kind = EXIT_LOST;
		exit.rebooted = strcmp(text, "lost rebooted") == 0;
	}
	return exit;
}

enum job_timeout job_timeout_parse(const char *phase)
{
	static const char *const phases[] = {
		[TIMEOUT_PREPARE] = "prepare",
		[TIMEOUT_DOWNLOAD] = "download",
		[TIMEOUT_RUN] = "run",
		[TIMEOUT_UPLOAD] = "upload",
	};

	for (int i = TIMEOUT_PREPARE; phase && i <= TIMEOUT_UPLOAD; i++) {
		if (strcmp(phases[i], phase) == 0) {
			return (enum job_timeout)i;
		}
	}
	return TIMEOUT_NONE;
}

/* A step that takes credentials to the host. */
static enum job_step with_keys(const struct job_facts *f, enum job_step step)
{
	return f->lacks_keys ? STEP_KEYS : step;
}

/* Nothing that could start it has left: everything may still be undone. */
static enum job_step before_commit(const struct job_facts *f)
{
	if (f->cancel || f->timeout == TIMEOUT_PREPARE) {
		return STEP_FINISH;
	}
	if (!f->host_is_ready) {
		return STEP_WAIT_HOST;
	}
	if (f->needs_s3 && !f->inputs_checked) {
		return STEP_CHECK_INPUTS;
	}
	if (f->needs_s3 && !f->room_checked) {
		return STEP_CHECK_ROOM;
	}
	if (f->lacks_keys) { /* a role that may not be assumed ends the job here */
		return STEP_KEYS;
	}
	if (f->is_dry_run) {
		return STEP_PLAN;
	}
	if (f->needs_s3 && !f->cli_is_ready) {
		return STEP_WAIT_CLI;
	}
	if (!f->has_payload) {
		return STEP_MAKE_PAYLOAD;
	}
	/* a payload without a claim is nothing: if it cannot be sent, the job was not
	 */
	return f->payload_sent ? STEP_COMMIT : STEP_PUT;
}

/* The host has no claim of ours: launch the same attempt, as often as it takes. */
static enum job_step before_claim(const struct job_facts *f)
{
	if (f->is_void) {
		return STEP_FINISH;
	}
	if (f->cancel || f->timeout == TIMEOUT_PREPARE) {
		return STEP_CANCEL;
	}
	if (f->needs_s3 && !f->cli_is_ready) {
		return STEP_WAIT_CLI;
	}
	if (!f->has_payload) {
		return STEP_MAKE_PAYLOAD;
	}
	return f->payload_sent ? with_keys(f, STEP_LAUNCH) : STEP_PUT;
}

static enum job_step before_end(const struct job_facts *f)
{
	if (f->cancel && f->exit.kind == EXIT_NONE &&
	    (!f->cancel_sent || f->cancel_now_due)) {
		return STEP_CANCEL;
	}
	if (f->signal_due && f->exit.kind == EXIT_NONE) {
		return STEP_SIGNAL;
	}
	if (f->wants_urls && f->alive == ALIVE_RUNNER) {
		return f->wants_list && !f->has_list ? STEP_MANIFEST : STEP_URLS;
	}
	if (f->wants_keys && f->alive == ALIVE_RUNNER) {
		return with_keys(f, STEP_RENEW);
	}
	/* the runner is gone: what it left undone is done in its place, once the
	 * program has ended or cannot live any more */
	if (!f->logs_are_whole || f->alive == ALIVE_RUNNER ||
	    f->alive == ALIVE_UNKNOWN) {
		return STEP_POLL;
	}
	if (f->alive == ALIVE_ORPHAN) {
		return f->exit.kind == EXIT_NONE ? STEP_POLL
						 : with_keys(f, STEP_UPLOAD);
	}
	return f->has_outputs || f->has_checkpoints ? with_keys(f, STEP_UPLOAD)
						    : STEP_FINISH;
}

static enum job_step after_end(const struct job_facts *f)
{
	if (!f->logs_are_whole) {
		return STEP_POLL;
	}
	if (f->end == END_OK && f->has_outputs && !f->is_verified) {
		return f->has_manifest ? STEP_VERIFY : STEP_MANIFEST;
	}
	/* a failed upload leaves no parts in S3; the host knows what was begun */
	if (f->end == END_UPLOAD_FAILED && f->is_presigned && !f->has_manifest) {
		return STEP_MANIFEST;
	}
	if (f->end == END_UPLOAD_FAILED && f->has_begun) {
		return STEP_ABORT;
	}
	return STEP_FINISH;
}

enum job_step job_next_step(const struct job_facts *f)
{
	if (f->state == JOB_QUEUED && f->queue_is_over) {
		return STEP_FINISH;
	}
	if (f->state == JOB_NEW || f->state == JOB_QUEUED || f->state == JOB_HELD) {
		return STEP_NONE;
	}
	if (job_state_is_final(f->state)) {
		if (!f->is_committed || f->is_acked || !job_may_ack(f)) {
			return STEP_NONE;
		}
		return f->host_is_ready ? STEP_ACK : STEP_WAIT_HOST;
	}
	if (!f->is_committed) {
		return before_commit(f);
	}
	if (!f->host_is_ready) {
		return f->silence_is_over ? STEP_FINISH : STEP_WAIT_HOST;
	}
	if (!f->same_store) {
		return STEP_FINISH;
	}
	if (!f->is_polled) {
		return STEP_POLL;
	}
	if (!f->is_claimed) {
		return before_claim(f);
	}
	if (f->upload_again) {
		return with_keys(f, STEP_UPLOAD);
	}
	return f->end == END_NONE ? before_end(f) : after_end(f);
}

const char *job_step_name(enum job_step step)
{
	static const char *const names[] = {
		[STEP_NONE] = "none",
		[STEP_WAIT_HOST] = "wait-host",
		[STEP_WAIT_CLI] = "wait-cli",
		[STEP_CHECK_INPUTS] = "check-inputs",
		[STEP_CHECK_ROOM] = "check-room",
		[STEP_KEYS] = "keys",
		[STEP_PLAN] = "plan",
		[STEP_MAKE_PAYLOAD] = "make-payload",
		[STEP_COMMIT] = "commit",
		[STEP_PUT] = "put",
		[STEP_LAUNCH] = "launch",
		[STEP_POLL] = "poll",
		[STEP_CANCEL] = "cancel",
		[STEP_SIGNAL] = "signal",
		[STEP_UPLOAD] = "upload",
		[STEP_MANIFEST] = "manifest",
		[STEP_RENEW] = "renew",
		[STEP_URLS] = "urls",
		[STEP_ABORT] = "abort",
		[STEP_VERIFY] = "verify",
		[STEP_FINISH] = "finish",
		[STEP_ACK] = "ack",
	};

	return names[step];
}

static bool was_rebooted(const struct job_facts *f)
{
	return f->alive == ALIVE_REBOOTED || f->exit.rebooted || f->end == END_REBOOTED;
}

/* The program's own result, whatever became of its outputs. */
static struct job_verdict program_verdict(const struct job_facts *f)
{
	if (f->cancel && f->cancel_noted) {
		return (struct job_verdict){ JOB_CANCELLED, REASON_CANCELLED };
	}
	if (f->exit.kind == EXIT_CODE && f->exit.code == 0) {
		/* also when a cancel or the limit came too late */
		return (struct job_verdict){ JOB_SUCCEEDED, REASON_NONE };
	}
	/* what ended by itself had no cancel noted; of what was lost nobody knows */
	if (f->cancel && f->cancel_sent &&
	    (f->exit.kind == EXIT_NONE || f->exit.kind == EXIT_LOST)) {
		return (struct job_verdict){ JOB_CANCELLED, REASON_CANCELLED };
	}
	if (f->timeout == TIMEOUT_RUN) {
		return (struct job_verdict){ JOB_FAILED, REASON_TIMEOUT_RUN };
	}
	if (f->timeout == TIMEOUT_PREPARE) { /* it was stopped for that */
		return (struct job_verdict){ JOB_FAILED, REASON_TIMEOUT_PREPARE };
	}
	switch (f->exit.kind) {
	case EXIT_SETUP:
		return (struct job_verdict){ JOB_FAILED, REASON_SETUP_FAILED };
	case EXIT_CODE:
		return (struct job_verdict){ JOB_FAILED,
					     f->exit.code > 128
						     ? REASON_SIGNALED
						     : REASON_NON_ZERO_EXIT };
	case EXIT_NONE:
	case EXIT_LOST:
		break;
	}
	return (struct job_verdict){ JOB_FAILED, was_rebooted(f) ? REASON_HOST_REBOOTED
								 : REASON_LOST };
}

/* It never ran and never will. */
static struct job_verdict unstarted_verdict(const struct job_facts *f)
{
	if (f->cancel) {
		return (struct job_verdict){ JOB_CANCELLED, REASON_CANCELLED };
	}
	if (f->queue_is_over) {
		return (struct job_verdict){ JOB_FAILED, REASON_TIMEOUT_QUEUE };
	}
	if (f->timeout == TIMEOUT_PREPARE) {
		return (struct job_verdict){ JOB_FAILED, REASON_TIMEOUT_PREPARE };
	}
	return (struct job_verdict){ JOB_CANCELLED, REASON_CANCELLED };
}

struct job_verdict job_verdict(const struct job_facts *f)
{
	bool is_late = f->timeout == TIMEOUT_UPLOAD;
	struct job_verdict verdict;

	if (!f->is_committed || f->is_void || f->end == END_CANCELLED) {
		return unstarted_verdict(f);
	}
	if (f->silence_is_over && !f->host_is_ready) {
		return (struct job_verdict){ JOB_FAILED, REASON_HOST_UNREACHABLE };
	}
	if (!f->same_store) {
		return (struct job_verdict){ JOB_FAILED, REASON_HOST_STATE_LOST };
	}
	if (f->end == END_DOWNLOAD_FAILED) {
		return (struct job_verdict){ JOB_FAILED,
					     f->timeout == TIMEOUT_DOWNLOAD
						     ? REASON_TIMEOUT_DOWNLOAD
						     : REASON_DOWNLOAD_FAILED };
	}
	verdict = program_verdict(f);
	/* never a success without outputs */
	if (verdict.state == JOB_SUCCEEDED && f->has_outputs && !f->is_verified) {
		return (struct job_verdict){ JOB_FAILED,
					     is_late ? REASON_TIMEOUT_UPLOAD
						     : REASON_UPLOAD_FAILED };
	}
	return verdict;
}

bool job_may_have_run(const struct job_facts *f)
{
	bool is_unstarted = f->end != END_NONE && f->exit.kind == EXIT_NONE;

	return f->is_claimed && !f->is_void && !is_unstarted;
}

bool job_may_upload_again(const struct job_facts *f)
{
	return f->is_committed && f->is_claimed && f->has_outputs && !f->is_verified &&
	       !f->is_acked && f->exit.kind != EXIT_NONE;
}

bool job_may_ack(const struct job_facts *f)
{
	return !f->has_outputs || f->is_verified || f->is_void ||
	       f->end == END_DOWNLOAD_FAILED || f->end == END_CANCELLED;
}
