/* Removing. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/access.h"
#include "fs/ask.h"
#include "fs/object.h"
#include "fs/ops.h"
#include "fs/request.h"
#include "fs/touch.h"
#include "fs/userfile.h"

/* rm -r of a job removes its files first, and then the directory, which takes all with
 * it. So while the job as a whole could be removed, removing what is not the user's
 * succeeds and does nothing; and while it could not, nothing in it can be removed, so
 * that rm -r changes nothing at all. */
static bool may_be_removed(const struct job_record *record)
{
	return record->state == JOB_NEW || job_state_is_final(record->state);
}

static int remove_job(fuse_req_t req, const struct object *job)
{
	int r = access_check_owner(req, job->record->uid); /* the root is sticky */
	struct ask *ask;

	if (r < 0) {
		return r;
	}
	ask = ask_new(job->fs, req, ask_reply_freed);
	if (!ask) {
		return -ENOMEM;
	}
	ask->job = job->record->id;
	ask->uid = job->record->uid;
	ask->spec_bytes = object_spec_bytes(job);
	(void)usage_count(&job->fs->usage, ask->job, &ask->bytes);
	engine_remove_job(job->fs->engine, job->record->id, ask_answered, ask);
	return 0;
}

static int remove_spec(fuse_req_t req, const struct object *spec)
{
	struct ask *ask = ask_new(spec->fs, req, ask_reply_freed);

	if (!ask) {
		return -ENOMEM;
	}
	ask->uid = spec->record->uid;
	ask->spec_bytes = object_spec_bytes(spec);
	engine_remove_spec(spec->fs->engine, spec->record->id, ask_answered, ask);
	return 0;
}

static int remove_row(fuse_req_t req, const struct object *o)
{
	int r;

	if (!may_be_removed(o->record)) {
		return -EBUSY;
	}
	if (o->node->content == CONTENT_SPEC && !o->record->is_accepted) {
		return remove_spec(req, o);
	}
	if (o->node->id == NODE_FILES) {
		r = object_has_files(o);
		if (r != 0) {
			return r < 0 ? r : -ENOTEMPTY;
		}
	}
	(void)fuse_reply_err(req, 0);
	return 0;
}

static int remove_file(fuse_req_t req, const struct object *o)
{
	struct stat st = { .st_size = 0 };
	struct ask *ask;

	if (object_is_sealed(o) && !may_be_removed(o->record)) {
		return -EBUSY;
	}
	if (!o->file.is_dir) {
		(void)userfile_stat(o->fs, o->file.id, &st);
	}
	ask = ask_new(o->fs, req, ask_reply_freed);
	if (!ask) {
		return -ENOMEM;
	}
	ask->job = o->record->id;
	ask->uid = o->record->uid;
	ask->bytes = st.st_size + USAGE_FILE_BYTES;
	engine_remove_file(o->fs->engine, o->file.id, o->file.is_dir, ask_answered,
			   ask);
	return 0;
}

static int do_remove(fuse_req_t req, uint64_t parent, const char *name, bool is_rmdir)
{
	cleanup_object struct object dir = OBJECT_INIT;
	cleanup_object struct object o = OBJECT_INIT;
	int r = request_was_done_well(fs_of(req));

	if (r > 0) {
		(void)fuse_reply_err(req, 0);
		return 0;
	}
	r = r < 0 ? r : object_get(fs_of(req), parent, &dir);
	r = r < 0 ? r : object_check(&dir, req, X_OK);
	r = r < 0 ? r : object_find(&dir, name, &o);
	if (r < 0) {
		return r;
	}
	if ((o.node->content == CONTENT_DIR) != is_rmdir) {
		return is_rmdir ? -ENOTDIR : -EISDIR;
	}
	if (!o.record || o.node->content == CONTENT_LINK) {
		return -EPERM;
	}
	if (o.node->id == NODE_JOB) {
		return remove_job(req, &o);
	}
	r = object_check(&dir, req, W_OK);
	if (r < 0) {
		return r;
	}
	return object_is_user(&o) ? remove_file(req, &o) : remove_row(req, &o);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int r = do_remove(req, parent, name, true);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct act act;
	int r = touch_is_own(req, &act) ? touch_delete(req, &act, parent, name)
					: do_remove(req, parent, name, false);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}
