/* The jobs of each state, in the order of their ids: a listing of the few that run does
 * not look at the many that have ended, and counting them costs nothing. Guarded by
 * engine.table_lock as the table is, by which it is kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

static size_t position_after(const struct state_index *index, int64_t after)
{
	return table_position(index->jobs, index->n, after);
}

static int grow(struct state_index *index)
{
	size_t capacity = index->capacity ? index->capacity * 2 : 16;
	struct job **jobs;

	if (index->n < index->capacity) {
		return 0;
	}
	jobs = reallocarray(index->jobs, capacity, sizeof(struct job *));
	if (!jobs) {
		return -ENOMEM;
	}
	index->jobs = jobs;
	index->capacity = capacity;
	return 0;
}

int state_index_add(struct engine *e, struct job *job)
{
	struct state_index *index = &e->states[job->published->state];
	int r = grow(index);
	size_t i;

	if (r < 0) {
		return r;
	}
	i = position_after(index, job->published->id);
	memmove(&index->jobs[i + 1], &index->jobs[i],
		(index->n - i) * sizeof(struct job *));
	index->jobs[i] = job;
	index->n++;
	return 0;
}

void state_index_remove(struct engine *e, struct job *job)
{
	struct state_index *index = &e->states[job->published->state];
	size_t i = position_after(index, job->published->id - 1);

	if (i < index->n && index->jobs[i] == job) {
		index->n--;
		memmove(&index->jobs[i], &index->jobs[i + 1],
			(index->n - i) * sizeof(struct job *));
	}
}

void state_index_fini(struct engine *e)
{
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		free(e->states[i].jobs);
	}
}

/* --- for other threads ----------------------------------------------------------- */

size_t engine_count_state(struct engine *engine, enum job_state state)
{
	size_t n;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	n = engine->states[state].n;
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return n;
}

size_t engine_list_state(struct engine *engine, enum job_state state, int64_t after,
			 struct job_record **ret_jobs, size_t max)
{
	const struct state_index *index = &engine->states[state];
	size_t n = 0;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	for (size_t i = position_after(index, after); i < index->n && n < max; i++) {
		if (!index->jobs[i]->is_new) {
			ret_jobs[n++] = job_record_ref(index->jobs[i]->published);
		}
	}
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return n;
}
