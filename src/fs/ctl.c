#include "fs/ctl.h"

#include <errno.h>

#include "fs/ask.h"
#include "fs/ino.h"

enum { CTL_BYTES_MAX = 4096 };

static void control(struct ask *ask, const char *verb, size_t len)
{
	struct engine *engine = ask->fs->engine;
	struct ino_parts p;
	int r = ino_parse(ask->ino, &p);

	if (r < 0) {
		ask_answered(ask, r, 0);
	} else if (p.scope == INO_JOB) {
		engine_control(engine, p.id, verb, len, ask_answered, ask);
	} else {
		engine_control_host(engine,
				    p.scope == INO_HOST ? (size_t)p.id
							: (size_t)ENGINE_ALL_HOSTS,
				    verb, len, ask_answered, ask);
	}
}

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
	control(ask, verb, n);
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
		next->ino = ask->ino;
		next_verb(next);
	} else {
		(void)fuse_reply_write(ask->req, ask->len);
	}
}

int ctl_write(fuse_req_t req, uint64_t ino, const char *data, size_t size)
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
	ask->ino = ino;
	next_verb(ask);
	return 0;
}
