#include "fs/spec_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/ask.h"
#include "fs/caller.h"
#include "fs/request.h"
#include "fs/userfile.h"
#include "util/log.h"
#include "util/process.h"

/* --- who opened it --------------------------------------------------------------- */

/* The process that asks; mostly it is the one that opened it, which is known. */
static pid_t process_of(fuse_req_t req, const struct handle *h)
{
	pid_t thread = fuse_req_ctx(req)->pid;

	return thread == h->opener_tid ? h->opener_pid : caller_process(thread);
}

static bool is_by_opener(fuse_req_t req, const struct handle *h)
{
	pid_t thread = fuse_req_ctx(req)->pid;

	if (thread == 0 || h->opener_pid == 0) {
		return false;
	}
	return process_of(req, h) == h->opener_pid;
}

/* --- what it counts --------------------------------------------------------------- */

/* The draft is about to become that long. -EDQUOT */
static int charge(struct fs *fs, const struct job_record *record, struct draft *draft,
		  int64_t size)
{
	int64_t old = draft ? (int64_t)draft_size(draft) : 0;

	/* beyond that it does not grow */
	size = size > SPEC_SIZE_MAX ? old : size;
	return usage_charge_spec(&fs->usage, record->uid, size - old);
}

/* --- opening --------------------------------------------------------------------- */

static int load_text(void *arg, int64_t job, struct buf *out)
{
	const struct object *o = arg;

	return o->record->spec_size < 0 ? 0 : store_read_spec(o->fs->store, job, out);
}

static int get_draft(const struct object *o, struct draft **ret_draft)
{
	return draft_get(&o->fs->drafts, o->record->id, load_text, (void *)o,
			 ret_draft);
}

int spec_open(fuse_req_t req, const struct object *o, bool is_new, int flags,
	      struct handle **ret_handle)
{
	cleanup_handle struct handle *h = NULL;
	int r;

	if (o->record->is_accepted) {
		return -EPERM;
	}
	h = handle_new(HANDLE_SPEC, o->ino, o->record->id);
	if (!h) {
		return -ENOMEM;
	}
	r = get_draft(o, &h->draft);
	if (r == 0 && (flags & O_TRUNC) && draft_size(h->draft) > 0) {
		(void)charge(o->fs, o->record, h->draft, 0);
		r = draft_resize(h->draft, 0);
	} else if (r == 0 && is_new) {
		draft_touch(h->draft);
	}
	if (r < 0) {
		return r;
	}
	h->opener_tid = fuse_req_ctx(req)->pid;
	h->opener_pid = caller_process(h->opener_tid);
	draft_attach(h->draft);
	*ret_handle = steal_ptr(&h);
	return 0;
}

/* --- saving ---------------------------------------------------------------------- */

static void reply_save(struct ask *ask, int result, int64_t id)
{
	(void)id;
	result = draft_end_save(ask->draft, ask->version, result);
	if (ask->handle && !ask->handle->is_written) {
		handle_note_written(&ask->fs->handles, ask->handle, false);
	}
	if (!ask->req) {
		if (result < 0 && result != -EINVAL && result != -EPERM &&
		    result != -ENOENT) {
			log_warning("job %lld: spec.json could not be saved: %s",
				    (long long)ask->job, strerror(-result));
		}
	} else if (result == 0 && ask->len > 0) {
		(void)fuse_reply_write(ask->req, ask->len);
	} else {
		(void)fuse_reply_err(ask->req, ask_errno(result));
	}
}

/* After truncate(2) the text is what was asked for, be it a right spec or not. */
static void reply_truncate(struct ask *ask, int result, int64_t id)
{
	result = draft_end_save(ask->draft, ask->version, result);
	ask_reply_attr(ask, result == -EINVAL ? 0 : result, id);
}

static void reply_make(struct ask *ask, int result, int64_t id)
{
	result = draft_end_save(ask->draft, ask->version, result);
	ask_reply_entry(ask, result == -EINVAL ? 0 : result, id);
}

/* cp -r of a whole job directory may bring spec.json before the rest. */
static void note_copier(const struct ask *ask)
{
	struct memory_head *head = ask->fs->memory->head;
	pid_t process = ask->process;

	if (process == 0 && ask->req) {
		process = caller_process(fuse_req_ctx(ask->req)->pid);
	}
	if (process_is_copying(process)) {
		head->copiers[head->n_copiers++ % MEMORY_COPIERS_MAX] =
			(struct memory_copier){ .job = ask->job, .process = process };
		engine_note_copier(ask->fs->engine, ask->job, process);
	}
}

/* Gives the draft to the engine; the ask, with what its reply needs, is taken over. */
static int save(struct draft *draft, struct ask *ask)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	if (!ask) {
		return -ENOMEM;
	}
	r = draft_begin_save(draft, &text, &ask->version);
	if (r < 0) {
		(void)ask_free(ask);
		return r;
	}
	ask->draft = draft_ref(draft);
	note_copier(ask);
	if (r == DRAFT_IS_CUT) {
		engine_refuse_spec(ask->fs->engine, ask->job, &text, ask_answered, ask);
	} else {
		engine_save_spec(ask->fs->engine, ask->job, &text,
				 draft_take_spec(draft, ask->version), ask_answered,
				 ask);
	}
	return 0;
}

static int save_handle(struct fs *fs, fuse_req_t req, struct handle *h, size_t len)
{
	struct ask *ask = ask_new(fs, req, reply_save);

	if (ask) {
		ask->job = h->job;
		ask->len = len;
		ask->process = req ? process_of(req, h) : 0;
		ask->handle = handle_ref(h);
	}
	return save(h->draft, ask);
}

void spec_save_left(struct fs *fs, struct draft *draft)
{
	struct ask *ask = ask_new(fs, NULL, reply_save);

	if (ask) {
		ask->job = draft_job(draft);
	}
	(void)save(draft, ask);
}

static int load_saved(void *arg, int64_t job, struct buf *out)
{
	int r = store_read_spec(arg, job, out);

	return r == -ENOENT ? 0 : r;
}

/* Without a record of the draft it is as if nothing was written since the last save. */
int spec_adopt(struct fs *fs, struct handle *h)
{
	int r = draft_get(&fs->drafts, h->job, load_saved, fs->store, &h->draft);

	if (r == 0) {
		draft_attach(h->draft);
	}
	return r;
}

/* --- writing --------------------------------------------------------------------- */

/* What it says is kept for who saves it. */
static bool is_right(struct fs *fs, struct draft *draft, const struct buf *text)
{
	struct spec_context context;
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	engine_get_spec_context(fs->engine, &context);
	if (spec_parse(buf_text(text), text->len, &context, &spec, &e) < 0) {
		return false;
	}
	draft_keep_spec(draft, text, spec);
	return true;
}

/* May the draft be written to, and become that long? */
static int check_write(struct fs *fs, const struct handle *h, int64_t end)
{
	cleanup_record struct job_record *record = engine_get_job(fs->engine, h->job);

	if (!record) {
		return -ENOENT;
	}
	if (record->is_accepted) {
		return -EPERM;
	}
	return end > (int64_t)draft_size(h->draft) ? charge(fs, record, h->draft, end)
						   : 0;
}

/* What a daemon that has died did, r as by request_was_done_well(). size: of what was
 * written, 0: nothing was. */
static int reply_done(fuse_req_t req, int r, size_t size)
{
	if (r < 0) {
		return r;
	}
	if (size > 0) {
		(void)fuse_reply_write(req, size);
	} else {
		(void)fuse_reply_err(req, 0);
	}
	return 0;
}

int spec_write(fuse_req_t req, struct handle *h, const char *data, size_t size,
	       int64_t offset, int flags)
{
	struct fs *fs = fs_of(req);
	cleanup_buf struct buf text = BUF_INIT;
	int64_t at = flags & O_APPEND ? (int64_t)draft_size(h->draft) : offset;
	int r = request_was_done_well(fs);

	if (r != 0) { /* it made a document whole that is wrong, and was saved */
		return reply_done(req, r, size);
	}
	r = check_write(fs, h, at + (int64_t)size);
	if (r < 0) {
		return r;
	}
	h->is_written = true;
	handle_note_written(&fs->handles, h, true);
	/* the kernel may not know the size yet, so the end is found here */
	r = draft_write(h->draft, data, size, flags & O_APPEND ? -1 : offset,
			request_number(), &text);
	if (r < 0) {
		return r;
	}
	if (r == DRAFT_IS_WHOLE && !is_right(fs, h->draft, &text)) {
		return save_handle(fs, req, h, size);
	}
	(void)fuse_reply_write(req, size);
	return 0;
}

int spec_flush(fuse_req_t req, struct handle *h)
{
	int r = request_was_done_well(fs_of(req));

	if (r != 0) {
		h->is_written = false;
		handle_note_written(&fs_of(req)->handles, h, false);
		return reply_done(req, r, 0);
	}
	if (!atomic_exchange(&h->is_written, false)) {
		(void)fuse_reply_err(req, 0);
		return 0;
	}
	if (!draft_is_whole(h->draft) && !is_by_opener(req, h)) {
		h->is_written = true;
		(void)fuse_reply_err(req, 0);
		return 0;
	}
	return save_handle(fs_of(req), req, h, 0);
}

void spec_release(struct fs *fs, struct handle *h)
{
	if (draft_detach(h->draft)) {
		(void)save_handle(fs, NULL, h, 0);
	}
}

int spec_truncate(fuse_req_t req, const struct object *o, struct handle *h,
		  int64_t size)
{
	cleanup_draft struct draft *draft = NULL;
	struct ask *ask;
	int r = request_was_done_well(o->fs);

	if (r > 0 || r == -EINVAL) {
		return reply_attr(req, o);
	}
	r = r == 0 && o->record->is_accepted ? -EPERM : r;
	if (r == 0 && !h) {
		r = object_check(o, req, W_OK);
	}
	r = r < 0 ? r : get_draft(o, &draft);
	r = r < 0 ? r : charge(o->fs, o->record, draft, size);
	r = r < 0 ? r : draft_resize(draft, size);
	if (r < 0) {
		return r;
	}
	if (h) { /* ftruncate(2): the flush will tell */
		if (size > 0) {
			h->is_written = true;
			handle_note_written(&o->fs->handles, h, true);
		}
		return reply_attr(req, o);
	}
	ask = ask_new(o->fs, req, reply_truncate);
	if (ask) {
		ask->job = o->record->id;
		ask->ino = o->ino;
	}
	return save(draft, ask);
}

int spec_make(fuse_req_t req, const struct object *o)
{
	cleanup_draft struct draft *draft = NULL;
	struct ask *ask;
	int r = o->record->is_accepted ? -EPERM : get_draft(o, &draft);

	if (r < 0) {
		return r;
	}
	ask = ask_new(o->fs, req, reply_make);
	if (ask) {
		ask->job = o->record->id;
		ask->ino = o->ino;
	}
	return save(draft, ask);
}

/* --- renaming -------------------------------------------------------------------- */

static void reply_replace(struct ask *ask, int result, int64_t id)
{
	if (result == 0) {
		object_consumed(ask->fs, ask->file);
	}
	ask_reply_freed(ask, result, id);
}

int spec_replace(fuse_req_t req, const struct object *o, int64_t file)
{
	struct stat st = { .st_size = 0 };
	struct ask *ask;

	if (o->record->is_accepted) {
		return -EPERM;
	}
	ask = ask_new(o->fs, req, reply_replace);
	if (!ask) {
		return -ENOMEM;
	}
	(void)userfile_stat(o->fs, file, &st);
	ask->job = o->record->id;
	ask->uid = o->record->uid;
	ask->file = file;
	ask->bytes = st.st_size + USAGE_FILE_BYTES;
	ask->spec_bytes = object_spec_bytes(o) - st.st_size;
	note_copier(ask);
	engine_save_spec_file(o->fs->engine, o->record->id, file, ask_answered, ask);
	return 0;
}

int spec_rename_away(fuse_req_t req, const struct object *o, const char *name)
{
	struct store_file backup = { .job = o->record->id,
				     .parent = FILE_PARENT_JOB,
				     .mode = object_mode(o) & 0777,
				     .uid = object_uid(o),
				     .gid = object_gid(o) };
	cleanup_buf struct buf text = BUF_INIT;
	struct ask *ask;
	int r = o->record->is_accepted ? -EPERM : object_render(o, &text);
	int64_t charged = USAGE_FILE_BYTES + (int64_t)text.len;

	r = r < 0 ? r : userfile_charge(o->fs, o->record->id, charged);
	if (r < 0) {
		return r;
	}
	ask = ask_new(o->fs, req, ask_reply_freed);
	if (!ask) {
		return -ENOMEM;
	}
	(void)snprintf(backup.name, sizeof(backup.name), "%s", name);
	ask->job = o->record->id;
	ask->uid = o->record->uid;
	ask->charged = charged;
	ask->spec_bytes = (int64_t)text.len;
	engine_rename_spec(o->fs->engine, &backup, buf_text(&text), text.len,
			   ask_answered, ask);
	return 0;
}
