/* `ctl` of the hosts and of the daemon itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/request.h"
#include "util/log.h"

/* --- backup ---------------------------------------------------------------------- */

struct backup { /* a task that is about no job */
	struct task task;
	struct engine *engine;
	struct job_request *request; /* answered when it is done */
	char *dir;
	int result;
	struct err e;
};

static void backup_run(struct task *task, struct s3_client *s3)
{
	struct backup *b = (struct backup *)task;

	(void)s3;
	b->result =
		store_backup(b->engine->store, b->dir, &b->engine->is_stopping, &b->e);
}

static void backup_end(struct backup *b)
{
	free(b->dir);
	free(b);
}

static void backup_done(struct engine *e, struct event *event)
{
	struct backup *b = (struct backup *)event;

	if (b->result < 0) {
		log_error("backup: %s", b->e.text);
	} else {
		log_info("backup: the jobs are in %s too", b->dir);
	}
	request_answer(e, &b->request->request, b->result, 0);
	backup_end(b);
}

/* Of a turn that failed, or of an engine that ends. */
static void backup_drop(struct event *event)
{
	struct backup *b = (struct backup *)event;

	request_answer(b->engine, &b->request->request,
		       b->engine->turn_error < 0 ? b->engine->turn_error : -ESHUTDOWN,
		       0);
	backup_end(b);
}

static bool is_shown(const struct engine *e, const char *path)
{
	return e->listener && e->listener->has_path &&
	       e->listener->has_path(e->listener_arg, path);
}

/* 1: it is answered later, and what is written after it is not read. */
static int verb_backup(struct engine *e, struct job_request *request, const char *word)
{
	struct backup *b;

	if (word[0] != '/' || is_shown(e, word)) {
		return -EINVAL;
	}
	b = calloc(1, sizeof(*b));
	if (!b || !(b->dir = strdup(word))) {
		free(b);
		return -ENOMEM;
	}
	b->task.run = backup_run;
	b->task.event.handle = backup_done;
	b->task.event.drop = backup_drop;
	b->engine = e;
	b->request = request;
	STAILQ_INSERT_TAIL(&e->out.tasks, &b->task, link);
	return 1;
}

/* --- the other verbs ------------------------------------------------------------- */

/* The host whose ctl it is; NULL: all. */
static struct host *host_of(struct engine *e, const struct job_request *request)
{
	return request->host < e->n_hosts ? &e->hosts[request->host] : NULL;
}

static int verb_drain(struct engine *e, struct job_request *request, const char *word)
{
	(void)word;
	return drain_set(e, host_of(e, request), true);
}

static int verb_resume(struct engine *e, struct job_request *request, const char *word)
{
	(void)word;
	return drain_set(e, host_of(e, request), false);
}

static int verb_reload(struct engine *e, struct job_request *request, const char *word)
{
	(void)request;
	(void)word;
	return e->reload ? e->reload(e->reload_arg) : -EOPNOTSUPP;
}

/* Once the transaction of this turn is over. */
static int verb_gc(struct engine *e, struct job_request *request, const char *word)
{
	(void)word;
	e->collector = &request->request;
	return 0;
}

void engine_collect(struct engine *e)
{
	struct request *asker = steal_ptr(&e->collector);
	struct store_freed freed;
	struct err err = ERR_INIT;
	int r;

	if (!asker || e->turn_error < 0) {
		return;
	}
	r = store_collect(e->store, &freed, &err);
	if (r < 0) {
		log_error("gc: %s", err.text);
		asker->result = r; /* the turn itself is on disk */
		return;
	}
	log_info("gc: %lld files that no job has were removed, %lld bytes are free",
		 (long long)freed.n_files, (long long)freed.bytes);
}

/* --- the table ------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	bool is_of_hosts; /* of one too */
	bool has_word;
	int (*run)(struct engine *e, struct job_request *request, const char *word);
} verbs[] = {
	{ "drain", true, false, verb_drain },	 { "resume", true, false, verb_resume },
	{ "reload", false, false, verb_reload }, { "gc", false, false, verb_gc },
	{ "backup", false, true, verb_backup },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (streq(verbs[i].name, name)) {
			return &verbs[i];
		}
	}
	return NULL;
}

/* As all verbs: 0, negative errno, or 1: it is answered later. */
static int run_verb(struct engine *e, void *arg, char *line)
{
	struct job_request *request = arg;
	const char *word = control_split(line);
	const struct verb *verb = find_verb(line);

	if (!verb || verb->has_word != (word[0] != '\0') ||
	    (request->host != (size_t)ENGINE_ALL_HOSTS && !verb->is_of_hosts)) {
		return -EINVAL;
	}
	return verb->run(e, request, word);
}

static void handle_control(struct engine *e, struct job_request *request,
			   struct job *none)
{
	bool is_of_all = request->host == (size_t)ENGINE_ALL_HOSTS;
	int r = -ENOENT;

	(void)none;
	/* a ctl may have been opened under another configuration */
	if (is_of_all || request->host < e->n_hosts) {
		r = control_each_line(e, request->text, run_verb, request);
	}
	if (r <= 0) {
		request_answer(e, &request->request, r, 0);
	}
}

void engine_control_host(struct engine *engine, size_t host, const char *text,
			 size_t len, engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .host = host };

	request.text = strndup(text, len);
	request.text_missing = !request.text;
	job_request_post(engine, handle_control, &request);
}

void engine_set_reload(struct engine *e, int (*reload)(void *arg), void *arg)
{
	e->reload = reload;
	e->reload_arg = arg;
}
