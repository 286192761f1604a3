#include "fs/ctl.h"

#include <errno.h>

#include "fs/ask.h"

enum { CTL_BYTES_MAX = 4096 };

/* Gives the next verb to the engine; the ask is taken over. */
static void next_verb(struct ask *ask)
{
	const char *verb;
	size_t n;

	do {
		verb = ask->text + ask->at;
		n = strcspn(verb, "\n");
		ask->at += n + (verb[n] == '\n');
	} while (n == 0 && ask->at < ask->len);
	if (n == 0) {
		(void)fuse_reply_write(ask->req, ask->len);
		(void)ask_free(ask);
		return;
	}
	engine_control(ask->fs->engine, ask->job, verb, n, ask_answered, ask);
}

static void reply_verb(struct ask *ask, int result, int64_t id)
{
	struct ask *next = NULL;

	(void)id;
	if (result == 0 && ask->at < ask->len) {
		next = ask_new(ask->fs, ask->req, reply_verb);
		result = next ? 0 : -ENOMEM;
	}
	if (result < 0) {
		(void)fuse_reply_err(ask->req, ask_errno(result));
	} else if (next) {
		next->text = steal_ptr(&ask->text);
		next->at = ask->at;
		next->len = ask->len;
		next->job = ask->job;
		next_verb(next);
	} else {
		(void)fuse_reply_write(ask->req, ask->len);
	}
}

int ctl_write(fuse_req_t req, int64_t job, const char *data, size_t size)
{
	struct ask *ask;

	if (size > CTL_BYTES_MAX || memchr(data, '\0', size)) {
		return -EINVAL;
	}
	ask = ask_new(fs_of(req), req, reply_verb);
	if (!ask) {
		return -ENOMEM;
	}
	ask->text = strndup(data, size);
	if (!ask->text) {
		(void)ask_free(ask);
		return -ENOMEM;
	}
	ask->len = size;
	ask->job = job;
	next_verb(ask);
	return 0;
}
