#include "util/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/mem.h"

/* The child writes this struct once; a pipe keeps writes of up to PIPE_BUF bytes whole.
 */
struct message {
	int code; /* 0: ready */
	char text[ERR_TEXT_MAX];
};

_Static_assert(sizeof(struct message) <= 4096, "longer than PIPE_BUF");

static int wait_readable(int fd, int64_t deadline)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline - clock_ms();
		int n = poll(&pollfd, 1, left > 0 ? (int)left : 0);

		if (n > 0) {
			return 0;
		}
		if (n == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

/* 0: *message is whole; -EPIPE: the child ended without a word. */
static int receive(int fd, int timeout_ms, struct message *message)
{
	int64_t deadline = clock_ms() + timeout_ms;
	size_t len = 0;

	while (len < sizeof(*message)) {
		int r = wait_readable(fd, deadline);
		ssize_t n;

		if (r < 0) {
			return r;
		}
		n = read(fd, (char *)message + len, sizeof(*message) - len);
		if (n == 0) {
			return -EPIPE;
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Why a child that said nothing ended. */
static int explain_end(pid_t child, struct err *e)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFSIGNALED(status)) {
		return err_set(e, -EPIPE, "the daemon was ended by signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	}
	return err_set(e, -EPIPE, "the daemon ended with exit code %d",
		       WEXITSTATUS(status));
}

static int parent(int fd, pid_t child, int timeout_ms, struct err *e)
{
	struct message message;
	int r = receive(fd, timeout_ms, &message);

	if (r == -EPIPE) {
		return explain_end(child, e);
	}
	if (r < 0) {
		(void)kill(child, SIGKILL);
		return err_set(e, r, "the daemon did not start within %d seconds",
			       timeout_ms / 1000);
	}
	message.text[sizeof(message.text) - 1] = '\0';
	return message.code == 0 ? 0 : err_set(e, message.code, "%s", message.text);
}

int detach_fork(int timeout_ms, int *ret_fd, struct err *e)
{
	int fds[2];
	pid_t child;
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	}
	child = fork();
	if (child < 0) {
		r = err_set(e, -errno, "fork: %s", strerror(errno));
		(void)close(fds[0]);
		(void)close(fds[1]);
		return r;
	}
	if (child == 0) {
		(void)close(fds[0]);
		*ret_fd = fds[1];
		return 1;
	}
	(void)close(fds[1]);
	r = parent(fds[0], child, timeout_ms, e);
	(void)close(fds[0]);
	return r;
}

static void say(int *fd, int code, const char *text)
{
	struct message message = { .code = code };
	size_t len = strlen(text);

	if (*fd < 0) {
		return;
	}
	if (len >= sizeof(message.text)) {
		len = sizeof(message.text) - 1;
	}
	memcpy(message.text, text, len);
	/* The parent may be gone (Ctrl-C): then nobody is there to be told. */
	(void)!write(*fd, &message, sizeof(message));
	(void)close(steal_fd(fd));
}

void detach_ready(int *fd)
{
	say(fd, 0, "");
}

void detach_failed(int *fd, const struct err *e)
{
	say(fd, e->code < 0 ? e->code : -EIO, e->text);
}

int detach_streams(int log_fd)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0) {
		return -errno;
	}
	if (setsid() < 0 || chdir("/") < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0) {
		return -errno;
	}
	return 0;
}
