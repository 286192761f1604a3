/* Reading directories. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/ask.h"
#include "fs/cache.h"
#include "fs/object.h"
#include "fs/ops.h"

static int do_opendir(fuse_req_t req, uint64_t ino, struct fuse_file_info *fi)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs_of(req), ino, &o);

	r = r < 0 ? r : object_check(&o, req, R_OK);
	if (r == 0) {
		listed_open(&o.fs->listed, &o, fi);
	}
	return r;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int r = do_opendir(req, ino, fi);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	} else {
		(void)fuse_reply_open(req, fi);
	}
}

struct reading { /* a READDIR that is being filled */
	fuse_req_t req;
	char *buf;
	size_t size, used;
	uint64_t fh, mark; /* for listed.h: of the open directory, of the offsets */
	bool is_plus;	   /* READDIRPLUS */
	bool is_full;	   /* there is more than fits in */
	bool names_only;   /* the caller may not see attributes */
};

static off_t offset_of(const struct reading *r, const struct object_entry *entry)
{
	return (off_t)(r->mark | entry->cookie);
}

static size_t add_name(struct reading *r, const struct object_entry *entry)
{
	struct stat st = { .st_ino = entry->object->ino,
			   .st_mode = entry->object->node->mode };

	return fuse_add_direntry(r->req, r->buf + r->used, r->size - r->used,
				 entry->name, &st, offset_of(r, entry));
}

/* What the kernel would not keep to the next moment is not worth the making: whoever
 * wants it asks. */
static bool is_worth_it(const struct object *o)
{
	return cache_entry_timeout(o) > 0 && cache_attr_timeout(o) > 0;
}

/* An entry without a node id is a name only: the kernel takes no attributes from it. */
static size_t add_entry(struct reading *r, const struct object_entry *entry)
{
	struct fuse_entry_param e = { .ino = 0 };
	bool is_dots = streq(entry->name, ".") || streq(entry->name, "..");
	size_t n;

	if (is_dots || r->names_only || !is_worth_it(entry->object) ||
	    entry_fill(entry->object, &e) < 0) {
		e = (struct fuse_entry_param){ .ino = 0 };
		e.attr.st_ino = entry->object->ino;
		e.attr.st_mode = entry->object->node->mode;
	}
	n = fuse_add_direntry_plus(r->req, r->buf + r->used, r->size - r->used,
				   entry->name, &e, offset_of(r, entry));
	if (e.ino != 0 && n <= r->size - r->used) {
		known_add(&fs_of(r->req)->known, e.ino);
	}
	return n;
}

static int read_one(void *arg, const struct object_entry *entry)
{
	struct reading *r = arg;
	size_t n = r->is_plus ? add_entry(r, entry) : add_name(r, entry);

	if (n > r->size - r->used) {
		r->is_full = true;
		return 1;
	}
	r->used += n;
	return 0;
}

static int list(struct reading *r, const struct object *dir, uint64_t offset)
{
	struct listed *listed = &dir->fs->listed;
	int error;

	r->mark = listed_begin(listed, dir, r->fh);
	error = object_list(dir, listed_cookie(r->fh, offset), read_one, r);
	if (error == 0 || r->used > 0) {
		(void)fuse_reply_buf(r->req, r->buf, r->used);
	}
	listed_end(listed, dir, r->fh, error == 0 && !r->is_full);
	return r->used > 0 ? 0 : error;
}

static int do_readdir(struct reading *r, uint64_t ino, off_t offset)
{
	cleanup_object struct object dir = OBJECT_INIT;
	int error = object_get(fs_of(r->req), ino, &dir);

	if (error == 0 && dir.node->content != CONTENT_DIR) {
		error = -ENOTDIR;
	}
	r->names_only = error == 0 && object_check(&dir, r->req, X_OK) < 0;
	return error < 0 ? error : list(r, &dir, (uint64_t)offset);
}

static void readdir_with(fuse_req_t req, uint64_t ino, size_t size, off_t offset,
			 uint64_t fh, bool is_plus)
{
	cleanup_free char *buf = malloc(size);
	struct reading r = {
		.req = req, .buf = buf, .size = size, .fh = fh, .is_plus = is_plus
	};
	int error = buf ? do_readdir(&r, ino, offset) : -ENOMEM;

	if (error < 0) {
		(void)fuse_reply_err(req, -error);
	}
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		struct fuse_file_info *fi)
{
	readdir_with(req, ino, size, offset, fi->fh, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	readdir_with(req, ino, size, offset, fi->fh, true);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	(void)fuse_reply_err(req, -store_sync(fs_of(req)->store));
}
