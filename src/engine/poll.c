/* News from the hosts: one `poll` call carries all jobs of a host that are due, each
 * with its state and the next bytes of its two logs. The bytes and what they change go
 * into the same transaction, so a log has neither gaps nor repeats, whenever the daemon
 * dies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/news.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	POLL_TIMEOUT_MS = 60000,
	ATTEMPTS_MAX = 64,	 /* in one call */
	LOG_BYTES_MAX = 1 << 20, /* of one log in one call, when few jobs share it */
	LOG_BYTES_MIN = 64 << 10,
	FRAME_BYTES = 4 << 20, /* of all logs in one call */
};

/* --- the call -------------------------------------------------------------------- */

static struct job *find_attempt(struct engine *e, struct host *host, const char *name)
{
	char have[ATTEMPT_NAME_MAX];
	struct job *job;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (job->host == host && job_get(job)->attempt.n > 0) {
			attempt_name(job_get(job), have);
			if (streq(have, name)) {
				return job;
			}
		}
	}
	return NULL;
}

static void finish_news(struct engine *e, struct job *job, const struct news *n)
{
	if (job) {
		news_apply(e, job, n);
		job_wake(e, job);
	}
}

static void read_frame(struct engine *e, struct host *host, struct frame *frame)
{
	struct news n = { .name = "" };
	struct frame_item item;
	struct job *job = NULL;

	while (frame_next(frame, &item)) {
		if (frame_item_is(&item, "storeid")) {
			host_note_store(host, &item);
		} else if (frame_item_is(&item, "now")) {
			host_note_clock(host, &item);
		} else if (frame_item_is(&item, "attempt")) {
			finish_news(e, job, &n);
			n = (struct news){ .name = "" };
			frame_item_text(&item, n.name, sizeof(n.name));
			job = find_attempt(e, host, n.name);
		} else if (job) {
			news_read(e, job, &n, &item);
		}
	}
	finish_news(e, job, &n);
}

/* Nothing was learned: all that waited try again, ever more rarely. */
static void poll_failed(struct engine *e, struct host *host)
{
	int64_t now = clock_ms();
	struct job *job;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (job->host == host && job->run->wants_poll) {
			job->run->poll_at = now + e->conf->limits.poll_interval_ms;
		}
	}
}

static void handle_poll(struct engine *e, struct host *host, struct job *none,
			struct call_reply *reply)
{
	(void)none;
	host->poll_is_out = false;
	if (reply_is(reply, "OK")) {
		read_frame(e, host, &reply->frame);
		if (host->poll_again) {
			watch_poll_now(e, host);
		}
		return;
	}
	poll_failed(e, host);
	if (reply->fault == REMOTE_OK && !reply->has_frame) {
		host_doubt(e, host);
	}
}

static bool is_due(const struct host *host, const struct job *job, int64_t now)
{
	const struct run *run = job->run;

	return job->host == host && run->wants_poll &&
	       run->poll_at <= now + run->poll_interval_ms / 4;
}

static void add_attempt(const struct engine *e, struct job *job, size_t n,
			struct buf *args)
{
	char name[ATTEMPT_NAME_MAX];
	size_t max = FRAME_BYTES / n;

	max = max > LOG_BYTES_MAX   ? LOG_BYTES_MAX
	      : max < LOG_BYTES_MIN ? LOG_BYTES_MIN
				    : max;
	attempt_name(job_get(job), name);
	(void)buf_printf(args, "%s%s:%lld:%lld:%zu", args->len ? " " : "", name,
			 (long long)log_next_offset(e, job, STREAM_LOG),
			 (long long)log_next_offset(e, job, STREAM_TRANSFER), max);
	if (job->run->spec->metrics && job->run->spec->metrics[0]) {
		(void)buf_printf(args, ":%lld",
				 (long long)log_next_offset(e, job, STREAM_METRICS));
	}
}

static void poll_host(struct engine *e, struct host *host, int64_t now)
{
	cleanup_buf struct buf args = BUF_INIT;
	struct call_spec spec = { .host = host, .verb = "poll", .handle = handle_poll };
	struct job *polled[ATTEMPTS_MAX], *job;
	size_t due = 0, n = 0;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		due += is_due(host, job, now);
	}
	if (due == 0) {
		return;
	}
	if (host->is_full) {
		host_prepare(e, host); /* no job waits for that, and asks */
	}
	due = due > ATTEMPTS_MAX ? ATTEMPTS_MAX : due;
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (n < due && is_due(host, job, now)) {
			add_attempt(e, job, due, &args);
			polled[n++] = job;
		}
	}
	for (size_t i = 0; i < n; i++) { /* next time it is the others' turn */
		TAILQ_REMOVE(&e->running, polled[i], run_link);
		TAILQ_INSERT_TAIL(&e->running, polled[i], run_link);
	}
	spec.args = buf_text(&args);
	spec.timeout_ms = POLL_TIMEOUT_MS;
	spec.output_max = (size_t)FRAME_BYTES * 4;
	if (!args.error && call_queue(e, &spec)) {
		host->poll_is_out = true;
	}
}

void poll_hosts(struct engine *e)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < e->n_hosts; i++) {
		if (!e->hosts[i].poll_is_out && host_answers(&e->hosts[i])) {
			poll_host(e, &e->hosts[i], now);
		}
	}
}
