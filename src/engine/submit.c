/* spec.json: a document becomes a job, exactly once. The text, the verdict on it and
 * the job's place in the queue are one transaction; the answer to close(2) comes after
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/internal.h"
#include "engine/request.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/process.h"

enum { COPIER_POLL_MS = 10 };

static int host_gpus(const void *arg, const char *name)
{
	const struct conf *conf = arg;
	const struct conf_host *host = conf_find_host(conf, name);

	return host ? host->gpus : 0;
}

void engine_get_spec_context(const struct engine *engine,
			     struct spec_context *ret_context)
{
	const struct conf *conf = engine->conf;
	int max_gpus = 0;

	for (size_t i = 0; i < conf->n_hosts; i++) {
		max_gpus =
			conf->hosts[i].gpus > max_gpus ? conf->hosts[i].gpus : max_gpus;
	}
	*ret_context = (struct spec_context){
		.default_bucket = conf->s3.bucket,
		.host_names = engine->host_names,
		.host_gpus = host_gpus,
		.max_gpus = max_gpus,
		.arg = conf,
	};
}

/* --- waiting for the script ------------------------------------------------------ */

/* Walks files/ along the path of the script. */
static bool script_is_there(struct engine *e, int64_t job, const struct spec *spec)
{
	int64_t parent = FILE_PARENT_FILES;
	cleanup_free char *path = NULL;
	char *save = NULL;
	bool is_file = false;

	if (spec->program != SPEC_SCRIPT) {
		return true;
	}
	path = strdup(spec->script);
	for (char *name = path ? strtok_r(path, "/", &save) : NULL; name;
	     name = strtok_r(NULL, "/", &save)) {
		struct store_file file;

		if (store_find_file(e->store, job, parent, name, &file) < 0) {
			return false;
		}
		parent = file.id;
		is_file = !file.is_dir;
	}
	return is_file;
}

static void show_waiting(struct engine *e, struct job *job)
{
	struct job_record *r;
	char text[ERR_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "waits for files/%s",
		       job->run->spec->script);
	if (streq(job_get(job)->message, text) || !(r = job_edit(e, job))) {
		return;
	}
	r->reason = REASON_WAITING_FOR_FILES;
	(void)job_set_text(&r->message, text);
	(void)job_event(e, job, "waiting", "%s", text);
}

void submit_set_copier(struct engine *e, struct job *job, pid_t process)
{
	if (process && !job->copier) {
		TAILQ_INSERT_TAIL(&e->copied, job, copy_link);
	} else if (!process && job->copier) {
		TAILQ_REMOVE(&e->copied, job, copy_link);
	}
	job->copier = process;
}

/* The copier's reply to close(2) is on its way: it has not ended yet, but mostly will
 * have before anything is shown of it. */
static bool is_being_copied(struct engine *e, struct job *job)
{
	if (job->copier && !process_is_copying(job->copier)) {
		submit_set_copier(e, job, 0);
	}
	return job->copier != 0;
}

static void show_copying(struct engine *e, struct job *job)
{
	struct job_record *r;

	if (job_get(job)->reason == REASON_WAITING_FOR_FILES ||
	    !(r = job_edit(e, job))) {
		return;
	}
	r->reason = REASON_WAITING_FOR_FILES;
	(void)job_set_text(&r->message, "waits until its files are copied");
}

static void check_script(struct engine *e, struct job *job)
{
	struct run *run = job->run;
	bool waited = run->waits_for_files;
	bool is_copied = is_being_copied(e, job);
	struct job_record *r;

	run->waits_for_files =
		is_copied || !script_is_there(e, job_get(job)->id, run->spec);
	if (is_copied) {
		show_copying(e, job);
	} else if (run->waits_for_files) {
		show_waiting(e, job);
	} else if (job_get(job)->reason == REASON_WAITING_FOR_FILES &&
		   (r = job_edit(e, job))) {
		r->reason = REASON_NONE;
		(void)job_set_text(&r->message, "");
	}
	if (waited && !run->waits_for_files) {
		schedule_look_again(e, job);
	}
}

void submit_check_files(struct engine *e, struct job *job)
{
	if (job->run && job_get(job)->state == JOB_QUEUED) {
		check_script(e, job);
	}
}

void submit_check_copiers(struct engine *e)
{
	struct job *next;

	for (struct job *job = TAILQ_FIRST(&e->copied); job; job = next) {
		next = TAILQ_NEXT(job, copy_link);
		submit_check_files(e, job);
	}
	for (struct job *job = e->files_are_unsure ? TAILQ_FIRST(&e->queue) : NULL; job;
	     job = next) {
		next = TAILQ_NEXT(job, queue_link);
		if (job->run && job->run->waits_for_files) {
			submit_check_files(e, job);
		}
	}
	e->files_are_unsure = false;
}

int64_t submit_deadline(const struct engine *e, int64_t at)
{
	const struct job *job;

	TAILQ_FOREACH(job, &e->copied, copy_link)
	{
		if (job->is_queued) {
			return clock_earlier(at, clock_ms() + COPIER_POLL_MS);
		}
	}
	return at;
}

static void handle_copier(struct engine *e, struct job_request *request,
			  struct job *job)
{
	submit_set_copier(e, job, (pid_t)request->parent);
	request_answer(e, &request->request, 0, 0);
}

void engine_note_copier(struct engine *engine, int64_t job, pid_t process)
{
	struct job_request request = { .job = job, .parent = process };

	job_request_post(engine, handle_copier, &request);
}

/* --- the document ---------------------------------------------------------------- */

static int save_text(struct engine *e, struct job *job,
		     const struct job_request *request)
{
	struct job_record *r = job_edit(e, job);
	struct err err = ERR_INIT;
	int error;

	if (!r) {
		return -ENOMEM;
	}
	r->spec_size = (int64_t)request->len;
	error = engine_write(e);
	if (error == 0) {
		error = store_put_spec(e->store, r->id, request->text, request->len,
				       &err);
		if (error < 0) {
			engine_fail_turn(e, error, &err);
		}
	}
	return error;
}

/* The draft and what is wrong with it are kept, so that both can be read and mended. */
static int refuse(struct engine *e, struct job *job, const char *text)
{
	struct job_record *r = job_edit(e, job);

	if (!r || job_set_text(&r->error, text) < 0 ||
	    job_set_text(&r->message,
			 "spec.json was refused; the file error says why") < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return -ENOMEM;
	}
	r->reason = REASON_INVALID_SPEC;
	r->changed_ms = clock_wall_ms();
	(void)job_event(e, job, "refused", "%s", text);
	return -EINVAL;
}

/* What only the engine knows. Appends nothing when the spec is right. */
static void check_places(struct engine *e, struct job *job, struct buf *why)
{
	const struct run *run = job->run;
	struct job *other = destination_find_other(e, job);
	const char *key = "outputs", *uri = run->destination;

	if (!other) {
		other = destination_find_checkpoints(e, job);
		key = "checkpoints";
		uri = run->checkpoints;
	}
	if (other) {
		(void)buf_printf(
			why,
			"spec.json: $.%s: job %s writes to %s too and is not "
			"finished; choose another destination, or use {id} in it",
			key, job_get(other)->name, uri);
	} else if (!urls_may_checkpoint(e, run->spec)) {
		enum spec_engine engine = urls_engine_asked(e, run->spec);

		(void)buf_printf(
			why,
			"spec.json: $.checkpoints: data moves by %s here (s3.engine, "
			"s3.credentials), which checkpoints cannot do yet; expected a "
			"spec without checkpoints, or the engine \"aws\" or "
			"\"presigned\"",
			spec_engine_word(engine));
	} else {
		keys_check(e, job, why);
	}
}

static int accept_spec(struct engine *e, struct job *job, struct spec *spec)
{
	struct job_record *r = job_edit(e, job);
	cleanup_buf struct buf why = BUF_INIT;
	int error;

	if (!r) {
		(void)spec_free(spec);
		return -ENOMEM;
	}
	error = run_attach(e, job, spec);
	if (error == 0) {
		check_places(e, job, &why);
		error = why.error;
	}
	if (error < 0) {
		engine_fail_turn(e, error, NULL);
		return error;
	}
	if (why.len > 0) {
		run_detach(e, job);
		return refuse(e, job, buf_text(&why));
	}
	r->is_accepted = true;
	FAILPOINT("submit.accepted");
	r->priority = job->run->spec->priority;
	if (job->run->spec->is_held) {
		(void)job_transition(e, job, JOB_HELD, REASON_HELD, "%s",
				     "held by its spec; echo release > ctl lets it go");
	} else {
		(void)job_transition(e, job, JOB_QUEUED, REASON_NONE, "%s", "");
		check_script(e, job);
	}
	return 0;
}

static int parse(struct engine *e, struct job_request *request, struct err *err)
{
	struct spec_context context;

	if (request->spec) {
		return 0;
	}
	engine_get_spec_context(e, &context);
	return spec_parse(request->text, request->len, &context, &request->spec, err);
}

static void handle_save(struct engine *e, struct job_request *request, struct job *job)
{
	struct err err = ERR_INIT;
	int r;

	if (job_get(job)->is_accepted) {
		request_answer(e, &request->request, -EPERM, 0);
		return;
	}
	r = save_text(e, job, request);
	if (r == 0 && request->flag) {
		(void)err_set(&err, -EFBIG,
			      "spec.json:1:1: $: found more than %d bytes; expected at "
			      "most as many (a file of files/ may be longer)",
			      SPEC_SIZE_MAX);
		r = refuse(e, job, err.text);
	} else if (r == 0) {
		r = parse(e, request, &err);
		r = r < 0 ? refuse(e, job, err.text)
			  : accept_spec(e, job, steal_ptr(&request->spec));
	}
	request->request.is_refusal_kept = r == -EINVAL;
	if (r == 0 && request->file > 0) {
		r = store_delete_file(e->store, request->file, &err);
		(void)buf_add(&e->out.dead_files, &request->file,
			      sizeof(request->file));
		if (r < 0) {
			engine_fail_turn(e, r, &err);
		}
	}
	request_answer(e, &request->request, r, request->file);
}

/* Adds the text, and takes the spec over. */
static void post_save(struct engine *engine, struct job_request *request,
		      const struct buf *text)
{
	if (text->len > SPEC_SIZE_MAX) {
		(void)spec_free(request->spec);
		if (request->request.reply) {
			request->request.reply(request->request.arg, -EFBIG, 0);
		}
		return;
	}
	request->len = text->len;
	request->text = malloc(text->len + 1);
	if (request->text) {
		memcpy(request->text, buf_text(text), text->len);
		request->text[text->len] = '\0';
	}
	request->text_missing = !request->text;
	job_request_post(engine, handle_save, request);
}

void engine_save_spec(struct engine *engine, int64_t job, const struct buf *text,
		      struct spec *spec, engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job,
				       .spec = spec };

	post_save(engine, &request, text);
}

void engine_refuse_spec(struct engine *engine, int64_t job, const struct buf *text,
			engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job,
				       .flag = true };

	post_save(engine, &request, text);
}

static int read_content(struct engine *e, int64_t file, char **ret_text,
			size_t *ret_len)
{
	cleanup_close int fd = -1;
	cleanup_free char *text = NULL;
	char name[32];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%lld", (long long)file);
	fd = openat(store_files_fd(e->store), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return -errno;
	}
	text = malloc(SPEC_SIZE_MAX + 2);
	if (!text) {
		return -ENOMEM;
	}
	n = read(fd, text, SPEC_SIZE_MAX + 1);
	if (n < 0) {
		return -errno;
	}
	if (n > SPEC_SIZE_MAX) {
		return -EFBIG;
	}
	text[n] = '\0';
	*ret_len = (size_t)n;
	*ret_text = steal_ptr(&text);
	return 0;
}

void engine_save_spec_file(struct engine *engine, int64_t job, int64_t file,
			   engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job,
				       .file = file };
	int r = read_content(engine, file, &request.text, &request.len);

	if (r < 0) {
		reply(arg, r, 0);
		return;
	}
	job_request_post(engine, handle_save, &request);
}
