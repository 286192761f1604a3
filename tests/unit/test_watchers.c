#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/watchers.h"

static char dir[] = "/tmp/jobfs-watchers.XXXXXX";

static struct stat stat_of(const char *name)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK_INT(stat(path, &st), 0);
	return st;
}

static void watch(int fd, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK(inotify_add_watch(fd, path, IN_MODIFY) >= 0);
}

/* Who is not root sees only his own. */
static bool can_look(dev_t device)
{
	struct watchers w = WATCHERS_INIT;
	int r = watchers_look(device, &w);

	CHECK(r == 0 || r == -EPERM || r == -EOPNOTSUPP);
	watchers_fini(&w);
	return r == 0;
}

TEST("inodes that are watched are found, others are not")
{
	static const char *const names[] = { "a", "b", "c" };
	int fd = inotify_init1(IN_CLOEXEC), other = inotify_init1(IN_CLOEXEC);
	struct watchers w = WATCHERS_INIT;
	dev_t device;

	CHECK(mkdtemp(dir));
	for (int i = 0; i < 3; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		CHECK_INT(mkdir(path, 0700), 0);
	}
	device = stat_of("a").st_dev;
	watch(fd, "a");
	watch(other, "c");
	if (can_look(device)) {
		CHECK_INT(watchers_look(device, &w), 0);
		CHECK(watchers_have(&w, stat_of("a").st_ino));
		CHECK(!watchers_have(&w, stat_of("b").st_ino));
		CHECK(watchers_have(&w, stat_of("c").st_ino));
		watchers_fini(&w);
		CHECK_INT(watchers_look(device + 1, &w), 0);
		CHECK(!watchers_have(&w, stat_of("a").st_ino));
		watchers_fini(&w);
		(void)close(fd);
		CHECK_INT(watchers_look(device, &w), 0);
		CHECK(!watchers_have(&w, stat_of("a").st_ino));
		watchers_fini(&w);
	}
	for (int i = 0; i < 3; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)rmdir(path);
	}
	CHECK_INT(rmdir(dir), 0);
}

TEST_MAIN
