/* One run: a world out of a seed, trouble until chaos_end, then peace until all is
 * done. */
#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/random.h"

enum {
	BOOT_MS = 1000000,	   /* clock_ms() of the beginning */
	PEACE_MS = 2 * 60 * 60000, /* by then every job has ended */
	LINE_MAX = 512,
};
static const int64_t wall_ms = INT64_C(1767225600000); /* 2026-01-01 */

/* --- trace ------------------------------------------------------------------------ */

static void add_to_digest(struct sim *sim, const char *text)
{
	for (; *text; text++) { /* FNV-1a */
		sim->digest =
			(sim->digest ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	}
}

void trace(struct sim *sim, const char *format, ...)
{
	char line[LINE_MAX];
	va_list args;
	int n = snprintf(line, sizeof(line), "%9lld.%03lld ",
			 (long long)(sim->now - BOOT_MS) / 1000,
			 (long long)(sim->now - BOOT_MS) % 1000);

	va_start(args, format);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	add_to_digest(sim, line);
	if (sim->options.is_traced) {
		(void)printf("%s\n", line);
	}
}

void violation(struct sim *sim, const char *format, ...)
{
	char text[LINE_MAX - 64];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	trace(sim, "VIOLATION: %s", text);
	if (!sim->has_failed) {
		sim->has_failed = true;
		(void)snprintf(sim->failure, sizeof(sim->failure),
			       "step %lld, %lld ms: %s", (long long)sim->steps,
			       (long long)(sim->now - BOOT_MS), text);
	}
}

/* --- time and names for the code under test ----------------------------------------
 */

static int64_t read_ms(void *arg)
{
	return ((const struct sim *)arg)->now;
}

static int64_t read_wall_ms(void *arg)
{
	return wall_ms + ((const struct sim *)arg)->now;
}

static void read_random(void *arg, void *data, size_t n)
{
	struct sim *sim = arg;
	unsigned char *bytes = data;

	for (size_t i = 0; i < n; i++) {
		bytes[i] = (unsigned char)(dice_next(&sim->names) >> 32);
	}
}

/* --- the state directory -----------------------------------------------------------
 */

int sim_empty_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir) {
		return -errno;
	}
	while ((entry = readdir(dir))) {
		char name[512];
		bool is_self = streq(entry->d_name, ".") || streq(entry->d_name, "..");

		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (!is_self && unlink(name) < 0 && errno == EISDIR) {
			(void)sim_empty_dir(name);
			(void)rmdir(name);
		}
	}
	(void)closedir(dir);
	return 0;
}

/* --- one run -----------------------------------------------------------------------
 */

static void begin(struct sim *sim)
{
	const struct sim_options *o = &sim->options;

	faults_draw(sim);
	sim->n_machines =
		o->n_machines ? o->n_machines : (int)dice_between(&sim->dice, 1, 4);
	sim->n_jobs = o->n_jobs ? o->n_jobs : (int)dice_between(&sim->dice, 1, 40);
	sim->chaos_end = sim->now + dice_scale(&sim->dice, 30000, 20 * 60000);
	sim->machines = calloc((size_t)sim->n_machines, sizeof(*sim->machines));
	for (int i = 0; i < sim->n_machines; i++) {
		machine_init(sim, &sim->machines[i], i);
	}
}

static void play(struct sim *sim)
{
	user_start(sim);
	nemesis_start(sim);
	daemon_start(sim, sim->daemon.life);
	while (!sim->has_failed && sim_advance(sim, sim->chaos_end)) {
	}
	sim->now = sim->now < sim->chaos_end ? sim->chaos_end : sim->now;
	nemesis_mend(sim);
	while (!sim->has_failed && !ledger_all_done(sim) &&
	       sim_advance(sim, sim->chaos_end + PEACE_MS)) {
	}
	if (!sim->has_failed) {
		ledger_end(sim);
	}
}

static void finish(struct sim *sim)
{
	sim->daemon.is_dead = true; /* what is under way has no effect any more */
	daemon_fini(sim);
	net_fini(sim);
	user_fini(sim);
	for (int i = 0; i < sim->n_machines; i++) {
		machine_fini(&sim->machines[i]);
	}
	free(sim->machines);
	bucket_fini(&sim->bucket);
	timeline_fini(&sim->timeline);
	sim->disk = disk_free(sim->disk);
}

void sim_run(const struct sim_options *options, struct sim_result *ret_result)
{
	struct sim sim = { .options = *options,
			   .dice = dice_of(options->seed, "world"),
			   .names = dice_of(options->seed, "names"),
			   .now = BOOT_MS,
			   .digest = UINT64_C(0xcbf29ce484222325) };
	const struct clock_source clock = { read_ms, read_wall_ms, &sim };
	const struct random_source names = { read_random, &sim };

	clock_set_source(&clock);
	random_set_source(&names);
	(void)sim_empty_dir(options->dir);
	begin(&sim);
	if (disk_new(&sim, &sim.disk) < 0 || daemon_init(&sim) < 0) {
		violation(&sim, "the simulation cannot begin");
	} else {
		play(&sim);
	}
	*ret_result = (struct sim_result){ .has_failed = sim.has_failed,
					   .digest = sim.digest,
					   .steps = sim.steps,
					   .virtual_ms = sim.now - BOOT_MS,
					   .turns = sim.daemon.turns,
					   .lives = (int64_t)sim.daemon.life + 1,
					   .n_jobs = sim.n_jobs };
	memcpy(ret_result->failure, sim.failure, sizeof(sim.failure));
	memcpy(ret_result->n_by_state, sim.n_by_state, sizeof(sim.n_by_state));
	finish(&sim);
	clock_set_source(NULL);
	random_set_source(NULL);
}
