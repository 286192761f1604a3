/* Opening, creating, and the last close. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/cache.h"
#include "fs/make.h"
#include "fs/ops.h"
#include "fs/request.h"
#include "fs/spec_file.h"
#include "fs/touch.h"
#include "fs/userfile.h"

static int wanted(int flags)
{
	bool writes = flags_write(flags) || (flags & O_TRUNC);

	return (flags_read(flags) ? R_OK : 0) | (writes ? W_OK : 0);
}

/* A handle of what can only be read, or of ctl. */
static int open_readable(const struct object *o, enum handle_kind kind,
			 struct handle **ret)
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
	*ret = h;
	return 0;
}

static int open_text(const struct object *o, struct handle **ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = object_render(o, &text);

	r = r < 0 ? r : open_readable(o, HANDLE_TEXT, ret);
	if (r == 0) {
		handle_set_text(*ret, &text);
	}
	return r;
}

/* The kernel may read what it only was asked to write, so the content is opened for
 * both. */
static int open_content(struct fs *fs, const struct store_file *file, bool is_new,
			const struct fuse_file_info *fi, struct handle **ret)
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
	h->fd = userfile_open_for_program(fs, file->id,
					  h->may_write ? O_RDWR : O_RDONLY);
	if (h->fd < 0) {
		return h->fd;
	}
	if (fi->flags & O_TRUNC) {
		r = userfile_truncate(fs, h->job, h->fd, 0);
		if (r < 0) {
			return r;
		}
	}
	/* to be synced when it is closed, if nothing is ever written to it, too */
	h->is_written = is_new || (fi->flags & O_TRUNC);
	*ret = steal_ptr(&h);
	return 0;
}

static int open_spec(fuse_req_t req, const struct object *o,
		     const struct fuse_file_info *fi, struct handle **ret)
{
	if (wanted(fi->flags) & W_OK) {
		return spec_open(req, o, false, fi->flags, ret);
	}
	return open_text(o, ret);
}

static int open_by_content(fuse_req_t req, const struct object *o,
			   const struct fuse_file_info *fi, struct handle **ret)
{
	switch (o->node->content) {
	case CONTENT_TEXT:
		return open_text(o, ret);
	case CONTENT_STREAM:
		return open_readable(o, HANDLE_STREAM, ret);
	case CONTENT_WAIT:
		return open_readable(o, HANDLE_WAIT, ret);
	case CONTENT_SPEC:
		return open_spec(req, o, fi, ret);
	case CONTENT_CTL:
		return open_readable(o, HANDLE_CTL, ret);
	case CONTENT_FILE:
		return open_content(o->fs, &o->file, false, fi, ret);
	case CONTENT_LINK: /* the kernel follows it */
	case CONTENT_DIR:
		break;
	}
	return -EISDIR;
}

static void close_handle(struct fs *fs, struct handle *h)
{
	if (h->fh) {
		handle_forget(&fs->handles, h);
	}
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

/* What the kernel is told of an open file. What may change goes past the page cache,
 * which knows the size of yesterday; at the close of what can only be read there is
 * nothing to say. */
static void fill_info(const struct handle *h, struct fuse_file_info *fi)
{
	fi->fh = h->fh;
	fi->direct_io = h->kind != HANDLE_FILE && !h->is_cached;
	fi->keep_cache = h->is_cached;
	fi->noflush = h->kind == HANDLE_TEXT || h->kind == HANDLE_STREAM ||
		      h->kind == HANDLE_WAIT;
}

/* The table has it then, or it is closed. request: the number of the one that opens. */
static int publish(struct fs *fs, struct handle *h, uint64_t request,
		   struct fuse_file_info *fi)
{
	int r = handle_publish(&fs->handles, h, request);

	if (r < 0) {
		close_handle(fs, h);
	} else {
		fill_info(h, fi);
	}
	return r;
}

static int open_object(fuse_req_t req, const struct object *o,
		       struct fuse_file_info *fi, struct handle **ret)
{
	int mask = wanted(fi->flags);
	int r = object_check(o, req, 0);

	if (r == 0 && (mask & W_OK) &&
	    (object_is_sealed(o) || o->node->content == CONTENT_TEXT ||
	     o->node->content == CONTENT_STREAM || o->node->content == CONTENT_WAIT)) {
		return -EPERM; /* it is nobody's to write, not even root's */
	}
	r = r < 0 ? r : object_check(o, req, mask);
	r = r < 0 ? r : open_by_content(req, o, fi, ret);
	return r < 0 ? r : publish(o->fs, *ret, request_number(), fi);
}

/* The one that a daemon which is dead opened for the same request, without having
 * answered it for sure. */
static struct handle *find_opened(struct fs *fs, struct fuse_file_info *fi)
{
	struct handle *h = NULL;

	if (request_is_resent()) {
		h = handle_find_request(&fs->handles, request_number());
	}
	if (h) {
		fill_info(h, fi);
	}
	return h;
}

static int do_open(fuse_req_t req, uint64_t ino, struct fuse_file_info *fi,
		   struct handle **ret)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r;

	*ret = find_opened(fs_of(req), fi);
	if (*ret) {
		return 0;
	}
	r = object_get(fs_of(req), ino, &o);
	return r < 0 ? r : open_object(req, &o, fi, ret);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h;
	struct act act;
	int r;

	if (touch_is_own(req, &act)) {
		r = touch_open(req, &act, ino, fi);
		if (r < 0) {
			(void)fuse_reply_err(req, -r);
		}
		return;
	}
	r = do_open(req, ino, fi, &h);
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	} else if (fuse_reply_open(req, fi) < 0) {
		close_handle(fs, h); /* interrupted: no release will come */
	}
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(&fs_of(req)->handles, fi);

	(void)ino;
	if (h) { /* not the notifier's, nor closed by a daemon that could not say so */
		close_handle(fs_of(req), h);
	}
	(void)fuse_reply_err(req, 0);
}

/* --- creating -------------------------------------------------------------------- */

/* Of what was opened; closes it when it cannot be told to the kernel. */
static int reply_create(fuse_req_t req, const struct object *o,
			const struct fuse_file_info *fi, struct handle *h)
{
	struct fuse_entry_param entry;
	int r = entry_fill(o, &entry);

	if (r == 0) {
		known_add(&o->fs->known, o->ino);
	}
	if (r < 0 || fuse_reply_create(req, &entry, fi) < 0) {
		close_handle(o->fs, h);
	}
	return r;
}

static int open_created(struct ask *ask, int64_t id)
{
	cleanup_object struct object o = OBJECT_INIT;
	struct handle *h;
	int r = object_get(ask->fs, ino_file(id), &o);

	r = r < 0 ? r : open_content(ask->fs, &o.file, true, &ask->fi, &h);
	r = r < 0 ? r : publish(ask->fs, h, ask->number, &ask->fi);
	return r < 0 ? r : reply_create(ask->req, &o, &ask->fi, h);
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
	struct handle *h;
	int r = spec_open(req, &o, true, fi->flags, &h);

	r = r < 0 ? r : publish(o.fs, h, request_number(), fi);
	return r < 0 ? r : reply_create(req, &o, fi, h);
}

static int create_file(fuse_req_t req, const struct object *dir, const char *name,
		       mode_t mode, struct fuse_file_info *fi)
{
	struct ask *ask;
	int r = userfile_may_open(dir->fs);

	if (r < 0) {
		return r;
	}
	ask = ask_new(dir->fs, req, reply_created);
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
	struct handle *h;
	int r = fi->flags & O_EXCL ? -EEXIST : object_find(dir, name, &o);

	r = r < 0 ? r : open_object(req, &o, fi, &h);
	return r < 0 ? r : reply_create(req, &o, fi, h);
}

/* What a daemon that is dead has done of it. 1: nothing; else it was replied to, or a
 * negative errno. */
static int create_again(fuse_req_t req, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	cleanup_object struct object o = OBJECT_INIT;
	struct handle *h = find_opened(fs, fi);
	struct store_answer done;
	int r;

	if (h) {
		r = object_get_open(fs, h->ino, &o);
		return r < 0 ? r : reply_create(req, &o, fi, h);
	}
	if (!request_was_done(fs, &done)) {
		return 1;
	}
	r = done.result < 0 ? done.result : object_get(fs, ino_file(done.id), &o);
	r = r < 0 ? r : open_content(fs, &o.file, true, fi, &h);
	r = r < 0 ? r : publish(fs, h, request_number(), fi);
	return r < 0 ? r : reply_create(req, &o, fi, h);
}

static int do_create(fuse_req_t req, uint64_t parent, const char *name, mode_t mode,
		     struct fuse_file_info *fi)
{
	cleanup_object struct object dir = OBJECT_INIT;
	int r = create_again(req, fi);

	if (r <= 0) {
		return r;
	}
	r = object_get(fs_of(req), parent, &dir);
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
