#include "fs/park.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/helper.h"
#include "util/buf.h"
#include "util/fdpass.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/notify.h"

enum {
	ANSWER_TIMEOUT_S = 5,
	END_TIMEOUT_MS = 1000,
};
static const char socket_name[] = "holder"; /* in the state directory */
static const char *const store_names[HOLDER_FD_COUNT] = {
	[HOLDER_FUSE] = "jobfs-fuse",
	[HOLDER_MEMORY] = "jobfs-memory",
};

struct park {
	int link_fd; /* to the holder; -1: the service manager has them */
};

/* Not every manager with a NOTIFY_SOCKET keeps descriptors, and one that does not says
 * nothing when it is sent some. */
static bool has_store(void)
{
	const char *name = getenv("NOTIFY_SOCKET"), *most = getenv("FDSTORE");

	return name && *name && most && strtol(most, NULL, 10) >= HOLDER_FD_COUNT;
}

static int park_new(int link_fd, struct park **ret_park)
{
	struct park *park = malloc(sizeof(*park));

	if (!park) {
		return -ENOMEM;
	}
	park->link_fd = link_fd;
	*ret_park = park;
	return 0;
}

static void close_all(const int fds[static HOLDER_FD_COUNT])
{
	for (int i = 0; i < HOLDER_FD_COUNT; i++) {
		closep(&fds[i]);
	}
}

/* --- the service manager --------------------------------------------------------- */

static int store_send(const char *verb, int i, int fd)
{
	cleanup_buf struct buf lines = BUF_INIT;

	(void)buf_printf(&lines, "%s\nFDNAME=%s", verb, store_names[i]);
	if (lines.error) {
		return lines.error;
	}
	return fd < 0 ? notify_send(lines.data) : notify_send_fd(lines.data, fd);
}

static void store_end(void)
{
	for (int i = 0; i < HOLDER_FD_COUNT; i++) {
		(void)store_send("FDSTOREREMOVE=1", i, -1);
	}
}

/* Without FDPOLL=0 every request of the mount would wake the manager. */
static int store_put(const int fds[static HOLDER_FD_COUNT], struct err *e)
{
	for (int i = 0; i < HOLDER_FD_COUNT; i++) {
		int r = store_send("FDSTORE=1\nFDPOLL=0", i, fds[i]);

		if (r < 0) {
			store_end();
			return err_set(e, r, "NOTIFY_SOCKET: %s", strerror(-r));
		}
	}
	return 0;
}

/* Half of them is there when a word to the manager was lost, or we died between two of
 * them: nobody can go on with that. */
static int store_take(int ret_fds[static HOLDER_FD_COUNT])
{
	int fds[HOLDER_FD_COUNT];
	int n = 0;

	for (int i = 0; i < HOLDER_FD_COUNT; i++) {
		fds[i] = notify_take_fd(store_names[i]);
		n += fds[i] >= 0;
	}
	if (n < HOLDER_FD_COUNT) {
		close_all(fds);
		if (n > 0) {
			store_end();
		}
		return 0;
	}
	memcpy(ret_fds, fds, sizeof(fds));
	return 1;
}

/* --- the holder ------------------------------------------------------------------ */

/* A socket and its address, whatever the length of the path. */
static int make_socket(const char *state_dir, struct sockaddr_un *ret_address,
		       int *ret_dir)
{
	cleanup_close int dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -errno;
	}
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret_address->sun_path, sizeof(ret_address->sun_path),
		       "/proc/self/fd/%d/%s", dir, socket_name);
	*ret_dir = steal_fd(&dir);
	return fd;
}

/* To a holder of that state directory; negative errno: there is none. */
static int holder_connect(const char *state_dir)
{
	const struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
	cleanup_close int dir = -1;
	struct sockaddr_un address;
	cleanup_close int fd = make_socket(state_dir, &address, &dir);

	if (fd < 0) {
		return fd;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

/* Waits until it is gone: then nothing keeps the mount. */
static void holder_end(int link_fd)
{
	struct pollfd link = { .fd = link_fd, .events = POLLIN };

	(void)fdpass_send(link_fd, HOLDER_END, strlen(HOLDER_END), NULL, 0);
	(void)poll(&link, 1, END_TIMEOUT_MS);
}

static void give_up_other(const char *state_dir)
{
	cleanup_close int fd = holder_connect(state_dir);

	if (fd >= 0) {
		log_info("the mount of a jobfs that has died is given up: it was at "
			 "another place");
		holder_end(fd);
	}
}

/* Of a word to a holder, or of one from it: it was about to end. */
static bool is_ended(ssize_t r)
{
	return r == -EPIPE || r == -ECONNRESET;
}

static int holder_take(const char *state_dir, const char *mountpoint,
		       int ret_fds[static HOLDER_FD_COUNT], struct park **ret_park)
{
	cleanup_close int fd = holder_connect(state_dir);
	cleanup_buf struct buf request = BUF_INIT;
	int fds[HOLDER_FD_COUNT] = { -1, -1 };
	char answer[sizeof(HOLDER_OTHER)] = "";
	ssize_t n;
	int r;

	if (fd < 0) {
		return 0;
	}
	r = buf_printf(&request, HOLDER_TAKE "%s", mountpoint);
	r = r < 0 ? r : fdpass_send(fd, request.data, request.len, NULL, 0);
	if (r < 0) {
		return is_ended(r) ? 0 : r;
	}
	n = fdpass_receive(fd, answer, sizeof(answer) - 1, fds, HOLDER_FD_COUNT);
	if (n > 0 && streq(answer, HOLDER_OTHER)) {
		give_up_other(state_dir);
		return 0;
	}
	if (n <= 0 || fds[0] < 0 || fds[HOLDER_FD_COUNT - 1] < 0) {
		close_all(fds);
		return n < 0 && !is_ended(n) ? (int)n : 0;
	}
	r = park_new(fd, ret_park);
	if (r < 0) {
		close_all(fds);
		return r;
	}
	(void)steal_fd(&fd);
	memcpy(ret_fds, fds, sizeof(fds));
	return 1;
}

static int listen_for_next(const char *state_dir)
{
	cleanup_close int dir = -1;
	struct sockaddr_un address;
	cleanup_close int fd = make_socket(state_dir, &address, &dir);

	if (fd < 0) {
		return fd;
	}
	(void)unlinkat(dir, socket_name, 0); /* of one that has ended */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 1) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

static int spawn_holder(const char *mountpoint, int64_t patience_ms, const int *fds,
			size_t n)
{
	char seconds[24];
	char *argv[] = { (char *)"jobfs-holder", (char *)mountpoint, seconds, NULL };
	pid_t pid; /* nobody waits for its end */

	(void)snprintf(seconds, sizeof(seconds), "%lld",
		       (long long)(patience_ms + 999) / 1000);
	return helper_spawn(argv, fds, n, &pid);
}

static int holder_put(const char *state_dir, const char *mountpoint,
		      const int fds[static HOLDER_FD_COUNT], int64_t patience_ms,
		      struct park **ret_park, struct err *e)
{
	cleanup_close int listen_fd = listen_for_next(state_dir);
	int links[2];
	int r;

	if (listen_fd < 0) {
		return err_set(e, listen_fd, "%s/%s: %s", state_dir, socket_name,
			       strerror(-listen_fd));
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, links) < 0) {
		return err_set(e, -errno, "socketpair: %s", strerror(errno));
	}
	r = spawn_holder(mountpoint, patience_ms,
			 (const int[]){ fds[HOLDER_FUSE], fds[HOLDER_MEMORY], links[1],
					listen_fd },
			 HOLDER_FD_COUNT + 2);
	(void)close(links[1]);
	r = r < 0 ? r : park_new(links[0], ret_park);
	if (r < 0) {
		(void)close(links[0]);
		return err_set(e, r, "jobfs-holder: %s", strerror(-r));
	}
	return 0;
}

/* --- either ---------------------------------------------------------------------- */

int park_take(const char *state_dir, const char *mountpoint,
	      int ret_fds[static HOLDER_FD_COUNT], struct park **ret_park)
{
	int r = has_store() ? store_take(ret_fds) : 0;

	if (r == 0) { /* of one that was started by hand, maybe */
		return holder_take(state_dir, mountpoint, ret_fds, ret_park);
	}
	if (r > 0 && park_new(-1, ret_park) < 0) {
		close_all(ret_fds);
		r = -ENOMEM;
	}
	return r;
}

int park_put(const char *state_dir, const char *mountpoint,
	     const int fds[static HOLDER_FD_COUNT], int64_t patience_ms,
	     struct park **ret_park, struct err *e)
{
	int r;

	if (!has_store()) {
		return holder_put(state_dir, mountpoint, fds, patience_ms, ret_park, e);
	}
	r = store_put(fds, e);
	return r < 0 ? r : park_new(-1, ret_park);
}

bool park_holds(const struct park *park)
{
	char byte;

	if (!park || park->link_fd < 0) {
		return park != NULL;
	}
	return recv(park->link_fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 &&
	       errno == EAGAIN;
}

const char *park_name(const struct park *park)
{
	return park->link_fd < 0 ? "the service manager" : "jobfs-holder";
}

struct park *park_leave(struct park *park)
{
	if (park) {
		closep(&park->link_fd);
		free(park);
	}
	return NULL;
}

void park_end_at_once(const struct park *park)
{
	if (park && park->link_fd >= 0) {
		(void)send(park->link_fd, HOLDER_END, strlen(HOLDER_END),
			   MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

struct park *park_end(struct park *park)
{
	if (!park) {
		return NULL;
	}
	if (park->link_fd >= 0) {
		holder_end(park->link_fd);
		(void)close(park->link_fd);
	} else {
		store_end();
	}
	free(park);
	return NULL;
}
