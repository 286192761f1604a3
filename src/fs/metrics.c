/* Naming follows Prometheus: base units in the name (_seconds, _bytes), _total for what
 * only grows, and the names that its own libraries give to a process. Every series is
 * there from the start, so that the first increase is seen as one. */
#include "fs/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/store.h"

enum { SIZE_STEP = 4096 };

/* --- lines ----------------------------------------------------------------------- */

void metrics_add_family(struct buf *out, const struct metrics_family *family)
{
	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name,
			 family->help, family->name, family->type);
}

static void add_label(struct buf *out, const char *label, const char *value)
{
	(void)buf_printf(out, "{%s=\"", label);
	for (; *value; value++) {
		if (*value == '\n') {
			(void)buf_add_str(out, "\\n");
			continue;
		}
		if (*value == '\\' || *value == '"') {
			(void)buf_add_char(out, '\\');
		}
		(void)buf_add_char(out, *value);
	}
	(void)buf_add_str(out, "\"}");
}

void metrics_add_int(struct buf *out, const char *name, const char *label,
		     const char *value, int64_t n)
{
	(void)buf_add_str(out, name);
	if (label) {
		add_label(out, label, value);
	}
	(void)buf_printf(out, " %" PRId64 "\n", n);
}

void metrics_add_real(struct buf *out, const char *name, double n)
{
	(void)buf_printf(out, "%s %.6f\n", name, n);
}

void metrics_add_meter(struct buf *out, const char *name, const struct meter *meter)
{
	uint64_t n = 0; /* of one reading: the buckets and the count agree */

	for (int i = 0; i < METER_BOUNDS; i++) {
		n += meter->counts[i];
		(void)buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
				 (double)meter_bounds_us[i] / 1e6, n);
	}
	n += meter->counts[METER_BOUNDS];
	(void)buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, n);
	(void)buf_printf(out, "%s_sum %.6f\n", name, (double)meter->sum_us / 1e6);
	(void)buf_printf(out, "%s_count %" PRIu64 "\n", name, n);
}

static void add_one(struct buf *out, const struct metrics_family *family, int64_t n)
{
	metrics_add_family(out, family);
	metrics_add_int(out, family->name, NULL, NULL, n);
}

/* --- jobs ------------------------------------------------------------------------ */

static void add_jobs(struct engine *engine, struct buf *out)
{
	static const struct metrics_family jobs = { "jobfs_jobs", "gauge",
						    "Jobs, by their present state." };
	static const struct metrics_family transitions = {
		"jobfs_job_transitions_total", "counter",
		"Jobs that came into a state, by that state."
	};
	static const struct metrics_family failures = {
		"jobfs_job_failures_total", "counter",
		"Jobs that failed, by their reason."
	};
	static const struct metrics_family queue = {
		"jobfs_queue_length", "gauge", "Jobs that are queued for a host."
	};
	const struct engine_stats *stats = engine_get_stats(engine);

	metrics_add_family(out, &jobs);
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		enum job_state state = (enum job_state)i;

		metrics_add_int(out, jobs.name, "state", job_state_name(state),
				(int64_t)engine_count_state(engine, state));
	}
	add_one(out, &queue, (int64_t)engine_count_queue(engine));
	metrics_add_family(out, &transitions);
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		metrics_add_int(out, transitions.name, "state",
				job_state_name((enum job_state)i),
				(int64_t)stats->transitions[i]);
	}
	metrics_add_family(out, &failures);
	for (int i = 0; i < JOB_REASON_COUNT; i++) {
		enum job_reason reason = (enum job_reason)i;

		/* the others are no ends of a job, but for a spec that an upgrade made
		 * unreadable */
		if (job_reason_may_retry(reason) || stats->failures[i] > 0) {
			metrics_add_int(out, failures.name, "reason",
					job_reason_name(reason),
					(int64_t)stats->failures[i]);
		}
	}
}

/* --- hosts ----------------------------------------------------------------------- */

static int64_t host_is_up(const struct engine_host *host)
{
	return host->is_up;
}

static int64_t host_is_drained(const struct engine_host *host)
{
	return host->is_drained;
}

static int64_t host_slots(const struct engine_host *host)
{
	return host->conf->slots;
}

static int64_t host_slots_used(const struct engine_host *host)
{
	return host->slots_used;
}

static int64_t host_gpus(const struct engine_host *host)
{
	return host->conf->gpus;
}

static int64_t host_gpus_used(const struct engine_host *host)
{
	return host->gpus_used;
}

static int64_t host_connects(const struct engine_host *host)
{
	return host->connects;
}

static int64_t host_bytes_in(const struct engine_host *host)
{
	return (int64_t)host->bytes_in;
}

static int64_t host_bytes_out(const struct engine_host *host)
{
	return (int64_t)host->bytes_out;
}

static const struct {
	struct metrics_family family;
	int64_t (*get)(const struct engine_host *host);
} of_hosts[] = {
	/* clang-format off */
	{ { "jobfs_host_up", "gauge",
	    "1 if the host answered when it was last asked, else 0." }, host_is_up },
	{ { "jobfs_host_drained", "gauge", "1 if the host takes no new jobs, else 0." },
	  host_is_drained },
	{ { "jobfs_host_slots", "gauge", "Jobs that the host may have at once." },
	  host_slots },
	{ { "jobfs_host_slots_used", "gauge", "Jobs that the host has." },
	  host_slots_used },
	{ { "jobfs_host_gpus", "gauge", "GPUs of the host." }, host_gpus },
	{ { "jobfs_host_gpus_used", "gauge", "GPUs that jobs have." }, host_gpus_used },
	{ { "jobfs_host_connects_total", "counter",
	    "SSH connections that were made to the host." }, host_connects },
	{ { "jobfs_host_received_bytes_total", "counter",
	    "Bytes that came from the host over SSH." }, host_bytes_in },
	{ { "jobfs_host_sent_bytes_total", "counter",
	    "Bytes that went to the host over SSH." }, host_bytes_out },
	/* clang-format on */
};

static void add_hosts(struct engine *engine, struct buf *out)
{
	size_t n = engine_conf(engine)->n_hosts;

	for (size_t i = 0; i < ARRAY_SIZE(of_hosts) && n > 0; i++) {
		metrics_add_family(out, &of_hosts[i].family);
		for (size_t k = 0; k < n; k++) {
			struct engine_host host;

			engine_get_host(engine, k, &host);
			metrics_add_int(out, of_hosts[i].family.name, "host",
					host.conf->name, of_hosts[i].get(&host));
		}
	}
}

/* --- work ------------------------------------------------------------------------ */

static void add_meter(struct buf *out, const char *name, const char *help,
		      const struct meter *meter)
{
	metrics_add_family(out, &(struct metrics_family){ name, "histogram", help });
	metrics_add_meter(out, name, meter);
}

static void add_counter(struct buf *out, const char *name, const char *help, uint64_t n)
{
	add_one(out, &(struct metrics_family){ name, "counter", help }, (int64_t)n);
}

static void add_work(const struct engine_stats *stats, struct buf *out)
{
	add_meter(out, "jobfs_turn_duration_seconds",
		  "Turns of the engine, with their commits.", &stats->turns);
	add_meter(out, "jobfs_commit_duration_seconds", "Commits to the job database.",
		  &stats->commits);
	add_meter(out, "jobfs_sync_duration_seconds",
		  "Waits for the disk to have what was committed.", &stats->syncs);
	add_counter(
		out, "jobfs_failed_turns_total",
		"Turns of which nothing was done, since they could not be committed.",
		stats->failed_turns);
	add_meter(out, "jobfs_ssh_call_duration_seconds",
		  "Calls to hosts over SSH, from sending to the answer.",
		  &stats->calls);
	add_counter(out, "jobfs_failed_ssh_calls_total",
		    "Calls to hosts over SSH that had no answer.", stats->failed_calls);
	add_meter(out, "jobfs_s3_listing_duration_seconds",
		  "Listings of S3 that the daemon made, of all their pages.",
		  &stats->listings);
	add_counter(out, "jobfs_failed_s3_listings_total",
		    "Listings of S3 that failed.", stats->failed_listings);
}

/* --- the process ----------------------------------------------------------------- */

static int64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;

	// NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
	if (f && fscanf(f, "%*d %lld", &pages) != 1) {
		pages = 0;
	}
	if (f) {
		(void)fclose(f);
	}
	return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = -3; /* ".", "..", and that of the listing */

	if (!dir) {
		return 0;
	}
	while (readdir(dir)) {
		n++;
	}
	(void)closedir(dir);
	return n;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void add_process(struct engine *engine, struct buf *out)
{
	static const struct metrics_family started = {
		"process_start_time_seconds", "gauge",
		"When the daemon was started, in seconds since 1970."
	};
	static const struct metrics_family cpu = { "process_cpu_seconds_total",
						   "counter",
						   "CPU time that the daemon used." };
	static const struct metrics_family resident = { "process_resident_memory_bytes",
							"gauge",
							"Memory of the daemon." };
	static const struct metrics_family fds = { "process_open_fds", "gauge",
						   "Open descriptors of the daemon." };
	struct rusage usage = { .ru_maxrss = 0 };

	(void)getrusage(RUSAGE_SELF, &usage);
	metrics_add_family(out, &started);
	metrics_add_real(out, started.name,
			 (double)engine_get_stats(engine)->started_ms / 1e3);
	metrics_add_family(out, &cpu);
	metrics_add_real(out, cpu.name,
			 seconds(usage.ru_utime) + seconds(usage.ru_stime));
	add_one(out, &resident, resident_bytes());
	add_one(out, &fds, open_fds());
}

static void add_store(struct engine *engine, struct buf *out)
{
	static const struct metrics_family family = {
		"jobfs_store_bytes", "gauge",
		"Size of the job database and of its write-ahead log."
	};
	int64_t database, log;

	store_get_bytes(engine_store(engine), &database, &log);
	metrics_add_family(out, &family);
	metrics_add_int(out, family.name, "part", "database", database);
	metrics_add_int(out, family.name, "part", "log", log);
}

static void add_build(struct buf *out)
{
	static const struct metrics_family family = {
		"jobfs_build_info", "gauge", "Always 1; the label is the version."
	};

	metrics_add_family(out, &family);
	metrics_add_int(out, family.name, "version", JOBFS_VERSION, 1);
}

/* Empty lines mean nothing in this format. With them the size stays the same while the
 * numbers grow, so that whoever reads as many bytes as stat(2) said has all. */
static void add_padding(struct buf *out, size_t begin)
{
	do {
		(void)buf_add_char(out, '\n');
	} while ((out->len - begin) % SIZE_STEP != 0 && !out->error);
}

int metrics_render(struct engine *engine, struct buf *out)
{
	size_t begin = out->len;

	add_build(out);
	add_jobs(engine, out);
	add_hosts(engine, out);
	add_work(engine_get_stats(engine), out);
	add_store(engine, out);
	add_process(engine, out);
	add_padding(out, begin);
	return out->error;
}
