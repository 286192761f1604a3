/* Reading, writing, flushing what is open. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/ctl.h"
#include "fs/object.h"
#include "fs/ops.h"
#include "fs/spec_file.h"
#include "fs/userfile.h"
#include "fs/wait.h"

/* --- reading --------------------------------------------------------------------- */

static size_t slice(const struct buf *text, int64_t offset, char *data, size_t size)
{
	size_t n;

	if (offset < 0 || (uint64_t)offset >= text->len) {
		return 0;
	}
	n = text->len - (size_t)offset;
	n = n < size ? n : size;
	memcpy(data, text->data + offset, n);
	return n;
}

static int render_now(struct fs *fs, uint64_t ino, struct buf *out)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs, ino, &o);

	return r < 0 ? r : object_render(&o, out);
}

/* Who keeps a file open and reads it from the start again wants to see what is there
 * now. */
static void refresh(struct fs *fs, struct handle *h)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (render_now(fs, h->ino, &text) < 0) {
		return; /* it is gone: what was there stays readable */
	}
	handle_set_text(h, &text);
}

static ssize_t read_text(struct fs *fs, struct handle *h, char *data, size_t size,
			 int64_t offset)
{
	size_t n;

	if (atomic_exchange(&h->is_lost, false) || (h->was_read && offset == 0)) {
		refresh(fs, h);
	}
	handle_note_read(h, 0);
	(void)pthread_mutex_lock(&h->lock);
	n = slice(&h->text, offset, data, size);
	(void)pthread_mutex_unlock(&h->lock);
	return (ssize_t)n;
}

/* The handle's view changes only when its reader was overtaken. */
static ssize_t read_stream(struct fs *fs, struct handle *h, char *data, size_t size,
			   int64_t offset)
{
	cleanup_record struct job_record *record =
		h->job > 0 ? engine_get_job(fs->engine, h->job) : NULL;
	struct view view;
	ssize_t n;

	if (h->job > 0 && !record) {
		return 0; /* it was removed */
	}
	(void)pthread_mutex_lock(&h->lock);
	view = h->view;
	(void)pthread_mutex_unlock(&h->lock);
	n = view_read(&view, fs->store, record, h->stream, offset, data, size);
	handle_set_view(h, &view);
	if (n >= 0) {
		handle_note_read(h, offset + n);
	}
	return n;
}

static ssize_t read_spec(struct fs *fs, const struct handle *h, char *data, size_t size,
			 int64_t offset)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = render_now(fs, h->ino, &text);

	return r < 0 ? r : (ssize_t)slice(&text, offset, data, size);
}

static ssize_t read_file(int fd, char *data, size_t size, int64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, data + done, size - done, offset + (off_t)done);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

static ssize_t read_handle(struct fs *fs, struct handle *h, char *data, size_t size,
			   int64_t offset)
{
	switch (h->kind) {
	case HANDLE_TEXT:
		return read_text(fs, h, data, size, offset);
	case HANDLE_STREAM:
		return read_stream(fs, h, data, size, offset);
	case HANDLE_SPEC:
		return read_spec(fs, h, data, size, offset);
	case HANDLE_FILE:
		return h->fd < 0 ? -ESTALE : read_file(h->fd, data, size, offset);
	case HANDLE_CTL:
	case HANDLE_WAIT:
		break;
	}
	return 0;
}

static void read_waiting(fuse_req_t req, struct handle *h, size_t size, int64_t offset)
{
	int r = wait_read(req, h, size, offset);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	     struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h = handle_of(&fs->handles, fi);
	cleanup_free char *data = NULL;
	ssize_t n;

	(void)ino;
	if (h && h->kind == HANDLE_WAIT) {
		read_waiting(req, h, size, offset);
		return;
	}
	data = malloc(size);
	n = data ? -ESTALE : -ENOMEM;
	if (data && h) {
		n = read_handle(fs, h, data, size, offset);
	}
	if (n < 0) {
		(void)fuse_reply_err(req, (int)-n);
	} else {
		(void)fuse_reply_buf(req, data, (size_t)n);
	}
}

/* --- writing --------------------------------------------------------------------- */

static ssize_t write_all(int fd, const char *data, size_t size, int64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pwrite(fd, data + done, size - done, offset + (off_t)done);

		if (n < 0 && errno != EINTR) {
			return done > 0 ? (ssize_t)done : -errno;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

/* A file that was opened before the job was accepted is read-only too by now. */
static int check_unsealed(struct fs *fs, const struct handle *h)
{
	cleanup_record struct job_record *record = NULL;

	if (!h->is_in_files) {
		return 0;
	}
	record = engine_get_job(fs->engine, h->job);
	if (!record) {
		return -ENOENT;
	}
	return node_is_writable(record, true) ? 0 : -EPERM;
}

static int write_file(fuse_req_t req, struct handle *h, const char *data, size_t size,
		      int64_t offset)
{
	struct fs *fs = fs_of(req);
	int r = h->fd < 0 ? -ESTALE : check_unsealed(fs, h);
	ssize_t n;

	r = r < 0 ? r : userfile_reserve(fs, h->job, h->fd, offset, (int64_t)size);
	if (r < 0) {
		return r;
	}
	h->is_written = true;
	n = write_all(h->fd, data, size, offset);
	h->is_written = true; /* the flush of another holder may have been in between */
	if (n < 0) {
		return (int)n;
	}
	(void)fuse_reply_write(req, (size_t)n);
	return 0;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
	      off_t offset, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(&fs_of(req)->handles, fi);
	int r = -EPERM;

	(void)ino;
	if (!h) {
		r = -ESTALE;
	} else if (h->kind == HANDLE_SPEC) {
		r = spec_write(req, h, data, size, offset, fi->flags);
	} else if (h->kind == HANDLE_CTL) {
		r = ctl_write(req, h->ino, data, size);
	} else if (h->kind == HANDLE_FILE) {
		r = write_file(req, h, data, size, offset);
	}
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

static int do_fallocate(struct fs *fs, const struct handle *h, int mode, int64_t offset,
			int64_t length)
{
	int r;

	/* what only reserves blocks could not be counted */
	if (h->kind != HANDLE_FILE ||
	    (mode != 0 && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))) {
		return -EOPNOTSUPP;
	}
	r = check_unsealed(fs, h);
	if (r == 0 && mode == 0) {
		r = userfile_reserve(fs, h->job, h->fd, offset, length);
	}
	if (r < 0) {
		return r;
	}
	return fallocate(h->fd, mode, offset, length) < 0 ? -errno : 0;
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	struct handle *h = handle_of(&fs_of(req)->handles, fi);
	int r = h ? do_fallocate(fs_of(req), h, mode, offset, length) : -ESTALE;

	(void)ino;
	if (r == 0) {
		h->is_written = true;
	}
	(void)fuse_reply_err(req, -r);
}

/* --- flushing -------------------------------------------------------------------- */

static int sync_file(struct handle *h, bool force)
{
	if (!atomic_exchange(&h->is_written, false) && !force) {
		return 0;
	}
	return fdatasync(h->fd) < 0 ? -errno : 0;
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(&fs_of(req)->handles, fi);
	int r;

	(void)ino;
	if (h && h->kind == HANDLE_SPEC) {
		r = spec_flush(req, h);
		if (r < 0) {
			(void)fuse_reply_err(req, -r);
		}
		return;
	}
	r = h && h->kind == HANDLE_FILE ? sync_file(h, false) : 0;
	(void)fuse_reply_err(req, -r);
}

/* A spec is made durable by being submitted, at close; half of one need not be. */
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(&fs_of(req)->handles, fi);
	int r = h && h->kind == HANDLE_FILE ? sync_file(h, true) : 0;

	(void)ino;
	(void)datasync;
	(void)fuse_reply_err(req, -r);
}
