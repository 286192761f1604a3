/* STATE_DIR/lock: one daemon at a time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "store/internal.h"

enum { LOCK_HOLDER_TRIES = 100, LOCK_HOLDER_WAIT_MS = 10 };

/* Who has the lock, from the kernel: what is written in the file may be of the last
 * holder but one. It takes flock first and the record lock, which carries its pid,
 * right after that. 0: not known. */
static pid_t lock_holder(int fd)
{
	for (int i = 0; i < LOCK_HOLDER_TRIES; i++) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
			return lock.l_pid;
		}
		(void)poll(NULL, 0, LOCK_HOLDER_WAIT_MS);
	}
	return 0;
}

/* Two locks: flock decides, since it holds within one process too; the record lock says
 * who. The file is never removed: removing it would let two daemons lock two files. */
int store_lock(const char *state_dir, int *ret_fd, struct err *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	char pid[32] = "unknown";

	if (asprintf(&path, "%s/lock", state_dir) < 0) {
		path = NULL;
		return err_set(e, -ENOMEM, "no memory");
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		pid_t holder = lock_holder(fd);

		if (holder > 0) {
			(void)snprintf(pid, sizeof(pid), "%d", (int)holder);
		}
		return err_set(e, -EBUSY,
			       "another jobfs (process %s) uses the state directory %s",
			       pid, state_dir);
	}
	(void)fcntl(fd, F_SETLK, &lock);
	*ret_fd = steal_fd(&fd);
	return 0;
}
