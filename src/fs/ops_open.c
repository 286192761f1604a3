/* Opening, creating, and the last close. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/cache.h"
#include "fs/make.h"
#include "fs/ops.h"
#include "fs/spec_file.h"
#include "fs/touch.h"
#include "fs/userfile.h"

static int wanted(int flags)
{
	bool writes = flags_write(flags) || (flags & O_TRUNC);

	return (flags_read(flags) ? R_OK : 0) | (writes ? W_OK : 0);
}

/* A handle of what can only be read. What may change goes past the page cache, which
 * knows the size of yesterday; at close there is nothing to say. */
static int open_readable(const struct object *o, enum handle_kind kind,
			 struct fuse_file_info *fi)
{
	struct handle *h = handle_new(kind, o->ino, o->record ? o->record->id : 0);

	if (!h) {
		return -ENOMEM;
	}
	h->stream = o->node->stream;
	if (kind == HANDLE_STREAM && o->record) {
		h->view = object_view(o);
	} else if (kind == HANDLE_STREAM) {
		h->view.end = INT64_MAX;
	}
	h->is_cached = cache_keeps_content(o);
	fi->direct_io = !h->is_cached;
	fi->keep_cache = h->is_cached;
	fi->noflush = 1;
	handle_tell(fi, h);
	return 0;
}

static int open_text(const struct object *o, struct fuse_file_info *fi)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = object_render(o, &text);

	r = r < 0 ? r : open_readable(o, HANDLE_TEXT, fi);
	if (r == 0) {
		handle_of(fi)->text = text;
		text = (struct buf)BUF_INIT;
	}
	return r;
}

static int open_ctl(const struct object *o, struct fuse_file_info *fi)
{
	int r = open_readable(o, HANDLE_CTL, fi);

	fi->noflush = 0;
	return r;
}

/* The kernel may read what it only was asked to write, so the content is opened for
 * both. */
static int open_content(struct fs *fs, const struct store_file *file, bool is_new,
			struct fuse_file_info *fi)
{
	cleanup_handle struct handle *h =
		handle_new(HANDLE_FILE, ino_file(file->id), file->job);
	int r;

	if (!h) {
		return -ENOMEM;
	}
	h->file = *file;
	h->is_in_files = file->parent != FILE_PARENT_JOB;
	h->may_write =
		is_new || (wanted(fi->flags) & W_OK); /* empty is a content too */
	h->fd = userfile_open(fs, file->id, h->may_write ? O_RDWR : O_RDONLY);
	if (h->fd < 0) {
		return h->fd;
	}
	if (fi->flags & O_TRUNC) {
		r = userfile_truncate(fs, h->job, h->fd, 0);
		if (r < 0) {
			return r;
		}
		h->is_written = true;
	}
	handle_tell(fi, steal_ptr(&h));
	return 0;
}

static int open_spec(fuse_req_t req, const struct object *o, struct fuse_file_info *fi)
{
	if (wanted(fi->flags) & W_OK) {
		return spec_open(req, o, false, fi);
	}
	return open_text(o, fi);
}

static int open_by_content(fuse_req_t req, const struct object *o,
			   struct fuse_file_info *fi)
{
	switch (o->node->content) {
	case CONTENT_TEXT:
		return open_text(o, fi);
	case CONTENT_STREAM:
		return open_readable(o, HANDLE_STREAM, fi);
	case CONTENT_WAIT:
		return open_readable(o, HANDLE_WAIT, fi);
	case CONTENT_SPEC:
		return open_spec(req, o, fi);
	case CONTENT_CTL:
		return open_ctl(o, fi);
	case CONTENT_FILE:
		return open_content(o->fs, &o->file, false, fi);
	case CONTENT_LINK: /* the kernel follows it */
	case CONTENT_DIR:
		break;
	}
	return -EISDIR;
}

static int open_object(fuse_req_t req, const struct object *o,
		       struct fuse_file_info *fi)
{
	int mask = wanted(fi->flags);
	int r = object_check(o, req, 0);

	if (r == 0 && (mask & W_OK) &&
	    (object_is_sealed(o) || o->node->content == CONTENT_TEXT ||
	     o->node->content == CONTENT_STREAM || o->node->content == CONTENT_WAIT)) {
		return -EPERM; /* it is nobody's to write, not even root's */
	}
	r = r < 0 ? r : object_check(o, req, mask);
	r = r < 0 ? r : open_by_content(req, o, fi);
	if (r == 0) {
		handle_publish(&o->fs->handles, handle_of(fi));
	}
	return r;
}

static void close_handle(struct fs *fs, struct handle *h)
{
	handle_forget(&fs->handles, h);
	if (h->kind == HANDLE_SPEC) {
		spec_release(fs, h);
	} else if (h->may_write && h->is_in_files &&
		   !handle_is_job_written(&fs->handles, h->job)) {
		/* only then: a job that waits for its files must not go while one of
		 * them is half written */
		engine_file_closed(fs->engine, h->job);
	}
	(void)handle_unref(h);
}

static int do_open(fuse_req_t req, uint64_t ino, struct fuse_file_info *fi)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs_of(req), ino, &o);

	return r < 0 ? r : open_object(req, &o, fi);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct act act;
	int r;

	if (touch_is_own(req, &act)) {
		r = touch_open(req, &act, ino, fi);
		if (r < 0) {
			(void)fuse_reply_err(req, -r);
		}
		return;
	}
	r = do_open(req, ino, fi);
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	} else if (fuse_reply_open(req, fi) < 0) {
		close_handle(fs, handle_of(fi)); /* interrupted: no release will come */
	}
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (handle_of(fi)) { /* not the notifier's */
		close_handle(fs_of(req), handle_of(fi));
	}
	(void)fuse_reply_err(req, 0);
}

/* --- creating -------------------------------------------------------------------- */

/* Of what was opened; closes it when it cannot be told to the kernel. */
static int reply_create(fuse_req_t req, const struct object *o,
			struct fuse_file_info *fi)
{
	struct fuse_entry_param entry;
	int r = entry_fill(o, &entry);

	if (r == 0) {
		known_add(&o->fs->known, o->ino);
	}
	if (r < 0 || fuse_reply_create(req, &entry, fi) < 0) {
		close_handle(o->fs, handle_of(fi));
	}
	return r;
}

static int open_created(struct ask *ask, int64_t id)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(ask->fs, ino_file(id), &o);

	if (r == 0) {
		r = open_content(ask->fs, &o.file, true, &ask->fi);
	}
	if (r < 0) {
		return r;
	}
	handle_publish(&ask->fs->handles, handle_of(&ask->fi));
	return reply_create(ask->req, &o, &ask->fi);
}

static void reply_created(struct ask *ask, int result, int64_t id)
{
	if (result == 0) {
		result = open_created(ask, id);
	}
	if (result < 0) {
		(void)fuse_reply_err(ask->req, ask_errno(result));
	}
}

static int create_spec(fuse_req_t req, const struct object *dir,
		       struct fuse_file_info *fi)
{
	cleanup_object struct object o = object_of_row(dir, node_get(NODE_SPEC));
	int r = spec_open(req, &o, true, fi);

	if (r < 0) {
		return r;
	}
	handle_publish(&o.fs->handles, handle_of(fi));
	return reply_create(req, &o, fi);
}

static int create_file(fuse_req_t req, const struct object *dir, const char *name,
		       mode_t mode, struct fuse_file_info *fi)
{
	struct ask *ask = ask_new(dir->fs, req, reply_created);

	if (ask) {
		ask->fi = *fi;
	}
	return make_file(dir, name, mode, ask);
}

/* It came to be since the kernel looked. */
static int open_instead(fuse_req_t req, const struct object *dir, const char *name,
			struct fuse_file_info *fi)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = fi->flags & O_EXCL ? -EEXIST : object_find(dir, name, &o);

	r = r < 0 ? r : open_object(req, &o, fi);
	return r < 0 ? r : reply_create(req, &o, fi);
}

static int do_create(fuse_req_t req, uint64_t parent, const char *name, mode_t mode,
		     struct fuse_file_info *fi)
{
	cleanup_object struct object dir = OBJECT_INIT;
	int r = object_get(fs_of(req), parent, &dir);

	r = r < 0 ? r : make_check(req, &dir, name, false);
	if (r == -EEXIST) {
		return open_instead(req, &dir, name, fi);
	}
	if (r < 0) {
		return r;
	}
	if (dir.node->id == NODE_JOB && node_find(NODE_JOB, name)) {
		return create_spec(req, &dir, fi);
	}
	return create_file(req, &dir, name, mode, fi);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	int r = do_create(req, parent, name, mode, fi);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}
