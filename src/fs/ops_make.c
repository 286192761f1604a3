/* Making what does not exist yet: what may be made where. */
#include "fs/make.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/ops.h"
#include "fs/request.h"
#include "fs/spec_file.h"
#include "fs/touch.h"
#include "fs/userfile.h"

/* Rows of the table that do not exist now are nobody's to make, save spec.json. */
static int check_in_job(const struct object *dir, const char *name, bool is_dir)
{
	const struct node *node = node_find(NODE_JOB, name);

	if (is_dir || (node && node->content != CONTENT_SPEC)) {
		return -EPERM;
	}
	return node_is_writable(dir->record, false) ? 0 : -EPERM;
}

static int check_place(const struct object *dir, const char *name, bool is_dir)
{
	switch (dir->node->more) {
	case MORE_JOBS:
		if (!is_dir) {
			return -EPERM;
		}
		return spec_job_name_problem(name) ? -EINVAL : 0;
	case MORE_FILES:
		if (dir->node->id == NODE_JOB) {
			return check_in_job(dir, name, is_dir);
		}
		return node_is_writable(dir->record, true) ? 0 : -EPERM;
	case MORE_HOSTS:
	case MORE_ATTEMPTS:
	case MORE_LINKS:
	case MORE_NONE:
		break;
	}
	return -EPERM;
}

/* May the caller make `name` in dir? 0; -EPERM, -EACCES, -ENAMETOOLONG, -EINVAL (name
 * of a job), -EEXIST. */
int make_check(fuse_req_t req, const struct object *dir, const char *name, bool is_dir)
{
	cleanup_object struct object there = OBJECT_INIT;
	int r = object_check(dir, req, X_OK);

	r = r < 0 ? r : object_find(dir, name, &there);
	if (r == 0) {
		return -EEXIST;
	}
	if (r != -ENOENT) {
		return r;
	}
	r = check_place(dir, name, is_dir);
	return r < 0 ? r : object_check(dir, req, W_OK);
}

int make_file(const struct object *dir, const char *name, mode_t mode, struct ask *ask)
{
	const struct fuse_ctx *ctx;
	struct store_file file = { .job = dir->record->id,
				   .parent = object_as_parent(dir),
				   .is_dir = S_ISDIR(mode),
				   .mode = mode & 0777 };
	int r;

	if (!ask) {
		return -ENOMEM;
	}
	r = userfile_charge(dir->fs, dir->record->id, USAGE_FILE_BYTES);
	if (r < 0) {
		(void)ask_free(ask);
		return r;
	}
	ask->job = dir->record->id;
	ask->charged = USAGE_FILE_BYTES;
	ctx = fuse_req_ctx(ask->req);
	file.uid = ctx->uid;
	file.gid = ctx->gid;
	(void)snprintf(file.name, sizeof(file.name), "%s", name);
	engine_make_file(dir->fs->engine, &file, ask_answered, ask);
	return 0;
}

static void reply_made_job(struct ask *ask, int result, int64_t id)
{
	if (result == 0) {
		ask->ino = ino_job(id, NODE_JOB);
		makers_add(&ask->fs->makers, id, ask->process);
	}
	ask_reply_entry(ask, result, id);
}

static void reply_made_file(struct ask *ask, int result, int64_t id)
{
	if (result == 0) {
		ask->ino = ino_file(id);
	}
	ask_reply_entry(ask, result, id);
}

/* What others may do with a job is given by chmod(1), not by a usual umask. */
enum { JOB_MODE_MASK = 0770 };

static int make_job(fuse_req_t req, const struct object *root, const char *name,
		    mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct engine_owner owner = { .uid = ctx->uid,
				      .gid = ctx->gid,
				      .mode = mode & JOB_MODE_MASK };
	struct ask *ask = ask_new(root->fs, req, reply_made_job);

	if (!ask) {
		return -ENOMEM;
	}
	ask->process = makers_process(ctx->pid);
	engine_make_job(root->fs->engine, name, &owner, ask_answered, ask);
	return 0;
}

/* files/, by whoever was told that it is not there. */
static int make_files(fuse_req_t req, const struct object *job)
{
	cleanup_object struct object o = object_of_row(job, node_get(NODE_FILES));

	struct makers *makers = &job->fs->makers;
	int64_t id = job->record->id;

	if (!makers_expects(makers, id, fuse_req_ctx(req)->pid) &&
	    !(request_is_resent() &&
	      makers_was_made_by(makers, id, request_number()))) {
		return -EEXIST;
	}
	makers_note_made(makers, id, request_number());
	return reply_entry(req, &o);
}

/* What a daemon that is dead has made, as its reply would have been. 1: nothing. An
 * empty spec.json is made though it is no spec. */
static int reply_made(fuse_req_t req, const struct object *dir, const char *name)
{
	bool is_spec = node_find(dir->node->id, name) == node_get(NODE_SPEC);
	cleanup_object struct object o = OBJECT_INIT;
	struct store_answer done;
	uint64_t ino;
	int r;

	if (!request_was_done(dir->fs, &done)) {
		return 1;
	}
	if (done.result < 0 && !(is_spec && done.result == -EINVAL)) {
		return done.result;
	}
	ino = done.id > 0 ? ino_file(done.id)
			  : object_row_ino(dir, node_get(NODE_SPEC));
	if (dir->node->more == MORE_JOBS) {
		ino = ino_job(done.id, NODE_JOB);
		makers_add(&dir->fs->makers, done.id,
			   makers_process(fuse_req_ctx(req)->pid));
	}
	r = object_get(dir->fs, ino, &o);
	return r < 0 ? r : reply_entry(req, &o);
}

static int do_mkdir(fuse_req_t req, uint64_t parent, const char *name, mode_t mode)
{
	cleanup_object struct object dir = OBJECT_INIT;
	int r = object_get(fs_of(req), parent, &dir);

	r = r < 0 ? r : reply_made(req, &dir, name);
	if (r <= 0) {
		return r;
	}
	r = make_check(req, &dir, name, true);
	if (r == -EEXIST && node_find(dir.node->id, name) == node_get(NODE_FILES)) {
		return make_files(req, &dir);
	}
	if (r < 0) {
		return r;
	}
	if (dir.node->more == MORE_JOBS) {
		return make_job(req, &dir, name, mode);
	}
	return make_file(&dir, name, mode | S_IFDIR,
			 ask_new(dir.fs, req, reply_made_file));
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct act act;
	int r = touch_is_own(req, &act) ? touch_create(req, &act, parent, name)
					: do_mkdir(req, parent, name, mode);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

/* What cannot be made here. Who may not even look there is told that: the kernel walks
 * over names that it knows without asking. ino: of what is to be linked, 0. */
static int refuse(fuse_req_t req, uint64_t parent, uint64_t ino)
{
	cleanup_object struct object dir = OBJECT_INIT;
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs_of(req), parent, &dir);

	r = r < 0 ? r : object_check(&dir, req, X_OK);
	if (r == 0 && ino) {
		r = object_get(fs_of(req), ino, &o);
		r = r < 0 ? r : object_check(&o, req, 0);
	}
	return r < 0 ? r : -EPERM;
}

/* mknod(2) of a plain file; other kinds there are none. */
static int do_mknod(fuse_req_t req, uint64_t parent, const char *name, mode_t mode)
{
	cleanup_object struct object dir = OBJECT_INIT;
	cleanup_object struct object spec = OBJECT_INIT;
	int r = S_ISREG(mode) ? object_get(fs_of(req), parent, &dir)
			      : refuse(req, parent, 0);

	r = r < 0 ? r : reply_made(req, &dir, name);
	if (r <= 0) {
		return r;
	}
	r = make_check(req, &dir, name, false);
	if (r < 0) {
		return r;
	}
	if (dir.node->id == NODE_JOB && node_find(NODE_JOB, name)) {
		spec = object_of_row(&dir, node_get(NODE_SPEC));
		return spec_make(req, &spec);
	}
	return make_file(&dir, name, mode, ask_new(dir.fs, req, reply_made_file));
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t device)
{
	struct act act;
	int r = touch_is_own(req, &act) ? touch_create(req, &act, parent, name)
					: do_mknod(req, parent, name, mode);

	(void)device;
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct act act;
	int r = touch_is_own(req, &act) ? touch_create(req, &act, parent, name)
					: refuse(req, parent, 0);

	(void)target;
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)name;
	(void)fuse_reply_err(req, -refuse(req, parent, ino));
}
