#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/helper.h"
#include "helper/toucher.h"
#include "util/log.h"
#include "util/mem.h"

extern char **environ;

enum { STACKED_MAX = 16, TYPE_MAX = 32, DEAD_TIMEOUT_MS = 5000 };
#ifndef MOVE_MOUNT_BENEATH /* Linux 6.5 */
#define MOVE_MOUNT_BENEATH 0x200
#endif
static const char our_type[] = "fuse.jobfs";

static void fclosep(FILE **f)
{
	if (*f) {
		(void)fclose(*f);
	}
}

/* In mountinfo a space, tab, newline and backslash are \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			const char octal[] = { text[1], text[2], text[3], '\0' };

			*to++ = (char)strtol(octal, NULL, 8);
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw": gives the
 * fifth field and the one behind " - ". */
static bool parse_line(char *line, char **ret_where, char **ret_type)
{
	char *dash = strstr(line, " - "), *field = line, *end;

	for (int i = 0; i < 4 && field; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	if (!dash || !field || field > dash) {
		return false;
	}
	end = strchr(field, ' ');
	*end = '\0';
	unescape(field);
	dash += strlen(" - ");
	end = strchr(dash, ' ');
	if (end) {
		*end = '\0';
	}
	*ret_where = field;
	*ret_type = dash;
	return true;
}

/* The type of the topmost mount at path, "" when it is none. */
static int find_mount(const char *path, char ret_type[static TYPE_MAX])
{
	cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	cleanup_free char *line = NULL;
	size_t capacity = 0;
	char *where, *type;

	if (!f) {
		return -errno;
	}
	ret_type[0] = '\0';
	while (getline(&line, &capacity, f) >= 0) {
		if (parse_line(line, &where, &type) && streq(where, path)) {
			(void)snprintf(ret_type, TYPE_MAX, "%s", type);
		}
	}
	return 0;
}

/* What only root may do itself. */
static int ask_fusermount(const char *path)
{
	char *const argv[] = { (char *)"fusermount3", (char *)"-uzq", (char *)"--",
			       (char *)path, NULL };
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r != 0) {
		return -r;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int take_away(const char *path)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
		return 0;
	}
	return errno == EPERM ? ask_fusermount(path) : -errno;
}

/* The daemon of a FUSE mount is dead if and only if the kernel says so. One that hangs,
 * or that somebody keeps for the next daemon, says nothing at all. */
static bool is_dead(const char *path)
{
	char *argv[] = { (char *)"jobfs-toucher", (char *)path, (char *)"statfs",
			 NULL };
	pid_t pid;

	return helper_spawn(argv, NULL, 0, &pid) == 0 &&
	       helper_wait_ms(pid, DEAD_TIMEOUT_MS) == TOUCHER_IS_DEAD;
}

bool mount_is_there(const char *path)
{
	char type[TYPE_MAX] = "";

	return find_mount(path, type) == 0 && streq(type, our_type);
}

bool mount_is_dead(const char *path)
{
	return mount_is_there(path) && is_dead(path);
}

static int move_to(int tree, const char *path, unsigned how)
{
	return move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | how) < 0
		       ? -errno
		       : 0;
}

int mount_replace(const char *from, const char *path)
{
	cleanup_close int tree =
		open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = tree < 0 ? -errno : move_to(tree, path, MOVE_MOUNT_BENEATH);

	if (r == 0) {
		return take_away(path); /* the dead one is on top */
	}
	if (r != -EINVAL) {
		return r;
	}
	r = take_away(path);
	return r < 0 ? r : move_to(tree, path, 0);
}

static int check_directory(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode)) {
		return err_set(e, -ENOTDIR, "%s is not a directory", path);
	}
	return 0;
}

void mount_end(const char *path)
{
	if (mount_is_there(path)) {
		(void)take_away(path);
	}
}

int mount_clear(const char *path, struct err *e)
{
	char type[TYPE_MAX] = "";

	for (int i = 0; i < STACKED_MAX; i++) {
		int r = find_mount(path, type);

		if (r < 0) {
			return err_set(e, r, "cannot read the list of mounts: %s",
				       strerror(-r));
		}
		if (type[0] == '\0') {
			return check_directory(path, e);
		}
		if (!streq(type, our_type) || !is_dead(path)) {
			return err_set(e, -EBUSY,
				       "%s is a mount point already (of type %s)", path,
				       type);
		}
		log_info("%s: taking away the mount of a jobfs that has died", path);
		r = take_away(path);
		if (r < 0) {
			return err_set(
				e, r,
				"%s is the mount of a jobfs that has died, and "
				"cannot be taken away: %s; try fusermount3 -uz %s",
				path, strerror(-r), path);
		}
	}
	return err_set(e, -EBUSY, "%s: too many mounts on top of each other", path);
}
