/* Requests of the file system about jobs. Each is an event; its handler changes working
 * copies and says with request_answer() what the asker hears once that is on disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/internal.h"
#include "engine/request.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/random.h"

void request_answer(struct engine *e, struct request *request, int result, int64_t id)
{
	request->result = result;
	request->id = id;
	STAILQ_INSERT_TAIL(&e->out.answers, request, link);
}

static void job_request_free(struct request *request)
{
	struct job_request *r = (struct job_request *)request;

	free(r->text);
	(void)spec_free(r->spec);
	free(r);
}

void job_request_post(struct engine *e,
		      void (*handle)(struct engine *, struct job_request *,
				     struct job *),
		      const struct job_request *what)
{
	struct job_request *r = malloc(sizeof(*r));
	int error = -ENOMEM;

	if (r) {
		*r = *what;
		r->handle = handle;
		r->request.event.handle = job_request_handle;
		r->request.free = job_request_free;
		error = what->text_missing ? -ENOMEM
					   : engine_post(e, &r->request.event);
		if (error == 0) {
			return;
		}
		free(r);
	}
	free(what->text);
	(void)spec_free(what->spec);
	if (what->request.reply) {
		what->request.reply(what->request.arg, error, 0);
	}
}

void job_request_handle(struct engine *e, struct event *event)
{
	struct job_request *r = (struct job_request *)event;
	struct job *job = r->job ? table_get(e, r->job) : NULL;

	if (r->job && (!job || job->is_removed)) {
		request_answer(e, &r->request, -ENOENT, 0);
		return;
	}
	r->handle(e, r, job);
}

static void handle_ping(struct engine *e, struct job_request *request, struct job *none)
{
	(void)none;
	request_answer(e, &request->request, 0, 0);
}

void engine_ping(struct engine *engine, engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg } };

	job_request_post(engine, handle_ping, &request);
}

/* --- making and removing --------------------------------------------------------- */

/* A name is free when no published job has it and no earlier request of this turn took
 * it. */
static bool name_is_taken(struct engine *e, const char *name)
{
	struct job *job = table_find(e, name);

	if (job && !job->is_removed && streq(job_get(job)->name, name)) {
		return true;
	}
	TAILQ_FOREACH(job, &e->dirty, dirty_link)
	{
		if (!job->is_removed && streq(job->working->name, name)) {
			return true;
		}
	}
	return false;
}

static int fill_record(struct job_record *r, const struct job_request *request)
{
	r->uid = request->owner.uid;
	r->gid = request->owner.gid;
	r->mode = request->owner.mode;
	r->state = JOB_NEW;
	r->created_ms = r->changed_ms = clock_wall_ms();
	for (int i = 0; i < JOB_STREAM_COUNT; i++) {
		r->written_ms[i] = r->created_ms;
	}
	if (job_set_text(&r->name, request->text) < 0 ||
	    job_set_text(&r->message, "") < 0) {
		return -ENOMEM;
	}
	return random_hex(r->key, JOB_KEY_LEN);
}

/* Takes over the record: the job is in the table at once, but only this turn's commit
 * makes its directory answerable. */
static int add_job(struct engine *e, struct job_record *record)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job) {
		return -ENOMEM;
	}
	record->id = ++e->last_job; /* if the turn fails, nobody has it */
	job->published = record;
	job->is_new = true;
	r = table_add(e, job);
	if (r < 0) {
		engine_fail_turn(e, r, NULL);
		free(job);
		return r;
	}
	FAILPOINT("request.made");
	(void)job_record_ref(record); /* the caller's goes, the table's stays */
	(void)job_event(e, job, "created", "%s", "");
	return 0;
}

static void handle_make(struct engine *e, struct job_request *request, struct job *none)
{
	cleanup_record struct job_record *record = NULL;
	int r;

	(void)none;
	if (name_is_taken(e, request->text)) {
		request_answer(e, &request->request, -EEXIST, 0);
		return;
	}
	record = job_record_new();
	r = record ? fill_record(record, request) : -ENOMEM;
	r = r < 0 ? r : owner_check(e, record->uid);
	r = r < 0 ? r : add_job(e, record);
	request_answer(e, &request->request, r, r < 0 ? 0 : record->id);
}

static int check_name(const char *name)
{
	if (strlen(name) > 255) {
		return -ENAMETOOLONG;
	}
	return spec_job_name_problem(name) ? -EINVAL : 0;
}

void engine_make_job(struct engine *engine, const char *name,
		     const struct engine_owner *owner, engine_reply_fn *reply,
		     void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .owner = *owner };
	int r = check_name(name);

	if (r < 0) {
		reply(arg, r, 0);
		return;
	}
	request.request.event.is_light = true;
	request.text = strdup(name);
	request.text_missing = !request.text;
	job_request_post(engine, handle_make, &request);
}

static int count_file(void *arg, const struct store_file *file)
{
	(void)file;
	*(bool *)arg = true;
	return 1;
}

static int may_remove(struct engine *e, const struct job *job)
{
	const struct job_record *r = job_get(job);
	bool has_files = false;

	if (job_state_is_final(r->state)) {
		return 0; /* an ack that is under way finds no job when it returns */
	}
	if (r->state != JOB_NEW) {
		return -EBUSY;
	}
	if (store_list_files(e->store, r->id, FILE_PARENT_FILES, 0, count_file,
			     &has_files) < 0) {
		return -EIO;
	}
	return has_files ? -ENOTEMPTY : 0;
}

static void handle_remove(struct engine *e, struct job_request *request,
			  struct job *job)
{
	struct err err = ERR_INIT;
	int r = may_remove(e, job);

	if (r == 0 && !job_edit(e, job)) {
		r = -ENOMEM;
	}
	r = r < 0 ? r : engine_write(e);
	if (r == 0) {
		leftover_add(e, job);
		r = store_delete_job(e->store, job_get(job)->id, &e->out.dead_files,
				     &err);
		if (r < 0) {
			engine_fail_turn(e, r, &err);
		}
		job->is_removed = r == 0;
	}
	request_answer(e, &request->request, r, 0);
}

void engine_remove_job(struct engine *engine, int64_t job, engine_reply_fn *reply,
		       void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job };

	job_request_post(engine, handle_remove, &request);
}

/* Before the attempt is committed {job} in a destination is the new name. */
static bool follows_name(const struct job *job)
{
	return job->run && !job->run->is_busy && job_get(job)->attempt.n == 0;
}

static void set_destination(struct engine *e, struct job *job)
{
	if (run_set_destination(e, job) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

/* By that name it would write where another job does. */
static int refuse_name(struct engine *e, struct job *job, const struct job *other)
{
	(void)job_event(e, job, "refused",
			"cannot be named so: it would write to the destination of job "
			"%s, which is not finished",
			job_get(other)->name);
	return -EBUSY;
}

static int rename_job(struct engine *e, struct job *job, const char *name)
{
	struct job_record *r = job_edit(e, job);
	char *before = r ? r->name : NULL;
	struct job *other;
	int error;

	if (!r) {
		return -ENOMEM;
	}
	r->name = NULL;
	error = job_set_text(&r->name, name);
	if (error == 0 && follows_name(job)) {
		set_destination(e, job);
		other = destination_find_any(e, job);
		error = other ? refuse_name(e, job, other) : 0;
		job->run->payload = payload_free(job->run->payload);
	}
	if (error < 0) {
		free(r->name);
		r->name = before;
		if (follows_name(job)) {
			set_destination(e, job);
		}
		return error;
	}
	free(before);
	return 0;
}

static void handle_rename(struct engine *e, struct job_request *request,
			  struct job *job)
{
	int error;

	if (streq(job_get(job)->name, request->text)) {
		request_answer(e, &request->request, 0, 0);
		return;
	}
	error = name_is_taken(e, request->text) ? -EEXIST
						: rename_job(e, job, request->text);
	if (error == 0) {
		(void)job_event(e, job, "renamed", "now %s", request->text);
	}
	request_answer(e, &request->request, error, 0);
}

void engine_rename_job(struct engine *engine, int64_t job, const char *name,
		       engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job };
	int r = check_name(name);

	if (r < 0) {
		reply(arg, r, 0);
		return;
	}
	request.text = strdup(name);
	request.text_missing = !request.text;
	job_request_post(engine, handle_rename, &request);
}

static void handle_chown(struct engine *e, struct job_request *request, struct job *job)
{
	struct job_record *r = job_edit(e, job);

	if (r) {
		r->uid = request->owner.uid;
		r->gid = request->owner.gid;
		r->mode = request->owner.mode;
	}
	request_answer(e, &request->request, r ? 0 : -ENOMEM, 0);
}

void engine_chown_job(struct engine *engine, int64_t job,
		      const struct engine_owner *owner, engine_reply_fn *reply,
		      void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job,
				       .owner = *owner };

	job_request_post(engine, handle_chown, &request);
}
