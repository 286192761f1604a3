#include "util/fdpass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control { /* aligned for its header */
	struct cmsghdr header;
	char data[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int fdpass_send(int socket, const void *data, size_t len, const int *fds, size_t n)
{
	union control control = { .data = { 0 } };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;

	assert(n <= FDPASS_MAX);
	if (n > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(header), fds, n * sizeof(int));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Those for which there is no room are closed. */
static void take_fds(const struct cmsghdr *header, int *ret_fds, size_t n)
{
	size_t n_here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n_here; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
		if (i < n) {
			ret_fds[i] = fd;
		} else {
			(void)close(fd);
		}
	}
}

ssize_t fdpass_receive(int socket, void *data, size_t len, int *ret_fds, size_t n)
{
	union control control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t size;

	for (size_t i = 0; i < n; i++) {
		ret_fds[i] = -1;
	}
	do {
		size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (size < 0 && errno == EINTR);
	if (size < 0) {
		return -errno;
	}
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h;
	     h = CMSG_NXTHDR(&message, h)) {
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
			take_fds(h, ret_fds, n);
		}
	}
	return size;
}
