/* The end of a job as one sentence: what happened, where, and where to look. */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"

enum { QUOTE_TAIL = 4096, QUOTE_MAX = 600 }; /* bytes of transfer.log */

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

/* What a line says that tells of a failure. */
static const char *const fault_words[SPEC_ENGINE_COUNT] = {
	[SPEC_ENGINE_PRESIGNED] = "curl: (",
	[SPEC_ENGINE_RCLONE] = "Failed to ",
	[SPEC_ENGINE_S3CMD] = "ERROR: ",
};

static bool tells_of_failure(const char *line, enum spec_engine engine)
{
	return strstr(line, " failed: ") ||
	       (fault_words[engine] && strstr(line, fault_words[engine]));
}

/* The last words of the S3 tool about what failed, such as "download failed: ... [Errno
 * 28] No space left on device"; "" when it had none. */
static void quote_transfer_log(const struct engine *e, const struct job *job,
			       struct buf *out)
{
	const struct job_record *r = job_get(job);
	enum spec_engine engine = urls_engine(e, job);
	char text[QUOTE_TAIL + 1];
	int64_t size = r->stream_size[STREAM_TRANSFER];
	int64_t from = size > QUOTE_TAIL ? size - QUOTE_TAIL : 0;
	ssize_t n = store_read_stream(e->store, r->id, STREAM_TRANSFER,
				      from < r->attempt.base[STREAM_TRANSFER]
					      ? r->attempt.base[STREAM_TRANSFER]
					      : from,
				      text, QUOTE_TAIL);
	char *line = NULL, *save = NULL;

	text[n > 0 ? n : 0] = '\0';
	for (char *p = strtok_r(text, "\n", &save); p;
	     p = strtok_r(NULL, "\n", &save)) {
		line = tells_of_failure(p, engine) ? p : line;
	}
	if (line) {
		(void)buf_printf(out, ": %.*s", QUOTE_MAX, line);
	}
}

static void explain_download(const struct engine *e, const struct job *job,
			     struct buf *out)
{
	const struct job_record *r = job_get(job);
	enum spec_engine engine = urls_engine(e, job);
	const char *tool = tool_is_named(engine)	     ? spec_engine_word(engine)
			   : engine == SPEC_ENGINE_PRESIGNED ? "curl"
							     : "the AWS CLI";

	if (r->attempt.end && streq(r->attempt.end, "download-failed checkpoint")) {
		(void)buf_printf(out,
				 "the checkpoint in %s could not be brought to %s; "
				 "mend it, or remove its LATEST to begin anew",
				 job->run->checkpoints, r->attempt.host);
		quote_transfer_log(e, job, out);
		return;
	}
	for (size_t i = 0; i < r->n_transfers; i++) {
		if (r->transfers[i].state == TRANSFER_FAILED) {
			(void)buf_printf(out,
					 "input \"%s\" (%s) could not be downloaded to "
					 "%s; transfer.log has what %s said",
					 r->transfers[i].name, r->transfers[i].uri,
					 r->attempt.host, tool);
			quote_transfer_log(e, job, out);
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
	} else if (reason == REASON_SETUP_FAILED && job->run->spec->image &&
		   exit.code >= 125) { /* docker's own codes */
		(void)buf_printf(out,
				 "the container of image %s could not be started on "
				 "%s (code %d); log has docker's words",
				 job->run->spec->image, r->attempt.host, exit.code);
	} else if (reason == REASON_SETUP_FAILED) {
		(void)buf_printf(out,
				 "setup exited with code %d on %s, so %s did not run; "
				 "see log",
				 exit.code, r->attempt.host, name);
	} else if (reason == REASON_TIMEOUT_RUN) {
		(void)buf_printf(
			out, "%s was stopped on %s when timeouts.run (%lld s) was over",
			name, r->attempt.host,
			(long long)job->run->spec->timeouts.run_ms / 1000);
	} else {
		(void)buf_printf(out, "%s exited with code %d on %s; see log", name,
				 exit.code, r->attempt.host);
	}
}

/* The limit of a phase that does not end the program. */
static void explain_timeout(const struct job *job, enum job_reason reason,
			    struct buf *out)
{
	const struct spec_timeouts *t = &job->run->spec->timeouts;
	const char *host = job_get(job)->attempt.host;

	if (reason == REASON_TIMEOUT_QUEUE) {
		(void)buf_printf(out, "it got no slot within timeouts.queue (%lld s)",
				 (long long)t->queue_ms / 1000);
	} else if (reason == REASON_TIMEOUT_PREPARE) {
		(void)buf_printf(out,
				 "it could not be started on %s within "
				 "timeouts.prepare (%lld s)",
				 host, (long long)t->prepare_ms / 1000);
	} else {
		(void)buf_printf(out,
				 "the inputs were not on %s within timeouts.download "
				 "(%lld s); see transfer.log",
				 host, (long long)t->download_ms / 1000);
	}
}

static void explain_silence(const struct job *job, struct buf *out)
{
	const struct job_record *r = job_get(job);

	(void)buf_printf(out,
			 "host %s has not answered for longer than "
			 "timeouts.unreachable (%lld s); whether the job ended is not "
			 "known, and the host ends it if it comes back",
			 r->attempt.host,
			 (long long)job->run->spec->timeouts.unreachable_ms / 1000);
}

/* "HOST in DIRECTORY" */
static void add_output_dir(const struct job *job, struct buf *out)
{
	const struct job_record *r = job_get(job);

	(void)buf_printf(out, "%s in ~/.jobfs/jobs/%s-%d/work/%s", r->attempt.host,
			 r->key, r->attempt.n, job->run->spec->output_path);
}

static void explain_upload(const struct job *job, enum job_reason reason,
			   const char *detail, struct buf *out)
{
	const struct job_record *r = job_get(job);

	if (r->attempt.n == 0) { /* it did not come to that */
		(void)buf_add_str(out, detail);
		return;
	}
	if (detail[0]) {
		(void)buf_add_str(out, detail);
	} else if (reason == REASON_TIMEOUT_UPLOAD) {
		(void)buf_printf(out,
				 "the outputs were not in S3 within timeouts.upload "
				 "(%lld s)",
				 (long long)job->run->spec->timeouts.upload_ms / 1000);
	} else {
		(void)buf_add_str(
			out, "the outputs could not be uploaded (see transfer.log)");
	}
	(void)buf_add_str(out,
			  "; echo retry-upload > ctl tries again; they are still on ");
	add_output_dir(job, out);
}

/* The job failed for another reason, but its outputs are to be told of too. */
static void explain_kept_outputs(const struct job *job, struct buf *out)
{
	(void)buf_add_str(out, "; its outputs could not be uploaded and are still on ");
	add_output_dir(job, out);
}

/* Whatever became of the job, a later one would begin from an older checkpoint. */
static void explain_checkpoint(const struct job *job, struct buf *out)
{
	char when[CLOCK_TEXT_MAX] = "";

	if (job_get(job)->checkpoint_ms > 0) {
		clock_format(job_get(job)->checkpoint_ms, when);
	}
	(void)buf_printf(out,
			 "%sits last checkpoint could not be uploaded (see "
			 "transfer.log); %s%s is in %s",
			 out->len > 0 ? "; " : "", when[0] ? "that of " : "none", when,
			 job->run->checkpoints);
}

static void explain_host(const struct job *job, enum job_reason reason, struct buf *out)
{
	const struct job_record *r = job_get(job);
	bool is_broken = job_end_parse(r->attempt.end) == END_BROKEN;

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
			r->attempt.host, is_broken ? ": " : "",
			is_broken ? r->attempt.end : "");
	}
}

static void explain_reason(const struct engine *e, const struct job *job,
			   enum job_reason reason, const char *detail, struct buf *out)
{
	const struct job_record *r = job_get(job);

	switch ((int)reason) { /* int: the others are all told by their detail */
	case REASON_NONE:
		if (job->run->spec->is_dry_run) {
			(void)buf_add_str(
				out, "dry_run: nothing was started; log has the plan");
		} else if (r->outputs_uri) {
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
		explain_download(e, job, out);
		break;
	case REASON_UPLOAD_FAILED:
	case REASON_TIMEOUT_UPLOAD:
		explain_upload(job, reason, detail, out);
		break;
	case REASON_TIMEOUT_QUEUE:
	case REASON_TIMEOUT_PREPARE:
	case REASON_TIMEOUT_DOWNLOAD:
		explain_timeout(job, reason, out);
		break;
	case REASON_HOST_UNREACHABLE:
		if (detail[0]) {
			(void)buf_add_str(out, detail);
		} else {
			explain_silence(job, out);
		}
		break;
	case REASON_NON_ZERO_EXIT:
	case REASON_SIGNALED:
	case REASON_SETUP_FAILED:
	case REASON_TIMEOUT_RUN:
		explain_program(job, reason, out);
		break;
	case REASON_HOST_REBOOTED:
	case REASON_HOST_STATE_LOST:
	case REASON_LOST:
		explain_host(job, reason, out);
		break;
	default:
		(void)buf_add_str(out, detail);
	}
}

void job_explain(const struct engine *e, const struct job *job, struct job_verdict v,
		 const char *detail, struct buf *out)
{
	bool is_told =
		v.reason == REASON_UPLOAD_FAILED || v.reason == REASON_TIMEOUT_UPLOAD;

	explain_reason(e, job, v.reason, detail, out);
	if (v.state == JOB_FAILED && !is_told &&
	    job_end_parse(job_get(job)->attempt.end) == END_UPLOAD_FAILED) {
		explain_kept_outputs(job, out);
	}
	if (job->run->checkpoint_failed) {
		explain_checkpoint(job, out);
	}
}
