#include "util/failpoint.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"
#include "util/mem.h"

extern char **environ;

static void die(void)
{
	(void)kill(getpid(), SIGKILL);
	for (;;) {
		(void)pause();
	}
}

static void run_command(const char *name)
{
	char *path = getenv("JOBFS_FAILPOINT_COMMAND");
	char *const argv[] = { path, NULL };
	pid_t child;
	int r = path ? posix_spawn(&child, path, NULL, NULL, argv, environ) : ENOENT;

	if (r != 0) {
		log_error("failpoint %s: %s", name, strerror(r));
		return;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
	}
}

/* The rest of the setting after "NAME:" if it means this place, else NULL. */
static const char *find_setting(const char *name)
{
	const char *setting = getenv("JOBFS_FAILPOINT");
	size_t len = strlen(name);

	if (!setting || strncmp(setting, name, len) != 0 || setting[len] != ':') {
		return NULL;
	}
	return setting + len + 1;
}

void failpoint_reach(const char *name, const char *verb)
{
	static _Atomic long reached;
	char full[64];
	const char *setting;
	char *action;

	(void)snprintf(full, sizeof(full), "%s%s%s", name, *verb ? "." : "", verb);
	setting = find_setting(full);
	if (!setting || ++reached != strtol(setting, &action, 10)) {
		return;
	}
	log_info("failpoint %s", full);
	if (streq(action, ":kill")) {
		die();
	} else if (streq(action, ":run")) {
		run_command(full);
	} else {
		log_error("failpoint %s: no action: %s", full, action);
	}
}
