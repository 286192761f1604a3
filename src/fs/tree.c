#include "fs/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/mem.h"

struct tree_way {
	const char *name;
	/* A descriptor of a private mount, -1: by the path each time. Negative errno
	 * below that: this way does not go. */
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

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static struct msghdr control_message(union control *control, struct iovec *byte)
{
	struct msghdr message = { .msg_iov = byte,
				  .msg_iovlen = 1,
				  .msg_control = control->room,
				  .msg_controllen = sizeof(control->room) };

	control->header.cmsg_len = CMSG_LEN(sizeof(int));
	control->header.cmsg_level = SOL_SOCKET;
	control->header.cmsg_type = SCM_RIGHTS;
	return message;
}

/* The child is root in a user namespace of its own, with a copy of the mounts, and
 * clones there. The clone outlives it. Only system calls: the daemon has threads. */
static _Noreturn void clone_in_child(const char *mountpoint, int socket)
{
	union control control = { .room = "" };
	char nothing = 0;
	struct iovec byte = { .iov_base = &nothing, .iov_len = 1 };
	struct msghdr message = control_message(&control, &byte);
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    open_clone(mountpoint, &fd) < 0) {
		_exit(1);
	}
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	_exit(sendmsg(socket, &message, 0) == 1 ? 0 : 1);
}

static int receive_fd(int socket, int *ret_fd)
{
	union control control = { .room = "" };
	char nothing = 0;
	struct iovec byte = { .iov_base = &nothing, .iov_len = 1 };
	struct msghdr message = control_message(&control, &byte);
	ssize_t n;

	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	if (n == 0 || !CMSG_FIRSTHDR(&message)) {
		return -EPERM; /* the child could not */
	}
	memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*ret_fd));
	return 0;
}

static int open_clone_by_child(const char *mountpoint, int *ret_fd)
{
	cleanup_close int ours = -1;
	cleanup_close int theirs = -1;
	int pair[2], r;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	ours = pair[0];
	theirs = pair[1];
	child = fork();
	if (child < 0) {
		return -errno;
	}
	if (child == 0) {
		clone_in_child(mountpoint, theirs);
	}
	closep(&theirs);
	theirs = -1;
	r = receive_fd(ours, ret_fd);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
	}
	return r;
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

static int get_device(int fd, dev_t *ret_device)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	*ret_device = st.st_dev;
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

int tree_open(struct tree *tree, const char *mountpoint)
{
	int r = -EPERM;

	*tree = (struct tree)TREE_INIT;
	tree->mountpoint = mountpoint;
	tree->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
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

/* The third field of each line is the device. */
bool tree_is_mounted(const struct tree *tree)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char *line = NULL;
	size_t capacity = 0;
	unsigned major, minor;

	while (f && !found && getline(&line, &capacity, f) >= 0) {
		// NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
		found = sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 &&
			makedev(major, minor) == tree->device;
	}
	free(line);
	if (f) {
		(void)fclose(f);
	}
	return found;
}
