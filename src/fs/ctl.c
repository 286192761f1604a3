#include "fs/ctl.h"

#include <errno.h>
#include <string.h>

#include "fs/ask.h"
#include "fs/ino.h"
#include "fs/request.h"

enum { CTL_BYTES_MAX = 4096 };

static void reply_verbs(struct ask *ask, int result, int64_t id)
{
	(void)id;
	if (result < 0) {
		(void)fuse_reply_err(ask->req, ask_errno(result));
	} else {
		(void)fuse_reply_write(ask->req, ask->len);
	}
}

static void control(struct ask *ask, const struct ino_parts *p, const char *data)
{
	struct engine *engine = ask->fs->engine;

	if (p->scope == INO_JOB) {
		engine_control(engine, p->id, data, ask->len, ask_answered, ask);
	} else {
		engine_control_host(
			engine,
			p->scope == INO_HOST
				? conf_find_number(ask->fs->conf, (uint32_t)p->id)
				: (size_t)ENGINE_ALL_HOSTS,
			data, ask->len, ask_answered, ask);
	}
}

int ctl_write(fuse_req_t req, uint64_t ino, const char *data, size_t size)
{
	struct fs *fs = fs_of(req);
	int r = request_was_done_well(fs);
	struct ino_parts p;
	struct ask *ask;

	if (r > 0) { /* by a daemon that has died before it could say so */
		(void)fuse_reply_write(req, size);
		return 0;
	}
	r = r < 0 ? r : ino_parse(ino, &p);
	if (r < 0) {
		return r;
	}
	if (size > CTL_BYTES_MAX || memchr(data, '\0', size)) {
		return -EINVAL;
	}
	ask = ask_new(fs, req, reply_verbs);
	if (!ask) {
		return -ENOMEM;
	}
	ask->len = size;
	control(ask, &p, data);
	return 0;
}
