/* reader MOUNT SECONDS NAME...: a reader of the mount, as a person's shell or a monitor
 * is. Ten times a second it does one of each: stat NAME/status, cat NAME/status, ls
 * MOUNT. For each it prints a line "stat|cat|ls MICROSECONDS"; what fails is a line
 * "error WHAT". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 100 };

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int do_stat(const char *path)
{
	struct stat st;

	return stat(path, &st);
}

static int do_cat(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0) {
		(void)close(fd);
	}
	return n > 0 ? 0 : -1;
}

static int do_ls(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir) {
		return -1;
	}
	while (readdir(dir)) {
		n++;
	}
	(void)closedir(dir);
	return n > 2 ? 0 : -1;
}

static void measure(const char *what, int (*act)(const char *), const char *path)
{
	int64_t begin = now_us();
	int r = act(path);
	int64_t took = now_us() - begin;

	if (r < 0) {
		(void)printf("error %s %s: %s\n", what, path, strerror(errno));
	} else {
		(void)printf("%s %lld\n", what, (long long)took);
	}
}

int main(int argc, char **argv)
{
	int64_t end = now_us() + strtoll(argc > 3 ? argv[2] : "0", NULL, 10) * 1000000;
	unsigned seed = (unsigned)getpid();
	char path[4096];

	while (now_us() < end) {
		(void)snprintf(path, sizeof(path), "%s/%s/status", argv[1],
			       argv[3 + rand_r(&seed) % (argc - 3)]);
		measure("stat", do_stat, path);
		measure("cat", do_cat, path);
		measure("ls", do_ls, argv[1]);
		(void)poll(NULL, 0, PAUSE_MS / 2 + rand_r(&seed) % PAUSE_MS);
	}
	return 0;
}
