/* Threads for what may wait: listings of S3 and reading files from the disk. Of those
 * that are idle the one that was busy last goes first: its connection to S3 is still
 * open. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

struct workers;

struct worker {
	struct workers *all;
	pthread_t thread;
	bool has_thread;
	struct s3_client *s3;
	pthread_cond_t woken;
	bool is_idle; /* guarded by workers.lock, as the next */
	SLIST_ENTRY(worker) link;
};

struct workers {
	struct engine *engine;
	const struct s3_ops *s3;
	struct worker each[WORKERS_DEFAULT]; /* the first also without a thread */
	pthread_mutex_t lock;
	struct task_list tasks;		    /* guarded by lock, as the next two */
	SLIST_HEAD(idle_list, worker) idle; /* the last to become so first */
	bool is_stopping;
};

static struct task *pop_task(struct workers *w)
{
	struct task *task = w->is_stopping ? NULL : STAILQ_FIRST(&w->tasks);

	if (task) {
		STAILQ_REMOVE_HEAD(&w->tasks, link);
	}
	return task;
}

static void set_idle(struct worker *worker, bool is_idle)
{
	struct workers *w = worker->all;

	if (is_idle && !worker->is_idle) {
		SLIST_INSERT_HEAD(&w->idle, worker, link);
	} else if (!is_idle && worker->is_idle) {
		SLIST_REMOVE(&w->idle, worker, worker, link);
	}
	worker->is_idle = is_idle;
}

static struct task *next_task(struct worker *worker)
{
	struct workers *w = worker->all;
	struct task *task;

	(void)pthread_mutex_lock(&w->lock);
	while (STAILQ_EMPTY(&w->tasks) && !w->is_stopping) {
		set_idle(worker, true);
		(void)pthread_cond_wait(&worker->woken, &w->lock);
	}
	set_idle(worker, false);
	task = pop_task(w);
	(void)pthread_mutex_unlock(&w->lock);
	return task;
}

static void run_task(struct worker *worker, struct task *task)
{
	task->run(task, worker->s3);
	(void)engine_post(worker->all->engine, &task->event);
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct task *task;

	while ((task = next_task(worker))) {
		run_task(worker, task);
	}
	return NULL;
}

bool workers_run_one(struct workers *w)
{
	struct task *task = pop_task(w);

	if (task) {
		run_task(&w->each[0], task);
	}
	return task != NULL;
}

static int start_worker(struct worker *worker, bool has_thread)
{
	const struct s3_ops *s3 = worker->all->s3;
	int r = s3->open(s3->world, &worker->s3);

	if (r == 0 && has_thread) {
		r = -pthread_create(&worker->thread, NULL, worker_run, worker);
		worker->has_thread = r == 0;
	}
	return r;
}

int workers_start(struct engine *e, int n_threads, struct workers **ret_workers,
		  struct err *err)
{
	struct workers *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w) {
		return err_set(err, -ENOMEM, "no memory");
	}
	w->engine = e;
	w->s3 = e->ports.s3;
	(void)pthread_mutex_init(&w->lock, NULL);
	STAILQ_INIT(&w->tasks);
	SLIST_INIT(&w->idle);
	for (int i = 0; i < WORKERS_DEFAULT; i++) {
		w->each[i].all = w;
		(void)pthread_cond_init(&w->each[i].woken, NULL);
	}
	for (int i = 0; i < WORKERS_DEFAULT && r == 0; i++) {
		if (i == 0 || i < n_threads) {
			r = start_worker(&w->each[i], i < n_threads);
		}
	}
	if (r < 0) {
		(void)workers_stop(w);
		return err_set(err, r, "cannot start a worker: %s", strerror(-r));
	}
	*ret_workers = w;
	return 0;
}

void workers_submit(struct workers *w, struct task *task)
{
	struct worker *worker;

	(void)pthread_mutex_lock(&w->lock);
	STAILQ_INSERT_TAIL(&w->tasks, task, link);
	worker = SLIST_FIRST(&w->idle);
	if (worker) {
		set_idle(worker, false);
		(void)pthread_cond_signal(&worker->woken);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

static void stop_worker(struct worker *worker)
{
	if (worker->has_thread) {
		(void)pthread_join(worker->thread, NULL);
	}
	if (worker->s3) {
		worker->s3 = worker->all->s3->free(worker->s3);
	}
}

void workers_cancel(struct workers *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	for (int i = 0; i < WORKERS_DEFAULT; i++) {
		(void)pthread_cond_signal(&w->each[i].woken);
	}
	(void)pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < WORKERS_DEFAULT; i++) {
		if (w->each[i].s3) {
			w->s3->cancel(w->each[i].s3);
		}
	}
}

struct workers *workers_stop(struct workers *w)
{
	struct task *task;

	if (!w) {
		return NULL;
	}
	workers_cancel(w);
	for (int i = 0; i < WORKERS_DEFAULT; i++) {
		stop_worker(&w->each[i]);
		(void)pthread_cond_destroy(&w->each[i].woken);
	}
	while ((task = STAILQ_FIRST(&w->tasks))) {
		STAILQ_REMOVE_HEAD(&w->tasks, link);
		(void)engine_post(w->engine, &task->event);
	}
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}
