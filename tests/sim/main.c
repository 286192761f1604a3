/* sim: runs seeds, and says what broke. HACKING.md tells how to replay one. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "util/log.h"

static const char usage[] =
	"usage: sim [OPTION...]\n"
	"\n"
	"  --first N      the first seed (1)\n"
	"  --seeds N      how many (100); each is run, and every 50th twice\n"
	"  --seed N       this one alone\n"
	"  --trace        prints what happens, and the daemon's log on stderr\n"
	"  --jobs N       how many jobs a seed has (1 to 40, by the seed)\n"
	"  --machines N   how many hosts (1 to 4, by the seed)\n"
	"  --calm         nothing goes wrong\n"
	"  --mutant NAME  with a bug on purpose: passes when a seed finds it\n"
	"  --mutants      all of them, one after the other\n";

enum { TWICE_EVERY = 50 };

struct totals {
	int64_t runs, jobs, steps, turns, lives, virtual_ms;
	int64_t by_state[JOB_STATE_COUNT];
};

static int64_t real_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void add(struct totals *t, const struct sim_result *r)
{
	t->runs++;
	t->jobs += r->n_jobs;
	t->steps += r->steps;
	t->turns += r->turns;
	t->lives += r->lives;
	t->virtual_ms += r->virtual_ms;
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		t->by_state[i] += r->n_by_state[i];
	}
}

static void show(const struct totals *t, int64_t ms)
{
	(void)printf("%lld seeds, %lld jobs in %lld ms: %lld jobs a second\n",
		     (long long)t->runs, (long long)t->jobs, (long long)ms,
		     (long long)(t->jobs * 1000 / (ms > 0 ? ms : 1)));
	(void)printf(
		"%lld steps, %lld turns, %lld lives of the daemon, %lld h simulated\n",
		(long long)t->steps, (long long)t->turns, (long long)t->lives,
		(long long)(t->virtual_ms / 3600000));
	(void)printf("%lld SUCCEEDED, %lld FAILED, %lld CANCELLED\n",
		     (long long)t->by_state[JOB_SUCCEEDED],
		     (long long)t->by_state[JOB_FAILED],
		     (long long)t->by_state[JOB_CANCELLED]);
}

/* A seed that is run twice is the same history twice. false: it was not, or it broke.
 */
static bool run_seed(struct sim_options *o, bool is_twice, struct totals *t)
{
	struct sim_result r, again;

	sim_run(o, &r);
	add(t, &r);
	if (r.has_failed) {
		(void)printf("seed %llu: %s\n", (unsigned long long)o->seed, r.failure);
		return false;
	}
	if (is_twice) {
		sim_run(o, &again);
		add(t, &again);
		if (again.digest != r.digest || again.steps != r.steps) {
			(void)printf("seed %llu: another history the second time\n",
				     (unsigned long long)o->seed);
			return false;
		}
	}
	return true;
}

static int run_seeds(struct sim_options *o, uint64_t first, uint64_t n)
{
	struct totals t = { .runs = 0 };
	int64_t begin = real_ms();
	int failed = 0;

	for (o->seed = first; o->seed < first + n; o->seed++) {
		failed += !run_seed(o, o->seed % TWICE_EVERY == 0 || n == 1, &t);
	}
	show(&t, real_ms() - begin);
	(void)printf("%llu passed, %d failed\n",
		     (unsigned long long)n - (unsigned)failed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Within n seeds the ledger has to see the bug. */
static bool find_mutant(struct sim_options *o, uint64_t first, uint64_t n)
{
	struct sim_result r = { .has_failed = false };

	for (o->seed = first; o->seed < first + n && !r.has_failed; o->seed++) {
		sim_run(o, &r);
	}
	(void)printf("%s %s (%s)\n", r.has_failed ? "ok" : "not ok",
		     mutant_name(o->mutant), mutant_text(o->mutant));
	if (r.has_failed) {
		(void)printf("  seed %llu: %s\n", (unsigned long long)o->seed - 1,
			     r.failure);
	}
	return r.has_failed;
}

static int find_mutants(struct sim_options *o, uint64_t first, uint64_t n)
{
	enum mutant begin = o->mutant ? o->mutant : MUTANT_NONE + 1;
	enum mutant end = o->mutant ? o->mutant + 1 : MUTANT_COUNT;
	int missed = 0;

	for (enum mutant m = begin; m < end; m++) {
		o->mutant = m;
		missed += !find_mutant(o, first, n);
	}
	(void)printf("%d passed, %d failed\n", (int)(end - begin) - missed, missed);
	return missed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* In memory, where there is such a directory. */
static bool make_dir(char *ret_path, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(ret_path, size, "/dev/shm/jobfs-sim.XXXXXX");
	if (mkdtemp(ret_path)) {
		return true;
	}
	(void)snprintf(ret_path, size, "%s/jobfs-sim.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(ret_path) != NULL;
}

static void silence_log(bool is_traced)
{
	log_set_level(is_traced ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	if (!is_traced) { /* of what was broken on purpose */
		(void)!freopen("/dev/null", "we", stderr);
	}
}

struct arguments {
	struct sim_options options;
	uint64_t first, n;
	bool all_mutants;
};

static int read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "first", required_argument, NULL, 'f' },
		{ "seeds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "machines", required_argument, NULL, 'm' },
		{ "mutant", required_argument, NULL, 'u' },
		{ "mutants", no_argument, NULL, 'U' },
		{ "trace", no_argument, NULL, 't' },
		{ "calm", no_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			a->first = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			a->n = strtoull(optarg, NULL, 10);
			break;
		case 's':
			a->first = strtoull(optarg, NULL, 10);
			a->n = 1;
			break;
		case 'j':
			a->options.n_jobs = (int)strtol(optarg, NULL, 10);
			break;
		case 'm':
			a->options.n_machines = (int)strtol(optarg, NULL, 10);
			break;
		case 'u':
			a->options.mutant = mutant_from_name(optarg);
			break;
		case 'U':
			a->all_mutants = true;
			break;
		case 't':
			a->options.is_traced = true;
			break;
		case 'c':
			a->options.is_calm = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return optind < argc || a->options.mutant == MUTANT_COUNT ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct arguments a = { .first = 1, .n = 100 };
	char dir[256];
	int status;

	if (read_arguments(argc, argv, &a) < 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	if (!make_dir(dir, sizeof(dir))) {
		perror("sim: cannot make a directory");
		return 2;
	}
	a.options.dir = dir;
	silence_log(a.options.is_traced);
	if (a.all_mutants || a.options.mutant) {
		status = find_mutants(&a.options, a.first, a.n);
	} else {
		status = run_seeds(&a.options, a.first, a.n);
	}
	sim_empty_dir(dir);
	(void)rmdir(dir);
	return status;
}
