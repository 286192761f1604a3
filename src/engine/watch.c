/* A call that sleeps on the host until something happens to one of its jobs. What it
 * says is a hint: the jobs of the host are polled at once. Without it they are polled
 * when that is due, so a host that cannot have it is only heard later. */
#include <stdio.h>

#include "engine/internal.h"
#include "util/clock.h"

enum {
	/* The first of a connection is short: where sshd has no room for it beside
	 * others (MaxSessions), that shows. */
	FIRST_S = 2,
	NEXT_S = 60,
	PATIENCE_MS = 30000, /* and this much more until it has to answer */
	SESSIONS_MIN = 4,    /* at once, of which it takes one */
	RETRY_MS = 60000,
	REPLY_MAX = 1 << 20, /* with what a login shell says before */
};

static bool is_on(const struct job *job, const struct host *host)
{
	return job->host == host && job_get(job)->attempt.is_claimed &&
	       !job_state_is_final(job_get(job)->state);
}

static bool has_jobs(const struct engine *e, const struct host *host)
{
	const struct job *job;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (is_on(job, host)) {
			return true;
		}
	}
	return false;
}

void watch_poll_now(struct engine *e, struct host *host)
{
	struct job *job;

	host->poll_again = host->poll_is_out; /* it may have been too early */
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (is_on(job, host)) {
			job->run->poll_at = 0;
		}
	}
}

static void handle_watch(struct engine *e, struct host *host, struct job *none,
			 struct call_reply *reply)
{
	struct frame_item item;

	(void)none;
	host->watch_is_out = false;
	if (!reply_is(reply, "OK")) {
		host->watch_at = clock_ms() + RETRY_MS;
		if (reply->fault == REMOTE_OK && !reply->has_frame) {
			host_doubt(e, host);
		}
		return;
	}
	while (frame_next(&reply->frame, &item)) {
		if (frame_item_is(&item, "news")) {
			watch_poll_now(e, host);
		}
	}
}

static bool has_room(const struct engine *e, const struct host *host)
{
	struct remote_health health;

	e->ports.ssh->get_health(host->remote, &health);
	return health.sessions >= SESSIONS_MIN;
}

static void watch(struct engine *e, struct host *host)
{
	int seconds = host->is_watched ? NEXT_S : FIRST_S;
	char args[16];
	struct call_spec spec = { .host = host,
				  .verb = "watch",
				  .args = args,
				  .timeout_ms = seconds * 1000 + PATIENCE_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_watch };

	(void)snprintf(args, sizeof(args), "%d", seconds);
	if (call_queue(e, &spec)) {
		host->watch_is_out = host->is_watched = true;
	}
}

void watch_hosts(struct engine *e)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < e->n_hosts; i++) {
		struct host *host = &e->hosts[i];

		if (host->state == HOST_READY && !host->watch_is_out &&
		    now >= host->watch_at && has_jobs(e, host) && has_room(e, host)) {
			watch(e, host);
		}
	}
}
