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
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/helper.h"
#include "fs/internal.h"
#include "fs/touch.h"
#include "helper/toucher.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

enum {
	REST_MS = 50, /* between two touches of one inode */
	NOTICES_MAX = 16384,
	NOTICE_BUCKETS = 1024,
};

/* An inode, or a name, that was touched lately or is to be. */
struct notice {
	uint64_t key; /* the inode, or the directory of the name */
	uint64_t ino;
	char *name;    /* owned; NULL: the one that it has */
	unsigned what; /* TELL_...; 0: nothing came since it was touched */
	bool is_resting;
	int64_t rested_at; /* clock_ms() */
	TAILQ_ENTRY(notice) order;
	LIST_ENTRY(notice) bucket;
};
TAILQ_HEAD(notice_list, notice);
LIST_HEAD(notice_bucket, notice);

struct notifier {
	struct fs *fs;
	pthread_t thread;
	bool is_started;
	int wake_fd;

	pthread_mutex_t lock; /* guards what follows; held over memory only */
	struct notice_list ready, resting; /* the latter by rested_at */
	struct notice_bucket buckets[NOTICE_BUCKETS];
	size_t n_notices;
	bool is_deaf; /* there is no way to tell anybody, or no need any more */
	bool is_stopping;
	pid_t toucher; /* 0: it does not run */
	struct act act;
};

/* --- the queue ------------------------------------------------------------------- */

static struct notice_bucket *bucket_of(struct notifier *n, uint64_t key,
				       const char *name)
{
	return &n->buckets[(key ^ key >> 8 ^ hash_text(name ? name : "")) %
			   NOTICE_BUCKETS];
}

static bool is_same_name(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

static struct notice *find(struct notifier *n, uint64_t key, const char *name)
{
	struct notice *notice;

	LIST_FOREACH(notice, bucket_of(n, key, name), bucket)
	{
		if (notice->key == key && is_same_name(notice->name, name)) {
			break;
		}
	}
	return notice;
}

static struct notice *add(struct notifier *n, uint64_t key, const char *name)
{
	struct notice *notice =
		n->n_notices < NOTICES_MAX ? calloc(1, sizeof(*notice)) : NULL;

	if (notice && name && !(notice->name = strdup(name))) {
		free(notice);
		return NULL;
	}
	if (notice) {
		notice->key = key;
		TAILQ_INSERT_TAIL(&n->ready, notice, order);
		LIST_INSERT_HEAD(bucket_of(n, key, name), notice, bucket);
		n->n_notices++;
	}
	return notice;
}

static void drop(struct notifier *n, struct notice *notice)
{
	TAILQ_REMOVE(notice->is_resting ? &n->resting : &n->ready, notice, order);
	LIST_REMOVE(notice, bucket);
	n->n_notices--;
	free(notice->name);
	free(notice);
}

/* What came and went before it was told was never there; what went and came again was
 * changed. */
static unsigned merge(unsigned old, unsigned new)
{
	if ((new &TELL_DELETE) && (old & TELL_CREATE)) {
		return 0;
	}
	if (new &TELL_DELETE) {
		return TELL_DELETE;
	}
	if ((new &TELL_CREATE) && (old & TELL_DELETE)) {
		return (new & ~(unsigned)TELL_CREATE) | TELL_MODIFY;
	}
	return old | new;
}

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
	struct notice *notice = NULL;
	bool was_empty;

	(void)pthread_mutex_lock(&n->lock);
	was_empty = TAILQ_EMPTY(&n->ready);
	if (!n->is_deaf) {
		notice = find(n, dir, name);
		notice = notice ? notice : add(n, dir, name);
	}
	if (notice) {
		notice->ino = ino;
		notice->what = merge(notice->what, what);
	}
	was_empty = was_empty && !TAILQ_EMPTY(&n->ready);
	(void)pthread_mutex_unlock(&n->lock);
	if (was_empty) {
		wake(n);
	}
}

static void end_rests(struct notifier *n, int64_t now)
{
	struct notice *notice;

	while ((notice = TAILQ_FIRST(&n->resting)) && notice->rested_at <= now) {
		if (notice->what == 0) {
			drop(n, notice);
			continue;
		}
		TAILQ_REMOVE(&n->resting, notice, order);
		notice->is_resting = false;
		TAILQ_INSERT_TAIL(&n->ready, notice, order);
	}
}

/* Takes the first that is ready and lets it rest; the name stays valid until the next
 * one is taken, since only this thread drops any. false: there is none;
 * *ret_timeout_ms is when to look again, -1: not before it is woken. */
static bool take(struct notifier *n, struct notice *ret, int *ret_timeout_ms)
{
	int64_t now = clock_ms();
	struct notice *notice;

	(void)pthread_mutex_lock(&n->lock);
	end_rests(n, now);
	notice = TAILQ_FIRST(&n->ready);
	if (notice) {
		*ret = *notice;
		TAILQ_REMOVE(&n->ready, notice, order);
		notice->what = 0;
		notice->is_resting = true;
		notice->rested_at = now + REST_MS;
		TAILQ_INSERT_TAIL(&n->resting, notice, order);
		*ret_timeout_ms = 0;
	} else {
		notice = TAILQ_FIRST(&n->resting);
		*ret_timeout_ms = notice ? (int)(notice->rested_at - now) : -1;
		notice = NULL;
	}
	(void)pthread_mutex_unlock(&n->lock);
	return notice != NULL;
}

static void drop_all(struct notifier *n)
{
	struct notice *notice;

	while ((notice = TAILQ_FIRST(&n->ready)) ||
	       (notice = TAILQ_FIRST(&n->resting))) {
		drop(n, notice);
	}
}

/* --- the thread ------------------------------------------------------------------ */

static bool has_news(const struct notice_list *list)
{
	const struct notice *notice;

	TAILQ_FOREACH(notice, list, order)
	{
		if (notice->what) {
			return true;
		}
	}
	return false;
}

static void become_deaf(struct notifier *n)
{
	(void)pthread_mutex_lock(&n->lock);
	n->is_deaf = true;
	drop_all(n);
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
	is_all = TAILQ_EMPTY(&n->ready) && !has_news(&n->resting);
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
	is = thread != 0 && thread == n->toucher && n->act.kind != ACT_NONE;
	if (is) {
		*ret_act = n->act; /* a copy: the thread may have given up meanwhile */
	}
	(void)pthread_mutex_unlock(&n->lock);
	return is;
}

void notifier_announce(struct notifier *n, enum act_kind kind, uint64_t ino,
		       const char *name)
{
	(void)pthread_mutex_lock(&n->lock);
	n->act.kind = kind;
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
	TAILQ_INIT(&n->ready);
	TAILQ_INIT(&n->resting);
	for (int i = 0; i < NOTICE_BUCKETS; i++) {
		LIST_INIT(&n->buckets[i]);
	}
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
	drop_all(n);
	closep(&n->wake_fd);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}
