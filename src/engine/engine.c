/* The engine's life: loading, the thread, the mailbox, the end. */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/log.h"

enum { IDLE_MS = 60000 };

/* --- the mailbox ----------------------------------------------------------------- */

int engine_post(struct engine *e, struct event *event)
{
	int r = 0;

	(void)pthread_mutex_lock(&e->mailbox_lock);
	if (e->is_closed) {
		r = -ESHUTDOWN;
	} else {
		STAILQ_INSERT_TAIL(&e->mailbox, event, link);
		(void)pthread_cond_signal(&e->mailbox_filled);
	}
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	return r;
}

/* When something is due without an event. */
static int64_t next_deadline(const struct engine *e)
{
	int64_t at = submit_deadline(e, schedule_deadline(e, clock_ms() + IDLE_MS));
	const struct job *job;

	at = leftovers_deadline(e, at);
	if (!e->is_mended) {
		at = clock_earlier(at, e->mend_at);
	}
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		const struct run *run = job->run;

		at = run_deadline(job, at);
		if (run->wants_poll && job->host && !job->host->poll_is_out &&
		    host_answers(job->host)) {
			at = clock_earlier(at, run->poll_at);
		}
	}
	return at;
}

static struct timespec after_ms(int64_t ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* Adds what was posted, and waits for it so long. false: the engine is to stop. */
static bool take_events(struct engine *e, int64_t wait_ms, struct event_list *events)
{
	struct timespec until = after_ms(wait_ms > 0 ? wait_ms : 0);
	bool go_on;

	(void)pthread_mutex_lock(&e->mailbox_lock);
	while (STAILQ_EMPTY(&e->mailbox) && !e->is_stopping && wait_ms > 0) {
		if (pthread_cond_timedwait(&e->mailbox_filled, &e->mailbox_lock,
					   &until)) {
			break;
		}
	}
	STAILQ_CONCAT(events, &e->mailbox);
	go_on = !e->is_stopping;
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	return go_on;
}

static void *engine_run(void *arg)
{
	struct engine *e = arg;
	struct event_list events = STAILQ_HEAD_INITIALIZER(events);
	int64_t wait_ms = 0;

	while (take_events(e, wait_ms, &events)) {
		engine_turn(e, &events);
		wait_ms = next_deadline(e) - clock_ms();
	}
	engine_turn(e, &events); /* what was asked before the stop is answered */
	return NULL;
}

/* --- loading --------------------------------------------------------------------- */

static int load_job(void *arg, struct job_record *record)
{
	struct engine *e = arg;
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		(void)job_record_unref(record);
		return -ENOMEM;
	}
	job->published = record;
	if (run_is_needed(record)) {
		(void)run_attach_stored(e, job);
	}
	return table_add(e, job);
}

static int load_jobs(struct engine *e, struct err *err)
{
	int64_t size;
	int r = store_load_jobs(e->store, load_job, e, err);

	if (r < 0) {
		return r;
	}
	size = store_stream_size(e->store, 0, STREAM_EVENTS);
	if (size < 0) {
		return err_set(err, (int)size, "cannot read the daemon's events");
	}
	e->daemon_events_size = size;
	e->daemon_event_seq = clock_wall_ms(); /* grows over restarts */
	r = store_last_job(e->store, &e->last_job);
	if (r < 0) {
		return err_set(err, r, "cannot read the last id of a job");
	}
	r = drain_load(e, err);
	if (r < 0) {
		return r;
	}
	r = leftovers_load(e);
	if (r < 0) {
		return err_set(err, r, "cannot read what hosts have still to forget");
	}
	FAILPOINT("engine.loaded");
	schedule_rebuild(e);
	table_publish_queue(e);
	table_publish_hosts(e);
	return 0;
}

/* A job that has a slot but was not committed to a host was not sent anywhere: it
 * queues again. One whose spec cannot be read any more cannot go on. */
void engine_mend_jobs(struct engine *e)
{
	for (size_t i = 0; i < e->n_jobs; i++) {
		struct job *job = e->jobs[i];
		const struct job_record *r = job->published;

		if (job->run && r->state == JOB_PREPARING && r->attempt.n == 0) {
			(void)job_transition(e, job, JOB_QUEUED, REASON_NONE, "%s", "");
		} else if (!job->run &&
			   (r->state == JOB_QUEUED ||
			    (r->state == JOB_PREPARING && r->attempt.n == 0))) {
			(void)job_transition(e, job, JOB_FAILED, REASON_INVALID_SPEC,
					     "%s",
					     "the spec cannot be read with the present "
					     "configuration; see the daemon's log");
		}
		submit_check_files(e, job);
	}
	FAILPOINT("engine.mended");
}

/* --- life ------------------------------------------------------------------------ */

static int init_hosts(struct engine *e, struct err *err)
{
	size_t n = e->conf->n_hosts;

	e->hosts = calloc(n + 1, sizeof(*e->hosts));
	e->host_views = calloc(n + 1, sizeof(*e->host_views));
	e->host_names = calloc(n + 1, sizeof(*e->host_names));
	if (!e->hosts || !e->host_views || !e->host_names) {
		return err_set(err, -ENOMEM, "no memory");
	}
	for (size_t i = 0; i < n; i++) {
		int r = host_init(e, &e->hosts[i], &e->conf->hosts[i], err);

		if (r < 0) {
			return r;
		}
		e->host_names[i] = e->conf->hosts[i].name;
		e->n_hosts++;
	}
	return 0;
}

static void init_outbox(struct outbox *out)
{
	STAILQ_INIT(&out->answers);
	STAILQ_INIT(&out->calls);
	STAILQ_INIT(&out->tasks);
	out->dead_files = (struct buf)BUF_INIT;
}

static void init_lists(struct engine *e)
{
	pthread_condattr_t attr;

	STAILQ_INIT(&e->mailbox);
	TAILQ_INIT(&e->queue);
	TAILQ_INIT(&e->dirty);
	TAILQ_INIT(&e->awake);
	TAILQ_INIT(&e->running);
	TAILQ_INIT(&e->fresh);
	TAILQ_INIT(&e->copied);
	e->queue_due_at = INT64_MAX;
	e->schedule_is_stale = true;
	TAILQ_INIT(&e->leftovers);
	init_outbox(&e->out);
	init_outbox(&e->held);
	(void)pthread_mutex_init(&e->mailbox_lock, NULL);
	(void)pthread_rwlock_init(&e->table_lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&e->mailbox_filled, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int engine_new(const struct conf *conf, struct store *store,
	       const struct engine_ports *ports, struct engine **ret_engine,
	       struct err *err)
{
	static const struct engine_ports real = { &remote_over_ssh, &s3_over_http };
	struct engine *e = calloc(1, sizeof(*e));
	int r;

	if (!e) {
		return err_set(err, -ENOMEM, "no memory");
	}
	e->conf = conf;
	e->store = store;
	e->ports = ports ? *ports : real;
	e->stats.started_ms = clock_wall_ms();
	init_lists(e);
	r = init_hosts(e, err);
	r = r < 0 ? r : load_jobs(e, err);
	if (r < 0) {
		(void)engine_free(e);
		return r;
	}
	*ret_engine = e;
	return 0;
}

void engine_set_listener(struct engine *e, const struct engine_listener *listener,
			 void *arg)
{
	e->listener = listener;
	e->listener_arg = arg;
}

int engine_start(struct engine *e, struct err *err)
{
	int r = workers_start(e, WORKERS_DEFAULT, &e->workers, err);

	if (r < 0) {
		return r;
	}
	r = sync_start(e);
	if (r == 0) {
		r = -pthread_create(&e->thread, NULL, engine_run, e);
	}
	if (r < 0) {
		return err_set(err, r, "cannot start the engine: %s", strerror(-r));
	}
	(void)pthread_setname_np(e->thread, "engine");
	e->is_started = true;
	return 0;
}

int engine_begin(struct engine *e, struct err *err)
{
	return workers_start(e, WORKERS_NONE, &e->workers, err);
}

int64_t engine_step(struct engine *e)
{
	struct event_list events = STAILQ_HEAD_INITIALIZER(events);

	STAILQ_CONCAT(&events, &e->mailbox);
	engine_turn(e, &events);
	return next_deadline(e);
}

bool engine_work(struct engine *e)
{
	return workers_run_one(e->workers);
}

static void drain(struct engine *e)
{
	struct event_list events = STAILQ_HEAD_INITIALIZER(events);

	(void)pthread_mutex_lock(&e->mailbox_lock);
	e->is_closed = true;
	STAILQ_CONCAT(&events, &e->mailbox);
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	e->is_draining = true;
	engine_turn(e, &events);
}

static void join(struct engine *e)
{
	(void)pthread_mutex_lock(&e->mailbox_lock);
	e->is_stopping = true;
	(void)pthread_cond_signal(&e->mailbox_filled);
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	(void)pthread_join(e->thread, NULL);
	e->is_started = false;
}

/* The end is bounded, whatever does not answer: the turn under way waits a quarter of a
 * second at most for the database, then connections and listings are given up side by
 * side, each within two seconds. */
void engine_stop(struct engine *e)
{
	if (!e->workers) {
		return; /* it never began, or was stopped before */
	}
	if (e->is_started) {
		join(e);
	} else {
		(void)engine_step(e);
	}
	sync_stop(e);
	workers_cancel(e->workers);
	for (size_t i = 0; i < e->n_hosts; i++) {
		e->ports.ssh->stop(e->hosts[i].remote);
	}
	for (size_t i = 0; i < e->n_hosts; i++) {
		host_fini(&e->hosts[i]);
	}
	e->workers = workers_stop(e->workers);
	drain(e);
}

void job_discard(struct engine *e, struct job *job)
{
	schedule_dequeue(e, job);
	schedule_release(e, job);
	run_detach(e, job);
	submit_set_copier(e, job, 0);
	if (job->is_awake) {
		TAILQ_REMOVE(&e->awake, job, wake_link);
	}
	table_remove(e, job);
	(void)job_record_unref(job->working);
	(void)job_record_unref(job->published);
	free(job);
}

struct engine *engine_free(struct engine *e)
{
	if (!e) {
		return NULL;
	}
	engine_stop(e);
	while (e->n_jobs > 0) {
		job_discard(e, e->jobs[e->n_jobs - 1]);
	}
	for (size_t i = 0; i < e->n_hosts; i++) {
		host_fini(&e->hosts[i]);
	}
	leftovers_fini(e);
	table_fini(e);
	buf_fini(&e->out.dead_files);
	buf_fini(&e->daemon_events);
	free(e->hosts);
	free(e->host_views);
	free(e->host_names);
	(void)pthread_mutex_destroy(&e->mailbox_lock);
	(void)pthread_cond_destroy(&e->mailbox_filled);
	(void)pthread_rwlock_destroy(&e->table_lock);
	free(e);
	return NULL;
}

const struct engine_stats *engine_get_stats(const struct engine *engine)
{
	return &engine->stats;
}

struct store *engine_store(struct engine *engine)
{
	return engine->store;
}

const struct conf *engine_conf(struct engine *engine)
{
	return engine->conf;
}
