/* Who may do what: the one place where modes are compared with callers. The kernel does
 * not check (no default_permissions), so every handler asks here. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct access_subject { /* what is accessed */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

struct access_groups { /* of the caller, besides his own */
	const gid_t *list;
	size_t n;
};

/* mask: R_OK, W_OK, X_OK or 0, as for access(2). Root may everything. Pure. */
bool access_allows(const struct access_subject *subject, uid_t uid, gid_t gid,
		   const struct access_groups *groups, int mask);

/* The same for the caller of the request. 0 or -EACCES. */
int access_check(fuse_req_t req, const struct access_subject *subject, int mask);
/* 0 or -EPERM. */
int access_check_owner(fuse_req_t req, uid_t owner);
/* Is the caller root or a member of the group? */
bool access_has_group(fuse_req_t req, gid_t gid);
