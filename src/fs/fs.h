/* The mount: the tree of jobs as a FUSE file system (libfuse3, low-level). */
#pragma once

#include "engine/engine.h"
#include "util/err.h"

struct fs;

/* Mounts at mountpoint (an absolute path) with libfuse's mount options
 * (comma-separated, may be NULL). A mount of a dead jobfs at the same place is taken
 * away first; any other mount is an error. The engine is borrowed until fs_unmount().
 */
int fs_mount(struct engine *engine, const char *mountpoint, const char *options,
	     struct fs **ret_fs, struct err *e);
/* Serves requests until the mount goes (fusermount3 -u) or fs_exit(). ready(arg) is
 * called once the kernel has the file system's answer to INIT. 0 or negative errno. */
int fs_serve(struct fs *fs, void (*ready)(void *arg), void *arg);
/* Makes fs_serve() return; safe in a signal handler. */
void fs_exit(struct fs *fs);
/* Unmounts if still mounted. NULL is fine. Requests that the engine has not answered
 * yet must be answered before (engine_stop()). */
struct fs *fs_unmount(struct fs *fs);
