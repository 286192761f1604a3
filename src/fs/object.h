/* What an inode number or a name stands for now: the row of the table of nodes together
 * with the job, host or file that it belongs to; its attributes, its text, who may use
 * it. Made for one request and thrown away: nothing here is cached. */
#pragma once

#include <sys/stat.h>

#include "fs/internal.h"
#include "fs/node.h"
#include "fs/view.h"

struct object {
	struct fs *fs;
	const struct node *node;
	uint64_t ino;
	struct job_record *record; /* a reference; NULL: of no job */
	size_t host;
	int attempt;			   /* its number; 0: of none */
	struct job_record *attempt_record; /* a reference: that attempt's */
	struct store_file file;		   /* CONTENT_FILE and the user's directories */
};

#define OBJECT_INIT                                                                    \
	{                                                                              \
		.node = NULL                                                           \
	}

void object_fini(struct object *o);
#define cleanup_object cleanup_(object_fini)

/* -ENOENT: it was removed. -ESTALE: it is a file that comes and goes by itself
 * (`error`), and is not there now; the kernel, which may know the name from before,
 * looks it up again. */
int object_get(struct fs *fs, uint64_t ino, struct object *ret);
/* The file became spec.json by a rename: for a moment the kernel knows spec.json by the
 * number of the file, and must be told that it is stale, not gone. */
void object_consumed(struct fs *fs, int64_t file);
/* By name; no permission is checked. -ENOENT, -ENOTDIR, -ENAMETOOLONG. */
int object_find(const struct object *dir, const char *name, struct object *ret);
/* What is open may be gone: then it is what the handle remembers. */
int object_get_open(struct fs *fs, uint64_t ino, struct object *ret);

/* The object of a row of the directory, of a host, of a file in the directory; of a
 * job, or its link in the directory of its state, whose reference is taken over. */
struct object object_of_row(const struct object *dir, const struct node *node);
/* -ENOENT: there is none with that number. */
int object_of_attempt(const struct object *dir, int n, struct object *ret);
struct object object_of_host(struct fs *fs, size_t host);
struct object object_of_file(const struct object *dir, const struct store_file *file);
struct object object_of_link(const struct object *dir, struct job_record *record);
struct object object_of_job(struct fs *fs, struct job_record *record);
uint64_t object_row_ino(const struct object *dir, const struct node *node);
/* Of the directory that the directory is in; of the root itself. */
uint64_t object_parent_ino(const struct object *dir);
/* Rows that come and go: is it there now? */
bool object_exists(const struct object *o);

/* Calls each() with what the directory holds after the cookie, in the order of cookies,
 * until it returns non-zero. Cookies stay good while the directory changes: they are
 * made of rows and ids. "." and ".." are among them, with their own numbers. */
struct object_entry {
	const char *name;
	uint64_t cookie;
	const struct object *object; /* of ".." ino and node only */
};
typedef int object_each_fn(void *arg, const struct object_entry *entry);
int object_list(const struct object *dir, uint64_t after, object_each_fn *each,
		void *arg);

/* spec.json, files/ and what is in it, once the job was accepted: read-only for all. */
bool object_is_sealed(const struct object *o);
mode_t object_mode(const struct object *o); /* as it is shown, with the type */
uid_t object_uid(const struct object *o);
gid_t object_gid(const struct object *o);
/* Of the spec of its job, as it is now. */
int64_t object_spec_bytes(const struct object *o);
int object_stat(const struct object *o, struct stat *ret);

/* May the caller do this (R_OK, W_OK, X_OK; 0: see that it exists)? 0 or -EACCES. That
 * it may be sealed does not count here. */
int object_check(const struct object *o, fuse_req_t req, int mask);

/* Of CONTENT_STREAM, as it is now; only of a job's. */
struct view object_view(const struct object *o);

/* The text of CONTENT_TEXT and CONTENT_SPEC, the target of CONTENT_LINK. */
int object_render(const struct object *o, struct buf *out);

/* The id by which the store knows it as a parent: FILE_PARENT_JOB, ..., or its own. */
int64_t object_as_parent(const struct object *dir);
/* Does the directory hold files of the user? 0, 1, or negative errno. */
int object_has_files(const struct object *dir);
/* The user's files in it with an id above `after`, in the order of their ids, until
 * each() returns nonzero. */
int object_list_files(const struct object *dir, int64_t after,
		      int (*each)(void *arg, const struct store_file *file), void *arg);

static inline bool object_is_user(const struct object *o)
{
	return o->node->scope == INO_FILE;
}
/* In files/ or files/ itself; there are no directories of the user elsewhere. */
static inline bool object_is_in_files(const struct object *o)
{
	return object_is_user(o) ? o->file.parent != FILE_PARENT_JOB
				 : o->node->id == NODE_FILES;
}
