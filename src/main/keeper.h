/* The thread beside the file system: takes SIGHUP, and tells the service manager that
 * the daemon is alive.
 *
 * A watchdog that a timer feeds proves that a timer runs. So the two things that can
 * hang are asked each time, and only if both answer is WATCHDOG=1 sent: the engine's
 * thread, by an event that is answered like a request; and the threads that serve the
 * mount, by statfs(2) in a process of its own, which the kernel always asks of them. A
 * question that gets no answer keeps this thread from feeding, and nothing else: it
 * holds no lock, and fs_unmount() lets it go. */
#pragma once

#include "engine/engine.h"
#include "util/err.h"

struct keeper;

/* After signals_block(). on_hangup(arg) is called in the keeper's thread. engine and
 * mountpoint are borrowed until keeper_free(). */
int keeper_start(struct engine *engine, const char *mountpoint,
		 void (*on_hangup)(void *arg), void *arg, struct keeper **ret_keeper,
		 struct err *e);
/* Tells it to end and does not wait. NULL is fine, here and below. */
void keeper_stop(struct keeper *k);
/* Waits for its end: after engine_stop() and fs_unmount(). */
struct keeper *keeper_free(struct keeper *k);
