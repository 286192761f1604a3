#include "util/fspath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"
#include "util/mem.h"

bool fspath_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (streq(dir, "/")) {
		return true;
	}
	return has_prefix(path, dir) && (path[len] == '\0' || path[len] == '/');
}

/* Cuts the last name off path and puts it in front of rest ("/name/rest"). */
static int cut_last_name(char *path, struct buf *rest)
{
	cleanup_buf struct buf longer = BUF_INIT;
	char *slash = strrchr(path, '/');

	(void)buf_printf(&longer, "/%s%s", slash ? slash + 1 : path, buf_text(rest));
	if (longer.error) {
		return longer.error;
	}
	buf_truncate(rest, 0);
	(void)buf_add(rest, longer.data, longer.len);
	if (!slash) {
		memcpy(path, ".", 2); /* room for it: the name was not empty */
	} else if (slash == path) {
		path[1] = '\0';
	} else {
		*slash = '\0';
	}
	return rest->error;
}

static void strip_slashes(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/') {
		path[--len] = '\0';
	}
}

int fspath_resolve(const char *path, char **ret_path)
{
	cleanup_free char *head = strdup(path);
	cleanup_free char *real = NULL;
	cleanup_buf struct buf rest = BUF_INIT;
	cleanup_buf struct buf whole = BUF_INIT;
	char *result;
	int r;

	if (!head) {
		return -ENOMEM;
	}
	while (!(real = realpath(head, NULL))) {
		r = -errno;
		strip_slashes(head);
		if ((r != -ENOENT && r != -ENOTCONN) || !*head || streq(head, "/") ||
		    streq(head, ".")) {
			return r;
		}
		r = cut_last_name(head, &rest);
		if (r < 0) {
			return r;
		}
	}
	if (strstr(buf_text(&rest), "/../") || has_suffix(buf_text(&rest), "/..")) {
		return -ENOENT; /* as the kernel has it: behind a missing name */
	}
	(void)buf_printf(&whole, "%s%s", streq(real, "/") && rest.len > 0 ? "" : real,
			 buf_text(&rest));
	result = buf_steal(&whole);
	if (!result) {
		return -ENOMEM;
	}
	*ret_path = result;
	return 0;
}

/* mkdir(2) where a directory that is there already is as good. */
static int make_dir(const char *path, mode_t mode)
{
	struct stat st;
	int r;

	if (mkdir(path, mode) == 0) {
		return 0;
	}
	r = -errno; /* EEXIST, but EACCES or EROFS too where the directory exists */
	if (stat(path, &st) < 0) {
		return r;
	}
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fspath_make_dirs(const char *path, mode_t mode)
{
	cleanup_free char *copy = strdup(path);
	int r;

	if (!copy) {
		return -ENOMEM;
	}
	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/') {
			continue;
		}
		*p = '\0';
		r = make_dir(copy, mode);
		*p = '/';
		if (r < 0) {
			return r;
		}
	}
	return make_dir(path, mode);
}
