/* A dry run ends where a job would be sent to its host: everything was looked at that
 * can be without it, and `log` tells what would have been done. */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "job/quantity.h"
#include "util/failpoint.h"

static const char *engine_word(enum spec_engine engine)
{
	if (engine != SPEC_ENGINE_AUTO && engine != SPEC_ENGINE_UNSET) {
		return spec_engine_word(engine);
	}
	/* to find that out, or to install it, is left to the job itself */
	return "auto (aws; presigned if the AWS CLI is not there and cannot be "
	       "installed)";
}

/* Text of the user's, on one line. */
static void add_text(struct buf *out, const char *text)
{
	(void)buf_add_char(out, ' ');
	(void)buf_add_json_str(out, text);
}

static void add_texts(struct buf *out, char *const *texts)
{
	for (size_t i = 0; texts && texts[i]; i++) {
		add_text(out, texts[i]);
	}
}

static void add_host(const struct job *job, struct buf *out)
{
	const char *gpus = job_get(job)->attempt.gpus;

	(void)buf_printf(out, "host: %s", job->host->conf->name);
	if (job->run->spec->gpus > 0) {
		(void)buf_printf(out, ", GPUs %s", gpus ? gpus : "");
	}
	if (job->host->free_at > 0) {
		(void)buf_add_str(out, ", ");
		(void)size_print(job->host->free_bytes, out);
		(void)buf_add_str(out, " free");
	}
	(void)buf_add_char(out, '\n');
}

static void add_inputs(const struct run *run, struct buf *out)
{
	const struct spec *spec = run->spec;

	(void)buf_printf(out, "inputs: %zu, ", spec->n_inputs);
	(void)size_print(run->input_bytes, out);
	(void)buf_add_char(out, '\n');
	for (size_t i = 0; i < spec->n_inputs; i++) {
		const struct spec_input *in = &spec->inputs[i];
		const struct input_listed *listed = &run->listed[i];

		(void)buf_printf(out, "  %s: s3://%s/%s -> %s, %lld object%s, ",
				 in->name, in->bucket, in->key, in->path,
				 (long long)listed->count,
				 listed->count == 1 ? "" : "s");
		(void)size_print(listed->bytes, out);
		(void)buf_add_str(out, listed->is_cached ? ", cache\n" : "\n");
	}
}

static void add_program(const struct spec *spec, struct buf *out)
{
	if (spec->image) {
		(void)buf_printf(out, "image: %s\n", spec->image);
	}
	if (spec->setup) {
		(void)buf_add_str(out, "setup:");
		add_text(out, spec->setup);
		(void)buf_add_char(out, '\n');
	}
	(void)buf_add_str(out, spec->program == SPEC_SCRIPT ? "script:" : "run:");
	if (spec->program == SPEC_ARGV) {
		add_texts(out, spec->argv);
	} else {
		add_text(out, spec->script);
		add_texts(out, spec->args);
	}
	(void)buf_add_char(out, '\n');
}

static void add_outputs(const struct run *run, struct buf *out)
{
	(void)buf_printf(out, "outputs: %s/ -> %s", run->spec->output_path,
			 run->destination);
	if (run->spec->exclude[0]) {
		(void)buf_add_str(out, ", without");
		add_texts(out, run->spec->exclude);
	}
	(void)buf_add_char(out, '\n');
}

static void add_checkpoints(const struct run *run, struct buf *out)
{
	const struct spec_checkpoints *c = &run->spec->checkpoints;

	(void)buf_printf(out, "checkpoints: %s/ -> %s, every %lld s%s\n", c->path,
			 run->checkpoints, (long long)(c->interval_ms + 999) / 1000,
			 c->resume ? "" : ", without resume");
}

static void add_plan(const struct engine *e, const struct job *job, struct buf *out)
{
	const struct run *run = job->run;

	(void)buf_add_str(out, "dry_run: nothing was started; the job would go so:\n");
	add_host(job, out);
	if (run_needs_s3(run)) {
		(void)buf_printf(out, "engine: %s\n", engine_word(urls_engine(e, job)));
		if (keys_are_used(e, job)) {
			(void)buf_printf(out, "credentials: temporary, of %s\n",
					 e->conf->s3.sts_role_arn);
		}
	}
	if (run->spec->n_inputs > 0) {
		add_inputs(run, out);
	}
	add_program(run->spec, out);
	if (run->spec->has_outputs) {
		add_outputs(run, out);
	}
	if (run->spec->has_checkpoints) {
		add_checkpoints(run, out);
	}
}

void dry_run_finish(struct engine *e, struct job *job)
{
	cleanup_buf struct buf text = BUF_INIT;

	add_plan(e, job, &text);
	if (text.error) {
		engine_fail_turn(e, text.error, NULL);
		return;
	}
	FAILPOINT("job.plan");
	if (job_append(e, job, STREAM_LOG, buf_text(&text), text.len) == 0) {
		job_finish(e, job, (struct job_verdict){ JOB_SUCCEEDED, REASON_NONE },
			   "");
	}
}
