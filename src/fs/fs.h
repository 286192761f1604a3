/* The mount: the tree of jobs as a FUSE file system (libfuse3, low-level). */
#pragma once

#include <stdbool.h>

#include "engine/engine.h"
#include "util/err.h"

struct fs;

/* Mounts at mountpoint (an absolute path) with libfuse's mount options
 * (comma-separated, may be NULL). What a dead jobfs of the same state directory left
 * there is taken over with all that is open in it, or, where that cannot be, taken away
 * first; any other mount is an error. The engine is borrowed until fs_unmount(). Before
 * engine_start(). */
int fs_mount(struct engine *engine, const char *mountpoint, const char *options,
	     struct fs **ret_fs, struct err *e);
/* Serves requests until the mount goes (fusermount3 -u) or fs_exit(). ready(arg) is
 * called once the kernel has the file system's answer to INIT. 0 or negative errno. */
int fs_serve(struct fs *fs, void (*ready)(void *arg), void *arg);
/* Makes fs_serve() return; safe in a signal handler. */
void fs_exit(struct fs *fs);
/* The same, but the mount is to be left to the next daemon: nobody is answered any more
 * who has to wait. After that the process must end without fs_unmount(). False: nobody
 * would keep the mount, and nothing was done. Safe in a signal handler. */
bool fs_leave(struct fs *fs);
/* The start has failed: if the mount is a predecessor's, fs_unmount() leaves it to the
 * next daemon. Before fs_serve(). */
void fs_leave_adopted(struct fs *fs);
/* The process ends at once, without fs_unmount(): nobody is to keep the mount, unless
 * it was left. Safe in a signal handler. */
void fs_give_up(const struct fs *fs);
/* Has the mount at path answered? Waits for it in another process, whose end may have
 * to wait for the answer. */
bool fs_answers_at(const char *path);
/* Is a jobfs mounted at path, dead or alive? Asks nothing of it, so it does not wait.
 */
bool fs_is_mounted_at(const char *path);
/* Unmounts if still mounted. NULL is fine. Requests that the engine has not answered
 * yet must be answered before (engine_stop()). */
struct fs *fs_unmount(struct fs *fs);
