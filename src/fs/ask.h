/* Requests of the kernel that the engine answers. The handler's thread does not wait:
 * what the reply needs is put aside here, and the engine's thread replies after the
 * commit.
 *
 * Who makes an ask gives it to exactly one engine_...() call together with
 * ask_answered, and does not touch it any more: the answer may come before that call
 * returns. */
#pragma once

#include "fs/internal.h"

struct ask;
struct object;
/* Replies to ask->req, once. The ask is freed after that. */
typedef void ask_reply_fn(struct ask *ask, int result, int64_t id);

struct ask {
	struct fs *fs;
	fuse_req_t req; /* NULL: nobody waits for a reply */
	ask_reply_fn *reply;
	/* Whatever the reply needs; owned: */
	struct handle *handle;
	struct draft *draft;
	/* and plain values */
	uint64_t number; /* of the request; 0: it has none */
	uint64_t ino;
	uint64_t version;
	size_t len;
	int64_t job, file;
	int64_t bytes, spec_bytes; /* of the job's files, of its spec: freed */
	int64_t charged;	   /* to the job's files: freed if it is refused */
	uid_t uid;		   /* of the job */
	pid_t process;
	struct fuse_file_info fi;
};

/* NULL on no memory: then nothing was taken over. */
struct ask *ask_new(struct fs *fs, fuse_req_t req, ask_reply_fn *reply);
struct ask *ask_free(struct ask *ask);
engine_reply_fn ask_answered;

/* Usual replies: 0 or an error; the same, and ask->bytes and spec_bytes are free again;
 * the attributes or the entry of ask->ino. */
ask_reply_fn ask_reply_done;
ask_reply_fn ask_reply_freed;
ask_reply_fn ask_reply_attr;
ask_reply_fn ask_reply_entry;

/* A result as the user is told: what is refused since the daemon is about to end can be
 * tried again. Positive errno, 0. */
int ask_errno(int result);

/* --- replies to the kernel ------------------------------------------------------- */

/* These reply, or return a negative errno. */
int reply_attr(fuse_req_t req, const struct object *o);
int reply_entry(fuse_req_t req, const struct object *o);
/* What the kernel is told of an object that it looked up. */
int entry_fill(const struct object *o, struct fuse_entry_param *ret);
