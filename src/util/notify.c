#include "util/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

int notify_send(const char *lines)
{
	const char *name = getenv("NOTIFY_SOCKET");
	cleanup_close int fd = -1;
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
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	/* Not waiting: a manager that does not read must not stop the daemon. */
	if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT,
		   (const struct sockaddr *)&address, len) < 0) {
		return -errno;
	}
	return 1;
}

int64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	long long n;

	if (!usec || (pid && strtoll(pid, NULL, 10) != getpid())) {
		return 0;
	}
	errno = 0;
	n = strtoll(usec, &end, 10);
	return errno == 0 && end != usec && *end == '\0' && n > 0 ? n / 1000 : 0;
}
