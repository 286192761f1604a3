#include "util/fspath.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "util/mem.h"

static char dir[] = "/tmp/test-fspath-XXXXXX";
static char *real; /* dir without symlinks */

__attribute__((constructor)) static void set_up(void)
{
	if (!mkdtemp(dir) || chdir(dir) < 0 || !(real = realpath(dir, NULL))) {
		abort();
	}
}

__attribute__((destructor)) static void tear_down(void)
{
	(void)remove("a/b/c");
	(void)remove("a/b");
	(void)remove("a");
	(void)remove("link");
	(void)remove("file");
	(void)rmdir(dir);
	free(real);
}

/* want: below the test's directory */
static void check_resolved(const char *path, const char *want)
{
	cleanup_free char *have = NULL;
	size_t len = strlen(real);

	CHECK_INT(fspath_resolve(path, &have), 0);
	CHECK(strncmp(have, real, len) == 0);
	CHECK_STR(have + len, want);
}

TEST("directories are made on the way, and may be there already")
{
	struct stat st;

	CHECK_INT(fspath_make_dirs("a/b", 0700), 0);
	CHECK_INT(fspath_make_dirs("a/b/c/", 0700), 0);
	CHECK_INT(fspath_make_dirs("a/b/c", 0700), 0);
	CHECK_INT(fspath_make_dirs("/", 0700), 0);
	CHECK(stat("a/b/c", &st) == 0 && S_ISDIR(st.st_mode));
	CHECK_INT(st.st_mode & 0777, 0700);
}

TEST("a file in the way is no directory")
{
	FILE *file = fopen("file", "w");

	CHECK(file && fclose(file) == 0);
	CHECK_INT(fspath_make_dirs("file", 0700), -ENOTDIR);
	CHECK(fspath_make_dirs("file/a", 0700) < 0);
	CHECK(fspath_make_dirs("", 0700) < 0);
}

TEST("a path is resolved, with what does not exist behind it")
{
	CHECK(symlink("a/b", "link") == 0);
	check_resolved("a/./b/../b", "/a/b");
	check_resolved("link", "/a/b");
	check_resolved("link/c/none/at/all", "/a/b/c/none/at/all");
	check_resolved("none", "/none");
	check_resolved("none//", "/none");
	check_resolved("a/none/", "/a/none");
}

TEST("a path that cannot be resolved is an error")
{
	cleanup_free char *path = NULL;

	CHECK_INT(fspath_resolve("", &path), -ENOENT);
	CHECK_INT(fspath_resolve("none/../a", &path), -ENOENT);
	CHECK_INT(fspath_resolve("none/..", &path), -ENOENT);
	CHECK_INT(fspath_resolve("file/a", &path), -ENOTDIR);
	CHECK_INT(fspath_resolve("/none", &path), 0);
	CHECK_STR(path, "/none");
}

TEST("below means behind a slash")
{
	CHECK(fspath_is_below("/a", "/a"));
	CHECK(fspath_is_below("/a/b", "/a"));
	CHECK(!fspath_is_below("/ab", "/a"));
	CHECK(!fspath_is_below("/", "/a"));
	CHECK(fspath_is_below("/a", "/"));
}

TEST_MAIN
