#include "util/notify.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "util/buf.h"
#include "util/mem.h"

/* A socket as systemd has it; its name may begin with @. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(name);

	CHECK(fd >= 0 && len < sizeof(address.sun_path));
	memcpy(address.sun_path, name, len);
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	}
	CHECK(bind(fd, (struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0);
	CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
	return fd;
}

static void check_received(int fd, const char *want)
{
	char have[256];
	ssize_t n = recv(fd, have, sizeof(have) - 1, MSG_DONTWAIT);

	CHECK(n >= 0);
	have[n] = '\0';
	CHECK_STR(have, want);
}

TEST("nothing is sent when nobody asked for it")
{
	CHECK(unsetenv("NOTIFY_SOCKET") == 0);
	CHECK_INT(notify_send("READY=1"), 0);
	CHECK(setenv("NOTIFY_SOCKET", "", 1) == 0);
	CHECK_INT(notify_send("READY=1"), 0);
}

TEST("lines arrive at a socket in a directory")
{
	char dir[] = "/tmp/test-notify-XXXXXX";
	cleanup_buf struct buf name = BUF_INIT;
	cleanup_close int fd = -1;

	CHECK(mkdtemp(dir) && buf_printf(&name, "%s/socket", dir) == 0);
	fd = listen_at(name.data);
	CHECK_INT(notify_send("READY=1\nSTATUS=Mounted"), 1);
	check_received(fd, "READY=1\nSTATUS=Mounted");
	(void)unlink(name.data);
	(void)rmdir(dir);
	CHECK_INT(notify_send("STOPPING=1"), -ENOENT);
}

TEST("lines arrive at a socket of the abstract namespace")
{
	cleanup_buf struct buf name = BUF_INIT;
	cleanup_close int fd = -1;

	CHECK(buf_printf(&name, "@test-notify/%d", (int)getpid()) == 0);
	fd = listen_at(name.data);
	CHECK_INT(notify_send("STOPPING=1"), 1);
	check_received(fd, "STOPPING=1");
}

TEST("a socket that nobody reads does not block")
{
	cleanup_buf struct buf name = BUF_INIT;
	cleanup_close int fd = -1;
	int r;

	CHECK(buf_printf(&name, "@test-notify/%d", (int)getpid()) == 0);
	fd = listen_at(name.data);
	do {
		r = notify_send("STATUS=x");
	} while (r == 1);
	CHECK_INT(r, -EAGAIN);
}

TEST("an address of another kind is refused")
{
	char name[200];

	CHECK(setenv("NOTIFY_SOCKET", "vsock:2:1234", 1) == 0);
	CHECK_INT(notify_send("READY=1"), -EAFNOSUPPORT);
	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
	CHECK_INT(notify_send("READY=1"), -ENAMETOOLONG);
}

TEST_MAIN
