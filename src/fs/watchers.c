/* Reading /proc.
 *
 * A descriptor of inotify or fanotify lists its watches in fdinfo. Somebody who passes
 * one through a socket and closes it, or has it in a thread with descriptors of its
 * own, is not found; nor is dnotify, which has no descriptor. So nobody should look
 * here who has the time to tell everything. */
#include "fs/watchers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/mem.h"

enum { LINK_BYTES = 64, READ_BYTES = 4096, NAME_BYTES = 32 };

/* The namespace of processes that has all others in it; linux/proc_ns.h of the kernel,
 * PROC_PID_INIT_INO. */
static const char first_namespace[] = "pid:[4026531836]";

struct look {
	unsigned device; /* as the kernel writes it */
	struct buf inodes;
};

static void close_dir(DIR **dir)
{
	if (*dir) {
		(void)closedir(*dir);
	}
}

/* What is gone since it was listed is not to be looked at. */
static int errno_of_look(void)
{
	return errno == ENOENT || errno == ESRCH ? 0 : -errno;
}

static int open_dir(int at, const char *name, DIR **ret_dir)
{
	cleanup_close int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		return errno_of_look();
	}
	*ret_dir = fdopendir(fd);
	if (!*ret_dir) { /* its process may have gone since openat() */
		return errno_of_look();
	}
	(void)steal_fd(&fd);
	return 0;
}

/* --- one descriptor -------------------------------------------------------------- */

static int read_line(struct look *l, const char *line)
{
	unsigned long long ino;
	unsigned device;
	uint64_t found;

	if (has_prefix(line, "fanotify mnt_id:") ||
	    has_prefix(line, "fanotify sdev:")) {
		return -EOPNOTSUPP;
	}
	// NOLINTBEGIN(cert-err34-c): the kernel's own numbers
	if (sscanf(line, "inotify wd:%*x ino:%llx sdev:%x", &ino, &device) != 2 &&
	    sscanf(line, "fanotify ino:%llx sdev:%x", &ino, &device) != 2) {
		return 0;
	}
	// NOLINTEND(cert-err34-c)
	found = ino;
	return device == l->device ? buf_add(&l->inodes, &found, sizeof(found)) : 0;
}

static int read_text(int fd, struct buf *out)
{
	char data[READ_BYTES];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		(void)buf_add(out, data, (size_t)n);
	}
	return n < 0 ? errno_of_look() : out->error;
}

static int read_watches(struct look *l, int process, const char *fd_name)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[NAME_BYTES], *save = NULL, *line;
	cleanup_close int fd = -1;
	int r;

	(void)snprintf(path, sizeof(path), "fdinfo/%s", fd_name);
	fd = openat(process, path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? errno_of_look() : read_text(fd, &text);
	line = r < 0 || text.len == 0 ? NULL : strtok_r(text.data, "\n", &save);
	for (; r == 0 && line; line = strtok_r(NULL, "\n", &save)) {
		r = read_line(l, line);
	}
	return r;
}

static bool is_for_watches(int dir, const char *name)
{
	char target[LINK_BYTES];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n <= 0) {
		return false;
	}
	target[n] = '\0';
	return has_prefix(target, "anon_inode:") && strstr(target, "notify");
}

/* --- all ------------------------------------------------------------------------- */

static bool is_number(const char *name)
{
	return *name && name[strspn(name, "0123456789")] == '\0';
}

static int look_at_process(struct look *l, int proc, const char *pid)
{
	cleanup_close int process = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_(close_dir) DIR *fds = NULL;
	const struct dirent *entry;
	int r = process < 0 ? errno_of_look() : open_dir(process, "fd", &fds);

	while (r == 0 && fds && (entry = readdir(fds))) {
		if (is_number(entry->d_name) &&
		    is_for_watches(dirfd(fds), entry->d_name)) {
			r = read_watches(l, process, entry->d_name);
		}
	}
	return r;
}

static int look_at_all(struct look *l)
{
	cleanup_(close_dir) DIR *proc = NULL;
	const struct dirent *entry;
	int r = open_dir(AT_FDCWD, "/proc", &proc);

	if (!proc) {
		return r < 0 ? r : -ENOENT;
	}
	while (r == 0 && (entry = readdir(proc))) {
		if (is_number(entry->d_name)) {
			r = look_at_process(l, dirfd(proc), entry->d_name);
		}
	}
	return r == -EACCES ? -EPERM : r;
}

/* In a namespace below, processes above it may watch the mount too. */
static bool is_in_first_namespace(void)
{
	char name[sizeof(first_namespace) + 1];
	ssize_t n = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);

	name[n > 0 ? n : 0] = '\0';
	return streq(name, first_namespace);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int watchers_look(dev_t device, struct watchers *ret_watchers)
{
	struct look l = { .device = major(device) << 20 | minor(device),
			  .inodes = BUF_INIT };
	int r = geteuid() == 0 && is_in_first_namespace() ? look_at_all(&l) : -EPERM;

	if (r < 0) {
		buf_fini(&l.inodes);
		return r;
	}
	ret_watchers->inodes = (uint64_t *)(void *)l.inodes.data;
	ret_watchers->n = l.inodes.len / sizeof(uint64_t);
	if (ret_watchers->n > 0) {
		qsort(ret_watchers->inodes, ret_watchers->n, sizeof(uint64_t), compare);
	}
	return 0;
}

bool watchers_have(const struct watchers *watchers, uint64_t ino)
{
	return watchers->n > 0 &&
	       bsearch(&ino, watchers->inodes, watchers->n, sizeof(uint64_t), compare);
}

void watchers_fini(struct watchers *watchers)
{
	free(watchers->inodes);
	*watchers = (struct watchers)WATCHERS_INIT;
}
