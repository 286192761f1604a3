/* Telling inotify.
 *
 * The problem. inotify hears of what is done through the kernel's file system calls.
 * What a FUSE daemon changes by itself it hears nothing of, and there is no call that
 * would tell it: the notifications of FUSE throw away what the kernel remembers, which
 * is no event. Programs that wait for `status` would have to poll.
 *
 * The way. A process (helper/toucher.c) does through the mount, as one thread here
 * tells it to, what a writer would have done:
 * utimensat(2) of the time of change alone is IN_MODIFY, open for writing and close is
 * IN_CLOSE_WRITE, mknod(2) and unlink(2) are IN_CREATE and IN_DELETE. These come to the
 * daemon as requests. They are known by their process and by what the thread said that
 * it would have done, and are answered without doing anything (touch.c): the change is
 * there already.
 *
 * The dangers, and the rules against them.
 *
 * - A thread that serves requests and touches the mount waits for itself, for ever and
 *   in state D. So only this thread waits for the toucher, it serves nothing, holds no
 *   lock then, and nobody ever waits for it: whoever has news puts it into the queue
 *   and goes on. It is stopped before those who serve it.
 * - A daemon that is killed while its own request is being served could not end: its
 *   thread would wait for an answer of the next daemon, which is not started before
 *   this one is gone. So it is another process that waits.
 * - What refers to the mount keeps it mounted. So the toucher goes through a private
 *   mount of the same file system, and lets go of that when the public one is gone
 *   (helper/tree.h).
 * - News come faster than anybody can read them. So they are collected by inode: the
 *   first is told at once, then there is a rest of REST_MS, then what came meanwhile is
 *   told as one. The last change is never lost; and the queue is no longer than
 *   inotify's own, beyond which watchers lose events on any file system.
 * - News come that nobody waits for, a thousand jobs submitted by a script, and to tell
 *   of a change costs more than to make it. So where many are to be told, we look who
 *   watches first (watchers.h).
 *
 * Why this is enough: an event is told after what it tells of is published, so who
 * reads at an event reads at least that; and what is published after an event was told
 * is told by another one. Changes of state that are faster than the rest are seen as
 * one event of `status`, but each of them is a line of events.jsonl. */
#include "fs/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/helper.h"
#include "fs/internal.h"
#include "fs/notices.h"
#include "fs/touch.h"
#include "fs/watchers.h"
#include "helper/toucher.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	LOOK_MS = 20, /* between two looks at who watches */
	CROWD = 32,   /* notices in that time: is anybody there to hear them? */
	BLIND_MS = 10000,
};

struct notifier {
	struct fs *fs;
	pthread_t thread;
	bool is_started;
	int wake_fd;
	/* of the thread */
	dev_t device;	  /* of the mount */
	size_t n_watched; /* ready notices that a look has left */
	int64_t look_at;  /* clock_ms(); not before */
	size_t n_told;	  /* since the begin of that time */
	int64_t count_at; /* clock_ms(): when it begins anew */
	bool is_crowd;	  /* the last look has dropped many */

	pthread_mutex_t lock; /* guards what follows; held over memory only */
	struct notices notices;
	bool is_deaf; /* there is no way to tell anybody, or no need any more */
	bool is_stopping;
	pid_t toucher; /* 0: it does not run */
	struct act act;
};

/* --- what is to be told ---------------------------------------------------------- */

static void wake(struct notifier *n)
{
	uint64_t one = 1;

	(void)!write(n->wake_fd, &one, sizeof(one));
}

void notifier_tell(struct notifier *n, uint64_t ino, unsigned what)
{
	notifier_tell_name(n, ino, NULL, ino, what);
}

void notifier_tell_name(struct notifier *n, uint64_t dir, const char *name,
			uint64_t ino, unsigned what)
{
	bool was_empty;

	(void)pthread_mutex_lock(&n->lock);
	was_empty = n->notices.n_ready == 0;
	if (!n->is_deaf) {
		notices_add(&n->notices, dir, name, ino, what);
	}
	was_empty = was_empty && n->notices.n_ready > 0;
	(void)pthread_mutex_unlock(&n->lock);
	if (was_empty) {
		wake(n);
	}
}

static bool take(struct notifier *n, struct notice *ret, int *ret_timeout_ms)
{
	bool is_there;

	(void)pthread_mutex_lock(&n->lock);
	is_there = notices_take(&n->notices, ret, ret_timeout_ms);
	(void)pthread_mutex_unlock(&n->lock);
	if (is_there) {
		n->n_told++;
		n->n_watched -= n->n_watched > 0;
	}
	return is_there;
}

static bool is_watched(void *arg, const struct notice *notice)
{
	uint64_t dir = notice->name ? notice->key : touch_dir_of(notice->ino);

	return watchers_have(arg, notice->ino) || watchers_have(arg, dir);
}

static bool is_crowded(struct notifier *n, int64_t now)
{
	size_t n_ready;

	if (now >= n->count_at) {
		n->count_at = now + LOOK_MS;
		n->n_told = 0;
	}
	(void)pthread_mutex_lock(&n->lock);
	n_ready = n->notices.n_ready;
	(void)pthread_mutex_unlock(&n->lock);
	return n_ready > 0 && n->n_watched == 0 &&
	       (n->is_crowd || n->n_told + n_ready >= CROWD) &&
	       now >= n->look_at - LOOK_MS;
}

/* Many jobs that change at once are mostly those that nobody watches, such as a sweep
 * that a script submits. A watch that is made during the look or after it is by
 * somebody who has not read yet what was published before it. */
static void thin_out(struct notifier *n)
{
	cleanup_(watchers_fini) struct watchers watchers = WATCHERS_INIT;
	int64_t now = clock_ms();
	int r;

	if (!is_crowded(n, now)) {
		return;
	}
	if (now < n->look_at) {
		(void)poll(NULL, 0, (int)(n->look_at - now));
	}
	(void)pthread_mutex_lock(&n->lock);
	notices_begin_look(&n->notices);
	(void)pthread_mutex_unlock(&n->lock);
	r = watchers_look(n->device, &watchers);
	(void)pthread_mutex_lock(&n->lock);
	n->n_watched = n->notices.n_ready;
	n->is_crowd = r == 0 && notices_end_look(&n->notices, is_watched, &watchers,
						 &n->n_watched) >= CROWD;
	(void)pthread_mutex_unlock(&n->lock);
	n->look_at = clock_ms() + (r < 0 ? BLIND_MS : LOOK_MS);
}

static void become_deaf(struct notifier *n)
{
	(void)pthread_mutex_lock(&n->lock);
	n->is_deaf = true;
	notices_drop_all(&n->notices);
	(void)pthread_mutex_unlock(&n->lock);
}

struct toucher {
	pid_t pid; /* 0: there is none */
	int socket;
};

static bool is_stopping(struct notifier *n)
{
	bool is;

	(void)pthread_mutex_lock(&n->lock);
	is = n->is_stopping;
	(void)pthread_mutex_unlock(&n->lock);
	return is;
}

/* Waits until there may be something to do. false: the toucher has ended. */
static bool wait_for_news(struct notifier *n, const struct toucher *t, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = n->wake_fd, .events = POLLIN },
		{ .fd = t->socket, .events = POLLIN }, /* it only answers */
	};
	uint64_t count;

	if (poll(fds, ARRAY_SIZE(fds), timeout_ms) <= 0) {
		return true;
	}
	if (fds[0].revents) {
		(void)!read(n->wake_fd, &count, sizeof(count));
	}
	return !fds[1].revents;
}

/* For a successor, who tells the rest. */
static void note_told(struct notifier *n)
{
	int64_t now = clock_wall_ms();
	bool is_all;

	(void)pthread_mutex_lock(&n->lock);
	is_all = notices_are_all_told(&n->notices);
	(void)pthread_mutex_unlock(&n->lock);
	if (is_all) {
		n->fs->memory->head->told_ms = now;
	}
}

static void tell_all(struct notifier *n, const struct toucher *t)
{
	struct notice notice;
	int timeout_ms;
	bool go_on = true;

	while (go_on && !is_stopping(n)) {
		thin_out(n);
		if (take(n, &notice, &timeout_ms)) {
			go_on = touch(n->fs, t->socket, notice.ino, notice.name,
				      notice.what) == 0;
		} else {
			note_told(n);
		}
		go_on = go_on && wait_for_news(n, t, timeout_ms);
	}
}

static void set_toucher(struct notifier *n, pid_t pid)
{
	(void)pthread_mutex_lock(&n->lock);
	n->toucher = pid;
	(void)pthread_mutex_unlock(&n->lock);
}

/* Until it has its way into the mount, which needs the mount to be served. */
static int toucher_start(struct notifier *n, struct toucher *t)
{
	char *argv[] = { (char *)"jobfs-toucher", n->fs->mountpoint, NULL };
	struct toucher_reply hello;
	ssize_t size;
	int sockets[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
		return -errno;
	}
	t->socket = sockets[0];
	r = helper_spawn(argv, &sockets[1], 1, &t->pid);
	(void)close(sockets[1]);
	if (r < 0) {
		return r;
	}
	do {
		size = recv(t->socket, &hello, sizeof(hello), 0);
	} while (size < 0 && errno == EINTR);
	if (size != sizeof(hello)) {
		return -ENOTCONN;
	}
	if (hello.result == 0) {
		log_debug("inotify is told through %s", hello.way);
		n->device = (dev_t)hello.device;
	}
	return hello.result;
}

/* It ends with its socket. */
static void toucher_end(struct toucher *t)
{
	closep(&t->socket);
	if (t->pid > 0) {
		(void)helper_wait(t->pid);
	}
}

static void *notifier_run(void *arg)
{
	struct notifier *n = arg;
	struct toucher t = { .socket = -1 };
	int r = toucher_start(n, &t);

	if (r < 0) {
		log_warning("inotify will not see what changes: %s", strerror(-r));
	} else {
		set_toucher(n, t.pid);
		tell_all(n, &t);
	}
	become_deaf(n);
	set_toucher(n, 0);
	toucher_end(&t);
	return NULL;
}

/* --- requests of its own --------------------------------------------------------- */

bool notifier_is_asking(struct notifier *n, pid_t thread, struct act *ret_act)
{
	bool is;

	(void)pthread_mutex_lock(&n->lock);
	is = thread != 0 && thread == n->toucher && n->act.kinds != 0;
	if (is) {
		*ret_act = n->act; /* a copy: the thread may have given up meanwhile */
	}
	(void)pthread_mutex_unlock(&n->lock);
	return is;
}

void notifier_announce(struct notifier *n, unsigned kinds, uint64_t ino,
		       const char *name)
{
	(void)pthread_mutex_lock(&n->lock);
	n->act.kinds = kinds;
	n->act.ino = ino;
	(void)snprintf(n->act.name, sizeof(n->act.name), "%s", name);
	(void)pthread_mutex_unlock(&n->lock);
}

/* --- life ------------------------------------------------------------------------ */

int notifier_new(struct fs *fs, struct notifier **ret_notifier)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (!n) {
		return -ENOMEM;
	}
	n->fs = fs;
	notices_init(&n->notices);
	(void)pthread_mutex_init(&n->lock, NULL);
	n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n->wake_fd < 0) {
		int r = -errno;

		(void)notifier_free(n);
		return r;
	}
	*ret_notifier = n;
	return 0;
}

int notifier_start(struct notifier *n)
{
	int r = pthread_create(&n->thread, NULL, notifier_run, n);

	n->is_started = r == 0;
	if (n->is_started) {
		(void)pthread_setname_np(n->thread, "notifier");
	}
	return -r;
}

void notifier_stop(struct notifier *n)
{
	if (!n->is_started) {
		return;
	}
	(void)pthread_mutex_lock(&n->lock);
	n->is_stopping = true;
	(void)pthread_mutex_unlock(&n->lock);
	wake(n);
	(void)pthread_join(n->thread, NULL);
	n->is_started = false;
}

struct notifier *notifier_free(struct notifier *n)
{
	if (!n) {
		return NULL;
	}
	notifier_stop(n);
	notices_drop_all(&n->notices);
	closep(&n->wake_fd);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}
