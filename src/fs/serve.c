/* The threads that serve the session.
 *
 * The loop is our own (libfuse's would do today): the first request, INIT, is served
 * alone, so that "the mount answers" is a fact when it is reported; and a daemon that
 * takes over the mount of its predecessor has to see requests before libfuse does.
 *
 * All threads read the one descriptor; the kernel wakes one for each request. They end
 * by a signal, which interrupts nothing but the waiting for a request: so every request
 * that was taken is served.
 *
 * A request that the kernel cannot copy into our memory fails for its program with EIO,
 * and so does one whose daemon is killed while a page of that memory is brought in. So
 * the pages are there before the kernel is asked: then a kill comes before the copy,
 * and the request goes to the next daemon, or after it. */
#include "fs/fs.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/adopt.h"
#include "fs/internal.h"
#include "fs/notifier.h"
#include "fs/park.h"
#include "fs/request.h"
#include "util/log.h"

/* No handler waits for the network, but some for the disk: enough that a few of these
 * do not make `ls` wait. */
enum { SERVE_THREADS = 12 };

/* Of a request: its data, and what is before it. */
enum { REQUEST_BYTES = FS_WRITE_MAX + 4096 };

#define WAKE_SIGNAL SIGRTMIN
enum { WAKE_AGAIN_MS = 2 };

struct server {
	struct fs *fs;
	pthread_t thread;
	bool is_started;
	atomic_bool is_done;
	int result;
	struct fuse_buf buf;
};

/* Without libfuse, and without a look at what it asks for. */
static void refuse(const struct fs *fs, const struct fuse_buf *buf)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = -EIO };
	struct fuse_in_header in;

	memcpy(&in, buf->mem, sizeof(in));
	out.unique = in.unique;
	log_error("a request (opcode %u) fails: too many daemons died with it",
		  (unsigned)in.opcode);
	(void)!write(fuse_session_fd(fs->session), &out, sizeof(out));
}

static int make_buffer(struct server *s)
{
	void *pages = mmap(NULL, REQUEST_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (pages == MAP_FAILED) {
		return -errno;
	}
	s->buf.mem = pages;
	return 0;
}

static void free_buffer(struct server *s)
{
	if (s->buf.mem) {
		(void)munmap(s->buf.mem, REQUEST_BYTES);
	}
}

/* As fuse_session_receive_buf(), which would take memory of its own. */
static ssize_t receive(struct server *s)
{
	ssize_t n = read(fuse_session_fd(s->fs->session), s->buf.mem, REQUEST_BYTES);

	if (n < 0) {
		return -errno;
	}
	s->buf.size = (size_t)n;
	return n < (ssize_t)sizeof(struct fuse_in_header) ? -EIO : n;
}

/* 0: served one, or was interrupted; 1: the mount is gone or fs_exit() was called;
 * negative errno. */
static int serve_one(struct server *s)
{
	ssize_t n = receive(s);

	if (n == -ENODEV || (n < 0 && fuse_session_exited(s->fs->session))) {
		return 1;
	}
	/* ENOENT: the request was interrupted while it was read */
	if (n == -EINTR || n == -EAGAIN || n == -ENOENT) {
		return 0;
	}
	if (n < 0) {
		return (int)n;
	}
	request_begin(&s->buf);
	if (request_is_given_up(s->fs)) {
		refuse(s->fs, &s->buf);
	} else {
		fuse_session_process_buf(s->fs->session, &s->buf);
	}
	memory_note_served(s->fs->memory);
	return 0;
}

static void *serve_thread(void *arg)
{
	struct server *s = arg;
	sigset_t wake;
	int r = 0;

	(void)sigemptyset(&wake);
	(void)sigaddset(&wake, WAKE_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	while (r == 0 && !fuse_session_exited(s->fs->session)) {
		r = serve_one(s);
	}
	s->result = r < 0 ? r : 0;
	fs_exit(s->fs);
	s->is_done = true;
	return NULL;
}

/* From now on the mount outlives us. Without that all works the same, until we die. */
static void park(struct fs *fs, const struct fuse_buf *init)
{
	struct memory_head *head = fs->memory->head;
	const int fds[HOLDER_FD_COUNT] = {
		[HOLDER_FUSE] = fuse_session_fd(fs->session),
		[HOLDER_MEMORY] = fs->memory->fd,
	};
	struct err e = ERR_INIT;

	if (!adopt_is_possible(init)) {
		log_info("this kernel cannot hand a mount to the next daemon (6.9 and "
			 "later can)");
		return;
	}
	memcpy(head->init, init->mem, init->size);
	head->init_len = (uint32_t)init->size;
	if (park_put(fs->conf->state_dir, fs->mountpoint, fds,
		     fs->conf->limits.restart_patience_ms, &fs->park, &e) < 0) {
		log_warning("the mount will not outlive this process: %s", e.text);
	}
}

/* Until INIT was answered. */
static int serve_init(struct fs *fs)
{
	struct server s = { .fs = fs };
	struct pollfd fds[] = {
		{ .fd = fuse_session_fd(fs->session), .events = POLLIN },
		{ .fd = fs->exit_fd, .events = POLLIN },
	};
	int r = make_buffer(&s);

	while (r == 0 && !fs->is_initialised) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR) {
			r = -errno;
		} else if (fds[1].revents) {
			r = 1;
		} else if (fds[0].revents) {
			r = serve_one(&s);
		}
	}
	if (r == 0) {
		park(fs, &s.buf);
	}
	free_buffer(&s);
	return r;
}

/* Until fs_exit(); meanwhile who waits too long for the end of a job is answered. */
static void wait_for_exit(struct fs *fs)
{
	struct pollfd fds[] = {
		{ .fd = fs->exit_fd, .events = POLLIN },
		{ .fd = fs->waiters.wake_fd, .events = POLLIN },
	};
	uint64_t count;

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), wait_expire(fs)) > 0 && fds[1].revents) {
			(void)!read(fs->waiters.wake_fd, &count, sizeof(count));
		}
	}
}

static void wake_up(int signal)
{
	(void)signal; /* only the interruption counts */
}

static int start_servers(struct fs *fs, struct server *servers)
{
	struct sigaction action = { .sa_handler = wake_up };

	if (sigaction(WAKE_SIGNAL, &action, NULL) < 0) {
		return -errno;
	}
	for (int i = 0; i < SERVE_THREADS; i++) {
		int r;

		servers[i].fs = fs;
		r = make_buffer(&servers[i]);
		r = r < 0 ? r
			  : -pthread_create(&servers[i].thread, NULL, serve_thread,
					    &servers[i]);
		if (r < 0) {
			return r;
		}
		(void)pthread_setname_np(servers[i].thread, "fs");
		servers[i].is_started = true;
	}
	return 0;
}

static void stop_server(struct server *s)
{
	while (!s->is_done) {
		(void)pthread_kill(s->thread, WAKE_SIGNAL);
		(void)poll(NULL, 0, WAKE_AGAIN_MS);
	}
	(void)pthread_join(s->thread, NULL);
}

/* The first error that ended one of them, 0: none. */
static int stop_servers(struct server *servers)
{
	int result = 0;

	for (int i = 0; i < SERVE_THREADS; i++) {
		if (servers[i].is_started) {
			(void)pthread_kill(servers[i].thread, WAKE_SIGNAL);
		}
	}
	for (int i = 0; i < SERVE_THREADS; i++) {
		if (servers[i].is_started) {
			stop_server(&servers[i]);
			result = result < 0 ? result : servers[i].result;
		}
		free_buffer(&servers[i]);
	}
	return result;
}

int fs_serve(struct fs *fs, void (*ready)(void *arg), void *arg)
{
	struct server servers[SERVE_THREADS] = { 0 };
	int r = 0, result;

	if (fs->is_adopted) {
		adopt_session(fs);
		adopt_requests(fs);
	} else {
		r = serve_init(fs);
	}
	if (r != 0) {
		return r < 0 ? r : 0;
	}
	if (ready) {
		ready(arg);
	}
	r = start_servers(fs, servers);
	r = r < 0 ? r : notifier_start(fs->notifier);
	if (r == 0 && fs->is_adopted) {
		adopt_watchers(fs);
	}
	if (r == 0) {
		wait_for_exit(fs);
	}
	if (!fs->is_leaving) {
		wait_end(fs);
	}
	notifier_stop(fs->notifier); /* it waits for the servers */
	fuse_session_exit(fs->session);
	result = stop_servers(servers);
	return r < 0 ? r : result;
}
