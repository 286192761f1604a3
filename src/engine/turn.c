/* One turn: events in, one transaction, records and answers and calls out.
 *
 * What asks for new directories of jobs gets a turn of its own before, a light one. The
 * kernel lets one mkdir(2) at a time into a directory, so each writer waits for those
 * of all others; were each to wait for the disk too, many writers would be no faster
 * than one. As in any file system, a power cut may take a directory that was just
 * made; the death of the daemon may not, nor a power cut once something waited for the
 * disk: the submit, a file in it, fsync(2) of it.
 *
 * What is committed is shown at once; answers, calls and the end of files wait until it
 * is on disk (sync.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/log.h"

enum {
	LOCKED_MS = 2000, /* so long a turn waits for a locked database */
	RETRY_MS = 1000,
};

const struct job_record *job_get(const struct job *job)
{
	return job->working ? job->working : job->published;
}

struct job_record *job_edit(struct engine *e, struct job *job)
{
	if (!job->working) {
		job->working = job_record_copy(job->published);
		if (!job->working) {
			engine_fail_turn(e, -ENOMEM, NULL);
			return NULL;
		}
		TAILQ_INSERT_TAIL(&e->dirty, job, dirty_link);
	}
	return job->working;
}

void job_wake(struct engine *e, struct job *job)
{
	if (!job->is_awake) {
		job->is_awake = true;
		TAILQ_INSERT_TAIL(&e->awake, job, wake_link);
	}
}

void engine_fail_turn(struct engine *e, int error, const struct err *err)
{
	if (e->turn_error == 0) {
		e->turn_error = error;
		e->turn_err = err ? *err : (struct err){ .code = error };
		if (error != -EAGAIN) { /* of which begin() has told */
			log_error("%s", err ? err->text : strerror(-error));
		}
	}
}

/* A program that has the database locked is waited for, but not for long: as long as a
 * mkdir waits, the kernel lets nobody list that directory. Then each turn fails with
 * -EAGAIN until the lock is gone; who asked hears it, and what hosts said they are
 * asked again. */
static int begin(struct engine *e, struct err *err)
{
	int r;

	FAILPOINT("turn.begin");
	while ((r = store_begin(e->store, err)) == -EAGAIN) {
		if (e->locked_at == 0) {
			e->locked_at = clock_ms();
			log_warning("%s; nothing changes until it is free", err->text);
		}
		if (clock_ms() - e->locked_at > LOCKED_MS || e->is_stopping) {
			return r;
		}
	}
	if (e->locked_at > 0 && r == 0) {
		e->locked_at = 0;
		log_warning("the job database is free again");
	}
	return r;
}

int engine_write(struct engine *e)
{
	struct err err = ERR_INIT;
	int r;

	if (e->turn_error < 0) {
		return e->turn_error;
	}
	if (e->in_transaction) {
		return 0;
	}
	r = begin(e, &err);
	if (r < 0) {
		engine_fail_turn(e, r, &err);
		return r;
	}
	e->in_transaction = true;
	return 0;
}

static int put_job(struct engine *e, const struct job *job, struct err *err)
{
	const struct job_record *r = job->working;
	int error = 0;

	if (job->is_new) {
		return store_add_job(e->store, job->working, err);
	}
	if (!streq(job->published->name, r->name)) {
		error = store_rename_job(e->store, r->id, r->name, err);
	}
	return error < 0 ? error : store_put_job(e->store, r, err);
}

static void put_dirty_jobs(struct engine *e)
{
	struct err err = ERR_INIT;
	struct job *job;
	int r;

	TAILQ_FOREACH(job, &e->dirty, dirty_link)
	{
		if (job->is_removed) {
			continue;
		}
		if (engine_write(e) < 0) {
			return;
		}
		r = put_job(e, job, &err);
		if (r < 0) {
			engine_fail_turn(e, r, &err);
			return;
		}
	}
}

static bool get_number(struct engine *e, const struct request *request,
		       struct store_answer *ret)
{
	return request->reply &&
	       e->listener->get_number(e->listener_arg, request->reply, request->arg,
				       &ret->asker, &ret->number);
}

static void add_answers(struct engine *e, const struct request_list *requests,
			struct buf *list)
{
	const struct request *request;

	STAILQ_FOREACH(request, requests, link)
	{
		struct store_answer answer = { .result = request->result,
					       .id = request->id };

		if (get_number(e, request, &answer)) {
			(void)buf_add(list, &answer, sizeof(answer));
		}
	}
}

/* With the turn's changes, what is answered to those who asked for them; and again what
 * another turn has still to answer. */
static void put_answers(struct engine *e)
{
	cleanup_buf struct buf list = BUF_INIT;
	struct err err = ERR_INIT;
	int r;

	if (!e->listener || !e->listener->get_number) {
		return;
	}
	add_answers(e, &e->held.answers, &list);
	add_answers(e, &e->out.answers, &list);
	r = list.error;
	if (r == 0 && list.len > 0) {
		r = store_put_answers(e->store,
				      (const struct store_answer *)(void *)list.data,
				      list.len / sizeof(struct store_answer), &err);
	}
	if (r < 0) {
		engine_fail_turn(e, r, err.code < 0 ? &err : NULL);
	}
}

/* Is something committed? */
static bool commit(struct engine *e)
{
	struct err err = ERR_INIT;
	int r;

	put_dirty_jobs(e);
	if (!e->in_transaction) {
		return false;
	}
	daemon_events_put(e);
	put_answers(e);
	if (e->turn_error == 0) {
		int64_t begun_us = meter_clock_us();

		FAILPOINT("turn.commit");
		r = store_commit(e->store, &err);
		FAILPOINT("turn.committed");
		meter_add(&e->stats.commits, meter_clock_us() - begun_us);
		if (r < 0) {
			engine_fail_turn(e, r, &err);
		}
	}
	if (e->turn_error < 0) {
		store_rollback(e->store);
	}
	e->in_transaction = false;
	return e->turn_error == 0;
}

static void drop_job(struct engine *e, struct job *job)
{
	TAILQ_REMOVE(&e->dirty, job, dirty_link);
	job->working = job_record_unref(job->working);
	job->is_removed = job->run_is_over = false;
	if (job->is_new) {
		job_discard(e, job);
	} else {
		run_renew(e, job);
		run_follow(e, job);
	}
}

static void drop_tasks(struct engine *e)
{
	struct task *task;

	while ((task = STAILQ_FIRST(&e->out.tasks))) {
		struct job *job = table_get(e, task->job);

		STAILQ_REMOVE_HEAD(&e->out.tasks, link);
		if (job && job->run) {
			job->run->is_busy = false;
		}
		task->event.drop(&task->event);
	}
}

/* The commit did not happen: all that this turn thought of is dropped, nothing of it
 * leaves, what was learned in it is forgotten, and the schedule is made again from the
 * records that are on disk. */
static void drop_turn(struct engine *e)
{
	struct call *call;
	struct job *job;

	drop_tasks(e);
	while ((call = call_pop(e))) {
		call_drop(e, call);
	}
	while ((job = TAILQ_FIRST(&e->dirty))) {
		drop_job(e, job);
	}
	daemon_events_keep(e, false);
	buf_truncate(&e->out.dead_files, 0);
	schedule_rebuild(e);
	e->files_are_unsure = true;
	waiting_renew(e);
	e->mend_at = clock_ms() + RETRY_MS;
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		job->run->wake_at = clock_ms() + RETRY_MS;
	}
}

static void unlink_dead_files(struct engine *e)
{
	const int64_t *ids = (const int64_t *)(const void *)e->out.dead_files.data;
	size_t n = e->out.dead_files.len / sizeof(*ids);

	for (size_t i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%lld", (long long)ids[i]);
		if (unlinkat(store_files_fd(e->store), name, 0) < 0 &&
		    errno != ENOENT) {
			log_warning("cannot remove the content of file %s: %s", name,
				    strerror(errno));
		}
	}
	buf_truncate(&e->out.dead_files, 0);
}

static void answer_requests(struct engine *e)
{
	struct request *request;

	while ((request = STAILQ_FIRST(&e->out.answers))) {
		int result = request->result;

		STAILQ_REMOVE_HEAD(&e->out.answers, link);
		/* what was refused is refused; what was done was not done after all */
		if (e->turn_error < 0 && (result == 0 || request->is_refusal_kept)) {
			result = e->turn_error;
		}
		if (request->reply) {
			request->reply(request->arg, result,
				       result < 0 ? 0 : request->id);
		}
		request->free(request);
	}
}

static void send_calls(struct engine *e)
{
	struct call *call;
	struct task *task;

	while ((call = call_pop(e))) {
		call_send(e, call);
	}
	while ((task = STAILQ_FIRST(&e->out.tasks))) {
		STAILQ_REMOVE_HEAD(&e->out.tasks, link);
		workers_submit(e->workers, task);
	}
}

static void wake_due_jobs(struct engine *e)
{
	int64_t now = clock_ms();
	struct job *job;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		struct run *run = job->run;

		if (!run->is_busy && run_deadline(job, INT64_MAX) <= now) {
			run->wake_at = 0;
			job_wake(e, job);
		}
	}
	schedule_wake_due(e);
}

static void advance_jobs(struct engine *e)
{
	struct job *job;

	while ((job = TAILQ_FIRST(&e->awake))) {
		TAILQ_REMOVE(&e->awake, job, wake_link);
		job->is_awake = false;
		if (!job->is_removed) {
			job_advance(e, job);
		}
	}
}

static void decide(struct engine *e)
{
	wake_due_jobs(e);
	submit_check_copiers(e);
	do {
		advance_jobs(e);
		schedule(e);
	} while (!TAILQ_EMPTY(&e->awake) && e->turn_error == 0);
	leftovers_advance(e);
	poll_hosts(e);
	watch_hosts(e);
}

static void handle_events(struct engine *e, struct event_list *events)
{
	struct event *event;

	while ((event = STAILQ_FIRST(events))) {
		STAILQ_REMOVE_HEAD(events, link);
		if (e->is_draining && event->drop) {
			event->drop(event);
		} else {
			event->handle(e, event);
		}
	}
}

static void move(struct outbox *from, struct outbox *to)
{
	STAILQ_CONCAT(&to->answers, &from->answers);
	STAILQ_CONCAT(&to->calls, &from->calls);
	STAILQ_CONCAT(&to->tasks, &from->tasks);
	to->dead_files = from->dead_files;
	from->dead_files = (struct buf)BUF_INIT;
}

/* Light turns may be held meanwhile, which answer for themselves. */
static void wait_for_disk(struct engine *e)
{
	move(&e->out, &e->held);
	engine_sync(e);
	buf_fini(&e->out.dead_files);
	move(&e->held, &e->out);
	e->turn_error = 0; /* a light turn's */
	FAILPOINT("turn.synced");
}

/* Commits, and lets out what was thought of. */
static void end_turn(struct engine *e)
{
	bool is_committed = commit(e);

	engine_collect(e);
	leftovers_keep(e, e->turn_error == 0);
	drain_keep(e, e->turn_error == 0);
	if (e->turn_error < 0) {
		e->stats.failed_turns++;
		drop_turn(e);
	} else {
		engine_publish_jobs(e);
		FAILPOINT("turn.published");
	}
	engine_publish_rest(e);
	if (is_committed && !e->is_light) {
		wait_for_disk(e);
	}
	unlink_dead_files(e);
	answer_requests(e);
	FAILPOINT("turn.answered");
	send_calls(e);
}

static void take_light(struct event_list *events, struct event_list *ret_light)
{
	struct event_list rest = STAILQ_HEAD_INITIALIZER(rest);
	struct event *event;

	while ((event = STAILQ_FIRST(events))) {
		STAILQ_REMOVE_HEAD(events, link);
		if (event->is_light) {
			STAILQ_INSERT_TAIL(ret_light, event, link);
		} else {
			STAILQ_INSERT_TAIL(&rest, event, link);
		}
	}
	STAILQ_CONCAT(events, &rest);
}

bool engine_turn_lightly(struct engine *e, struct event_list *events)
{
	struct event_list light = STAILQ_HEAD_INITIALIZER(light);
	int64_t begun_us = meter_clock_us();

	take_light(events, &light);
	if (STAILQ_EMPTY(&light)) {
		return false;
	}
	e->turn_error = 0;
	e->is_light = true;
	handle_events(e, &light);
	end_turn(e);
	e->is_light = false;
	meter_add(&e->stats.turns, meter_clock_us() - begun_us);
	return true;
}

void engine_turn(struct engine *e, struct event_list *events)
{
	bool has_mended = !e->is_mended && !e->is_draining;
	int64_t begun_us;

	if (engine_turn_lightly(e, events) && STAILQ_EMPTY(events)) {
		return; /* what is due will be in the next turn, at once */
	}
	begun_us = meter_clock_us();
	e->turn_error = 0;
	if (has_mended) {
		engine_mend_jobs(e);
	}
	handle_events(e, events);
	if (!e->is_draining) {
		decide(e);
	}
	end_turn(e);
	e->is_mended |= has_mended && e->turn_error == 0;
	meter_add(&e->stats.turns, meter_clock_us() - begun_us);
}
