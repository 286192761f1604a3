#include "fs/access.h"

#include <errno.h>
#include <unistd.h>

#include "fs/caller.h"
#include "util/mem.h"

static bool is_member(gid_t gid, gid_t own, const struct access_groups *groups)
{
	if (gid == own) {
		return true;
	}
	for (size_t i = 0; i < groups->n; i++) {
		if (groups->list[i] == gid) {
			return true;
		}
	}
	return false;
}

static bool class_allows(mode_t mode, int shift, int mask)
{
	return ((mode >> shift) & (mode_t)mask) == (mode_t)mask;
}

bool access_allows(const struct access_subject *subject, uid_t uid, gid_t gid,
		   const struct access_groups *groups, int mask)
{
	if (uid == 0) {
		return true;
	}
	if (uid == subject->uid) {
		return class_allows(subject->mode, 6, mask);
	}
	if (is_member(subject->gid, gid, groups)) {
		return class_allows(subject->mode, 3, mask);
	}
	return class_allows(subject->mode, 0, mask);
}

/* Groups are read from /proc, which costs more than all the rest of a request. */
static bool needs_groups(const struct access_subject *subject,
			 const struct fuse_ctx *ctx, int mask)
{
	return ctx->uid != 0 && ctx->uid != subject->uid && ctx->gid != subject->gid &&
	       class_allows(subject->mode, 3, mask) !=
		       class_allows(subject->mode, 0, mask);
}

int access_check(fuse_req_t req, const struct access_subject *subject, int mask)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct access_groups groups = { .n = 0 };
	cleanup_free gid_t *list = NULL;

	if (needs_groups(subject, ctx, mask)) {
		groups.n = caller_groups(ctx->pid, &list);
		groups.list = list;
	}
	return access_allows(subject, ctx->uid, ctx->gid, &groups, mask) ? 0 : -EACCES;
}

int access_check_owner(fuse_req_t req, uid_t owner)
{
	uid_t uid = fuse_req_ctx(req)->uid;

	return uid == 0 || uid == owner ? 0 : -EPERM;
}

bool access_has_group(fuse_req_t req, gid_t gid)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct access_groups groups = { .n = 0 };
	cleanup_free gid_t *list = NULL;

	if (ctx->uid == 0 || ctx->gid == gid) {
		return true;
	}
	groups.n = caller_groups(ctx->pid, &list);
	groups.list = list;
	return is_member(gid, ctx->gid, &groups);
}
