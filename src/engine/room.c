/* Do the inputs of a job fit on its host's disk? Asked when S3 has told how large they
 * are, and before anything of the job is on the host: a download that fills a disk
 * takes hours to fail, and whoever else runs there with it.
 *
 * A host told its free space with the last probe. When that was long ago, or the inputs
 * would not fit with ease, it is probed anew. What other jobs have still to fetch there
 * is counted as taken.
 *
 * A job that does not fit gives its slot and its GPUs back. It goes to another host, or
 * waits if room may come: from a job that is on the host, or since another host could
 * not be asked, or since the disk is so full that nothing can go on there until
 * somebody makes room. Else it fails: what fills the disk is not ours to remove. A dry
 * run tells at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "job/quantity.h"
#include "util/clock.h"

enum {
	PROBE_TIMEOUT_MS = 60000,
	REPLY_MAX = 1 << 20,   /* with what a login shell says before */
	FRESH_MS = 60000,      /* so long what a host said of its disk is believed */
	ROOM_AGAIN_MS = 30000, /* from one look to the next while it is full */
	EASE = 2,	       /* times the bytes are free: it is not asked anew */
	FULL_BYTES = 16 << 20, /* a disk with less than that free is full */
};

static bool is_fresh(const struct host *host)
{
	return host->free_at > 0 && clock_ms() - host->free_at < FRESH_MS;
}

/* The cache of inputs gives way to any job. What a running job has too gives no room,
 * but it may be what this one wants of the cache. */
static bool has_room(const struct host *host, const struct run *run, int64_t taken)
{
	int64_t free_bytes = host->free_bytes + host->cache_bytes - taken;
	int64_t held = host->cache_all_bytes - host->cache_bytes;

	held = held < run->cached_bytes ? held : run->cached_bytes;
	return run->input_bytes - held <= free_bytes;
}

bool room_is_short(const struct host *host, const struct run *run)
{
	return is_fresh(host) && !has_room(host, run, 0);
}

/* What the other job has still to fetch. */
static int64_t bytes_to_come(const struct job *job)
{
	const struct job_record *r = job_get(job);
	int64_t sum = 0;

	if (r->state != JOB_PREPARING && r->state != JOB_DOWNLOADING) {
		return 0;
	}
	if (!r->transfers) { /* it was not launched yet */
		return job->run->room_checked ? job->run->input_bytes : 0;
	}
	for (size_t i = 0; i < r->n_transfers && i < job->run->spec->n_inputs; i++) {
		const struct job_transfer *t = &r->transfers[i];

		sum += t->total > t->bytes ? t->total - t->bytes : 0;
	}
	return sum;
}

/* Of the host's disk, for other jobs. *ret_has_others: may they leave room some day? */
static int64_t bytes_taken(const struct engine *e, const struct job *job,
			   bool *ret_has_others)
{
	struct job *other;
	int64_t sum = 0;

	*ret_has_others = false;
	TAILQ_FOREACH(other, &e->running, run_link)
	{
		if (other != job && other->host == job->host) {
			*ret_has_others = true;
			sum += bytes_to_come(other);
		}
	}
	return sum;
}

/* Is there a host that would do, and did not just say that it has no room? */
static bool may_go_elsewhere(const struct engine *e, const struct job *job)
{
	for (size_t i = 0; i < e->n_hosts; i++) {
		const struct host *host = &e->hosts[i];

		if (host != job->host && schedule_is_candidate(host, job->run->spec) &&
		    !room_is_short(host, job->run)) {
			return true;
		}
	}
	return false;
}

/* "$.inputs: they are 812.0 GiB, host gpu1 has 120.0 GiB free; ..." */
static void explain(const struct job *job, int64_t taken, struct buf *out)
{
	const struct run *run = job->run;
	const struct spec *spec = run->spec;
	size_t most = 0;

	for (size_t i = 1; i < spec->n_inputs; i++) {
		most = run->listed[i].bytes > run->listed[most].bytes ? i : most;
	}
	(void)buf_add_str(out, "$.inputs: inputs are ");
	(void)size_print(run->input_bytes, out);
	(void)buf_printf(out, ", host %s has ", job->host->conf->name);
	(void)size_print(job->host->free_bytes, out);
	(void)buf_add_str(out, " free");
	if (job->host->cache_bytes > 0) {
		(void)buf_add_str(out, ", its cache of inputs can give ");
		(void)size_print(job->host->cache_bytes, out);
	}
	if (taken > 0) {
		(void)buf_add_str(out, ", of which inputs of other jobs will take ");
		(void)size_print(taken, out);
	}
	(void)buf_printf(out, "; the largest is \"%s\" (s3://%s/%.300s), ",
			 spec->inputs[most].name, spec->inputs[most].bucket,
			 spec->inputs[most].key);
	(void)size_print(run->listed[most].bytes, out);
	(void)buf_add_str(out, ": make room in ~/.jobfs there, or name another host in "
			       "$.resources.host");
}

static void has_no_room(struct engine *e, struct job *job, int64_t taken,
			bool has_others)
{
	cleanup_buf struct buf text = BUF_INIT;
	int64_t input_bytes = job->run->input_bytes;
	int64_t cached_bytes = job->run->cached_bytes;
	bool has_other = schedule_has_other(e, job);
	bool may_wait = has_others ||
			job->host->free_bytes + job->host->cache_bytes < FULL_BYTES ||
			may_go_elsewhere(e, job);
	int64_t wait_ms = has_other ? 0 : ROOM_AGAIN_MS;

	explain(job, taken, &text);
	if (!may_wait || (job->run->spec->is_dry_run && !has_other)) {
		job_finish(e, job, (struct job_verdict){ JOB_FAILED, REASON_HOST_DISK },
			   buf_text(&text));
	} else if (attempt_again(e, job, wait_ms, buf_text(&text)) == 0) {
		job->run->input_bytes = input_bytes; /* by which a host is chosen */
		job->run->cached_bytes = cached_bytes;
	}
}

static void handle_probe(struct engine *e, struct host *host, struct job *job,
			 struct call_reply *reply)
{
	struct frame_item item;
	bool has_others;
	int64_t taken;

	if (!reply_is(reply, "OK")) {
		step_failed(e, host, job, "tell its free disk for", reply);
		return;
	}
	while (frame_next(&reply->frame, &item)) {
		host_note_disk(host, &item);
	}
	if (!job) {
		return;
	}
	job_step_done(job);
	taken = bytes_taken(e, job, &has_others);
	if (is_fresh(host) && !has_room(host, job->run, taken)) {
		has_no_room(e, job, taken, has_others);
	} else { /* also where it cannot tell */
		job->run->room_checked = true;
	}
}

bool room_check(struct engine *e, struct job *job)
{
	struct run *run = job->run;
	struct call_spec spec = { .host = job->host,
				  .verb = "probe",
				  .args = "",
				  .timeout_ms = PROBE_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .job = job_get(job)->id,
				  .run = run->id,
				  .handle = handle_probe };
	bool has_others;

	if (run->input_bytes == 0 ||
	    (is_fresh(job->host) &&
	     (run->input_bytes + bytes_taken(e, job, &has_others)) <=
		     job->host->free_bytes / EASE)) {
		run->room_checked = true;
		return true;
	}
	if (!call_queue(e, &spec)) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return false;
	}
	run->is_busy = true;
	return false;
}
