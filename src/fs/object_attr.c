/* Attributes and text of an object, and who may use it. */
#include "fs/object.h"

#include <errno.h>
#include <unistd.h>

#include "fs/access.h"
#include "fs/userfile.h"

enum { BLOCK_BYTES = 4096, BLOCK_UNIT = 512 };

bool object_is_sealed(const struct object *o)
{
	if (o->node->content == CONTENT_SPEC) {
		return o->record->is_accepted;
	}
	return object_is_in_files(o) && !node_is_writable(o->record, true);
}

/* With the type, as if it were not sealed: who may what is one question, whether anyone
 * may it any more another, and answered with EPERM. */
static mode_t bits_of(const struct object *o)
{
	mode_t type = o->node->mode & S_IFMT, bits = o->node->mode & ~(mode_t)S_IFMT;

	if (object_is_user(o)) {
		bits &= o->file.mode;
	} else if (o->record && o->node->content != CONTENT_LINK) {
		bits &= o->record->mode;
	}
	return type | bits;
}

mode_t object_mode(const struct object *o)
{
	return object_is_sealed(o) ? bits_of(o) & ~(mode_t)0222 : bits_of(o);
}

uid_t object_uid(const struct object *o)
{
	if (object_is_user(o)) {
		return o->file.uid;
	}
	return o->record ? o->record->uid : o->fs->uid;
}

gid_t object_gid(const struct object *o)
{
	if (object_is_user(o)) {
		return o->file.gid;
	}
	return o->record ? o->record->gid : o->fs->gid;
}

static struct timespec from_ms(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static int64_t changed_ms(const struct object *o)
{
	if (o->node->content == CONTENT_SPEC && !o->record->is_accepted) {
		cleanup_draft struct draft *draft =
			draft_find(&o->fs->drafts, o->record->id);

		if (draft) {
			return draft_changed_ms(draft);
		}
	}
	return o->record ? node_changed_ms(o->node, o->record) : o->fs->started_ms;
}

/* --- text ------------------------------------------------------------------------ */

static int read_spec(const struct object *o, struct buf *out)
{
	if (!o->record->is_accepted) {
		cleanup_draft struct draft *draft =
			draft_find(&o->fs->drafts, o->record->id);

		if (draft) {
			return draft_copy(draft, out);
		}
	}
	return store_read_spec(o->fs->store, o->record->id, out);
}

int object_render(const struct object *o, struct buf *out)
{
	struct node_view view = { .engine = o->fs->engine,
				  .record = o->record,
				  .host = o->host,
				  .attempt = o->attempt_record };

	if (o->node->content == CONTENT_SPEC) {
		return read_spec(o, out);
	}
	return o->node->render(&view, out);
}

/* --- size ------------------------------------------------------------------------ */

static int64_t text_size(const struct object *o)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = object_render(o, &text);

	return r < 0 ? r : (int64_t)text.len;
}

int64_t object_spec_bytes(const struct object *o)
{
	if (!o->record->is_accepted) {
		cleanup_draft struct draft *draft =
			draft_find(&o->fs->drafts, o->record->id);

		if (draft) {
			return (int64_t)draft_size(draft);
		}
	}
	return o->record->spec_size > 0 ? o->record->spec_size : 0;
}

struct view object_view(const struct object *o)
{
	enum job_stream stream = o->node->stream;
	const struct job_attempt *a;

	if (!o->attempt_record) {
		return view_of_stream(o->record, stream);
	}
	a = &o->attempt_record->attempt;
	return view_of_part(o->record, stream, a->base[stream],
			    a->state == JOB_NEW ? -1 : a->end_at[stream]);
}

static int64_t stream_size(const struct object *o)
{
	struct view view;

	if (!o->record) {
		return store_stream_size(o->fs->store, 0, o->node->stream);
	}
	view = object_view(o);
	return view_size(&view, o->record, o->node->stream);
}

/* Exact: tail -f, tar and rsync believe it, and lose data where it is too small. */
static int64_t size_of(const struct object *o)
{
	switch (o->node->content) {
	case CONTENT_TEXT:
	case CONTENT_LINK:
		return text_size(o);
	case CONTENT_STREAM:
		return stream_size(o);
	case CONTENT_SPEC:
		return object_spec_bytes(o);
	case CONTENT_DIR:
	case CONTENT_CTL:
	case CONTENT_WAIT:
	case CONTENT_FILE:
		break;
	}
	return 0;
}

/* Directories in directories of the user are not counted: nobody relies on that. */
static nlink_t links_of(const struct object *o)
{
	const struct node *node = o->node;

	if (node->more == MORE_JOBS) {
		return 3 + (nlink_t)engine_count_jobs(o->fs->engine);
	}
	if (node->more == MORE_HOSTS) {
		return 2 + (nlink_t)o->fs->conf->n_hosts;
	}
	return node->content == CONTENT_DIR ? 2 + (nlink_t)node_count_dirs(node) : 1;
}

int object_stat(const struct object *o, struct stat *ret)
{
	struct stat st = { .st_size = 0 };
	int64_t size = size_of(o);

	if (size < 0) {
		return (int)size;
	}
	if (o->node->content == CONTENT_FILE) {
		int r = userfile_stat(o->fs, o->file.id, &st);

		if (r < 0) {
			return r;
		}
	} else {
		st.st_nlink = links_of(o);
		st.st_size = size;
		st.st_blocks = (size + BLOCK_UNIT - 1) / BLOCK_UNIT;
		st.st_atim = st.st_mtim = st.st_ctim = from_ms(changed_ms(o));
	}
	st.st_ino = o->ino;
	st.st_mode = object_mode(o);
	st.st_uid = object_uid(o);
	st.st_gid = object_gid(o);
	st.st_blksize = BLOCK_BYTES;
	*ret = st;
	return 0;
}

/* --- permissions ----------------------------------------------------------------- */

static int check_job(const struct object *o, fuse_req_t req, int mask)
{
	struct access_subject job = { .uid = o->record->uid,
				      .gid = o->record->gid,
				      .mode = o->record->mode };

	return access_check(req, &job, mask);
}

/* The directories of the user above a file of his. */
static int check_ancestors(const struct object *o, fuse_req_t req)
{
	struct store_file dir = o->file;
	int r = 0;

	while (r == 0 && dir.parent >= FILE_ID_FIRST) {
		r = store_get_file(o->fs->store, dir.parent, &dir);
		if (r == 0) {
			struct access_subject subject = { .uid = dir.uid,
							  .gid = dir.gid,
							  .mode = dir.mode };

			r = access_check(req, &subject, X_OK);
		}
	}
	return r;
}

/* The kernel walks over names that it knows without asking, whoever looked them up
 * first. So each object also checks the way to it. */
int object_check(const struct object *o, fuse_req_t req, int mask)
{
	struct access_subject self = { .uid = object_uid(o),
				       .gid = object_gid(o),
				       .mode = bits_of(o) };
	int r = 0;

	if (fuse_req_ctx(req)->uid == 0) {
		return 0;
	}
	if (o->record && o->node->id != NODE_JOB && o->node->content != CONTENT_LINK) {
		r = check_job(o, req, X_OK);
	}
	if (r == 0 && object_is_user(o)) {
		r = check_ancestors(o, req);
	}
	if (r == 0 && mask != 0) {
		r = access_check(req, &self, mask);
	}
	return r;
}
