#include "ssh/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/mem.h"

enum { SLACK = 16 << 10 }; /* a file may grow while it is read */

int file_read_fd(int fd, size_t max, struct buf *ret_data)
{
	struct stat st;
	size_t room;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (st.st_size < 0 || (size_t)st.st_size > max) {
		return -EFBIG;
	}
	room = (size_t)st.st_size + SLACK;
	if (!buf_reserve(ret_data, room)) {
		return ret_data->error;
	}
	while (ret_data->len < room) {
		ssize_t n =
			read(fd, ret_data->data + ret_data->len, room - ret_data->len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			ret_data->data[ret_data->len] = '\0';
			return 0;
		}
		ret_data->len += (size_t)n;
	}
	return -EFBIG;
}

int file_read(const char *path, size_t max, struct buf *ret_data)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : file_read_fd(fd, max, ret_data);
}
