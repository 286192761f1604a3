#include "util/process.h"

#include <fcntl.h>
#include <stdio.h>

#include "util/mem.h"

/* "PID (NAME) STATE …" of /proc/PID/stat. */
static bool read_stat(pid_t process, char *text, size_t size)
{
	cleanup_close int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n <= 0) {
		return false;
	}
	text[n] = '\0';
	return true;
}

bool process_is_copying(pid_t process)
{
	static const char *const names[] = { "(cp) ", "(mv) ", "(rsync) ", "(tar) " };
	char text[512];
	const char *name;

	if (process <= 1 || !read_stat(process, text, sizeof(text))) {
		return false;
	}
	name = strchr(text, '(');
	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++) {
		if (has_prefix(name, names[i])) {
			char state = name[strlen(names[i])];

			return state != 'Z' && state != 'X';
		}
	}
	return false;
}
