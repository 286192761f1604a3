#include "fs/caller.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/mem.h"

enum { PROC_TEXT_MAX = 1024 };

/* The beginning of /proc/THREAD/NAME, "" when it cannot be read. */
static void read_proc(pid_t thread, const char *name, char ret_text[static PROC_TEXT_MAX])
{
	char path[48];
	cleanup_close int fd = -1;
	ssize_t n = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, name);
	if (thread > 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0) {
		n = read(fd, ret_text, PROC_TEXT_MAX - 1);
	}
	ret_text[n > 0 ? n : 0] = '\0';
}

pid_t caller_process(pid_t thread)
{
	static const char field[] = "\nTgid:";
	char text[PROC_TEXT_MAX];
	const char *line;

	read_proc(thread, "status", text);
	line = strstr(text, field);
	return line ? (pid_t)strtol(line + strlen(field), NULL, 10) : 0;
}

bool caller_is_in_mkdir(pid_t thread)
{
	char text[PROC_TEXT_MAX], *end;
	long number;

	read_proc(thread, "syscall", text);
	number = strtol(text, &end, 10); /* "running" for what does not wait */
	if (end == text) {
		return false;
	}
#ifdef SYS_mkdir /* not on newer architectures */
	if (number == SYS_mkdir) {
		return true;
	}
#endif
	return number == SYS_mkdirat;
}
