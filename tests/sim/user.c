/* Users: each makes a directory, writes a spec, and perhaps cancels. Whoever gets no
 * answer, or an error that may pass, asks again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/record.h"
#include "sim.h"

enum { ASK_AGAIN_MS = 20000, AFTER_ERROR_MS = 1000 };

static void act(void *arg, uint64_t asks);

static void act_later(struct user_job *j, int64_t ms)
{
	sim_after(j->sim, ms, act, j, (uint64_t)++j->asks);
}

static void write_spec(struct sim *sim, struct user_job *j)
{
	struct dice *d = &sim->dice;
	int n_inputs = (int)dice_between(d, 0, INPUTS_MAX - 1);
	const struct machine *m =
		&sim->machines[dice_between(d, 0, sim->n_machines - 1)];
	int gpus = m->gpus > 0 && dice_chance(d, 500) ? (int)dice_between(d, 1, m->gpus)
						      : 0;

	(void)buf_add_str(&j->spec, "{ \"run\": \"train\"");
	if (n_inputs > 0) {
		(void)buf_add_str(&j->spec, ", \"inputs\": {");
		j->is_missing_input = dice_chance(d, 50);
		for (int i = 0; i < n_inputs; i++) {
			(void)buf_printf(&j->spec, "%s \"in%d\": \"s3://data/%s/%d%s\"",
					 i ? "," : "", i,
					 j->is_missing_input ? "none" : "have", i,
					 i % 2 ? "/" : "");
		}
		(void)buf_add_str(&j->spec, " }");
	}
	j->has_outputs = dice_chance(d, 600);
	if (j->has_outputs) {
		(void)buf_add_str(&j->spec, ", \"outputs\": \"s3://results/{id}/\"");
	}
	if (dice_chance(d, 300)) {
		(void)buf_printf(&j->spec,
				 ", \"resources\": { \"host\": \"%s\", \"gpus\": %d }",
				 m->name, gpus);
	} else if (gpus > 0) {
		(void)buf_printf(&j->spec, ", \"resources\": { \"gpus\": %d }", gpus);
	}
	j->n_attempts = dice_chance(d, 400) ? (int)dice_between(d, 2, 4) : 1;
	j->retries_code_1 = j->n_attempts > 1 && dice_chance(d, 700);
	if (j->n_attempts > 1) {
		(void)buf_printf(&j->spec,
				 ", \"retry\": { \"max_attempts\": %d,"
				 " \"backoff\": \"%llds\"%s }",
				 j->n_attempts, (long long)dice_scale(d, 1, 30) - 1,
				 j->retries_code_1 ? ", \"exit_codes\": [1]"
				 /* by another upload, never by another run */
				 : j->n_attempts > 2 ? ", \"on\": [\"UploadFailed\"]"
						     : "");
	}
	if (dice_chance(d, 150)) {
		(void)buf_printf(&j->spec, ", \"timeouts\": { \"run\": \"%llds\" }",
				 (long long)dice_scale(d, 1, 300));
	}
	j->has_metrics = (j - sim->jobs) % 2;
	if (j->has_metrics) {
		(void)buf_add_str(&j->spec, ", \"metrics\": { \"files\": [\"m\"] }");
	}
	if ((j - sim->jobs) % 3 == 1) {
		(void)buf_add_str(&j->spec,
				  ", \"checkpoints\": \"s3://results/ckpt/{id}/\"");
	}
	(void)buf_add_str(&j->spec, " }\n");
}

/* --- answers ---------------------------------------------------------------------- */

static bool is_heard(const struct user_job *j)
{
	return daemon_touch(j->sim); /* a daemon that is dead answers nobody */
}

static void hear_made(void *arg, int result, int64_t id)
{
	struct user_job *j = arg;

	if (!is_heard(j)) {
		return;
	}
	trace(j->sim, "%s: mkdir: %d", j->name, result);
	if (result == 0) {
		j->id = id;
	}
	act_later(j, result < 0 ? AFTER_ERROR_MS : 1);
}

static void cancel(void *arg, uint64_t unused);

static void hear_saved(void *arg, int result, int64_t unused)
{
	struct user_job *j = arg;

	(void)unused;
	if (!is_heard(j)) {
		return;
	}
	trace(j->sim, "%s: spec: %d", j->name, result);
	if (result == 0 || result == -EPERM) { /* it was accepted before */
		j->is_accepted = true;
		if (dice_chance(&j->sim->dice,
				j->sim->cancel_soon)) { /* a launch may be on its way */
			sim_after(j->sim, dice_scale(&j->sim->dice, 50, 3000), cancel,
				  j, 0);
		}
	} else if (result == -EINVAL) {
		violation(j->sim, "%s: a good spec was refused: %s", j->name,
			  buf_text(&j->spec));
	}
	act_later(j, result < 0 ? AFTER_ERROR_MS : 1);
}

static void hear_cancelled(void *arg, int result, int64_t unused)
{
	struct user_job *j = arg;

	(void)unused;
	if (is_heard(j)) {
		trace(j->sim, "%s: cancel: %d", j->name, result);
		j->cancel_heard |= result == 0;
	}
}

/* --- asking ----------------------------------------------------------------------- */

static void find_own(struct user_job *j)
{
	cleanup_record struct job_record *r =
		engine_find_job(j->sim->daemon.engine, j->name);

	if (r) {
		j->id = r->id;
	}
}

static void act(void *arg, uint64_t asks)
{
	static const struct engine_owner owner = { .mode = 0755 };
	struct user_job *j = arg;
	struct sim *sim = j->sim;
	struct engine *engine = sim->daemon.engine;

	if (j->is_accepted || asks != (uint64_t)j->asks) {
		return;
	}
	act_later(j, ASK_AGAIN_MS); /* if this is not answered */
	if (!engine) {
		return;
	}
	if (!j->id) {
		find_own(j);
	}
	if (!j->id) {
		engine_make_job(engine, j->name, &owner, hear_made, j);
	} else {
		engine_save_spec(engine, j->id, &j->spec, NULL, hear_saved, j);
	}
	daemon_poke(sim);
}

static void cancel(void *arg, uint64_t unused)
{
	struct user_job *j = arg;
	const char *verb = dice_chance(&j->sim->dice, 300) ? "cancel now" : "cancel";

	(void)unused;
	if (j->sim->daemon.engine && j->id && !j->is_final) {
		j->cancel_asked = true;
		engine_control(j->sim->daemon.engine, j->id, verb, strlen(verb),
			       hear_cancelled, j);
		daemon_poke(j->sim);
	}
}

struct user_job *user_find(struct sim *sim, const char *key)
{
	for (int i = 0; i < sim->n_jobs; i++) {
		if (strncmp(sim->jobs[i].key, key, JOB_KEY_LEN) == 0) {
			return &sim->jobs[i];
		}
	}
	return NULL;
}

void user_loses_patience(struct sim *sim, const char *attempt)
{
	struct user_job *j = user_find(sim, attempt);

	if (j && dice_chance(&sim->dice, 500)) {
		sim_after(sim, dice_scale(&sim->dice, 1, 3000), cancel, j, 0);
	}
}

/* --- what else is asked of a job ---------------------------------------------------
 */

static void hear_asked(void *arg, int result, int64_t unused)
{
	struct user_job *j = arg;

	(void)unused;
	if (is_heard(j)) {
		trace(j->sim, "%s: asked: %d", j->name, result);
	}
}

/* Whoever holds a job lets it go in the end, and asks until it is gone. */
static void ask(void *arg, uint64_t unused)
{
	static const char *const verbs[] = { "hold", "priority 0", "priority 100",
					     "signal USR1", "signal TERM" };
	struct user_job *j = arg;
	struct sim *sim = j->sim;
	const char *verb = verbs[dice_between(&sim->dice, 0, ARRAY_SIZE(verbs) - 1)];
	bool is_held = j->seen && j->seen->state == JOB_HELD;

	(void)unused;
	if (j->is_final) {
		return;
	}
	if (is_held || sim->is_mended) {
		verb = "release";
	}
	if (sim->daemon.engine && j->id) {
		j->term_asked |= streq(verb, "signal TERM");
		engine_control(sim->daemon.engine, j->id, verb, strlen(verb),
			       hear_asked, j);
		daemon_poke(sim);
	}
	sim_after(sim, dice_scale(&sim->dice, 100, 120000), ask, j, 0);
}

void user_start(struct sim *sim)
{
	struct dice *d = &sim->dice;

	sim->cancel_soon = dice_chance(d, 250) ? 600 : 50;
	sim->jobs = calloc((size_t)sim->n_jobs, sizeof(*sim->jobs));
	for (int i = 0; i < sim->n_jobs; i++) {
		struct user_job *j = &sim->jobs[i];
		int64_t at = dice_between(d, 0, (sim->chaos_end - sim->now) * 3 / 4);

		j->sim = sim;
		j->index = i;
		(void)snprintf(j->name, sizeof(j->name), "job%d", i);
		write_spec(sim, j);
		act_later(j, at);
		if (dice_chance(d, 200)) {
			sim_after(sim, at + dice_scale(d, 1, 200000), cancel, j, 0);
		}
		if (dice_chance(d, 30)) {
			sim_after(sim, at + dice_scale(d, 1, 200000), cancel, j, 0);
		}
		if (dice_chance(d, 200)) {
			sim_after(sim, at + dice_scale(d, 1, 20000), ask, j, 0);
		}
	}
}

void user_fini(struct sim *sim)
{
	for (int i = 0; sim->jobs && i < sim->n_jobs; i++) {
		buf_fini(&sim->jobs[i].spec);
		(void)job_record_unref(sim->jobs[i].seen);
	}
	free(sim->jobs);
}
