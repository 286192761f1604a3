/* After the commit of a turn: what changed is shown to other threads, and the listener
 * hears of it. */
#include "engine/internal.h"

/* --- telling --------------------------------------------------------------------- */

static void tell_job(struct engine *e, const struct job_record *before,
		     const struct job_record *after)
{
	if (e->listener && (before || after)) {
		e->listener->job_changed(e->listener_arg, before, after);
	}
}

static void tell_events(struct engine *e)
{
	if (e->listener && e->daemon_events.len > 0) {
		e->listener->events_grew(e->listener_arg);
	}
}

static void tell_hosts(struct engine *e)
{
	for (size_t i = 0; e->listener && i < e->n_hosts; i++) {
		if (e->hosts[i].view_changed) {
			e->listener->host_changed(e->listener_arg, i);
		}
	}
}

static void count_transition(struct engine *e, const struct job_record *before,
			     const struct job_record *after)
{
	if (before && before->state == after->state) {
		return;
	}
	e->stats.transitions[after->state]++;
	if (after->state == JOB_FAILED) {
		e->stats.failures[after->reason]++;
	}
}

/* --- publishing ------------------------------------------------------------------ */

static void publish_job(struct engine *e, struct job *job)
{
	cleanup_record struct job_record *before =
		job->is_new ? NULL : job_record_ref(job->published);

	if (job->is_removed) {
		job_discard(e, job);
		tell_job(e, before, NULL);
		return;
	}
	table_publish(e, job);
	count_transition(e, before, job->published);
	tell_job(e, before, job->published);
	if (job->run_is_over) {
		job->run_is_over = false;
		run_detach(e, job);
	}
}

void engine_publish_jobs(struct engine *e)
{
	struct job *job;

	while ((job = TAILQ_FIRST(&e->dirty))) {
		TAILQ_REMOVE(&e->dirty, job, dirty_link);
		publish_job(e, job);
	}
	tell_events(e);
	daemon_events_keep(e, true);
}

void engine_publish_rest(struct engine *e)
{
	if (e->queue_changed || e->queue_grew > 0) {
		table_publish_queue(e);
		if (e->listener) {
			e->listener->queue_changed(e->listener_arg);
		}
	}
	table_publish_hosts(e);
	tell_hosts(e);
}
