/* How bad a seed's world is, and who makes it so. Each seed leaves out some kinds of
 * trouble at random and has more of the others: a world in which all goes wrong at once
 * hides what one kind alone would show. */
#include "sim.h"

enum { MINUTE = 60000 };

/* One in two seeds has it at all; as much as `most`. */
static int draw_rate(struct dice *d, int most)
{
	return dice_chance(d, 500) ? (int)dice_between(d, 1, most) : 0;
}

static int64_t draw_mean(struct dice *d, int64_t often, int64_t seldom)
{
	return dice_chance(d, 500) ? dice_scale(d, often, seldom) : 0;
}

void faults_draw(struct sim *sim)
{
	struct dice *d = &sim->dice;

	if (sim->options.is_calm || dice_chance(d, 50)) {
		return;
	}
	sim->faults = (struct faults){
		.lose_request = draw_rate(d, 60),
		.late_request = draw_rate(d, 60),
		.cut_input = draw_rate(d, 100),
		.twice = draw_rate(d, 80),
		.lose_reply = draw_rate(d, 100),
		.cut_reply = draw_rate(d, 50),
		.no_reply = draw_rate(d, 20),
		.noise = draw_rate(d, 300),
		.connect = draw_rate(d, 200),
		.s3_busy = draw_rate(d, 50),
		.lost_upload = draw_rate(d, 150),
		.crash = draw_mean(d, 2000, 3 * MINUTE),
		.stop = draw_mean(d, 20000, 5 * MINUTE),
		.cut = draw_mean(d, 10000, 5 * MINUTE),
		.freeze = draw_mean(d, 10000, 5 * MINUTE),
		.reboot = draw_mean(d, 20000, 10 * MINUTE),
		.wipe = dice_chance(d, 300) ? draw_mean(d, MINUTE, 20 * MINUTE) : 0,
		.kill_runner = draw_mean(d, 5000, 2 * MINUTE),
		.kill_inner = draw_mean(d, 5000, 2 * MINUTE),
		.kill_worker = draw_mean(d, 5000, 2 * MINUTE),
		.host_disk_full = draw_mean(d, 20000, 5 * MINUTE),
		.s3_down = draw_mean(d, 20000, 5 * MINUTE),
		.s3_denied = dice_chance(d, 300) ? draw_mean(d, 60000, 10 * MINUTE) : 0,
		.disk_full = draw_mean(d, 10000, 5 * MINUTE),
		.disk_locked = draw_mean(d, 10000, 5 * MINUTE),
		.disk_error = draw_mean(d, 10000, 5 * MINUTE),
	};
	if (dice_chance(d, 100)) {
		sim->faults.late_launch = (int)dice_between(d, 100, 500);
	}
	if (sim->options.mutant == MUTANT_OLD_OUTPUTS) { /* what it cannot see */
		sim->faults.lost_upload = 400;
	}
}

/* --- the kinds of trouble --------------------------------------------------------- */

static struct machine *some_machine(struct sim *sim)
{
	return &sim->machines[dice_between(&sim->dice, 0, sim->n_machines - 1)];
}

/* One whose processes live; NULL: there is none. */
static struct attempt *some_attempt(struct sim *sim)
{
	struct machine *m = some_machine(sim);
	struct attempt *a, *found = NULL;
	int n = 0;

	LIST_FOREACH(a, &m->attempts, link)
	{
		bool lives = a->runner_lives || a->uploader_lives || a->inner_lives;

		if (lives && dice_between(&sim->dice, 0, n++) == 0) {
			found = a;
		}
	}
	return found;
}

static void do_crash(struct sim *sim)
{
	if (!sim->daemon.engine) {
		return;
	}
	if (dice_chance(&sim->dice, 300)) {
		daemon_crash(sim);
	} else { /* in the middle of a turn, mostly */
		sim->daemon.fuse = (int)dice_between(&sim->dice, 1, 40);
	}
}

static void do_stop(struct sim *sim)
{
	if (sim->daemon.engine) {
		daemon_stop(sim);
	}
}

static void do_cut(struct sim *sim)
{
	net_cut(some_machine(sim), dice_scale(&sim->dice, 500, 5 * MINUTE));
}

static void do_freeze(struct sim *sim)
{
	struct machine *m = some_machine(sim);

	if (!m->is_down && m->frozen_until <= sim->now) {
		machine_freeze(m, dice_scale(&sim->dice, 500, 3 * MINUTE));
	}
}

static void do_reboot(struct sim *sim)
{
	struct machine *m = some_machine(sim);

	if (!m->is_down) {
		machine_reboot(m, false);
	}
}

static void do_wipe(struct sim *sim)
{
	struct machine *m = some_machine(sim);

	if (!m->is_down) {
		machine_reboot(m, true);
	}
}

static void do_kill_runner(struct sim *sim)
{
	struct attempt *a = some_attempt(sim);

	if (a && (a->runner_lives || a->uploader_lives)) {
		attempt_kill_runner(a);
	}
}

static void do_kill_inner(struct sim *sim)
{
	struct attempt *a = some_attempt(sim);

	if (a && a->inner_lives) {
		attempt_kill_inner(a, dice_chance(&sim->dice, 500));
	}
}

static void do_kill_worker(struct sim *sim)
{
	struct attempt *a = some_attempt(sim);

	if (a && a->want.is_served) {
		trace(sim, "%s %s: worker killed", a->machine->name, a->name);
		urls_worker_dies(a);
	}
}

static void end_host_disk_full(void *arg, uint64_t unused)
{
	struct machine *m = arg;

	(void)unused;
	m->is_full = false;
}

static void do_host_disk_full(struct sim *sim)
{
	struct machine *m = some_machine(sim);

	trace(sim, "%s: its disk is full", m->name);
	m->is_full = true;
	sim_after(sim, dice_scale(&sim->dice, 1000, 2 * MINUTE), end_host_disk_full, m,
		  0);
}

static void end_s3(void *arg, uint64_t unused)
{
	struct sim *sim = arg;

	(void)unused;
	trace(sim, "S3 is itself again");
	sim->bucket.is_down = sim->bucket.is_denied = false;
}

static void do_s3_down(struct sim *sim)
{
	trace(sim, "S3 does not answer");
	sim->bucket.is_down = true;
	sim_after(sim, dice_scale(&sim->dice, 1000, 2 * MINUTE), end_s3, sim, 0);
}

static void do_s3_denied(struct sim *sim)
{
	trace(sim, "S3 does not know the key");
	sim->bucket.is_denied = true;
	sim_after(sim, dice_scale(&sim->dice, 1000, 30000), end_s3, sim, 0);
}

static void end_disk(void *arg, uint64_t unused)
{
	struct sim *sim = arg;

	(void)unused;
	trace(sim, "the database's disk is itself again");
	disk_set_fault(sim->disk, DISK_OK);
}

static void break_disk(struct sim *sim, enum disk_fault fault, const char *what,
		       int64_t most_ms)
{
	trace(sim, "the database's disk: %s", what);
	disk_set_fault(sim->disk, fault);
	sim_after(sim, dice_scale(&sim->dice, 1, most_ms), end_disk, sim, 0);
}

static void do_disk_full(struct sim *sim)
{
	break_disk(sim, DISK_FULL, "full", MINUTE);
}

static void do_disk_locked(struct sim *sim)
{
	break_disk(sim, DISK_LOCKED, "locked", MINUTE);
}

static void do_disk_error(struct sim *sim)
{
	break_disk(sim, DISK_ERROR, "fails", 2000);
}

static const struct {
	size_t mean; /* offset in struct faults */
	void (*run)(struct sim *sim);
} troubles[] = {
	/* clang-format off */
	{ offsetof(struct faults, crash), do_crash },
	{ offsetof(struct faults, stop), do_stop },
	{ offsetof(struct faults, cut), do_cut },
	{ offsetof(struct faults, freeze), do_freeze },
	{ offsetof(struct faults, reboot), do_reboot },
	{ offsetof(struct faults, wipe), do_wipe },
	{ offsetof(struct faults, kill_runner), do_kill_runner },
	{ offsetof(struct faults, kill_inner), do_kill_inner },
	{ offsetof(struct faults, kill_worker), do_kill_worker },
	{ offsetof(struct faults, host_disk_full), do_host_disk_full },
	{ offsetof(struct faults, s3_down), do_s3_down },
	{ offsetof(struct faults, s3_denied), do_s3_denied },
	{ offsetof(struct faults, disk_full), do_disk_full },
	{ offsetof(struct faults, disk_locked), do_disk_locked },
	{ offsetof(struct faults, disk_error), do_disk_error },
	/* clang-format on */
};

static void strike(void *arg, uint64_t which);

static void plan_strike(struct sim *sim, uint64_t which)
{
	const char *faults = (const char *)&sim->faults;
	int64_t mean = *(const int64_t *)(const void *)(faults + troubles[which].mean);

	if (mean > 0) {
		sim_after(sim, dice_between(&sim->dice, 1, 2 * mean), strike, sim,
			  which);
	}
}

static void strike(void *arg, uint64_t which)
{
	struct sim *sim = arg;

	if (!sim->is_mended) {
		troubles[which].run(sim);
		plan_strike(sim, which);
	}
}

void nemesis_start(struct sim *sim)
{
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
		plan_strike(sim, i);
	}
}

/* What broke is whole again, within a moment; what it led to stays. */
void nemesis_mend(struct sim *sim)
{
	trace(sim, "all is mended");
	sim->is_mended = true;
	sim->faults = (struct faults){ .crash = 0 };
	sim->daemon.fuse = 0;
	sim->bucket.is_down = sim->bucket.is_denied = false;
	disk_set_fault(sim->disk, DISK_OK);
	for (int i = 0; i < sim->n_machines; i++) {
		sim->machines[i].is_cut = sim->machines[i].is_full = false;
		sim->machines[i].is_down = false;
	}
}
