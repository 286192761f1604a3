/* Presigned transfers: which engine a job's data takes, and the two steps by which a
 * runner that waits for URLs gets them: they are made in a worker's thread, which may
 * have to list and to begin uploads, and then sent by one call. A batch is kept until
 * the host has it, so that a call that was lost is sent again as it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

enum {
	URLS_TIMEOUT_MS = 10 * 60000, /* of a call with some megabytes */
	REPLY_MAX = 1 << 20,
	FIRST_MAX = 1 << 20, /* bytes of URLs that a launch may carry */
	CURL_MAJOR = 7,	     /* --parallel-immediate came with 7.68 */
	CURL_MINOR = 68,
	CLOCKS_APART_S = 300, /* ours and that of S3, at most: it refuses others */
};

/* --- the engine ------------------------------------------------------------------ */

void urls_note_curl(struct host *host, const char *version)
{
	int major = 0, minor = 0;

	(void)sscanf(version, "%d.%d", &major, &minor);
	host->has_curl =
		major > CURL_MAJOR || (major == CURL_MAJOR && minor >= CURL_MINOR);
}

bool urls_only(const struct engine *e, const struct spec *spec)
{
	return spec->s3_urls_only || streq(e->conf->s3.credentials, "presigned");
}

static enum spec_engine engine_configured(const struct engine *e,
					  const struct spec *spec)
{
	if (urls_only(e, spec)) {
		return SPEC_ENGINE_PRESIGNED;
	}
	if (spec->s3_engine != SPEC_ENGINE_UNSET) {
		return spec->s3_engine;
	}
	switch ((enum conf_engine)e->conf->s3.engine) {
	case CONF_ENGINE_AWS:
		return SPEC_ENGINE_AWS;
	case CONF_ENGINE_PRESIGNED:
		return SPEC_ENGINE_PRESIGNED;
	case CONF_ENGINE_RCLONE:
		return SPEC_ENGINE_RCLONE;
	case CONF_ENGINE_S3CMD:
		return SPEC_ENGINE_S3CMD;
	case CONF_ENGINE_AUTO:
		break;
	}
	return SPEC_ENGINE_AUTO;
}

enum spec_engine urls_engine_asked(const struct engine *e, const struct spec *spec)
{
	enum spec_engine engine = engine_configured(e, spec);

	/* so that checkpoints go up when the daemon is away, too */
	return engine == SPEC_ENGINE_AUTO && spec->has_checkpoints ? SPEC_ENGINE_AWS
								   : engine;
}

bool urls_may_checkpoint(const struct engine *e, const struct spec *spec)
{
	return !spec->has_checkpoints || !tool_is_named(urls_engine_asked(e, spec));
}

enum spec_engine urls_engine(const struct engine *e, const struct job *job)
{
	const struct job_attempt *attempt = &job_get(job)->attempt;
	enum spec_engine begun =
		attempt->engine ? spec_engine_of(attempt->engine) : SPEC_ENGINE_UNSET;
	enum spec_engine asked = urls_engine_asked(e, job->run->spec);
	const struct host *host = job->host;

	if (begun != SPEC_ENGINE_UNSET) {
		return begun;
	}
	if (asked != SPEC_ENGINE_AUTO || !host) {
		return asked;
	}
	switch (host->cli) {
	case CLI_READY:
	case CLI_INSTALLING:
		return SPEC_ENGINE_AWS;
	case CLI_NEW:
	case CLI_ASKING:
	case CLI_ABSENT:
		break;
	}
	if (host->has_curl && host->s3_reason == REASON_CLI_INSTALL_FAILED) {
		return SPEC_ENGINE_PRESIGNED;
	}
	return host->cli == CLI_ABSENT ? SPEC_ENGINE_AWS : SPEC_ENGINE_AUTO;
}

bool urls_tool_is_ready(const struct engine *e, const struct job *job)
{
	switch (urls_engine(e, job)) {
	case SPEC_ENGINE_AWS:
		return job->host && job->host->cli == CLI_READY &&
		       host_may_sign(job->host);
	case SPEC_ENGINE_PRESIGNED:
		return job->host && job->host->has_curl;
	case SPEC_ENGINE_RCLONE:
	case SPEC_ENGINE_S3CMD:
		return tool_is_ready(job->host, urls_engine(e, job));
	case SPEC_ENGINE_UNSET:
	case SPEC_ENGINE_AUTO:
	case SPEC_ENGINE_COUNT:
		break;
	}
	return false;
}

bool urls_may_cache(const struct engine *e, const struct spec *spec)
{
	return e->conf->limits.cache_bytes > 0 &&
	       !tool_is_named(urls_engine_asked(e, spec));
}

bool urls_are_hindered(const struct host *host, const struct run *run)
{
	enum spec_engine asked = urls_engine_asked(host->engine, run->spec);

	if (tool_is_named(asked)) {
		return run_needs_s3(run) && tool_trouble(host, asked, NULL);
	}
	if (!host->s3_trouble[0] || !run_needs_s3(run) ||
	    asked == SPEC_ENGINE_PRESIGNED) {
		return false;
	}
	return asked == SPEC_ENGINE_AWS || !host->has_curl ||
	       host->s3_reason != REASON_CLI_INSTALL_FAILED;
}

/* --- what the runner wants ------------------------------------------------------- */

static enum batch_checkpoint checkpoint_kind(const char *kind)
{
	static const char *const words[] = { [CHECKPOINT_GET] = "ckget",
					     [CHECKPOINT_PUT] = "ckput",
					     [CHECKPOINT_DROP] = "ckdrop" };

	for (size_t i = CHECKPOINT_GET; i < ARRAY_SIZE(words); i++) {
		if (streq(kind, words[i])) {
			return (enum batch_checkpoint)i;
		}
	}
	return CHECKPOINT_NONE;
}

/* "download 1 0", "download 2 5000 SUM" */
void urls_note_want(struct run *run, const char *text)
{
	char kind[16] = "";
	unsigned long long sum = 0;
	long long n = 0, from = 0;
	bool is_outputs;

	run->want.is_open =
		sscanf(text, "%15s %lld %lld %llx", kind, &n, &from, &sum) >= 3;
	is_outputs = streq(kind, "upload");
	if (!run->want.is_open ||
	    (n == run->want.n && is_outputs == run->want.is_outputs)) {
		return;
	}
	run->want.n = n;
	run->want.from = from < 0 ? 0 : from;
	run->want.from_sum = sum;
	run->want.is_outputs = is_outputs;
	run->want.checkpoint =
		run->checkpoints ? checkpoint_kind(kind) : CHECKPOINT_NONE;
	run->want.has_list = false;
	run->has_manifest &= !run->want.is_outputs; /* it was made anew, perhaps */
	urls_forget(run);
}

void urls_forget(struct run *run)
{
	buf_wipe(&run->urls);
}

void urls_keep_first(struct run *run, struct buf *urls)
{
	urls_forget(run);
	run->urls = *urls;
	*urls = (struct buf)BUF_INIT;
	run->want.n = run->urls.len > 0; /* so the runner will number it */
	run->want.from = 0;
	run->want.from_sum = 0;
	run->want.is_outputs = false;
}

bool urls_go_with_launch(const struct run *run)
{
	return run->engine == SPEC_ENGINE_PRESIGNED && run->want.n == 1 &&
	       run->urls.len > 0 && run->urls.len <= FIRST_MAX;
}

void urls_note_begun(struct run *run, const struct frame_item *item)
{
	buf_truncate(&run->begun, 0);
	(void)buf_add(&run->begun, item->value, item->value_len);
	if (run->begun.len > 0 && run->begun.data[run->begun.len - 1] != '\0') {
		buf_truncate(&run->begun, 0); /* it is no list */
	}
}

/* --- the tasks ------------------------------------------------------------------- */

struct urls_task {
	struct task task;
	struct batch_order order;
	bool *is_done;
	int64_t n; /* of the want */
	char attempt[ATTEMPT_NAME_MAX];
	struct buf text;
	enum s3_fault fault;
	struct err error;
};

static void task_free(struct urls_task *t)
{
	buf_wipe(&t->text);
	free(t->is_done);
	task_fini(&t->task);
	free(t);
}

static void task_drop(struct event *event)
{
	task_free((struct urls_task *)event);
}

void urls_order(const struct engine *e, const struct job *job,
		struct batch_order *ret_order)
{
	const struct run *run = job->run;

	*ret_order = (struct batch_order){
		.spec = run->spec,
		.ops = e->ports.s3,
		.credentials = keys_of_daemon(e),
		.destination = run->destination,
		.manifest = &run->manifest,
		.begun = &run->begun,
		.keeps = urls_may_cache(e, run->spec),
	};
	run_get_place(e, run->spec, NULL, &ret_order->place);
}

static void order_checkpoint(const struct job *job, struct urls_task *t)
{
	struct run *run = job->run;

	attempt_name(job_get(job), t->attempt);
	t->order.checkpoint = run->want.checkpoint;
	t->order.attempt = t->attempt;
	if (job_get(job)->started_ms > 0) {
		t->order.older_than_s =
			job_get(job)->started_ms / 1000 - CLOCKS_APART_S;
	}
	t->order.destination = run->checkpoints;
	t->order.manifest = &run->want.list;
}

/* What came from the cache is there before anything is wanted. NULL: no memory. */
static bool *inputs_done(const struct job *job)
{
	const struct job_record *r = job_get(job);
	size_t n = job->run->spec->n_inputs;
	bool *is_done = calloc(n + 1, sizeof(*is_done));

	for (size_t i = 0; is_done && i < n && i < r->n_transfers; i++) {
		is_done[i] = r->transfers[i].state == TRANSFER_DONE;
	}
	return is_done;
}

static void submit(struct engine *e, struct job *job,
		   void (*run)(struct task *task, struct s3_client *s3),
		   void (*handle)(struct engine *e, struct event *event))
{
	struct urls_task *t = calloc(1, sizeof(*t));

	if (!t || !(t->is_done = inputs_done(job))) {
		free(t);
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	urls_order(e, job, &t->order);
	t->order.from = job->run->want.from;
	t->order.from_sum = job->run->want.from_sum;
	t->order.is_done = t->is_done;
	if (job->run->want.checkpoint) {
		order_checkpoint(job, t);
	} else if (!job->run->want.is_outputs) {
		t->order.destination = NULL;
	}
	t->n = job->run->want.n;
	t->task.run = run;
	t->task.event.handle = handle;
	t->task.event.drop = task_drop;
	task_queue(e, job, &t->task);
}

static void run_make(struct task *task, struct s3_client *s3)
{
	struct urls_task *t = (struct urls_task *)task;

	t->fault = s3 ? batch_make(&t->order, s3, &t->text, &t->error) : S3_UNREACHABLE;
}

static void handle_made(struct engine *e, struct event *event)
{
	struct urls_task *t = (struct urls_task *)event;
	struct job *job = task_job(e, &t->task);

	if (job && t->fault == S3_OK && job->run->want.n == t->n) {
		urls_forget(job->run);
		job->run->urls = t->text;
		t->text = (struct buf)BUF_INIT;
	} else if (job && t->order.checkpoint && !s3_fault_may_pass(t->fault) &&
		   job->run->want.n == t->n) { /* the round fails, not the job */
		log_warning("job %s: no URLs for its checkpoints: %s",
			    job_get(job)->name, t->error.text);
		urls_forget(job->run);
		batch_refuse(&job->run->urls, t->error.text);
	} else if (job && t->fault != S3_OK) {
		(void)job_step_failed(e, job, REASON_S3_UNREACHABLE, INT64_MAX,
				      t->error.text);
		/* its program may run: the log is to go on meanwhile, and the poll
		 * tells whether they are still wanted */
		job->run->want.is_open &= !job->run->want.checkpoint;
	}
	task_free(t);
}

static void handle_sent(struct engine *e, struct host *host, struct job *job,
			struct call_reply *reply)
{
	if (job && reply_is(reply, "OK")) {
		/* the manifest tells what was begun */
		if (strstr(buf_text(&job->run->urls), "\nbegun ")) {
			job->run->has_manifest = false;
		}
		urls_forget(job->run);
		job->run->want.is_open = false;
		job->run->poll_interval_ms = job->run->poll_at = 0;
		job_step_done(job);
		return;
	}
	if (job) {
		job->run->is_polled = false; /* is it still wanted? */
	}
	step_failed(e, host, job, "take the URLs for", reply);
}

static void send(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "urls",
				  .timeout_ms = URLS_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_sent };
	struct buf *urls = &job->run->urls;
	struct remote_call *call;
	char args[64];

	(void)snprintf(args, sizeof(args), "%lld %zu", (long long)job->run->want.n,
		       urls->len);
	call = step_call(e, job, &spec, args);
	if (!call) {
		return;
	}
	call->input_is_secret = true;
	if (!buf_reserve(&call->input, urls->len) ||
	    buf_add(&call->input, urls->data, urls->len) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

void step_urls(struct engine *e, struct job *job)
{
	if (job->run->urls.len > 0) {
		send(e, job);
	} else {
		submit(e, job, run_make, handle_made);
	}
}

/* --- what nobody will complete --------------------------------------------------- */

static void run_abort(struct task *task, struct s3_client *s3)
{
	struct urls_task *t = (struct urls_task *)task;

	t->fault = s3 ? batch_end_uploads(&t->order, s3, false, &t->error)
		      : S3_UNREACHABLE;
}

/* The job has failed already: what cannot be aborted does not hold it up for ever. */
static void handle_aborted(struct engine *e, struct event *event)
{
	struct urls_task *t = (struct urls_task *)event;
	struct job *job = task_job(e, &t->task);

	if (job && s3_fault_may_pass(t->fault) && job->run->tries < 5) {
		job_retry_later(job);
	} else if (job) {
		if (t->fault != S3_OK) {
			log_warning("job %s: an upload in parts may be left in %s: %s",
				    job_get(job)->name, job->run->destination,
				    t->error.text);
		}
		buf_truncate(&job->run->begun, 0);
		job_step_done(job);
	}
	task_free(t);
}

void step_abort(struct engine *e, struct job *job)
{
	job->run->want.checkpoint = CHECKPOINT_NONE;
	job->run->want.is_outputs = true;
	submit(e, job, run_abort, handle_aborted);
}
