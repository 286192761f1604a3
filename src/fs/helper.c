#include "fs/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/mem.h"

enum { FD_FIRST = 3, FDS_MAX = 8, PATH_BYTES = 4096, LOOK_AGAIN_MS = 10 };

/* Beside us, as in a directory where it was built, or where it is installed. */
static int find_program(const char *name, struct buf *out)
{
	char self[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		(void)buf_printf(out, "%s/%s", self, name);
		if (!out->error && access(out->data, X_OK) == 0) {
			return 0;
		}
	}
	buf_truncate(out, 0);
	(void)buf_printf(out, JOBFS_LIBEXECDIR "/%s", name);
	if (out->error) {
		return out->error;
	}
	return access(out->data, X_OK) < 0 ? -errno : 0;
}

/* What ends the daemon's terminal or process group must not end a helper; and of the
 * signals that we block it blocks none. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(attributes, &none);
	return posix_spawnattr_setflags(attributes,
					POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
}

static int set_fds(posix_spawn_file_actions_t *actions, const int *fds, size_t n)
{
	int r = 0;

	for (int out = STDIN_FILENO; r == 0 && out < STDERR_FILENO; out++) {
		r = posix_spawn_file_actions_addopen(actions, out, "/dev/null", O_RDWR,
						     0);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = posix_spawn_file_actions_adddup2(actions, fds[i],
						     FD_FIRST + (int)i);
	}
	return r;
}

static int spawn(const char *path, char *const *argv, const int *fds, size_t n,
		 pid_t *ret_pid)
{
	static char *const no_environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawnattr_init(&attributes);

	if (r != 0) {
		return -r;
	}
	r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = set_attributes(&attributes);
		r = r ? r : set_fds(&actions, fds, n);
		r = r ? r
		      : posix_spawn(ret_pid, path, &actions, &attributes, argv,
				    no_environment);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)posix_spawnattr_destroy(&attributes);
	return -r;
}

int helper_spawn(char *const *argv, const int *fds, size_t n, pid_t *ret_pid)
{
	cleanup_buf struct buf path = BUF_INIT;
	int raised[FDS_MAX]; /* out of the way of the numbers that they will have */
	size_t n_raised = 0;
	int r = n <= FDS_MAX ? find_program(argv[0], &path) : -EINVAL;

	while (r == 0 && n_raised < n) {
		int fd = fcntl(fds[n_raised], F_DUPFD_CLOEXEC, FD_FIRST + FDS_MAX);

		if (fd < 0) {
			r = -errno;
		} else {
			raised[n_raised++] = fd;
		}
	}
	r = r < 0 ? r : spawn(path.data, argv, raised, n, ret_pid);
	while (n_raised > 0) {
		(void)close(raised[--n_raised]);
	}
	return r;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int helper_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -1;
		}
	}
	return exit_code(status);
}

int helper_wait_ms(pid_t pid, int64_t limit_ms)
{
	int64_t deadline_ms = clock_ms() + limit_ms;
	int status;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0 && clock_ms() < deadline_ms) {
		(void)poll(NULL, 0, LOOK_AGAIN_MS);
	}
	if (r == 0) {
		(void)kill(pid, SIGKILL);
		return HELPER_IS_LATE;
	}
	return r < 0 ? -1 : exit_code(status);
}
