/* What the engine knows of a job while it is under way. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"

enum { RETRY_WAIT_MAX_MS = 3600000 };

struct run *run_ref(struct run *run)
{
	run->refs++;
	return run;
}

struct run *run_unref(struct run *run)
{
	if (!run || --run->refs > 0) {
		return NULL;
	}
	(void)spec_free(run->spec);
	(void)payload_free(run->payload);
	free(run->destination);
	free(run->checkpoints);
	free(run->listed);
	buf_fini(&run->manifest);
	buf_fini(&run->begun);
	buf_fini(&run->index);
	urls_forget(run);
	buf_fini(&run->want.list);
	keys_forget(run);
	free(run);
	return NULL;
}

static int expand(const struct job_record *r, const char *bucket, const char *prefix,
		  char **ret_uri)
{
	cleanup_buf struct buf uri = BUF_INIT;

	(void)buf_printf(&uri, "s3://%s/", bucket);
	if (spec_expand_destination(prefix, r->name, r->key, &uri) < 0) {
		return -ENOMEM;
	}
	return uri.error ? uri.error : job_set_text(ret_uri, buf_text(&uri));
}

static int expand_destination(struct run *run, const struct job_record *r)
{
	if (!run->spec->has_outputs) {
		return 0;
	}
	/* as it was when the attempt was committed, whatever the job is called by now
	 */
	if (r->attempt.n > 0 && r->n_transfers > 0) {
		return job_set_text(&run->destination,
				    r->transfers[r->n_transfers - 1].uri);
	}
	return expand(r, run->spec->destination_bucket, run->spec->destination_prefix,
		      &run->destination);
}

/* A later attempt finds those of an earlier one. */
static int expand_checkpoints(struct run *run, const struct job_record *r)
{
	const struct spec_checkpoints *c = &run->spec->checkpoints;

	if (!run->spec->has_checkpoints) {
		return 0;
	}
	return r->checkpoint_uri ? job_set_text(&run->checkpoints, r->checkpoint_uri)
				 : expand(r, c->bucket, c->prefix, &run->checkpoints);
}

int run_set_destination(struct engine *e, struct job *job)
{
	int r;

	destination_remove(e, job);
	r = expand_destination(job->run, job_get(job));
	r = r < 0 ? r : expand_checkpoints(job->run, job_get(job));
	return destination_add(e, job) < 0 ? -ENOMEM : r;
}

void run_follow(struct engine *e, struct job *job)
{
	enum job_state state = job_get(job)->state;
	bool wanted = job->run && state != JOB_QUEUED && state != JOB_HELD;

	if (wanted && !job->is_running) {
		TAILQ_INSERT_TAIL(&e->running, job, run_link);
	} else if (!wanted && job->is_running) {
		TAILQ_REMOVE(&e->running, job, run_link);
	}
	job->is_running = wanted;
}

/* What the wall clock said when it was written may be anything by now. */
static int64_t retry_at(const struct job_record *r)
{
	int64_t wait_ms = r->retry_at_ms - clock_wall_ms();

	if (r->state != JOB_QUEUED || r->retry_at_ms == 0 || wait_ms <= 0) {
		return 0;
	}
	return clock_ms() + (wait_ms < RETRY_WAIT_MAX_MS ? wait_ms : RETRY_WAIT_MAX_MS);
}

int run_attach(struct engine *e, struct job *job, struct spec *spec)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run) {
		(void)spec_free(spec);
		return -ENOMEM;
	}
	run->refs = 1;
	run->id = ++e->last_run;
	run->spec = spec;
	job->run = run;
	if (run_set_destination(e, job) < 0) {
		run_detach(e, job);
		return -ENOMEM;
	}
	run->retry_at = retry_at(job_get(job));
	limit_follow(job);
	run->waits_for_files = job_get(job)->state == JOB_QUEUED &&
			       job_get(job)->reason == REASON_WAITING_FOR_FILES;
	run_follow(e, job);
	return 0;
}

int run_attach_stored(struct engine *e, struct job *job)
{
	const char *bucket = e->conf->s3.bucket;
	struct spec_context context = {
		.default_bucket = bucket ? bucket : "the-default-bucket-is-gone",
		.was_accepted = true,
	};
	cleanup_buf struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct spec *spec = NULL;
	int r;

	r = store_read_spec(e->store, job_get(job)->id, &text);
	if (r == 0) {
		r = spec_parse(text.data, text.len, &context, &spec, &err);
	}
	if (r < 0) {
		log_error("job %s: its spec cannot be read again: %s",
			  job_get(job)->name, err.text[0] ? err.text : strerror(-r));
		return r;
	}
	return run_attach(e, job, spec);
}

void run_detach(struct engine *e, struct job *job)
{
	if (job->run) {
		destination_remove(e, job);
		job->run = run_unref(job->run);
		run_follow(e, job);
	}
}

bool run_is_needed(const struct job_record *r)
{
	if (!job_state_is_final(r->state)) {
		return r->is_accepted;
	}
	return r->attempt.n > 0 && !r->attempt.is_acked;
}

void run_renew(struct engine *e, struct job *job)
{
	struct run *run = job->run;

	if (run && run->is_busy) { /* an answer is under way and needs what is there */
		run->is_polled = run->is_void = run->cancel_sent = false;
		run->alive = ALIVE_UNKNOWN;
		return;
	}
	run_detach(e, job);
	if (run_is_needed(job->published)) {
		(void)run_attach_stored(e, job);
	}
}

bool run_has_logs(const struct job *job)
{
	bool is_whole = job->run->is_polled;

	for (int i = 0; i < STREAM_OF_HOST_COUNT && is_whole; i++) {
		is_whole = log_is_whole(job, (enum job_stream)i);
	}
	return is_whole;
}

bool run_needs_s3(const struct run *run)
{
	return run->spec->n_inputs > 0 || run->spec->has_outputs ||
	       run->spec->has_checkpoints;
}

int64_t run_grace_ms(const struct engine *e, const struct run *run)
{
	int64_t ms = run->spec->timeouts.stop_grace_ms;

	return ms >= 0 ? ms : e->conf->limits.stop_grace_ms;
}

void run_get_place(const struct engine *e, const struct spec *spec, const char *bucket,
		   struct s3_place *ret_place)
{
	ret_place->endpoint =
		spec->s3_endpoint ? spec->s3_endpoint : e->conf->s3.endpoint_url;
	ret_place->region = spec->s3_region ? spec->s3_region : e->conf->s3.region;
	ret_place->bucket = bucket;
}

void attempt_name(const struct job_record *r, char ret_name[static ATTEMPT_NAME_MAX])
{
	(void)snprintf(ret_name, ATTEMPT_NAME_MAX, "%s-%d", r->key,
		       job_attempt_number(r));
}
