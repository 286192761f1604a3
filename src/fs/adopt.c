#include "fs/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/internal.h"
#include "fs/spec_file.h"
#include "fs/userfile.h"
#include "fs/watch.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/process.h"

/* Of newer headers than those of Debian 12. */
#define HAS_RESEND    (UINT64_C(1) << 39)
#define NOTIFY_RESEND 7

enum {
	/* Never of a request: the kernel counts up from 2 in steps of 2, and takes the
	 * lowest bit for the mark of an interrupt. */
	INIT_NUMBER = 1,
	/* Records are stamped some time before they are published. */
	TOLD_MARGIN_MS = 30000,
	JOBS_AT_ONCE = 256,
};

/* --- the session ----------------------------------------------------------------- */

bool adopt_is_possible(const struct fuse_buf *init)
{
	struct fuse_in_header header;
	struct fuse_init_in in = { .flags2 = 0 };
	uint64_t flags;

	if (init->size < sizeof(header) + sizeof(in) || init->size > MEMORY_INIT_MAX) {
		return false;
	}
	memcpy(&in, (const char *)init->mem + sizeof(header), sizeof(in));
	flags = in.flags | (uint64_t)in.flags2 << 32;
	return (flags & FUSE_INIT_EXT) && (flags & HAS_RESEND);
}

/* The kernel has no such request, and says so to libfuse, which takes that for an
 * interrupted one. */
void adopt_session(struct fs *fs)
{
	char data[MEMORY_INIT_MAX] __attribute__((aligned(8)));
	struct fuse_buf buf = { .mem = data, .size = fs->memory->head->init_len };
	struct fuse_in_header header;

	memcpy(data, fs->memory->head->init, sizeof(data));
	memcpy(&header, data, sizeof(header));
	header.unique = INIT_NUMBER;
	memcpy(data, &header, sizeof(header));
	fuse_session_process_buf(fs->session, &buf);
}

static int send_notice(const struct fs *fs, int code, const void *data, size_t len)
{
	struct {
		struct fuse_out_header header;
		char data[sizeof(struct fuse_notify_poll_wakeup_out)];
	} message = { .header = { .len = (uint32_t)(sizeof(message.header) + len),
				  .error = code } };

	if (len > 0) {
		memcpy(message.data, data, len);
	}
	return write(fuse_session_fd(fs->session), &message, message.header.len) < 0
		       ? -errno
		       : 0;
}

static void wake_pollers(struct fs *fs)
{
	struct memory *m = fs->memory;
	uint32_t cell = 0;

	while ((cell = memory_next(m, cell, MEMORY_HANDLE))) {
		struct fuse_notify_poll_wakeup_out out = {
			.kh = memory_handle(m, cell)->poll_id
		};

		if (out.kh) {
			(void)send_notice(fs, FUSE_NOTIFY_POLL, &out, sizeof(out));
		}
	}
}

void adopt_requests(struct fs *fs)
{
	int r = send_notice(fs, NOTIFY_RESEND, NULL, 0);

	if (r < 0) {
		log_error("what programs had asked before is lost: %s", strerror(-r));
	}
	wake_pollers(fs);
}

/* --- the state ------------------------------------------------------------------- */

static int adopt_answers(struct fs *fs)
{
	struct memory_head *head = fs->memory->head;
	cleanup_free struct store_answer *last =
		calloc(MEMORY_ANSWERS_MAX, sizeof(*last));
	ssize_t n =
		last ? store_get_answers(fs->store, last, MEMORY_ANSWERS_MAX) : -ENOMEM;

	for (ssize_t i = 0; i < n; i++) {
		if (last[i].asker == head->key &&
		    !memory_find_answer(fs->memory, last[i].number)) {
			head->answers[head->n_answers++ % MEMORY_ANSWERS_MAX] = last[i];
		}
	}
	return n < 0 ? (int)n : 0;
}

/* A draft that became the job, so that those who close it are told so. */
static void note_accepted(struct fs *fs, struct draft *draft, int64_t job)
{
	cleanup_record struct job_record *record = engine_get_job(fs->engine, job);
	cleanup_buf struct buf text = BUF_INIT;

	if (record && record->is_accepted &&
	    store_read_spec(fs->store, job, &text) == 0) {
		draft_note_accepted(draft, &text);
	}
}

/* Each with a reference in list, which is for as many as there are cells. */
static int adopt_drafts(struct fs *fs, struct draft **list, size_t *ret_n)
{
	struct memory *m = fs->memory;
	uint32_t cell = 0;

	*ret_n = 0;
	while ((cell = memory_next(m, cell, MEMORY_DRAFT))) {
		struct draft *draft = draft_adopt(&fs->drafts, cell);

		if (!draft) {
			return -ENOMEM;
		}
		list[(*ret_n)++] = draft;
		note_accepted(fs, draft, memory_draft(m, cell)->job);
	}
	return 0;
}

/* Of files/ or beside it. The content may be gone with its last name. */
static void open_content(struct fs *fs, struct handle *h)
{
	h->fd = userfile_open(fs, h->file.id, h->may_write ? O_RDWR : O_RDONLY);
	h->fd = h->fd < 0 ? -1 : h->fd;
	h->is_written = h->may_write;
}

static int adopt_handle(struct fs *fs, uint32_t cell)
{
	struct handle *h = handle_adopt(&fs->handles, cell);

	if (!h) {
		return -ENOMEM;
	}
	if (h->kind == HANDLE_FILE) {
		open_content(fs, h);
	} else if (h->kind == HANDLE_SPEC) {
		return spec_adopt(fs, h);
	}
	return 0;
}

static int adopt_handles(struct fs *fs)
{
	uint32_t cell = 0;
	int r = 0;

	while (r == 0 && (cell = memory_next(fs->memory, cell, MEMORY_HANDLE))) {
		r = adopt_handle(fs, cell);
	}
	return r;
}

static void adopt_copiers(struct fs *fs)
{
	const struct memory_head *head = fs->memory->head;

	for (int i = 0; i < MEMORY_COPIERS_MAX; i++) {
		const struct memory_copier *c = &head->copiers[i];

		if (c->job > 0 && process_is_copying(c->process)) {
			engine_note_copier(fs->engine, c->job, c->process);
		}
	}
}

static int adopt_open_files(struct fs *fs)
{
	cleanup_free struct draft **drafts =
		calloc(fs->memory->head->n_cells, sizeof(struct draft *));
	size_t n = 0;
	int r = drafts ? adopt_drafts(fs, drafts, &n) : -ENOMEM;

	r = r < 0 ? r : adopt_handles(fs);
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && draft_is_left_unsaved(drafts[i])) {
			spec_save_left(fs, drafts[i]);
		}
		(void)draft_unref(drafts[i]);
	}
	return r;
}

int adopt_state(struct fs *fs, struct err *e)
{
	int r = adopt_answers(fs);

	r = r < 0 ? r : adopt_open_files(fs);
	if (r < 0) {
		return err_set(e, r, "cannot take over what is open in %s: %s",
			       fs->mountpoint, strerror(-r));
	}
	adopt_copiers(fs);
	known_lose(&fs->known);
	return 0;
}

/* --- watchers -------------------------------------------------------------------- */

struct change { /* of a job, the last one */
	int64_t job, ms;
};

static int64_t last_change_ms(const struct job_record *record)
{
	int64_t ms = record->changed_ms;

	for (int i = 0; i < JOB_STREAM_COUNT; i++) {
		ms = record->written_ms[i] > ms ? record->written_ms[i] : ms;
	}
	return ms;
}

static int add_change(struct buf *changes, const struct job_record *record,
		      int64_t since_ms)
{
	struct change change = { record->id, last_change_ms(record) };

	return change.ms < since_ms ? 0 : buf_add(changes, &change, sizeof(change));
}

static int list_changes(struct fs *fs, int64_t since_ms, struct buf *changes)
{
	struct job_record *jobs[JOBS_AT_ONCE];
	int64_t after = 0;
	size_t n;
	int r = 0;

	do {
		n = engine_list_jobs(fs->engine, after, jobs, JOBS_AT_ONCE);
		for (size_t i = 0; i < n; i++) {
			after = jobs[i]->id;
			r = r < 0 ? r : add_change(changes, jobs[i], since_ms);
			(void)job_record_unref(jobs[i]);
		}
	} while (n == JOBS_AT_ONCE);
	return r;
}

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return (x->ms < y->ms) - (x->ms > y->ms);
}

/* The latest first: watchers know of most of the others, and there may be more of them
 * than can be told at once. */
void adopt_watchers(struct fs *fs)
{
	cleanup_buf struct buf changes = BUF_INIT;
	int64_t since_ms = fs->memory->head->told_ms - TOLD_MARGIN_MS;
	struct change *list;
	size_t n;

	watch_tell_all_again(fs);
	if (list_changes(fs, since_ms, &changes) < 0) {
		log_warning("no memory to tell watchers what has changed");
	}
	list = (struct change *)(void *)changes.data;
	n = changes.len / sizeof(*list);
	if (n > 0) {
		qsort(list, n, sizeof(*list), compare_changes);
	}
	for (size_t i = 0; i < n; i++) {
		cleanup_record struct job_record *record =
			engine_get_job(fs->engine, list[i].job);

		if (record) {
			watch_tell_again(fs, record);
		}
	}
}
