/* spec.json: written by many hands in many ways, submitted once.
 *
 * When is it submitted? close(2) is the acknowledgement, but the end of writing cannot
 * be seen: FLUSH comes at every close of every duplicate of a descriptor, also before
 * the first byte (a shell's dup2 after open) and in children that never wrote; RELEASE
 * comes once, but nobody waits for its result. So:
 *
 * - A write that makes the document whole and wrong is refused at once, because the
 * shell's echo looks at write(2) only. What was written stays, and so does the reason
 * (`error`).
 * - A flush of a handle that was not written to since its last flush means nothing.
 * - A flush of a whole document submits it and is answered after the commit.
 * - A flush of half a document is an error if it is of the process that opened the
 * file, and means nothing if it is of a child: ( head; tail ) > spec.json.
 * - At the last release, text that was never saved is saved, without an answer: then
 *   `error` says what was missing.
 *
 * Saving is engine_save_spec(): it keeps the text whether right or wrong, and accepts
 * one text only, ever. Until then everybody writes into the one draft (draft.h). */
#pragma once

#include "fs/object.h"

/* Opens for writing, with flags as of open(2); does not reply. is_new: it is made by
 * this. */
int spec_open(fuse_req_t req, const struct object *o, bool is_new, int flags,
	      struct handle **ret_handle);
/* These reply, or return a negative errno. */
int spec_write(fuse_req_t req, struct handle *h, const char *data, size_t size,
	       int64_t offset, int flags);
int spec_flush(fuse_req_t req, struct handle *h);
int spec_truncate(fuse_req_t req, const struct object *o, struct handle *h,
		  int64_t size);
/* An empty one, by mknod(2). */
int spec_make(fuse_req_t req, const struct object *o);
/* The file beside it or in files/ becomes spec.json. */
int spec_replace(fuse_req_t req, const struct object *o, int64_t file);
/* spec.json becomes a file beside it, as editors do to have a backup. */
int spec_rename_away(fuse_req_t req, const struct object *o, const char *name);

/* The handle is closed. */
void spec_release(struct fs *fs, struct handle *h);
/* Of a daemon that has died: a handle gets its draft; -ENOMEM, -EIO. A draft that
 * nobody has open is saved, without an answer. */
int spec_adopt(struct fs *fs, struct handle *h);
void spec_save_left(struct fs *fs, struct draft *draft);
