/* The queue and the slots of the hosts. The higher priority goes first, and among
 * equals who came first: a job that has to wait for a host keeps later jobs off that
 * host, so that a large job is not starved by a stream of small ones. A host that does
 * not answer, or has no room for a job's inputs, gets no job while another one does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"

enum { S3_AGAIN_MS = 60000 }; /* so often a host is asked that could not move data */

/* Of two that came in the same millisecond neither is: each comes behind the other, so
 * that many who submit at once do not have the queue looked through again. */
static bool is_earlier(const struct job_record *a, const struct job_record *b)
{
	if (a->priority != b->priority) {
		return a->priority > b->priority;
	}
	return a->submitted_ms < b->submitted_ms;
}

void schedule_enqueue(struct engine *e, struct job *job)
{
	struct job *before = TAILQ_LAST(&e->queue, job_list);

	if (job->is_queued) {
		return;
	}
	/* one that comes back (its daemon died before it was sent) gets its old place
	 */
	while (before && is_earlier(job_get(job), job_get(before))) {
		before = TAILQ_PREV(before, job_list, queue_link);
	}
	if (before) {
		TAILQ_INSERT_AFTER(&e->queue, before, job, queue_link);
	} else {
		TAILQ_INSERT_HEAD(&e->queue, job, queue_link);
	}
	job->is_queued = true;
	if (TAILQ_NEXT(job, queue_link)) {
		e->queue_changed = true;
	} else {
		e->queue_grew++;
	}
	schedule_look_again(e, job);
}

/* A long queue is not walked for each job that comes to its end: what those before it
 * wait for is known. Another one may be what they wait for. */
void schedule_look_again(struct engine *e, struct job *job)
{
	struct job *next = TAILQ_NEXT(job, queue_link);

	if (!job->is_queued || job->is_fresh) {
		return;
	}
	while (next && !next->is_fresh && next->run && next->run->waits_for_files) {
		next = TAILQ_NEXT(next, queue_link); /* it keeps nobody off a host */
	}
	if (next && !next->is_fresh) {
		e->schedule_is_stale = true;
		return;
	}
	job->is_fresh = true;
	if (next) {
		TAILQ_INSERT_BEFORE(next, job, fresh_link);
	} else {
		TAILQ_INSERT_TAIL(&e->fresh, job, fresh_link);
	}
}

static void forget_fresh(struct engine *e, struct job *job)
{
	if (job->is_fresh) {
		job->is_fresh = false;
		TAILQ_REMOVE(&e->fresh, job, fresh_link);
	}
}

void schedule_dequeue(struct engine *e, struct job *job)
{
	if (job->is_queued) {
		job->is_queued = false;
		TAILQ_REMOVE(&e->queue, job, queue_link);
		forget_fresh(e, job);
		e->queue_changed = e->schedule_is_stale = true;
	}
}

static uint64_t parse_gpus(const char *text)
{
	uint64_t bits = 0;

	while (text && *text) {
		char *end;
		long index = strtol(text, &end, 10);

		if (end == text || index < 0 || index > 63) {
			break;
		}
		bits |= UINT64_C(1) << index;
		text = *end == ',' ? end + 1 : end;
	}
	return bits;
}

void schedule_take(struct job *job, struct host *host)
{
	job->host = host;
	job->has_slot = true;
	host->slots_used++;
	if (job_get(job)->state != JOB_UPLOADING) {
		job->gpus_held = parse_gpus(job_get(job)->attempt.gpus);
		host->gpus_used |= job->gpus_held;
	}
}

void schedule_release_gpus(struct job *job)
{
	if (job->has_slot) {
		job->host->gpus_used &= ~job->gpus_held;
		job->gpus_held = 0;
	}
}

void schedule_release(struct engine *e, struct job *job)
{
	(void)e;
	if (job->has_slot) {
		schedule_release_gpus(job);
		job->has_slot = false;
		job->host->slots_used--;
	}
}

static int free_gpus(const struct host *host)
{
	return host->conf->gpus - __builtin_popcountll(host->gpus_used);
}

static bool has_room(const struct host *host, const struct spec *spec)
{
	return host->slots_used < host->conf->slots && free_gpus(host) >= spec->gpus;
}

bool schedule_is_candidate(const struct host *host, const struct spec *spec)
{
	if (spec->host && !streq(spec->host, host->conf->name)) {
		return false;
	}
	return host->conf->gpus >= spec->gpus;
}

static bool takes_job(const struct host *host, const struct spec *spec)
{
	return !host->is_drained && schedule_is_candidate(host, spec);
}

/* Ready before untried before in trouble; among equals the one with most free slots. */
static int rank(const struct host *host)
{
	int readiness = host->trouble_ms ? 0 : host->state == HOST_READY ? 2 : 1;

	return readiness * 1000000 + host->conf->slots - host->slots_used;
}

bool schedule_is_in_trouble(const struct host *host, const struct run *run)
{
	return host->trouble_ms || urls_are_hindered(host, run);
}

static bool is_avoided(const struct host *host, const struct run *run)
{
	return schedule_is_in_trouble(host, run) || room_is_short(host, run);
}

bool schedule_has_other(const struct engine *e, const struct job *job)
{
	for (size_t i = 0; i < e->n_hosts; i++) {
		const struct host *host = &e->hosts[i];

		if (host != job->host && !host->is_drained &&
		    schedule_is_candidate(host, job->run->spec) &&
		    !is_avoided(host, job->run)) {
			return true;
		}
	}
	return false;
}

/* NULL: the job has to wait. blocked: bits of hosts that an earlier job waits for. */
static struct host *choose_host(struct engine *e, const struct run *run,
				uint64_t *blocked)
{
	const struct spec *spec = run->spec;
	struct host *best = NULL;
	bool any_answers = false;

	for (size_t i = 0; i < e->n_hosts; i++) {
		if (takes_job(&e->hosts[i], spec) && !is_avoided(&e->hosts[i], run)) {
			any_answers = true;
		}
	}
	for (size_t i = 0; i < e->n_hosts; i++) {
		struct host *host = &e->hosts[i];

		if (!takes_job(host, spec) || (*blocked >> (i % 64) & 1) ||
		    !has_room(host, spec)) {
			continue;
		}
		if (any_answers && is_avoided(host, run)) {
			continue;
		}
		if (!best || rank(host) > rank(best)) {
			best = host;
		}
	}
	if (best) {
		return best;
	}
	for (size_t i = 0; i < e->n_hosts; i++) {
		if (schedule_is_candidate(&e->hosts[i], spec)) {
			*blocked |= UINT64_C(1) << (i % 64);
		}
	}
	return NULL;
}

/* The lowest free indices, as "0,3". */
static int reserve_gpus(const struct host *host, int n, char *ret_text, size_t size)
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (int i = 0; i < host->conf->gpus && i < 64 && n > 0; i++) {
		if (!(host->gpus_used >> i & 1)) {
			used += (size_t)snprintf(ret_text + used, size - used, "%s%d",
						 used ? "," : "", i);
			n--;
		}
	}
	return n == 0 ? 0 : -EBUSY;
}

static void start_job(struct engine *e, struct job *job, struct host *host)
{
	struct job_record *r = job_edit(e, job);
	char gpus[256];

	if (!r || reserve_gpus(host, job->run->spec->gpus, gpus, sizeof(gpus)) < 0) {
		return;
	}
	if (job_set_text(&r->attempt.host, host->conf->name) < 0 ||
	    job_set_text(&r->attempt.gpus, gpus) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	FAILPOINT("job.start");
	schedule_take(job, host);
	(void)job_transition(e, job, JOB_PREPARING, REASON_NONE, "%s", "");
	job_wake(e, job);
}

static bool waits_for_retry(struct engine *e, struct job *job)
{
	struct job_record *r;

	if (job->run->retry_at == 0) {
		return false;
	}
	if (job->run->retry_at > clock_ms()) {
		return true;
	}
	r = job_edit(e, job);
	if (r) {
		r->reason = REASON_NONE; /* from now on it waits like others */
		r->retry_at_ms = job->run->retry_at = 0;
	}
	return false;
}

/* Nobody asks it just now. */
static bool may_ask_cli(const struct host *host)
{
	return host->s3_trouble[0] && host->state == HOST_READY &&
	       (host->cli == CLI_NEW || host->cli == CLI_READY);
}

static int64_t s3_due_at(const struct host *host)
{
	int64_t at = host->s3_failed_at + S3_AGAIN_MS;

	return at > host->cli_wake_at ? at : host->cli_wake_at;
}

/* A host that had trouble once may be back: there is work for it. */
static void ask_hosts(struct engine *e)
{
	for (size_t i = 0; i < e->n_hosts; i++) {
		struct host *host = &e->hosts[i];

		if (host->trouble_ms) {
			host_prepare(e, host);
		} else if (may_ask_cli(host) && s3_due_at(host) <= clock_ms()) {
			host_prepare_cli(e, host);
		}
	}
}

static bool room_is_same(const struct host_room *a, const struct host_room *b)
{
	return a->slots_used == b->slots_used && a->gpus_used == b->gpus_used &&
	       a->state == b->state && a->cli == b->cli &&
	       a->absent_tools == b->absent_tools &&
	       a->is_in_trouble == b->is_in_trouble && a->is_drained == b->is_drained &&
	       a->has_s3_trouble == b->has_s3_trouble && a->has_curl == b->has_curl;
}

/* Since the last call. */
static bool rooms_changed(struct engine *e)
{
	bool changed = false;

	for (size_t i = 0; i < e->n_hosts; i++) {
		struct host *host = &e->hosts[i];
		struct host_room room = { .slots_used = host->slots_used,
					  .gpus_used = host->gpus_used,
					  .state = host->state,
					  .cli = host->cli,
					  .absent_tools = host_absent_tools(host),
					  .is_in_trouble = host->trouble_ms != 0,
					  .is_drained = host->is_drained,
					  .has_s3_trouble = host->s3_trouble[0] != 0,
					  .has_curl = host->has_curl };

		changed |= !room_is_same(&host->room, &room);
		host->room = room;
	}
	return changed;
}

/* INT64_MAX: never. */
static int64_t due_at(const struct job *job)
{
	int64_t at = run_deadline(job, INT64_MAX);

	return job->run->retry_at > 0 ? clock_earlier(at, job->run->retry_at) : at;
}

static void look_at(struct engine *e, struct job *job)
{
	uint64_t all = e->n_hosts < 64 ? (UINT64_C(1) << e->n_hosts) - 1 : UINT64_MAX;
	struct host *host = NULL;
	bool waits;

	forget_fresh(e, job);
	if (!job->run) {
		return;
	}
	waits = waits_for_retry(e, job) || job->run->waits_for_files;
	e->queue_due_at = clock_earlier(e->queue_due_at, due_at(job));
	if (waits) {
		return;
	}
	if (e->blocked != all) {
		host = choose_host(e, job->run, &e->blocked);
	}
	if (host) {
		start_job(e, job, host);
	} else {
		waiting_show(e, job);
	}
}

void schedule(struct engine *e)
{
	struct job *next;

	if (TAILQ_EMPTY(&e->queue)) {
		return;
	}
	ask_hosts(e);
	waiting_look(e);
	if (rooms_changed(e) || e->schedule_is_stale || clock_ms() >= e->queue_due_at) {
		e->blocked = 0;
		e->queue_due_at = INT64_MAX;
		for (struct job *job = TAILQ_FIRST(&e->queue); job; job = next) {
			next = TAILQ_NEXT(job, queue_link);
			look_at(e, job);
		}
		e->schedule_is_stale = false; /* who got a slot went without an effect
						 on the others */
	}
	for (struct job *job = TAILQ_FIRST(&e->fresh); job; job = next) {
		next = TAILQ_NEXT(job, fresh_link);
		look_at(e, job);
	}
	waiting_tell(e);
}

void schedule_wake_due(struct engine *e)
{
	int64_t now = clock_ms();
	struct job *job;

	if (now < e->queue_due_at) {
		return;
	}
	TAILQ_FOREACH(job, &e->queue, queue_link)
	{
		if (job->run && !job->run->is_busy &&
		    run_deadline(job, INT64_MAX) <= now) {
			job->run->wake_at = 0;
			job_wake(e, job);
		}
	}
}

int64_t schedule_deadline(const struct engine *e, int64_t at)
{
	for (size_t i = 0; i < e->n_hosts && !TAILQ_EMPTY(&e->queue); i++) {
		const struct host *host = &e->hosts[i];

		if (host->trouble_ms && host->state == HOST_NEW && host->wake_at < at) {
			at = host->wake_at;
		}
		if (may_ask_cli(host) && s3_due_at(host) < at) {
			at = s3_due_at(host);
		}
	}
	if (TAILQ_EMPTY(&e->queue)) {
		return at;
	}
	return waiting_deadline(e, clock_earlier(at, e->queue_due_at));
}

static int compare_submitted(const void *a, const void *b)
{
	const struct job_record *x = (*(struct job *const *)a)->published;
	const struct job_record *y = (*(struct job *const *)b)->published;

	if (is_earlier(x, y)) {
		return -1;
	}
	return is_earlier(y, x) ? 1 : (x->id > y->id) - (x->id < y->id);
}

static void rebuild_job(struct engine *e, struct job *job)
{
	const struct job_record *r = job->published;
	struct host *host = host_find(e, r->attempt.host);

	job->host = host;
	job->has_slot = false;
	if (r->state == JOB_QUEUED) {
		schedule_enqueue(e, job);
	} else if (job_state_is_active(r->state) && host) {
		schedule_take(job, host);
	}
	if (job->run) {
		job_wake(e, job);
	}
}

void schedule_rebuild(struct engine *e)
{
	cleanup_free struct job **order = calloc(e->n_jobs + 1, sizeof(struct job *));
	struct job *job;

	if (!order) {
		return; /* the old schedule stands */
	}
	while ((job = TAILQ_FIRST(&e->queue))) {
		schedule_dequeue(e, job);
	}
	for (size_t i = 0; i < e->n_hosts; i++) {
		e->hosts[i].slots_used = 0;
		e->hosts[i].gpus_used = 0;
	}
	if (e->n_jobs > 0) {
		memcpy(order, e->jobs, e->n_jobs * sizeof(struct job *));
		qsort(order, e->n_jobs, sizeof(struct job *), compare_submitted);
	}
	for (size_t i = 0; i < e->n_jobs; i++) {
		rebuild_job(e, order[i]);
	}
}
