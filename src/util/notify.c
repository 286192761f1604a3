#include "util/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fdpass.h"
#include "util/mem.h"

/* A path, or "@name" for a socket of the abstract namespace, whose name begins with
 * NUL. */
static int notify_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t len = strlen(name);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len < 2 || (name[0] != '/' && name[0] != '@')) {
		return -EAFNOSUPPORT;
	}
	if (len >= sizeof(ret->sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(ret->sun_path, name, len);
	if (name[0] == '@') {
		ret->sun_path[0] = '\0';
	}
	/* The NUL behind a path counts or not, but an abstract name is all its bytes.
	 */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

static int send_lines(const char *lines, const int *fds, size_t n)
{
	const char *name = getenv("NOTIFY_SOCKET");
	cleanup_close int socket_fd = -1;
	struct sockaddr_un address;
	socklen_t len;
	int r;

	if (!name || !*name) {
		return 0;
	}
	r = notify_address(name, &address, &len);
	if (r < 0) {
		return r;
	}
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0) {
		return -errno;
	}
	if (connect(socket_fd, (const struct sockaddr *)&address, len) < 0) {
		return -errno;
	}
	/* Not waiting: a manager that does not read must not stop the daemon. */
	r = fdpass_send(socket_fd, lines, strlen(lines), fds, n);
	return r < 0 ? r : 1;
}

int notify_send(const char *lines)
{
	return send_lines(lines, NULL, 0);
}

int notify_send_fd(const char *lines, int fd)
{
	return send_lines(lines, &fd, 1);
}

/* Of the process itself: else it is a number of somebody else's. */
static bool is_of_us(const char *pid)
{
	return pid && strtoll(pid, NULL, 10) == getpid();
}

#ifdef __SANITIZE_THREAD__
/* TSan knows that what one thread writes is read by another later only of a descriptor
 * that it saw come to be. Through a socket it sees this one. */
static int show_to_sanitizer(int fd)
{
	int sockets[2], shown = -1;
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0) {
		(void)fdpass_send(sockets[0], &byte, 1, &fd, 1);
		(void)fdpass_receive(sockets[1], &byte, 1, &shown, 1);
		(void)close(sockets[0]);
		(void)close(sockets[1]);
		(void)close(fd);
	}
	return shown;
}
#else
static int show_to_sanitizer(int fd)
{
	return fd;
}
#endif

enum { LISTEN_FDS_START = 3 };

int notify_take_fd(const char *name)
{
	const char *names = getenv("LISTEN_FDNAMES"), *n = getenv("LISTEN_FDS");
	int fd = LISTEN_FDS_START;
	int end = fd + (n ? (int)strtol(n, NULL, 10) : 0);

	if (!names || !is_of_us(getenv("LISTEN_PID"))) {
		return -1;
	}
	for (; fd < end && *names; fd++) {
		size_t len = strcspn(names, ":");

		if (len == strlen(name) && strncmp(names, name, len) == 0) {
			return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0
				       ? -1
				       : show_to_sanitizer(fd);
		}
		names += len + (names[len] == ':');
	}
	return -1;
}

int64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	long long n;

	if (!usec || (pid && !is_of_us(pid))) {
		return 0;
	}
	errno = 0;
	n = strtoll(usec, &end, 10);
	return errno == 0 && end != usec && *end == '\0' && n > 0 ? n / 1000 : 0;
}
