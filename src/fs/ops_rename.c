/* Renaming: of jobs, of the user's files, and onto spec.json, which submits. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/access.h"
#include "fs/ask.h"
#include "fs/object.h"
#include "fs/ops.h"
#include "fs/request.h"
#include "fs/spec_file.h"
#include "fs/userfile.h"

struct renaming {
	fuse_req_t req;
	struct object from_dir, from, to_dir;
	struct object to; /* to.node NULL: there is nothing of that name */
	const char *name; /* the new one */
	bool no_replace;
};

static int rename_job(const struct renaming *r)
{
	struct fs *fs = r->from.fs;
	struct ask *ask;
	int error;

	/* a job in a job there is not, nor is a file a job */
	if (r->from.node->id != NODE_JOB || r->to_dir.node->more != MORE_JOBS) {
		return -EPERM;
	}
	error = access_check_owner(r->req, r->from.record->uid);
	if (error == 0 && spec_job_name_problem(r->name)) {
		error = -EINVAL;
	}
	if (error < 0) {
		return error;
	}
	ask = ask_new(fs, r->req, ask_reply_done);
	if (!ask) {
		return -ENOMEM;
	}
	engine_rename_job(fs->engine, r->from.record->id, r->name, ask_answered, ask);
	return 0;
}

static int rename_file(const struct renaming *r)
{
	struct fs *fs = r->from.fs;
	struct stat replaced = { .st_size = 0 };
	struct ask *ask = ask_new(fs, r->req, ask_reply_freed);

	if (!ask) {
		return -ENOMEM;
	}
	if (r->to.node && r->to.node->content == CONTENT_FILE) {
		(void)userfile_stat(fs, r->to.file.id, &replaced);
	}
	ask->job = r->from.record->id;
	ask->uid = r->from.record->uid;
	ask->bytes = r->to.node ? replaced.st_size + USAGE_FILE_BYTES : 0;
	engine_rename_file(fs->engine, r->from.file.id, object_as_parent(&r->to_dir),
			   r->name, r->no_replace, ask_answered, ask);
	return 0;
}

static bool names_spec(const struct object *dir, const char *name)
{
	return dir->node->id == NODE_JOB &&
	       node_find(NODE_JOB, name) == node_get(NODE_SPEC);
}

static int rename_to_spec(const struct renaming *r)
{
	cleanup_object struct object spec =
		object_of_row(&r->to_dir, node_get(NODE_SPEC));

	if (r->no_replace && r->to.node) {
		return -EEXIST;
	}
	if (r->from.file.is_dir) {
		return -ENOTDIR;
	}
	return spec_replace(r->req, &spec, r->from.file.id);
}

/* Neither side may be sealed; in a job's directory itself there are no directories of
 * the user, and what the daemon makes there cannot be replaced. */
static int check_places(const struct renaming *r)
{
	bool to_job = r->to_dir.node->id == NODE_JOB;

	if (object_is_sealed(&r->from) || object_is_sealed(&r->to_dir)) {
		return -EPERM;
	}
	if (to_job && !node_is_writable(r->to_dir.record, false)) {
		return -EPERM;
	}
	if (to_job && r->from.node->content == CONTENT_DIR) {
		return -EPERM;
	}
	return to_job && node_find(NODE_JOB, r->name) &&
			       !names_spec(&r->to_dir, r->name)
		       ? -EPERM
		       : 0;
}

static int rename_in_job(const struct renaming *r)
{
	int error = check_places(r);

	if (error < 0) {
		return error;
	}
	if (object_is_user(&r->from)) {
		return names_spec(&r->to_dir, r->name) ? rename_to_spec(r)
						       : rename_file(r);
	}
	if (r->from.node->content != CONTENT_SPEC || r->to_dir.node->id != NODE_JOB) {
		return -EPERM;
	}
	return r->to.node ? -EEXIST : spec_rename_away(r->req, &r->from, r->name);
}

/* Who and where, before what. */
static int find_all(struct renaming *r, const char *old_name)
{
	int error = object_check(&r->from_dir, r->req, X_OK);

	error = error < 0 ? error : object_check(&r->to_dir, r->req, X_OK);
	error = error < 0 ? error : object_find(&r->from_dir, old_name, &r->from);
	if (error < 0) {
		return error;
	}
	error = object_find(&r->to_dir, r->name, &r->to);
	return error == -ENOENT ? 0 : error;
}

/* What a daemon that is dead has renamed. 1: nothing. */
static int reply_renamed(const struct renaming *r)
{
	struct fs *fs = fs_of(r->req);
	struct store_answer done;

	if (!request_was_done(fs, &done)) {
		return 1;
	}
	if (done.result < 0) {
		return done.result;
	}
	if (done.id > 0) { /* a file became spec.json */
		object_consumed(fs, done.id);
	}
	(void)fuse_reply_err(r->req, 0);
	return 0;
}

static int decide(struct renaming *r, const char *old_name)
{
	int error = reply_renamed(r);

	if (error <= 0) {
		return error;
	}
	error = find_all(r, old_name);
	if (error < 0) {
		return error;
	}
	if (r->from_dir.node->more == MORE_JOBS || r->to_dir.node->more == MORE_JOBS) {
		return rename_job(r);
	}
	if (!r->from_dir.record || !r->to_dir.record) {
		return -EPERM;
	}
	if (r->from_dir.record->id != r->to_dir.record->id) {
		return -EXDEV; /* mv then copies */
	}
	error = object_check(&r->from_dir, r->req, W_OK);
	error = error < 0 ? error : object_check(&r->to_dir, r->req, W_OK);
	return error < 0 ? error : rename_in_job(r);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct renaming r = { .req = req,
			      .name = new_name,
			      .no_replace = flags & RENAME_NOREPLACE };
	int error = flags & ~(unsigned)RENAME_NOREPLACE ? -EINVAL : 0;

	error = error < 0 ? error : object_get(fs_of(req), parent, &r.from_dir);
	error = error < 0 ? error : object_get(fs_of(req), new_parent, &r.to_dir);
	error = error < 0 ? error : decide(&r, name);
	if (error < 0) {
		(void)fuse_reply_err(req, -error);
	}
	object_fini(&r.from_dir);
	object_fini(&r.from);
	object_fini(&r.to_dir);
	object_fini(&r.to);
}
