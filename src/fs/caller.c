#include "fs/caller.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/mem.h"

/* Room for the 65536 groups that a process can have. */
enum { PROC_TEXT_MAX = 1 << 20, PROC_READ = 4096 };

/* /proc/THREAD/NAME; nothing when it cannot be read. */
static void read_proc(pid_t thread, const char *name, struct buf *out)
{
	char path[48];
	cleanup_close int fd = -1;
	ssize_t n = 0;

	if (thread <= 0) {
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	out->max = PROC_TEXT_MAX;
	do {
		char *room = buf_reserve(out, PROC_READ);

		n = fd >= 0 && room ? read(fd, room, PROC_READ) : 0;
		if (n > 0) {
			out->len += (size_t)n;
			out->data[out->len] = '\0';
		}
	} while (n > 0);
}

/* What stands behind "FIELD:" of its status, "" when there is none. */
static const char *read_status(pid_t thread, const char *field, struct buf *text)
{
	const char *line;

	read_proc(thread, "status", text);
	line = strstr(buf_text(text), field);
	return line ? line + strlen(field) : "";
}

/* A signal that is none, to that thread of that process: there is one, or not. It costs
 * much less than to have the kernel write a status. */
static bool is_process(pid_t thread)
{
	return thread > 0 && (tgkill(thread, thread, 0) == 0 || errno == EPERM);
}

pid_t caller_process(pid_t thread)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (is_process(thread)) { /* it has no other thread that asks */
		return thread;
	}
	return (pid_t)strtol(read_status(thread, "\nTgid:", &text), NULL, 10);
}

void caller_name(pid_t thread, char ret_name[static CALLER_NAME_MAX])
{
	cleanup_buf struct buf text = BUF_INIT;

	read_proc(thread, "comm", &text);
	(void)snprintf(ret_name, CALLER_NAME_MAX, "%.*s",
		       (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
}

size_t caller_groups(pid_t thread, gid_t **ret_list)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_buf struct buf list = BUF_INIT;
	const char *at = read_status(thread, "\nGroups:", &text);
	size_t n;

	for (at += strspn(at, " \t"); isdigit((unsigned char)*at);
	     at += strspn(at, " \t")) {
		char *end;
		gid_t gid = (gid_t)strtoul(at, &end, 10);

		(void)buf_add(&list, &gid, sizeof(gid));
		at = end;
	}
	n = list.error ? 0 : list.len / sizeof(gid_t);
	*ret_list = (gid_t *)(void *)buf_steal(&list);
	return *ret_list ? n : 0;
}
