#include "helper/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/mem.h"

enum { MOUNTS_BYTES_MAX = 64 << 20, READ_BYTES = 16384 };
static const char mounts_path[] = "/proc/self/mountinfo";

struct tree_way {
	const char *name;
	/* 0 with a descriptor of a private mount, or -1 in its place: by the path each
	 * time. Negative errno: this way does not go. */
	int (*open)(const char *mountpoint, int *ret_fd);
};

/* --- the ways -------------------------------------------------------------------- */

/* A mount that is in no namespace and goes with its last descriptor. Root may. */
static int open_clone(const char *mountpoint, int *ret_fd)
{
	int fd = open_tree(AT_FDCWD, mountpoint, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0) {
		return -errno;
	}
	*ret_fd = fd;
	return 0;
}

/* A process that shares our descriptors, is root in a user namespace of its own, has a
 * copy of the mounts there, and puts a clone in the place of `reserved`. The clone
 * outlives it. */
static _Noreturn void clone_in_child(const char *mountpoint, int reserved)
{
	int fd = -1;
	bool is_done = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
		       open_clone(mountpoint, &fd) == 0 &&
		       dup3(fd, reserved, O_CLOEXEC) >= 0;

	closep(&fd);
	_exit(is_done ? 0 : 1);
}

static int open_clone_by_child(const char *mountpoint, int *ret_fd)
{
	cleanup_close int reserved = open("/", O_PATH | O_CLOEXEC);
	int status = -1;
	pid_t child;

	if (reserved < 0) {
		return -errno;
	}
	child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
	if (child < 0) {
		return -errno;
	}
	if (child == 0) {
		clone_in_child(mountpoint, reserved);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		return -EPERM;
	}
	*ret_fd = steal_fd(&reserved);
	return 0;
}

/* Where namespaces are forbidden. An unmount can then meet EBUSY while something is
 * being told, and has to be tried again. */
static int open_path(const char *mountpoint, int *ret_fd)
{
	(void)mountpoint;
	*ret_fd = -1;
	return 0;
}

/* The first that goes is taken. */
static const struct tree_way ways[] = {
	{ "a private clone of the mount", open_clone },
	{ "a private clone, made in a user namespace", open_clone_by_child },
	{ "its path", open_path },
};

/* --- the tree -------------------------------------------------------------------- */

const char *tree_way_name(const struct tree *tree)
{
	return tree->way->name;
}

static int open_root(const char *mountpoint)
{
	int fd = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* As it is known already: nothing is asked of the daemon. */
static int get_device(int fd, dev_t *ret_device)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0) {
		return -errno;
	}
	*ret_device = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int tree_enter(const struct tree *tree)
{
	cleanup_close int fd = -1;
	dev_t device;
	int r;

	if (tree->fd >= 0) {
		return tree->fd;
	}
	fd = open_root(tree->mountpoint);
	r = fd < 0 ? fd : get_device(fd, &device);
	if (r < 0) {
		return r;
	}
	return device == tree->device ? steal_fd(&fd) : -ESTALE;
}

void tree_leave(const struct tree *tree, int fd)
{
	if (tree->fd < 0) {
		closep(&fd);
	}
}

static int find_device(struct tree *tree)
{
	cleanup_close int fd = -1;

	if (tree->fd >= 0) {
		return get_device(tree->fd, &tree->device);
	}
	fd = open_root(tree->mountpoint);
	return fd < 0 ? fd : get_device(fd, &tree->device);
}

int tree_watch(struct tree *tree, const char *mountpoint)
{
	int r;

	*tree = (struct tree)TREE_INIT;
	tree->mountpoint = mountpoint;
	tree->mounts_fd = open(mounts_path, O_RDONLY | O_CLOEXEC);
	r = tree->mounts_fd < 0 ? -errno : find_device(tree);
	if (r < 0) {
		tree_close(tree);
	}
	return r;
}

int tree_open(struct tree *tree, const char *mountpoint)
{
	int r = -EPERM;

	*tree = (struct tree)TREE_INIT;
	tree->mountpoint = mountpoint;
	tree->mounts_fd = open(mounts_path, O_RDONLY | O_CLOEXEC);
	if (tree->mounts_fd < 0) {
		return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ways) && r < 0; i++) {
		tree->way = &ways[i];
		r = tree->way->open(mountpoint, &tree->fd);
	}
	r = r < 0 ? r : find_device(tree);
	if (r < 0) {
		tree_close(tree);
	}
	return r;
}

void tree_close(struct tree *tree)
{
	closep(&tree->fd);
	closep(&tree->mounts_fd);
	tree->fd = tree->mounts_fd = -1;
}

/* --- is it still mounted? -------------------------------------------------------- */

static int read_mounts(struct buf *out)
{
	cleanup_close int fd = open(mounts_path, O_RDONLY | O_CLOEXEC);
	char data[READ_BYTES];
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0 && out->len < MOUNTS_BYTES_MAX) {
		n = read(fd, data, sizeof(data));
		if (n > 0) {
			(void)buf_add(out, data, (size_t)n);
		}
	}
	return n < 0 ? -errno : out->error;
}

/* "36 35 98:0 /root /mount/point ...": the third field is the device. */
bool tree_is_mounted(const struct tree *tree)
{
	cleanup_buf struct buf text = BUF_INIT;
	bool found = false;
	const char *line;
	unsigned major, minor;

	if (read_mounts(&text) < 0) {
		return false;
	}
	line = buf_text(&text);
	while (line && !found) {
		// NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
		found = sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 &&
			makedev(major, minor) == tree->device;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return found;
}
