/* spec.json taken away again: by rm, by mv over it from another file system, by an
 * editor that makes a backup of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/internal.h"
#include "engine/request.h"
#include "util/clock.h"

/* The text may stay in its table: spec_size says that there is none. */
static int remove_spec(struct engine *e, struct job *job)
{
	struct job_record *r = job_edit(e, job);

	if (!r) {
		return -ENOMEM;
	}
	r->spec_size = -1;
	(void)job_set_text(&r->error, NULL);
	(void)job_set_text(&r->message, "");
	r->reason = REASON_NONE;
	r->changed_ms = clock_wall_ms();
	return 0;
}

static void handle_remove_spec(struct engine *e, struct job_request *request,
			       struct job *job)
{
	int r = job_get(job)->is_accepted ? -EPERM : remove_spec(e, job);

	request_answer(e, &request->request, r, 0);
}

void engine_remove_spec(struct engine *engine, int64_t job, engine_reply_fn *reply,
			void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job };

	job_request_post(engine, handle_remove_spec, &request);
}

/* As durable as any content that nobody has synced. */
static int write_content(struct engine *e, int64_t id, const char *text, size_t len)
{
	cleanup_close int fd = -1;
	char name[32];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%lld", (long long)id);
	fd = openat(store_files_fd(e->store), name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	n = fd < 0 ? -1 : write(fd, text, len);
	if (n < 0) {
		return -errno;
	}
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int rename_spec(struct engine *e, struct job *job, struct job_request *request)
{
	struct err err = ERR_INIT;
	int r = file_add(e, job, &request->row);

	if (r < 0) {
		return r;
	}
	r = write_content(e, request->row.id, request->text, request->len);
	if (r < 0) { /* the content is overwritten by the next one of that id */
		(void)store_delete_file(e->store, request->row.id, &err);
		return r;
	}
	return remove_spec(e, job);
}

static void handle_rename_spec(struct engine *e, struct job_request *request,
			       struct job *job)
{
	int r = job_get(job)->is_accepted ? -EPERM : rename_spec(e, job, request);

	request_answer(e, &request->request, r, 0);
}

void engine_rename_spec(struct engine *engine, const struct store_file *file,
			const char *text, size_t len, engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = file->job,
				       .row = *file,
				       .text = malloc(len + 1),
				       .len = len };

	if (request.text) {
		memcpy(request.text, text, len);
		request.text[len] = '\0';
	}
	request.text_missing = !request.text;
	job_request_post(engine, handle_rename_spec, &request);
}
