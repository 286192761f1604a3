/* One touch of the mount, from both sides: what the notifier's thread does through it,
 * and how the requests that this makes are answered. */
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include "fs/notifier.h"

/* The notifier's thread: has the toucher at the other end of the socket do what makes
 * the kernel tell `what` (TELL_...) of the inode; name: the last part of its path,
 * NULL: as it is now. What cannot be done is not to be told either: the job is gone,
 * say. Negative errno: there is no toucher any more. */
int touch(struct fs *fs, int socket, uint64_t ino, const char *name, unsigned what);

/* Inode of the directory that the inode is in; itself where there is none. */
uint64_t touch_dir_of(uint64_t ino);

/* Is the request of such a touch? */
bool touch_is_own(fuse_req_t req, struct act *ret_act);
/* They reply, or return a negative errno. */
int touch_lookup(fuse_req_t req, const struct act *act, uint64_t parent,
		 const char *name);
int touch_create(fuse_req_t req, const struct act *act, uint64_t parent,
		 const char *name);
int touch_delete(fuse_req_t req, const struct act *act, uint64_t parent,
		 const char *name);
int touch_setattr(fuse_req_t req, const struct act *act, uint64_t ino);
int touch_open(fuse_req_t req, const struct act *act, uint64_t ino,
	       struct fuse_file_info *fi);
