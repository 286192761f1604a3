#include "util/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "util/mem.h"

static struct err err;

TEST("the parent hears that the child is ready")
{
	int fd = -1;
	int r = detach_fork(20000, &fd, &err);

	if (r == 1) {
		detach_ready(&fd);
		_exit(fd == -1 ? 0 : 1);
	}
	CHECK_INT(r, 0);
}

TEST("the parent gets the child's error and sentence")
{
	int fd = -1;
	int r = detach_fork(20000, &fd, &err);

	if (r == 1) {
		(void)err_set(&err, -EBUSY, "another daemon is here");
		detach_failed(&fd, &err);
		detach_ready(&fd); /* too late */
		_exit(0);
	}
	CHECK_INT(r, -EBUSY);
	CHECK_INT(err.code, -EBUSY);
	CHECK_STR(err.text, "another daemon is here");
}

TEST("a child that ends without a word is explained")
{
	int fd = -1;
	int r = detach_fork(20000, &fd, &err);

	if (r == 1) {
		_exit(7);
	}
	CHECK_INT(r, -EPIPE);
	CHECK_STR(err.text, "the daemon ended with exit code 7");
	r = detach_fork(20000, &fd, &err);
	if (r == 1) {
		(void)raise(SIGKILL);
	}
	CHECK_INT(r, -EPIPE);
	CHECK_STR(err.text, "the daemon was ended by signal 9 (Killed)");
}

TEST("a child that says nothing is killed")
{
	int fd = -1;
	int r = detach_fork(100, &fd, &err);

	if (r == 1) {
		for (;;) {
			(void)pause();
		}
	}
	CHECK_INT(r, -ETIMEDOUT);
	CHECK_STR(err.text, "the daemon did not start within 0 seconds");
}

TEST("a detached child has a session, no directory and no terminal")
{
	int fd = -1, r;
	FILE *log = tmpfile();
	char line[64] = "";

	CHECK(log);
	r = detach_fork(20000, &fd, &err);
	if (r == 1) {
		char cwd[64];
		struct stat in, out, null;

		r = detach_streams(fileno(log));
		(void)fprintf(stderr, "logged\n");
		if (r < 0 || !getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0 ||
		    getsid(0) != getpid() || fstat(0, &in) < 0 || fstat(1, &out) < 0 ||
		    stat("/dev/null", &null) < 0 || in.st_rdev != null.st_rdev ||
		    out.st_rdev != null.st_rdev) {
			_exit(1);
		}
		detach_ready(&fd);
		_exit(0);
	}
	CHECK_INT(r, 0);
	rewind(log);
	CHECK(fgets(line, sizeof(line), log));
	CHECK_STR(line, "logged\n");
	(void)fclose(log);
}

TEST_MAIN
