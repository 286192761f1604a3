/* Requests about the users' own files: their rows. Their contents are written by the
 * file system itself, into STATE_DIR/files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/request.h"

/* files/ is read-only once the job was accepted and does not wait for it. */
static bool is_sealed(const struct job *job)
{
	const struct job_record *r = job_get(job);

	return r->is_accepted && !(job->run && job->run->waits_for_files);
}

static int check_parent(struct engine *e, int64_t job, int64_t parent)
{
	struct store_file row;
	int r;

	if (parent < FILE_ID_FIRST) {
		return 0;
	}
	r = store_get_file(e->store, parent, &row);
	if (r < 0) {
		return r;
	}
	return row.job == job && row.is_dir ? 0 : -ENOTDIR;
}

static int make_content(struct engine *e, int64_t id)
{
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "%lld", (long long)id);
	/* a left-over of a turn that was undone may be there: its id was never given
	 * out */
	fd = openat(store_files_fd(e->store), name,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	(void)close(fd);
	return 0;
}

static void note_files(struct engine *e, struct job *job)
{
	struct job_record *r = job_get(job)->has_files ? NULL : job_edit(e, job);

	if (r) {
		r->has_files = true;
	}
}

int file_add(struct engine *e, struct job *job, struct store_file *row)
{
	struct err err = ERR_INIT;
	int r;

	if (is_sealed(job)) {
		return -EPERM;
	}
	r = engine_write(e);
	r = r < 0 ? r : check_parent(e, row->job, row->parent);
	r = r < 0 ? r : store_add_file(e->store, row, &err);
	if (r < 0) {
		if (err.code < 0 && r != -EEXIST) {
			engine_fail_turn(e, r, &err);
		}
		return r;
	}
	r = row->is_dir ? 0 : make_content(e, row->id);
	if (r < 0) {
		(void)store_delete_file(e->store, row->id, &err);
		return r;
	}
	note_files(e, job);
	return 0;
}

static void handle_make(struct engine *e, struct job_request *request, struct job *job)
{
	int r = file_add(e, job, &request->row);

	request_answer(e, &request->request, r, r < 0 ? 0 : request->row.id);
}

void engine_make_file(struct engine *engine, const struct store_file *file,
		      engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = file->job,
				       .row = *file };

	job_request_post(engine, handle_make, &request);
}

static int note_child(void *arg, const struct store_file *file)
{
	(void)file;
	*(bool *)arg = true;
	return 1;
}

static int remove_row(struct engine *e, const struct store_file *row)
{
	struct err err = ERR_INIT;
	bool has_children = false;
	int r;

	if (row->is_dir) {
		if (store_list_files(e->store, row->job, row->id, 0, note_child,
				     &has_children) < 0) {
			return -EIO;
		}
		if (has_children) {
			return -ENOTEMPTY;
		}
	}
	r = store_delete_file(e->store, row->id, &err);
	if (r < 0) {
		engine_fail_turn(e, r, &err);
	} else if (!row->is_dir) {
		(void)buf_add(&e->out.dead_files, &row->id, sizeof(row->id));
	}
	return r;
}

/* The row and its job, in this turn's transaction. */
static int get_row(struct engine *e, int64_t id, struct store_file *ret_row,
		   struct job **ret_job)
{
	int r = engine_write(e);

	r = r < 0 ? r : store_get_file(e->store, id, ret_row);
	if (r < 0) {
		return r;
	}
	*ret_job = table_get(e, ret_row->job);
	return *ret_job ? 0 : -ENOENT;
}

static void handle_remove(struct engine *e, struct job_request *request,
			  struct job *none)
{
	struct store_file row;
	struct job *job;
	int r = get_row(e, request->file, &row, &job);

	(void)none;
	/* also while it still waits for files: rm -r of a job changes nothing of it */
	if (r == 0 && row.parent != FILE_PARENT_JOB && job_get(job)->is_accepted &&
	    !job_state_is_final(job_get(job)->state)) {
		r = -EBUSY;
	}
	if (r == 0 && row.is_dir != request->flag) {
		r = row.is_dir ? -EISDIR : -ENOTDIR;
	}
	r = r < 0 ? r : remove_row(e, &row);
	request_answer(e, &request->request, r, 0);
}

void engine_remove_file(struct engine *engine, int64_t file, bool is_rmdir,
			engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .file = file,
				       .flag = is_rmdir };

	job_request_post(engine, handle_remove, &request);
}

/* Is `row` the directory `id` or one above it? Then it cannot move into it. */
static bool is_above(struct engine *e, const struct store_file *row, int64_t id)
{
	while (id >= FILE_ID_FIRST) {
		struct store_file above;

		if (id == row->id) {
			return true;
		}
		if (store_get_file(e->store, id, &above) < 0) {
			return false;
		}
		id = above.parent;
	}
	return false;
}

static int replace_target(struct engine *e, const struct store_file *row,
			  const struct job_request *request)
{
	struct store_file target;
	int r = store_find_file(e->store, row->job, request->parent, request->text,
				&target);

	if (r == -ENOENT || (r == 0 && target.id == row->id)) {
		return 0;
	}
	if (r < 0) {
		return r;
	}
	if (request->flag) {
		return -EEXIST;
	}
	if (target.is_dir != row->is_dir) {
		return target.is_dir ? -EISDIR : -ENOTDIR;
	}
	return remove_row(e, &target);
}

static int rename_row(struct engine *e, struct store_file *row,
		      const struct job_request *request)
{
	struct err err = ERR_INIT;
	int r = check_parent(e, row->job, request->parent);

	if (r == 0 && row->is_dir && is_above(e, row, request->parent)) {
		r = -EINVAL;
	}
	r = r < 0 ? r : replace_target(e, row, request);
	if (r < 0) {
		return r;
	}
	row->parent = request->parent;
	(void)snprintf(row->name, sizeof(row->name), "%s", request->text);
	r = store_put_file(e->store, row, &err);
	if (r < 0) {
		engine_fail_turn(e, r, &err);
	}
	return r;
}

static void handle_rename(struct engine *e, struct job_request *request,
			  struct job *none)
{
	struct store_file row;
	struct job *job;
	int r = get_row(e, request->file, &row, &job);

	(void)none;
	if (r == 0 && is_sealed(job)) {
		r = -EPERM;
	}
	r = r < 0 ? r : rename_row(e, &row, request);
	if (r == 0) {
		submit_check_files(e, job);
	}
	request_answer(e, &request->request, r, 0);
}

void engine_rename_file(struct engine *engine, int64_t file, int64_t parent,
			const char *name, bool no_replace, engine_reply_fn *reply,
			void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .file = file,
				       .parent = parent,
				       .flag = no_replace };

	request.text = strdup(name);
	request.text_missing = !request.text;
	job_request_post(engine, handle_rename, &request);
}

static void handle_chown(struct engine *e, struct job_request *request,
			 struct job *none)
{
	struct err err = ERR_INIT;
	struct store_file row;
	struct job *job;
	int r = get_row(e, request->file, &row, &job);

	(void)none;
	if (r == 0) {
		row.uid = request->owner.uid;
		row.gid = request->owner.gid;
		row.mode = request->owner.mode;
		r = store_put_file(e->store, &row, &err);
		if (r < 0) {
			engine_fail_turn(e, r, &err);
		}
	}
	request_answer(e, &request->request, r, 0);
}

void engine_chown_file(struct engine *engine, int64_t file,
		       const struct engine_owner *owner, engine_reply_fn *reply,
		       void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .file = file,
				       .owner = *owner };

	job_request_post(engine, handle_chown, &request);
}

static void handle_closed(struct engine *e, struct job_request *request,
			  struct job *job)
{
	submit_check_files(e, job);
	request_answer(e, &request->request, 0, 0);
}

void engine_file_closed(struct engine *engine, int64_t job)
{
	struct job_request request = { .job = job };

	job_request_post(engine, handle_closed, &request);
}
