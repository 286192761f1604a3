#include "fs/caller.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void caller_name(pid_t thread, char ret_name[static CALLER_NAME_MAX])
{
	char text[PROC_TEXT_MAX];

	read_proc(thread, "comm", text);
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(ret_name, CALLER_NAME_MAX, "%.*s", CALLER_NAME_MAX - 1, text);
}
