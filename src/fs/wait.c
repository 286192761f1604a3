#include "fs/wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fs/internal.h"
#include "fs/render.h"
#include "fs/request.h"
#include "util/clock.h"

enum { SLICE_MS = 10000, SLICE_MIN_MS = 500, STATE_BYTES_MAX = 32 };

struct waiter {
	fuse_req_t req;
	struct handle *handle; /* a reference */
	size_t size;
	int64_t expires_at; /* clock_ms() */
	TAILQ_ENTRY(waiter) link;
};

/* --- life ------------------------------------------------------------------------ */

static int64_t read_seconds(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[32] = "";

	if (f) {
		(void)!fgets(line, sizeof(line), f);
		(void)fclose(f);
	}
	return strtol(line, NULL, 10);
}

/* Half of what the kernel allows a request to take, when it is that strict. */
static int64_t choose_slice(void)
{
	static const char *const limits[] = {
		"/proc/sys/fs/fuse/default_request_timeout",
		"/proc/sys/fs/fuse/max_request_timeout",
	};
	int64_t slice_ms = SLICE_MS;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int64_t half_ms = read_seconds(limits[i]) * 1000 / 2;

		if (half_ms > 0 && half_ms < slice_ms) {
			slice_ms = half_ms;
		}
	}
	return slice_ms > SLICE_MIN_MS ? slice_ms : SLICE_MIN_MS;
}

int waiters_init(struct waiters *w)
{
	(void)pthread_mutex_init(&w->lock, NULL);
	TAILQ_INIT(&w->list);
	w->slice_ms = choose_slice();
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->wake_fd < 0 ? -errno : 0;
}

void waiters_fini(struct waiters *w)
{
	closep(&w->wake_fd);
	w->wake_fd = -1;
	(void)pthread_mutex_destroy(&w->lock);
}

static struct waiter *waiter_free(struct waiter *w)
{
	if (w) {
		(void)handle_unref(w->handle);
		free(w);
	}
	return NULL;
}

static void waiter_freep(struct waiter **w)
{
	*w = waiter_free(*w);
}

#define cleanup_waiter cleanup_(waiter_freep)

/* --- answering: the waiter is in no list any more -------------------------------- */

/* Once it has the reply the kernel may close the file: then the handle is gone, unless
 * the caller holds a reference. */
static void reply_slice(fuse_req_t req, struct handle *h, size_t size, int64_t offset)
{
	char data[STATE_BYTES_MAX];
	size_t n = 0;

	(void)pthread_mutex_lock(&h->lock);
	if ((uint64_t)offset < h->text.len) {
		n = h->text.len - (size_t)offset;
		n = n < size ? n : size;
		n = n < sizeof(data) ? n : sizeof(data);
		memcpy(data, h->text.data + offset, n);
	}
	(void)pthread_mutex_unlock(&h->lock);
	(void)fuse_reply_buf(req, data, n);
}

static bool has_state(struct handle *h)
{
	bool has;

	(void)pthread_mutex_lock(&h->lock);
	has = h->text.len > 0;
	(void)pthread_mutex_unlock(&h->lock);
	return has;
}

/* The state goes into the handle: who reads byte by byte reads the rest from there. */
static int keep_state(struct handle *h, const struct job_record *record)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = has_state(h) ? 0 : render_status(record, &text);

	if (r == 0 && text.len > 0) {
		handle_set_text(h, &text);
	}
	return r;
}

static void answer(struct waiter *w, const struct job_record *record)
{
	int r = record ? keep_state(w->handle, record) : -ESTALE;

	if (r < 0) {
		(void)fuse_reply_err(w->req, -r);
	} else {
		reply_slice(w->req, w->handle, w->size, 0);
	}
	(void)waiter_free(w);
}

static void answer_nothing(struct waiter *w)
{
	(void)fuse_reply_buf(w->req, NULL, 0);
	(void)waiter_free(w);
}

/* --- taking out of the list ------------------------------------------------------ */

static struct waiter *take_of_job(struct waiters *ws, int64_t job)
{
	struct waiter *w;

	(void)pthread_mutex_lock(&ws->lock);
	TAILQ_FOREACH(w, &ws->list, link)
	{
		if (w->handle->job == job) {
			TAILQ_REMOVE(&ws->list, w, link);
			break;
		}
	}
	(void)pthread_mutex_unlock(&ws->lock);
	return w;
}

/* The first, if its slice is over at `now`; else *ret_ms says how long it still is, -1
 * when there is none. */
static struct waiter *take_expired(struct waiters *ws, int64_t now, int *ret_ms)
{
	struct waiter *w;

	(void)pthread_mutex_lock(&ws->lock);
	w = TAILQ_FIRST(&ws->list);
	*ret_ms = w ? (int)(w->expires_at - now) : -1;
	if (w && (*ret_ms <= 0 || ws->is_ended)) {
		TAILQ_REMOVE(&ws->list, w, link);
	} else {
		w = NULL;
	}
	(void)pthread_mutex_unlock(&ws->lock);
	return w;
}

void wait_check(struct fs *fs, int64_t job)
{
	cleanup_record struct job_record *record = engine_get_job(fs->engine, job);
	struct waiter *w;

	if (record && !job_state_is_final(record->state)) {
		return;
	}
	while ((w = take_of_job(&fs->waiters, job))) {
		answer(w, record);
	}
}

int wait_expire(struct fs *fs)
{
	int64_t now = clock_ms();
	struct waiter *w;
	int ms;

	while ((w = take_expired(&fs->waiters, now, &ms))) {
		answer_nothing(w);
	}
	return ms;
}

void wait_end(struct fs *fs)
{
	(void)pthread_mutex_lock(&fs->waiters.lock);
	fs->waiters.is_ended = true;
	(void)pthread_mutex_unlock(&fs->waiters.lock);
	(void)wait_expire(fs);
}

/* By libfuse, which holds on to the request during this. It may have been answered
 * already: so it is looked for, and by its address only. */
static void on_interrupt(fuse_req_t req, void *arg)
{
	struct waiters *ws = arg;
	struct waiter *w;

	(void)pthread_mutex_lock(&ws->lock);
	TAILQ_FOREACH(w, &ws->list, link)
	{
		if (w->req == req) {
			TAILQ_REMOVE(&ws->list, w, link);
			break;
		}
	}
	(void)pthread_mutex_unlock(&ws->lock);
	if (w) {
		(void)fuse_reply_err(req, EINTR);
		(void)waiter_free(w);
	}
}

/* --- waiting --------------------------------------------------------------------- */

/* Puts it into the list, which owns it then. false: it must not wait. Once it is in the
 * list its request may be gone at any time, so an interrupt that came before
 * on_interrupt() could find it is looked for under the lock. */
static bool put(struct waiters *ws, struct waiter *w)
{
	uint64_t one = 1;
	bool may_wait, is_first;

	(void)pthread_mutex_lock(&ws->lock);
	is_first = TAILQ_EMPTY(&ws->list);
	may_wait = !ws->is_ended && !fuse_req_interrupted(w->req);
	if (may_wait) {
		TAILQ_INSERT_TAIL(&ws->list, w, link);
	}
	(void)pthread_mutex_unlock(&ws->lock);
	if (may_wait && is_first) {
		(void)!write(ws->wake_fd, &one, sizeof(one));
	}
	return may_wait;
}

int wait_read(fuse_req_t req, struct handle *h, size_t size, int64_t offset)
{
	struct fs *fs = fs_of(req);
	cleanup_waiter struct waiter *w = NULL;
	int64_t job = h->job;

	if (has_state(h) || offset > 0) {
		reply_slice(req, h, size, offset);
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		return -ENOMEM;
	}
	w->req = req;
	w->handle = handle_ref(h);
	w->size = size;
	w->expires_at = clock_ms() + fs->waiters.slice_ms;
	request_note_patient(fs);
	fuse_req_interrupt_func(req, on_interrupt, &fs->waiters);
	if (!put(&fs->waiters, w)) {
		if (fuse_req_interrupted(req)) {
			return -EINTR;
		}
		(void)fuse_reply_buf(req, NULL, 0);
		return 0;
	}
	(void)steal_ptr(&w);
	wait_check(fs, job);
	return 0;
}
