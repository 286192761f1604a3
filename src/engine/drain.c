/* Hosts that are to take no new jobs, for maintenance or for good: `drain` and `resume`
 * in the ctl of a host, or of all. What is there goes on; what was not sent there yet
 * goes back to the queue. It is on disk: a daemon that comes back knows it, and a host
 * that comes back into the configuration is as it was left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "util/log.h"

int drain_load(struct engine *e, struct err *err)
{
	for (size_t i = 0; i < e->n_hosts; i++) {
		struct host *host = &e->hosts[i];
		int r = store_is_drained(e->store, host->conf->name);

		if (r < 0) {
			return err_set(err, r, "cannot read which hosts are drained");
		}
		host->is_drained = host->was_drained = r > 0;
	}
	return 0;
}

void drain_keep(struct engine *e, bool is_committed)
{
	for (size_t i = 0; i < e->n_hosts; i++) {
		struct host *host = &e->hosts[i];

		if (is_committed) {
			host->was_drained = host->is_drained;
		} else {
			host->is_drained = host->was_drained;
		}
	}
}

bool drain_leave(struct engine *e, struct job *job)
{
	const struct job_record *r = job_get(job);
	char why[ERR_TEXT_MAX];

	if (r->state != JOB_PREPARING || r->attempt.n > 0 || r->cancel || !job->host ||
	    !job->host->is_drained) {
		return false;
	}
	(void)snprintf(why, sizeof(why),
		       "host %s was drained before the job was sent there",
		       job->host->conf->name);
	(void)attempt_again(e, job, 0, why); /* else the turn fails */
	return true;
}

/* They look where they are. */
static void wake_jobs(struct engine *e, const struct host *host)
{
	struct job *job;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (job->host == host && job_get(job)->attempt.n == 0 &&
		    !job->run->is_busy) {
			job->run->wake_at = 0;
			job_wake(e, job);
		}
	}
}

static int set_drained(struct engine *e, struct host *host, bool is_drained)
{
	struct err err = ERR_INIT;
	int r;

	if (host->is_drained == is_drained) {
		return 0;
	}
	r = engine_write(e);
	if (r < 0) {
		return r;
	}
	r = store_set_drained(e->store, host->conf->name, is_drained, &err);
	if (r < 0) {
		engine_fail_turn(e, r, &err);
		return r;
	}
	host->is_drained = is_drained;
	log_info("host %s %s", host->conf->name,
		 is_drained ? "takes no new jobs" : "takes jobs again");
	wake_jobs(e, host);
	return 0;
}

int drain_set(struct engine *e, struct host *one, bool is_drained)
{
	int r = 0;

	for (size_t i = 0; i < e->n_hosts && r == 0; i++) {
		struct host *host = &e->hosts[i];

		if (!one || one == host) {
			r = set_drained(e, host, is_drained);
		}
	}
	return r;
}
