/* Names, attributes, permissions. */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/access.h"
#include "fs/ask.h"
#include "fs/object.h"
#include "fs/ops.h"
#include "fs/spec_file.h"
#include "fs/touch.h"
#include "fs/userfile.h"

enum {
	SET_TIMES = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
		    FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW,
	SET_OWNER = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID,
	SET_ALL = SET_TIMES | SET_OWNER | FUSE_SET_ATTR_SIZE,
	MODE_BITS = 0777,
};

/* "." and ".." are asked for when the kernel has a file handle and has forgotten the
 * inode: open_by_handle_at(2), a server of NFS. "." may then be a file, too. Whoever
 * has a handle has been let in before; the kernel checks what it lets him do. */
static int lookup_handle(fuse_req_t req, uint64_t ino, const char *name)
{
	cleanup_object struct object o = OBJECT_INIT;
	cleanup_object struct object parent = OBJECT_INIT;
	int r = object_get(fs_of(req), ino, &o);

	if (r < 0 || streq(name, ".")) {
		return r < 0 ? r : reply_entry(req, &o);
	}
	r = o.node->content == CONTENT_DIR ? 0 : -ENOTDIR;
	r = r < 0 ? r : object_get(fs_of(req), object_parent_ino(&o), &parent);
	return r < 0 ? r : reply_entry(req, &parent);
}

static int do_lookup(fuse_req_t req, uint64_t parent, const char *name)
{
	cleanup_object struct object dir = OBJECT_INIT;
	cleanup_object struct object o = OBJECT_INIT;
	int r;

	if (streq(name, ".") || streq(name, "..")) {
		return lookup_handle(req, parent, name);
	}
	r = object_get(fs_of(req), parent, &dir);
	r = r < 0 ? r : object_check(&dir, req, X_OK);
	r = r < 0 ? r : object_find(&dir, name, &o);
	if (r == 0 && o.node->id == NODE_FILES &&
	    makers_expects(&o.fs->makers, o.record->id, fuse_req_ctx(req)->pid)) {
		r = -ENOENT;
	}
	return r < 0 ? r : reply_entry(req, &o);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct act act;
	int r = touch_is_own(req, &act) ? touch_lookup(req, &act, parent, name)
					: do_lookup(req, parent, name);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

static int do_getattr(fuse_req_t req, uint64_t ino)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get_open(fs_of(req), ino, &o);

	r = r < 0 ? r : object_check(&o, req, 0);
	return r < 0 ? r : reply_attr(req, &o);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int r = do_getattr(req, ino);

	(void)fi;
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	known_forget(&fs_of(req)->known, ino, n);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++) {
		known_forget(&fs_of(req)->known, forgets[i].ino, forgets[i].nlookup);
	}
	fuse_reply_none(req);
}

static int do_readlink(fuse_req_t req, uint64_t ino)
{
	cleanup_object struct object o = OBJECT_INIT;
	cleanup_buf struct buf target = BUF_INIT;
	int r = object_get(fs_of(req), ino, &o);

	if (r == 0 && o.node->content != CONTENT_LINK) {
		r = -EINVAL;
	}
	r = r < 0 ? r : object_render(&o, &target);
	if (r == 0) {
		(void)fuse_reply_readlink(req, buf_text(&target));
	}
	return r;
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	int r = do_readlink(req, ino);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

/* Nobody ever writes to it. */
static bool is_daemons(const struct object *o)
{
	switch (o->node->content) {
	case CONTENT_TEXT:
	case CONTENT_STREAM:
	case CONTENT_WAIT:
	case CONTENT_LINK:
		return true;
	case CONTENT_DIR:
		return o->node->more != MORE_JOBS && o->node->more != MORE_FILES;
	case CONTENT_SPEC:
	case CONTENT_FILE:
	case CONTENT_CTL:
		break;
	}
	return false;
}

static int do_access(fuse_req_t req, uint64_t ino, int mask)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs_of(req), ino, &o);

	r = r < 0 ? r : object_check(&o, req, mask & (R_OK | W_OK | X_OK));
	if (r == 0 && (mask & W_OK) && (object_is_sealed(&o) || is_daemons(&o))) {
		r = -EPERM; /* root is told too */
	}
	return r;
}

void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	(void)fuse_reply_err(req, -do_access(req, ino, mask));
}

static int do_statfs(fuse_req_t req)
{
	struct statvfs st;
	uint64_t kept;

	if (fstatvfs(store_files_fd(fs_of(req)->store), &st) < 0) {
		return -errno;
	}
	kept = userfile_blocks_kept(&st);
	st.f_bavail -= st.f_bavail < kept ? st.f_bavail : kept;
	st.f_namemax = 255;
	(void)fuse_reply_statfs(req, &st);
	return 0;
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	int r = do_statfs(req);

	(void)ino;
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}

/* --- setattr --------------------------------------------------------------------- */

struct setting { /* what is to be set, on what */
	fuse_req_t req;
	const struct object *o;
	const struct stat *attr;
	int what;	       /* FUSE_SET_ATTR_... */
	struct handle *handle; /* of ftruncate(2) and the like, NULL: by name */
};

/* As on any file system: the mode is the owner's, the group may become another one that
 * he is in, the owner only root changes. */
static int new_owner(const struct setting *s, struct engine_owner *ret)
{
	struct engine_owner owner = { .uid = object_uid(s->o),
				      .gid = object_gid(s->o) };
	int r = access_check_owner(s->req, owner.uid);

	if (r < 0) {
		return r;
	}
	owner.mode = object_is_user(s->o) ? s->o->file.mode : s->o->record->mode;
	if (s->what & FUSE_SET_ATTR_MODE) {
		owner.mode = s->attr->st_mode & MODE_BITS;
	}
	if ((s->what & FUSE_SET_ATTR_UID) && s->attr->st_uid != owner.uid) {
		if (fuse_req_ctx(s->req)->uid != 0) {
			return -EPERM;
		}
		owner.uid = s->attr->st_uid;
	}
	if ((s->what & FUSE_SET_ATTR_GID) && s->attr->st_gid != owner.gid) {
		if (!access_has_group(s->req, s->attr->st_gid)) {
			return -EPERM;
		}
		owner.gid = s->attr->st_gid;
	}
	*ret = owner;
	return 0;
}

/* Also replies, when the engine has made the change. */
static int set_owner(const struct setting *s)
{
	struct fs *fs = s->o->fs;
	struct engine_owner owner;
	struct ask *ask;
	int r = new_owner(s, &owner);

	if (r < 0) {
		return r;
	}
	ask = ask_new(fs, s->req, ask_reply_attr);
	if (!ask) {
		return -ENOMEM;
	}
	ask->ino = s->o->ino;
	if (!object_is_user(s->o) && owner.uid != s->o->record->uid) {
		usage_forget(&fs->usage, owner.uid);
		usage_forget(&fs->usage, s->o->record->uid);
	}
	if (object_is_user(s->o)) {
		engine_chown_file(fs->engine, s->o->file.id, &owner, ask_answered, ask);
	} else {
		engine_chown_job(fs->engine, s->o->record->id, &owner, ask_answered,
				 ask);
	}
	return 0;
}

/* Times of the daemon's making are not the user's to set; but cp -a, rsync and tar end
 * with setting them, and must not fail for that. Nor for modes and owners, of those
 * that the caller could set elsewhere. */
static int pretend(const struct setting *s)
{
	struct engine_owner unused;
	int r = new_owner(s, &unused);

	return r < 0 ? r : reply_attr(s->req, s->o);
}

static void times_of(const struct setting *s, struct timespec ret[2])
{
	static const int sets[] = { FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_MTIME };
	static const int nows[] = { FUSE_SET_ATTR_ATIME_NOW, FUSE_SET_ATTR_MTIME_NOW };

	ret[0] = s->attr->st_atim;
	ret[1] = s->attr->st_mtim;
	for (int i = 0; i < 2; i++) {
		if (s->what & nows[i]) {
			ret[i].tv_nsec = UTIME_NOW;
		} else if (!(s->what & sets[i])) {
			ret[i].tv_nsec = UTIME_OMIT;
		}
	}
}

static int set_times(const struct setting *s)
{
	struct timespec times[2];
	int r = access_check_owner(s->req, object_uid(s->o));

	times_of(s, times);
	/* who may write may say "now" */
	if (r < 0 && times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW) {
		r = object_check(s->o, s->req, W_OK);
	}
	return r < 0 ? r : userfile_set_times(s->o->fs, s->o->file.id, times);
}

static int set_size(const struct setting *s)
{
	struct fs *fs = s->o->fs;
	cleanup_close int fd = -1;
	int r;

	if (object_is_sealed(s->o)) {
		return -EPERM;
	}
	if (s->handle && s->handle->kind == HANDLE_FILE) {
		s->handle->is_written = true;
		return userfile_truncate(fs, s->o->record->id, s->handle->fd,
					 s->attr->st_size);
	}
	r = object_check(s->o, s->req, W_OK);
	if (r < 0) {
		return r;
	}
	fd = userfile_open(fs, s->o->file.id, O_RDWR);
	r = fd < 0 ? fd : userfile_truncate(fs, s->o->record->id, fd, s->attr->st_size);
	if (r == 0) {
		engine_file_closed(fs->engine, s->o->record->id);
	}
	return r;
}

static int set_user_file(const struct setting *s)
{
	int r = 0;

	if (s->what & FUSE_SET_ATTR_SIZE) {
		r = set_size(s);
	}
	if (r == 0 && (s->what & SET_TIMES)) {
		r = set_times(s);
	}
	if (r == 0 && (s->what & SET_OWNER)) {
		return set_owner(s);
	}
	return r < 0 ? r : reply_attr(s->req, s->o);
}

static int set_spec(const struct setting *s)
{
	if (s->what & FUSE_SET_ATTR_SIZE) {
		return spec_truncate(s->req, s->o, s->handle, s->attr->st_size);
	}
	return pretend(s);
}

static int do_setattr(const struct setting *s)
{
	int r = object_check(s->o, s->req, 0);

	if (r < 0) {
		return r;
	}
	switch (s->o->node->content) {
	case CONTENT_FILE:
		return set_user_file(s);
	case CONTENT_SPEC:
		return set_spec(s);
	case CONTENT_CTL: /* echo cancel > ctl */
		r = object_check(s->o, s->req, W_OK);
		r = r < 0 || s->what == FUSE_SET_ATTR_SIZE ? r : -EPERM;
		return r < 0 ? r : reply_attr(s->req, s->o);
	case CONTENT_DIR:
		if (!s->o->record) {
			return -EPERM;
		}
		if ((s->what & SET_OWNER) && s->o->node->id != NODE_FILES) {
			return set_owner(s);
		}
		return pretend(s);
	case CONTENT_TEXT:
	case CONTENT_STREAM:
	case CONTENT_WAIT:
	case CONTENT_LINK:
		break;
	}
	return -EPERM;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	cleanup_object struct object o = OBJECT_INIT;
	struct setting s = { .req = req,
			     .o = &o,
			     .attr = attr,
			     .what = to_set & SET_ALL,
			     .handle = handle_of(&fs_of(req)->handles, fi) };
	struct act act;
	int r;

	if (touch_is_own(req, &act)) {
		r = touch_setattr(req, &act, ino);
	} else {
		r = object_get_open(fs_of(req), ino, &o);
		r = r < 0 ? r : do_setattr(&s);
	}
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	}
}
