#include "fs/ask.h"

#include <errno.h>

#include "fs/cache.h"
#include "fs/object.h"
#include "fs/request.h"
#include "fs/userfile.h"
#include "util/failpoint.h"

struct ask *ask_new(struct fs *fs, fuse_req_t req, ask_reply_fn *reply)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (ask) {
		ask->fs = fs;
		ask->req = req;
		ask->number = req ? request_number() : 0;
		ask->reply = reply;
	}
	return ask;
}

struct ask *ask_free(struct ask *ask)
{
	if (ask) {
		(void)handle_unref(ask->handle);
		(void)draft_unref(ask->draft);
		free(ask);
	}
	return NULL;
}

void ask_answered(void *arg, int result, int64_t id)
{
	struct ask *ask = arg;

	FAILPOINT("fs.answer");
	if (result < 0 && ask->charged > 0) {
		(void)userfile_charge(ask->fs, ask->job, -ask->charged);
	}
	ask->reply(ask, result, id);
	FAILPOINT("fs.answered");
	(void)ask_free(ask);
}

int ask_errno(int result)
{
	if (result == -ESHUTDOWN) {
		return EAGAIN;
	}
	return result < 0 ? -result : 0;
}

void ask_reply_done(struct ask *ask, int result, int64_t id)
{
	(void)id;
	(void)fuse_reply_err(ask->req, ask_errno(result));
}

void ask_reply_freed(struct ask *ask, int result, int64_t id)
{
	if (result == 0) {
		(void)usage_charge(&ask->fs->usage, ask->job, ask->uid, -ask->bytes);
		(void)usage_charge_spec(&ask->fs->usage, ask->uid, -ask->spec_bytes);
	}
	ask_reply_done(ask, result, id);
}

void ask_reply_attr(struct ask *ask, int result, int64_t id)
{
	cleanup_object struct object o = OBJECT_INIT;

	(void)id;
	if (result == 0) {
		result = object_get_open(ask->fs, ask->ino, &o);
	}
	if (result == 0) {
		result = reply_attr(ask->req, &o);
	}
	if (result < 0) {
		(void)fuse_reply_err(ask->req, ask_errno(result));
	}
}

void ask_reply_entry(struct ask *ask, int result, int64_t id)
{
	cleanup_object struct object o = OBJECT_INIT;

	(void)id;
	if (result == 0) {
		result = object_get(ask->fs, ask->ino, &o);
	}
	if (result == 0) {
		result = reply_entry(ask->req, &o);
	}
	if (result < 0) {
		(void)fuse_reply_err(ask->req, ask_errno(result));
	}
}

int entry_fill(const struct object *o, struct fuse_entry_param *ret)
{
	struct fuse_entry_param entry = { .ino = o->ino, .generation = 1 };
	int r = object_stat(o, &entry.attr);

	if (r < 0) {
		return r;
	}
	entry.attr_timeout = cache_attr_timeout(o);
	entry.entry_timeout = cache_entry_timeout(o);
	*ret = entry;
	return 0;
}

int reply_entry(fuse_req_t req, const struct object *o)
{
	struct fuse_entry_param entry;
	int r = entry_fill(o, &entry);

	if (r == 0) {
		known_add(&o->fs->known, o->ino);
		(void)fuse_reply_entry(req, &entry);
	}
	return r;
}

int reply_attr(fuse_req_t req, const struct object *o)
{
	struct stat st;
	int r = object_stat(o, &st);

	if (r == 0) {
		(void)fuse_reply_attr(req, &st, cache_attr_timeout(o));
	}
	return r;
}
