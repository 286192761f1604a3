/* jobfs-holder: keeps a mount alive between two daemons.
 *
 * A FUSE mount dies with the last descriptor of its /dev/fuse. This process has one,
 * and does nothing with it: while no daemon serves the mount, the kernel lets whoever
 * uses it wait, and the next daemon of the same user that names the same mount point
 * gets the descriptor and goes on. Where there is systemd, its file descriptor store
 * does the same.
 *
 * It must never let people wait for ever: if no daemon comes in time it ends, and so
 * does their waiting, with ENOTCONN. And it must never be in the way: it opens nothing
 * of the mount, so umount(8) works as ever, and the mount's end is its own. It is a
 * program of its own so that it keeps nothing else of the daemon alive, least of all
 * secrets. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper/holder.h"
#include "helper/tree.h"
#include "util/clock.h"
#include "util/fdpass.h"
#include "util/mem.h"

enum { EXIT_OK = 0, EXIT_GAVE_UP = 3, EXIT_USAGE = 2 };
enum { REQUEST_TIMEOUT_S = 1 };

struct holder {
	const char *mountpoint;
	int64_t patience_ms;
	int fds[HOLDER_FD_COUNT];
	int listen_fd;
	int link_fd;	     /* to the daemon; -1: there is none */
	int64_t deadline_ms; /* clock_ms(); while there is none */
	struct tree tree;
};

static bool is_of_same_user(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == geteuid();
}

/* A message of a daemon as a string. 0: it has ended; negative errno. */
static ssize_t receive(int fd, char ret_text[static HOLDER_MESSAGE_MAX])
{
	ssize_t n = fdpass_receive(fd, ret_text, HOLDER_MESSAGE_MAX - 1, NULL, 0);

	ret_text[n > 0 ? n : 0] = '\0';
	return n;
}

static void refuse(int fd)
{
	(void)fdpass_send(fd, HOLDER_OTHER, strlen(HOLDER_OTHER), NULL, 0);
}

/* Somebody has connected: a daemon that wants the mount. False: it is the end. */
static bool answer(struct holder *h)
{
	const struct timeval limit = { .tv_sec = REQUEST_TIMEOUT_S };
	cleanup_close int fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char text[HOLDER_MESSAGE_MAX];

	if (fd < 0 || !is_of_same_user(fd)) {
		return true;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (receive(fd, text) <= 0) {
		return true;
	}
	if (streq(text, HOLDER_END)) {
		return false;
	}
	if (!has_prefix(text, HOLDER_TAKE) ||
	    !streq(text + strlen(HOLDER_TAKE), h->mountpoint)) {
		refuse(fd);
	} else if (fdpass_send(fd, HOLDER_MINE, strlen(HOLDER_MINE), h->fds,
			       HOLDER_FD_COUNT) == 0) {
		closep(&h->link_fd); /* of one whose end was not heard of yet */
		h->link_fd = steal_fd(&fd);
	}
	return true;
}

/* The daemon has spoken, or is no more. False: it is the end. */
static bool hear(struct holder *h)
{
	char text[HOLDER_MESSAGE_MAX];

	if (receive(h->link_fd, text) > 0) {
		return !streq(text, HOLDER_END);
	}
	(void)close(steal_fd(&h->link_fd));
	h->deadline_ms = clock_ms() + h->patience_ms;
	return true;
}

static int give_up(const struct holder *h)
{
	(void)fprintf(stderr,
		      "jobfs-holder: no jobfs has come back to %s within %lld s; what "
		      "waits for it fails now\n",
		      h->mountpoint, (long long)(h->patience_ms / 1000));
	return EXIT_GAVE_UP;
}

/* It is not enough to look at /dev/fuse, which sees the end of the file system: a
 * toucher that waits for an answer has a mount of it too. */
static bool is_mounted(const struct holder *h)
{
	return h->tree.mounts_fd < 0 || tree_is_mounted(&h->tree);
}

/* The exit code. The mount is looked at only while nobody serves it: else the daemon
 * sees its end; and every request would wake us. */
static int hold(struct holder *h)
{
	bool go_on = true;

	while (go_on) {
		bool is_alone = h->link_fd < 0;
		struct pollfd fds[] = {
			{ .fd = h->listen_fd, .events = POLLIN },
			{ .fd = h->link_fd, .events = POLLIN },
			{ .fd = is_alone ? h->fds[HOLDER_FUSE] : -1 },
			{ .fd = is_alone ? h->tree.mounts_fd : -1, .events = POLLPRI },
		};
		int64_t left_ms = is_alone ? h->deadline_ms - clock_ms() : -1;

		if (is_alone && !is_mounted(h)) {
			return EXIT_OK;
		}
		if (is_alone && left_ms <= 0) {
			return give_up(h);
		}
		if (poll(fds, ARRAY_SIZE(fds), (int)left_ms) < 0) {
			continue;
		}
		go_on = !(fds[2].revents & POLLERR); /* it was unmounted */
		go_on = go_on && (!fds[1].revents || hear(h));
		go_on = go_on && (!fds[0].revents || answer(h));
	}
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct holder h = { .listen_fd = HOLDER_FD_LISTEN, .link_fd = HOLDER_FD_LINK };

	if (argc != 3 || (h.patience_ms = strtoll(argv[2], NULL, 10) * 1000) <= 0) {
		(void)fprintf(stderr, "jobfs-holder is started by jobfs\n");
		return EXIT_USAGE;
	}
	h.mountpoint = argv[1];
	for (int i = 0; i < HOLDER_FD_COUNT; i++) {
		h.fds[i] = HOLDER_FD_FIRST + i;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)tree_watch(&h.tree, h.mountpoint);
	return hold(&h);
}
