/* jobfs-toucher: does through the mount what the daemon says, so that inotify hears of
 * it (fs/notifier.c).
 *
 * It is a process of its own because of what happens when the daemon is killed while
 * one of these requests is with it. The request then waits, in a state that no signal
 * ends, for the next daemon to answer it. If a thread of the daemon waited there, the
 * process that was killed would not be gone, and whoever is to start the next one would
 * wait for its end. This process can wait: nobody waits for it. It ends when the daemon
 * has, or when the mount is gone, which it must not keep alive (tree.h). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "helper/toucher.h"
#include "helper/tree.h"
#include "util/mem.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { FUSE_MAGIC = 0x65735546 }; /* linux/magic.h has it since 6.1 only */

static int create(int root, const char *path)
{
	return mknodat(root, path, S_IFREG | 0444, 0);
}

static int make_dir(int root, const char *path)
{
	return mkdirat(root, path, 0555);
}

static int make_link(int root, const char *path)
{
	return symlinkat(".", root, path);
}

static int modify(int root, const char *path)
{
	static const struct timespec now[] = { { .tv_nsec = UTIME_OMIT },
					       { .tv_nsec = UTIME_NOW } };

	return utimensat(root, path, now, AT_SYMLINK_NOFOLLOW);
}

static int open_and_close(int root, const char *path)
{
	cleanup_close int fd = openat(root, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd;
}

static int delete (int root, const char *path)
{
	return unlinkat(root, path, 0);
}

static int (*const verbs[TOUCHER_VERB_COUNT])(int root, const char *path) = {
	[TOUCHER_CREATE] = create,	  [TOUCHER_MAKE_DIR] = make_dir,
	[TOUCHER_LINK] = make_link,	  [TOUCHER_MODIFY] = modify,
	[TOUCHER_CLOSE] = open_and_close, [TOUCHER_DELETE] = delete,
};

static int obey(const struct tree *tree, const struct toucher_order *order)
{
	int root = tree_enter(tree), r = 0;

	if (root < 0) {
		return root;
	}
	for (unsigned i = 0; i < TOUCHER_VERB_COUNT; i++) {
		if ((order->verbs & 1U << i) && verbs[i](root, order->path) < 0) {
			r = -errno;
		}
	}
	tree_leave(tree, root);
	return r;
}

static int reply(int result, const char *way, uint64_t device)
{
	struct toucher_reply reply = { .result = result, .device = device };

	(void)snprintf(reply.way, sizeof(reply.way), "%s", way);
	return send(TOUCHER_FD, &reply, sizeof(reply), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Negative: the daemon is gone. */
static int serve_one(const struct tree *tree)
{
	struct toucher_order order = { .path = "" };
	ssize_t n = recv(TOUCHER_FD, &order, sizeof(order) - 1, 0);

	if (n < 0 && errno == EINTR) {
		return 0;
	}
	if (n < (ssize_t)offsetof(struct toucher_order, path)) {
		return -ENOTCONN;
	}
	return reply(obey(tree, &order), "", 0);
}

static void serve(const struct tree *tree)
{
	struct pollfd fds[] = {
		{ .fd = TOUCHER_FD, .events = POLLIN },
		{ .fd = tree->mounts_fd, .events = POLLPRI },
	};
	bool go_on = tree_is_mounted(tree);

	while (go_on) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			continue;
		}
		if (fds[1].revents) {
			go_on = tree_is_mounted(tree);
		}
		if (go_on && fds[0].revents) {
			go_on = serve_one(tree) == 0;
		}
	}
}

static int ask(const char *mountpoint)
{
	struct statfs s;

	if (statfs(mountpoint, &s) < 0) {
		return errno == ENOTCONN || errno == ECONNABORTED ? TOUCHER_IS_DEAD
								  : EXIT_FAILED;
	}
	return s.f_type == FUSE_MAGIC ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct tree tree = TREE_INIT;
	int r;

	if (argc == 3 && streq(argv[2], "statfs")) {
		return ask(argv[1]);
	}
	if (argc != 2) {
		(void)fprintf(stderr, "jobfs-toucher is started by jobfs\n");
		return EXIT_USAGE;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	r = tree_open(&tree, argv[1]);
	if (reply(r, r < 0 ? "" : tree_way_name(&tree), tree.device) == 0 && r == 0) {
		serve(&tree);
	}
	tree_close(&tree);
	return EXIT_OK;
}
