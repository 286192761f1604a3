#include "util/process.h"

#include <fcntl.h>
#include <stdio.h>

#include "util/mem.h"

static bool read_proc(pid_t process, const char *name, char *text, size_t size)
{
	cleanup_close int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n <= 0) {
		return false;
	}
	text[n] = '\0';
	return true;
}

static bool is_copier(const char *name)
{
	static const char *const names[] = { "cp\n", "mv\n", "rsync\n", "tar\n" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (streq(name, names[i])) {
			return true;
		}
	}
	return false;
}

/* The name first: it is mostly another one, and costs the kernel much less than the
 * state, of "PID (NAME) STATE ...". */
bool process_is_copying(pid_t process)
{
	char text[512];
	const char *state;

	if (process <= 1 || !read_proc(process, "comm", text, sizeof(text)) ||
	    !is_copier(text) || !read_proc(process, "stat", text, sizeof(text))) {
		return false;
	}
	state = strstr(text, ") ");
	return state && state[2] != 'Z' && state[2] != 'X';
}
