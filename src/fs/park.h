/* Where /dev/fuse and the memory of the mount stay while no daemon has them: in the
 * file descriptor store of the service manager that started us, if it says that it has
 * one for us (FDSTORE), else with a jobfs-holder (src/helper). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "helper/holder.h"
#include "util/err.h"

struct park;

/* What a predecessor has left for that mount point, in the order of enum holder_fd; the
 * descriptors are the caller's, and stay parked. 1: they are here; 0: there is nothing.
 * What is kept of another mount point is given up: its daemon was one of the same state
 * directory. Only by who has its lock. */
int park_take(const char *state_dir, const char *mountpoint,
	      int ret_fds[static HOLDER_FD_COUNT], struct park **ret_park);
/* Parks duplicates. A holder keeps them for patience_ms after our end; a service
 * manager as long as it likes. */
int park_put(const char *state_dir, const char *mountpoint,
	     const int fds[static HOLDER_FD_COUNT], int64_t patience_ms,
	     struct park **ret_park, struct err *e);
/* Will they be there after our end, as far as can be known? NULL: no. */
bool park_holds(const struct park *park);
const char *park_name(const struct park *park);
/* We go, but what is parked stays, for the next daemon. NULL is fine; returns NULL. */
struct park *park_leave(struct park *park);
/* As the last words of a process: park_end() without the wait, nor the freeing. Safe in
 * a signal handler. A service manager needs no word: it sees that a stop has failed. */
void park_end_at_once(const struct park *park);
/* The mount goes: what is parked is given up. NULL is fine; returns NULL. */
struct park *park_end(struct park *park);
