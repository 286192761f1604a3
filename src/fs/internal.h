/* What the files of this layer share; seen by nobody else. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/engine.h"
#include "fs/draft.h"
#include "fs/handle.h"
#include "fs/known.h"
#include "fs/listed.h"
#include "fs/makers.h"
#include "fs/memory.h"
#include "fs/usage.h"
#include "fs/wait.h"
#include "store/store.h"

enum { FS_WRITE_MAX = 256 << 10 }; /* bytes of one request to write */

struct fs {
	struct engine *engine;
	struct store *store;
	const struct conf *conf;
	struct fuse_session *session;
	struct memory *memory; /* what a successor gets */
	struct park *park; /* with /dev/fuse; NULL: nowhere, the mount dies with us */
	bool is_moved;	   /* libfuse does not know where it is mounted */
	bool is_adopted;   /* the mount is a predecessor's */
	char *mountpoint;
	bool is_mounted;
	bool is_shared;		    /* allow_other: other users may be let in */
	int exit_fd;		    /* eventfd: written to end fs_serve() */
	atomic_bool is_initialised; /* INIT was answered */
	atomic_bool is_leaving;	    /* the mount is left to the next daemon */
	uid_t uid;		    /* of the daemon: owner of what is nobody's */
	gid_t gid;
	int64_t started_ms;

	struct draft_table drafts;
	struct handle_table handles;
	struct usage_table usage;
	struct makers makers;
	struct known known;
	struct listed listed;
	struct notifier *notifier;
	struct waiters waiters;
};

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

extern const struct fuse_lowlevel_ops fs_operations;
