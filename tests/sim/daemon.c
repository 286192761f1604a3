/* Lives of the daemon: the engine and the store are the real ones. A crash is this:
 * from one moment on nothing that the daemon does has an effect, then its memory goes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "sim.h"
#include "store/store.h"

enum {
	TURN_LATENCY_MS = 3,
	IDLE_TURNS_MAX = 200, /* in a row, each due at once: the engine spins */
};

static int write_config(struct sim *sim, const char *path)
{
	FILE *f = fopen(path, "we");
	int extra = sim->options.mutant == MUTANT_EXTRA_SLOT;

	if (!f) {
		return -1;
	}
	(void)fprintf(f, "{ \"state_dir\": \"%s\",\n\"hosts\": {", sim->options.dir);
	for (int i = 0; i < sim->n_machines; i++) {
		(void)fprintf(
			f,
			"%s\n\"%s\": { \"address\": \"192.0.2.%d\", \"user\": \"u\","
			" \"gpus\": %d, \"slots\": %d }",
			i ? "," : "", sim->machines[i].name, i + 1,
			sim->machines[i].gpus, sim->machines[i].slots + extra);
	}
	(void)fprintf(f,
		      "},\n\"s3\": { \"bucket\": \"bucket\", \"region\": "
		      "\"eu-west-1\"%s } }\n",
		      sim_has_sts(sim)
			      ? ", \"credentials\": \"sts\", \"sts_role_arn\": "
				"\"arn:aws:iam::1:role/jobs\""
			      : "");
	return fclose(f);
}

int daemon_init(struct sim *sim)
{
	static const char *const env[] = { "AWS_ACCESS_KEY_ID=simulated",
					   "AWS_SECRET_ACCESS_KEY=simulated", NULL };
	struct daemon *d = &sim->daemon;
	struct err e = ERR_INIT;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/config.json", sim->options.dir);
	if (write_config(sim, path) < 0 ||
	    conf_load(path, env, NULL, &d->conf, &e) < 0) {
		violation(sim, "the configuration: %s", e.text);
		return -1;
	}
	net_init(sim, &d->ssh);
	bucket_init(sim, &d->s3);
	d->engines = dice_of(sim->options.seed, "engines");
	d->ports = (struct engine_ports){ .ssh = &d->ssh, .s3 = &d->s3 };
	return 0;
}

bool daemon_touch(struct sim *sim)
{
	struct daemon *d = &sim->daemon;

	if (d->fuse > 0 && --d->fuse == 0) {
		d->is_dead = true;
		trace(sim, "the daemon is killed in a turn");
	}
	return !d->is_dead;
}

static void bury(struct sim *sim)
{
	struct daemon *d = &sim->daemon;

	d->engine = engine_free(d->engine);
	d->store = store_close(d->store);
	if (d->is_dead && sim->options.mutant == MUTANT_NO_SYNC) {
		disk_forget(sim->disk);
	}
	d->is_dead = false;
	d->fuse = 0;
	d->step_at = 0;
	d->step_n++;
	d->works = false;
	d->life++;
	sim_after(sim, dice_scale(&sim->dice, 10, 60000), daemon_start, sim, d->life);
}

void daemon_crash(struct sim *sim)
{
	trace(sim, "the daemon is killed");
	sim->daemon.is_dead = true;
	bury(sim);
}

void daemon_stop(struct sim *sim)
{
	trace(sim, "the daemon stops");
	engine_stop(sim->daemon.engine);
	bury(sim);
}

/* --- turns ------------------------------------------------------------------------ */

static void step(void *arg, uint64_t n);

static void plan_step(struct sim *sim, int64_t at)
{
	struct daemon *d = &sim->daemon;

	if (!d->engine || (d->step_at && d->step_at <= at)) {
		return;
	}
	d->step_at = at;
	sim_after(sim, at - sim->now, step, sim, ++d->step_n);
}

void daemon_poke(struct sim *sim)
{
	sim->daemon.has_news = true;
	plan_step(sim, sim->now + dice_between(&sim->dice, 0, TURN_LATENCY_MS));
}

static void work(void *arg, uint64_t life)
{
	struct sim *sim = arg;
	struct daemon *d = &sim->daemon;

	if (!d->engine || d->life != life) {
		return;
	}
	d->works = engine_work(d->engine);
	if (d->works) {
		daemon_poke(sim);
		sim_after(sim, dice_scale(&sim->dice, 1, 200), work, sim, d->life);
	}
}

static void check_spin(struct sim *sim, int64_t next)
{
	struct daemon *d = &sim->daemon;

	d->idle_turns = !d->has_news && next <= sim->now ? d->idle_turns + 1 : 0;
	d->has_news = false;
	if (d->idle_turns > IDLE_TURNS_MAX) {
		violation(sim, "the engine spins: %d turns, each due at once",
			  d->idle_turns);
	}
}

static void step(void *arg, uint64_t n)
{
	struct sim *sim = arg;
	struct daemon *d = &sim->daemon;
	int64_t next;

	if (!d->engine || d->step_n != n) {
		return;
	}
	d->step_at = 0;
	d->turns++;
	next = engine_step(d->engine);
	if (d->is_dead) {
		bury(sim);
		return;
	}
	check_spin(sim, next);
	ledger_look(sim);
	if (!d->works) {
		d->works = true;
		sim_after(sim, dice_scale(&sim->dice, 1, 50), work, sim, d->life);
	}
	plan_step(sim, next > sim->now ? next : sim->now + 1);
}

/* --- the beginning and the end -----------------------------------------------------
 */

void daemon_start(void *arg, uint64_t life)
{
	struct sim *sim = arg;
	struct daemon *d = &sim->daemon;
	struct err e = ERR_INIT;
	int r;

	if (d->engine || d->life != life) {
		return;
	}
	d->conf->s3.engine = dice_chance(&d->engines, 400) ? CONF_ENGINE_PRESIGNED
							   : CONF_ENGINE_AUTO;
	r = store_open(sim->options.dir, &d->store, &e);
	if (r == 0) {
		r = engine_new(d->conf, d->store, &d->ports, &d->engine, &e);
	}
	if (r == 0) {
		r = engine_begin(d->engine, &e);
	}
	trace(sim, "the daemon starts: %s", r < 0 ? e.text : "ok");
	if (r < 0) {
		d->engine = engine_free(d->engine);
		d->store = store_close(d->store);
		sim_after(sim, 1000, daemon_start, sim, life);
		return;
	}
	ledger_restart(sim);
	daemon_poke(sim);
}

void daemon_fini(struct sim *sim)
{
	struct daemon *d = &sim->daemon;

	d->engine = engine_free(d->engine);
	d->store = store_close(d->store);
	d->conf = conf_free(d->conf);
}
