/* The request of the kernel that the calling thread serves: what libfuse does not tell
 * of it. Threads that serve none have the number 0. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct fs;

/* Before libfuse gets it. */
void request_begin(const struct fuse_buf *buf);
/* Its number, which no other request of the mount has; the same when it comes again
 * because a daemon that had it has died. */
uint64_t request_number(void);
/* Does it come again? A daemon that is dead may have done it, or a part of it. */
bool request_is_resent(void);
/* Has it been with so many daemons when they died that it must be what they died of?
 * Then the next one must not touch it. To be asked once for each request. */
bool request_is_given_up(struct fs *fs);
/* It waits long for its answer: that daemons die meanwhile says nothing of it. */
void request_note_patient(struct fs *fs);
/* Of POLL: what the kernel is told to wake who polls. */
uint64_t request_poll_id(void);
/* Did a daemon that is dead do what it asks for, without having answered it for sure?
 * Then *ret is what to answer. */
bool request_was_done(struct fs *fs, struct store_answer *ret);
/* The same where only success and failure count: 1: it was done, well; 0: it was not;
 * else the negative errno that it failed with. */
int request_was_done_well(struct fs *fs);
