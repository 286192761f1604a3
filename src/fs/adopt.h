/* Taking over the mount of a daemon that has died, or was told to leave it to us.
 *
 * The problem. For the programs that use it the mount must have been there all the
 * time. They have files open that we never opened, they sleep in requests that the dead
 * one has read, in poll(2), and over inotify; and nobody tells us what of all that it
 * had done.
 *
 * The rule. The kernel is asked to hand out again every request that has no answer
 * (FUSE_NOTIFY_RESEND). They come with their old numbers and a mark. So
 *
 * - what the engine did for a request is in the database, in the transaction that did
 *   it (store_put_answers()), and is not done again but answered;
 * - an open that was done left a record with its number (memory.h), and is answered
 *   with that;
 * - what writes at a place writes there again; what appends to a spec has left the
 * place where it did;
 * - anything else changes nothing, and is just done.
 *
 * Why the last turn's answers are enough: the engine answers all of a turn before it
 * begins the next. They are kept with the mount from the next daemon on, so that one
 * which dies before it has passed them on takes none with it.
 *
 * Whoever polls is woken and looks again. Watchers are told again of every job that
 * changed since the dead one had told all it knew: an event too many is no lie. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

#include "util/err.h"

struct fs;

/* Can a mount that began with this first request be taken over? Kernel 6.9 and later.
 */
bool adopt_is_possible(const struct fuse_buf *init);
/* libfuse learns what was agreed on with the kernel. */
void adopt_session(struct fs *fs);
/* Open files, drafts and the rest, from the memory; before engine_start(). */
int adopt_state(struct fs *fs, struct err *e);
/* Requests and sleepers, once the state is there. */
void adopt_requests(struct fs *fs);
/* Tells inotify what it may have missed; any time after the notifier was started. */
void adopt_watchers(struct fs *fs);
