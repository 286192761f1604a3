/* Two threads for what may wait: listings of S3 and reading files from the disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

enum { N_WORKERS = 2 };

struct workers {
	struct engine *engine;
	pthread_t threads[N_WORKERS];
	int n_threads;
	struct s3_client *s3[N_WORKERS];
	int n_s3; /* those taken by a thread */
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct task_list tasks; /* guarded by lock, as the next */
	bool is_stopping;
};

static struct task *next_task(struct workers *w)
{
	struct task *task;

	(void)pthread_mutex_lock(&w->lock);
	while (STAILQ_EMPTY(&w->tasks) && !w->is_stopping) {
		(void)pthread_cond_wait(&w->filled, &w->lock);
	}
	task = w->is_stopping ? NULL : STAILQ_FIRST(&w->tasks);
	if (task) {
		STAILQ_REMOVE_HEAD(&w->tasks, link);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return task;
}

static void *worker_run(void *arg)
{
	struct workers *w = arg;
	struct s3_client *s3;
	struct task *task;

	(void)pthread_mutex_lock(&w->lock);
	s3 = w->s3[w->n_s3++];
	(void)pthread_mutex_unlock(&w->lock);
	while ((task = next_task(w))) {
		task->run(task, s3);
		(void)engine_post(w->engine, &task->event);
	}
	return NULL;
}

int workers_start(struct engine *e, struct workers **ret_workers, struct err *err)
{
	struct workers *w = calloc(1, sizeof(*w));

	if (!w) {
		return err_set(err, -ENOMEM, "no memory");
	}
	w->engine = e;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->filled, NULL);
	STAILQ_INIT(&w->tasks);
	for (int i = 0; i < N_WORKERS; i++) {
		int r = -s3_client_new(&w->s3[i]);

		if (r == 0) {
			r = pthread_create(&w->threads[i], NULL, worker_run, w);
		}
		if (r != 0) {
			(void)workers_stop(w);
			return err_set(err, -r, "cannot start a worker: %s",
				       strerror(r));
		}
		w->n_threads++;
	}
	*ret_workers = w;
	return 0;
}

void workers_submit(struct workers *w, struct task *task)
{
	(void)pthread_mutex_lock(&w->lock);
	STAILQ_INSERT_TAIL(&w->tasks, task, link);
	(void)pthread_cond_signal(&w->filled);
	(void)pthread_mutex_unlock(&w->lock);
}

struct workers *workers_stop(struct workers *w)
{
	struct task *task;

	if (!w) {
		return NULL;
	}
	(void)pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	(void)pthread_cond_broadcast(&w->filled);
	(void)pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < w->n_threads; i++) {
		s3_client_cancel(w->s3[i]);
	}
	for (int i = 0; i < w->n_threads; i++) {
		(void)pthread_join(w->threads[i], NULL);
	}
	for (int i = 0; i < N_WORKERS; i++) {
		(void)s3_client_free(w->s3[i]);
	}
	while ((task = STAILQ_FIRST(&w->tasks))) {
		STAILQ_REMOVE_HEAD(&w->tasks, link);
		(void)engine_post(w->engine, &task->event);
	}
	(void)pthread_cond_destroy(&w->filled);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}
