/* Signals: SIGTERM and SIGINT end the daemon in order, and an end that does not come is
 * forced.
 *
 * SIGUSR1 ends it too, but leaves the mount to the next daemon, where that can be
 * (fs_leave()); where not, it is a SIGTERM.
 *
 * All are blocked before the first thread is made and let through in the main thread
 * only, which sits in fs_serve(). The handler calls fs_exit() and asks for SIGALRM in a
 * second, again and again: a signal that comes just before fs_serve() goes to sleep
 * would be lost otherwise, and the tenth alarm gives up. */
#pragma once

#include <stdbool.h>

#include "fs/fs.h"

/* In the main thread, before any other: blocks them, ignores SIGPIPE. SIGHUP ends a
 * daemon in the foreground of a terminal as the terminal ends; anywhere else it stays
 * blocked for the keeper, who takes it. */
void signals_block(bool foreground);
/* Lets them through, in the main thread: from here on they end what fs_serve() serves.
 */
void signals_serve(struct fs *fs);
/* Before the end, which fs is not told of any more; only the alarm is left. */
void signals_end(void);
/* Before fs_unmount(): fs is not touched any more. */
void signals_forget_fs(void);
/* The last one that asked for the end; 0: none did. */
int signals_last(void);
/* Was it SIGUSR1, and the mount is left to the next daemon? */
bool signals_say_leave(void);
