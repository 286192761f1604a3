#include "fs/poll.h"

#include <errno.h>
#include <poll.h>

#include "fs/object.h"
#include "fs/request.h"

enum { WAKERS_AT_ONCE = 16 };

/* POLLPRI too, as for the files of sysfs that change; but never POLLERR, at which
 * less +F stops to follow. */
enum {
	READY = POLLIN | POLLRDNORM | POLLPRI,
	GONE = POLLIN | POLLRDNORM | POLLHUP,
	ALWAYS = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM,
};

static unsigned text_events(struct fs *fs, struct handle *h)
{
	cleanup_object struct object o = OBJECT_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	bool is_same;

	if (!h->was_read) {
		return READY;
	}
	if (object_get(fs, h->ino, &o) < 0 || object_render(&o, &text) < 0) {
		return GONE;
	}
	(void)pthread_mutex_lock(&h->lock);
	is_same = text.len == h->text.len &&
		  memcmp(buf_text(&text), buf_text(&h->text), text.len) == 0;
	(void)pthread_mutex_unlock(&h->lock);
	return is_same ? 0 : READY;
}

static unsigned stream_events(struct fs *fs, struct handle *h)
{
	cleanup_record struct job_record *record = NULL;
	int64_t size;

	if (h->is_cached) {
		return READY; /* what is read of it is not seen here */
	}
	if (h->job == 0) {
		size = store_stream_size(fs->store, 0, h->stream);
		return size > h->read_to ? READY : 0;
	}
	record = engine_get_job(fs->engine, h->job);
	if (!record) {
		return GONE;
	}
	(void)pthread_mutex_lock(&h->lock);
	size = view_size(&h->view, record, h->stream);
	(void)pthread_mutex_unlock(&h->lock);
	return size > h->read_to ? READY : 0;
}

static unsigned wait_events(struct fs *fs, const struct handle *h)
{
	cleanup_record struct job_record *record = engine_get_job(fs->engine, h->job);

	if (!record) {
		return GONE;
	}
	return job_state_is_final(record->state) ? READY : 0;
}

static unsigned events_of(struct fs *fs, struct handle *h)
{
	switch (h->kind) {
	case HANDLE_TEXT:
		return text_events(fs, h);
	case HANDLE_STREAM:
		return stream_events(fs, h);
	case HANDLE_WAIT:
		return wait_events(fs, h);
	case HANDLE_SPEC:
	case HANDLE_CTL:
	case HANDLE_FILE:
		break;
	}
	return ALWAYS;
}

/* The waker is there before the file is looked at, so a change in between is not
 * missed: it is seen here, or wakes. */
void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *waker)
{
	struct fs *fs = fs_of(req);
	struct handle *h = handle_of(&fs->handles, fi);

	(void)ino;
	if (h && waker) {
		waker = handle_swap_waker(&fs->handles, h, waker, request_poll_id());
	}
	if (waker) {
		fuse_pollhandle_destroy(waker);
	}
	(void)fuse_reply_poll(req, h ? events_of(fs, h) : GONE);
}

void poll_wake(struct fs *fs, uint64_t ino)
{
	struct fuse_pollhandle *wakers[WAKERS_AT_ONCE];
	size_t n;

	do {
		n = handle_take_wakers(&fs->handles, ino, wakers, WAKERS_AT_ONCE);
		for (size_t i = 0; i < n; i++) {
			(void)fuse_lowlevel_notify_poll(wakers[i]);
			fuse_pollhandle_destroy(wakers[i]);
		}
	} while (n == WAKERS_AT_ONCE);
}
