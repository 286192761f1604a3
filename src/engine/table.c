/* The table of published records: what other threads see. The lock is held for pointers
 * only, never over I/O; the engine's thread is the only one that writes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/hash.h"

size_t table_position(struct job *const *jobs, size_t n, int64_t after)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (jobs[middle]->published->id <= after) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static size_t position_after(const struct engine *e, int64_t after)
{
	return table_position(e->jobs, e->n_jobs, after);
}

struct job *table_get(const struct engine *e, int64_t id)
{
	size_t i = position_after(e, id - 1);

	return i < e->n_jobs && e->jobs[i]->published->id == id ? e->jobs[i] : NULL;
}

struct job *table_find(const struct engine *e, const char *name)
{
	struct job *job;

	if (e->n_names == 0) {
		return NULL;
	}
	job = e->names[hash_text(name) & (e->n_names - 1)];
	while (job && !streq(job->published->name, name)) {
		job = job->name_next;
	}
	return job;
}

static void name_add(struct job **names, size_t n, struct job *job)
{
	struct job **bucket = &names[hash_text(job->published->name) & (n - 1)];

	job->name_next = *bucket;
	*bucket = job;
}

static void name_remove(struct engine *e, struct job *job)
{
	size_t i = hash_text(job->published->name) & (e->n_names - 1);
	struct job **p = &e->names[i];

	while (*p && *p != job) {
		p = &(*p)->name_next;
	}
	if (*p) {
		*p = job->name_next;
	}
}

/* Both arrays have room for one more job after it returned 0. */
static int table_grow(struct engine *e)
{
	size_t capacity = e->jobs_capacity ? e->jobs_capacity * 2 : 64;
	struct job **jobs, **names;

	if (e->n_jobs < e->jobs_capacity) {
		return 0;
	}
	names = calloc(capacity, sizeof(struct job *));
	if (!names) {
		return -ENOMEM;
	}
	jobs = realloc(e->jobs, capacity * sizeof(struct job *));
	if (!jobs) {
		free(names);
		return -ENOMEM;
	}
	e->jobs = jobs;
	e->jobs_capacity = capacity;
	for (size_t i = 0; i < e->n_jobs; i++) {
		name_add(names, capacity, jobs[i]);
	}
	free(e->names);
	e->names = names;
	e->n_names = capacity;
	return 0;
}

int table_add(struct engine *e, struct job *job)
{
	int r;

	(void)pthread_rwlock_wrlock(&e->table_lock);
	r = table_grow(e);
	r = r < 0 ? r : state_index_add(e, job);
	if (r == 0 && (r = owner_count(e, job->published)) < 0) {
		state_index_remove(e, job);
	}
	if (r == 0) {
		e->jobs[e->n_jobs++] = job; /* ids only grow */
		name_add(e->names, e->n_names, job);
	}
	(void)pthread_rwlock_unlock(&e->table_lock);
	return r;
}

void table_remove(struct engine *e, struct job *job)
{
	size_t i = position_after(e, job->published->id - 1);

	if (i >= e->n_jobs || e->jobs[i] != job) {
		return;
	}
	(void)pthread_rwlock_wrlock(&e->table_lock);
	name_remove(e, job);
	state_index_remove(e, job);
	owner_discount(e, job->published);
	memmove(&e->jobs[i], &e->jobs[i + 1],
		(e->n_jobs - i - 1) * sizeof(struct job *));
	e->n_jobs--;
	(void)pthread_rwlock_unlock(&e->table_lock);
}

void table_publish(struct engine *e, struct job *job)
{
	struct job_record *old = job->published;
	bool has_new_name = !streq(old->name, job->working->name);
	bool has_new_state = old->state != job->working->state;

	(void)pthread_rwlock_wrlock(&e->table_lock);
	job->is_new = false;
	if (has_new_name) {
		name_remove(e, job);
	}
	if (has_new_state) {
		state_index_remove(e, job);
	}
	job->published = job->working;
	if (has_new_name) {
		name_add(e->names, e->n_names, job);
	}
	if (has_new_state) {
		(void)state_index_add(e, job); /* without memory: one too few */
	}
	(void)pthread_rwlock_unlock(&e->table_lock);
	owner_discount(e, old);
	(void)owner_count(e, job->published); /* without memory: one too few */
	job->working = NULL;
	(void)job_record_unref(old);
}

/* For n ids; under the lock. */
static int reserve_queue(struct engine *e, size_t n)
{
	size_t capacity = e->queue_capacity ? e->queue_capacity : 64;
	int64_t *ids;

	if (n <= e->queue_capacity) {
		return 0;
	}
	while (capacity < n) {
		capacity *= 2;
	}
	ids = reallocarray(e->queue_ids, capacity, sizeof(*ids));
	if (!ids) {
		return -ENOMEM;
	}
	e->queue_ids = ids;
	e->queue_capacity = capacity;
	return 0;
}

static size_t count_queue(const struct engine *e)
{
	const struct job *job;
	size_t n = 0;

	TAILQ_FOREACH(job, &e->queue, queue_link)
	{
		n++;
	}
	return n;
}

void table_publish_queue(struct engine *e)
{
	size_t kept = e->queue_changed ? 0 : e->n_queue_ids;
	size_t n = e->queue_changed ? count_queue(e) : e->n_queue_ids + e->queue_grew;
	const struct job *job = TAILQ_LAST(&e->queue, job_list);

	(void)pthread_rwlock_wrlock(&e->table_lock);
	if (reserve_queue(e, n) == 0) { /* else readers see the old queue until the next
					   change */
		for (size_t i = n; i > kept; i--) {
			e->queue_ids[i - 1] = job_get(job)->id;
			job = TAILQ_PREV(job, job_list, queue_link);
		}
		e->n_queue_ids = n;
		e->queue_changed = false;
		e->queue_grew = 0;
	}
	(void)pthread_rwlock_unlock(&e->table_lock);
}

static const char *host_status(const struct host *host)
{
	if (host->trouble_ms) {
		return "down";
	}
	if (host->is_drained) {
		return host->slots_used > 0 ? "draining" : "drained";
	}
	return host->state == HOST_READY ? "up" : "idle";
}

static struct engine_host make_host_view(const struct host *host)
{
	struct engine_host view = {
		.conf = host->conf,
		.status = host_status(host),
		.is_up = !host->trouble_ms && host->state == HOST_READY,
		.is_drained = host->is_drained,
		.slots_used = host->slots_used,
		.gpus_used = __builtin_popcountll(host->gpus_used),
	};

	(void)snprintf(view.text, sizeof(view.text), "%s",
		       host->trouble_ms ? host->trouble : host->s3_trouble);
	return view;
}

static bool view_is_same(const struct engine_host *a, const struct engine_host *b)
{
	return a->status && streq(a->status, b->status) && a->is_up == b->is_up &&
	       a->is_drained == b->is_drained && streq(a->text, b->text) &&
	       a->slots_used == b->slots_used && a->gpus_used == b->gpus_used;
}

void table_publish_hosts(struct engine *e)
{
	(void)pthread_rwlock_wrlock(&e->table_lock);
	for (size_t i = 0; i < e->n_hosts; i++) {
		struct engine_host view = make_host_view(&e->hosts[i]);

		e->hosts[i].view_changed = !view_is_same(&e->host_views[i], &view);
		e->host_views[i] = view;
	}
	(void)pthread_rwlock_unlock(&e->table_lock);
}

void table_fini(struct engine *e)
{
	free(e->jobs);
	free(e->names);
	free(e->queue_ids);
	free(e->destinations);
	free(e->owners);
	state_index_fini(e);
}

/* --- for other threads ----------------------------------------------------------- */

struct job_record *engine_get_job(struct engine *engine, int64_t id)
{
	struct job_record *record = NULL;
	struct job *job;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	job = table_get(engine, id);
	if (job && !job->is_new) {
		record = job_record_ref(job->published);
	}
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return record;
}

struct job_record *engine_find_job(struct engine *engine, const char *name)
{
	struct job_record *record = NULL;
	struct job *job;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	job = table_find(engine, name);
	if (job && !job->is_new) {
		record = job_record_ref(job->published);
	}
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return record;
}

size_t engine_list_jobs(struct engine *engine, int64_t after,
			struct job_record **ret_jobs, size_t max)
{
	size_t n = 0;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	for (size_t i = position_after(engine, after); i < engine->n_jobs && n < max;
	     i++) {
		if (!engine->jobs[i]->is_new) {
			ret_jobs[n++] = job_record_ref(engine->jobs[i]->published);
		}
	}
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return n;
}

size_t engine_count_jobs(struct engine *engine)
{
	size_t n;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	n = engine->n_jobs;
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return n;
}

size_t engine_count_queue(struct engine *engine)
{
	size_t n;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	n = engine->n_queue_ids;
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return n;
}

size_t engine_queue_position(struct engine *engine, int64_t id)
{
	size_t position = 0;

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	for (size_t i = 0; i < engine->n_queue_ids && position == 0; i++) {
		if (engine->queue_ids[i] == id) {
			position = i + 1;
		}
	}
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return position;
}

static void add_waiting(const struct job_record *r, struct buf *out)
{
	(void)buf_printf(out, "\t%s\t%s\t%s\n", r->name, job_reason_name(r->reason),
			 r->message ? r->message : "");
}

int engine_render_queue(struct engine *engine, struct buf *out)
{
	const struct state_index *held = &engine->states[JOB_HELD];

	(void)pthread_rwlock_rdlock(&engine->table_lock);
	for (size_t i = 0; i < engine->n_queue_ids; i++) {
		const struct job *job = table_get(engine, engine->queue_ids[i]);

		if (job) {
			(void)buf_printf(out, "%zu", i + 1);
			add_waiting(job->published, out);
		}
	}
	for (size_t i = 0; i < held->n; i++) {
		(void)buf_add_char(out, '-');
		add_waiting(held->jobs[i]->published, out);
	}
	(void)pthread_rwlock_unlock(&engine->table_lock);
	return out->error;
}

void engine_get_host(struct engine *engine, size_t index, struct engine_host *ret_host)
{
	struct remote_health health;

	engine->ports.ssh->get_health(engine->hosts[index].remote, &health);
	(void)pthread_rwlock_rdlock(&engine->table_lock);
	*ret_host = engine->host_views[index];
	(void)pthread_rwlock_unlock(&engine->table_lock);
	ret_host->connects = health.connects;
	ret_host->bytes_in = health.bytes_in;
	ret_host->bytes_out = health.bytes_out;
}
