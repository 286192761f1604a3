#include "fs/draft.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "job/spec.h"
#include "util/clock.h"

/* Whether a document is closed is looked at after every write as long as it is short;
 * when it is long, only if it ends like one, so that dd bs=1 is not quadratic. */
enum { SHAPE_ALWAYS_MAX = 4096 };

struct draft {
	struct draft_table *table;
	int64_t job;
	unsigned refs; /* guarded by table->lock */
	LIST_ENTRY(draft) link;
	uint32_t cell;		   /* of its record, 0: it has none; as the next */
	struct memory_draft *kept; /* guarded by lock, NULL: none */

	pthread_mutex_t lock; /* guards what follows; held over memory only */
	unsigned writers;     /* handles */
	struct buf text;
	uint64_t version;  /* counts changes of the text */
	uint64_t saved;	   /* the last version that was given to the engine */
	uint64_t accepted; /* the version that became the job, 0: none */
	bool is_cut;	   /* more was to be written than a spec may have */
	int64_t changed_ms;
	struct spec *spec;     /* what a version of the text says, NULL: not known */
	uint64_t spec_version; /* that one */
};

void draft_table_init(struct draft_table *table)
{
	(void)pthread_mutex_init(&table->lock, NULL);
	LIST_INIT(&table->list);
	table->drops = 0;
	table->memory = NULL;
}

/* --- what a successor must know -------------------------------------------------- */

/* From here to the next such line the draft's lock is held, or nobody else has it. */

static void drop_record(struct draft *d)
{
	uint32_t text = d->kept ? d->kept->cell : 0;

	if (d->kept) {
		d->kept = NULL;
		memory_drop(d->table->memory, d->cell);
		memory_free_text(d->table->memory, text);
	}
}

/* The text changed from offset on. Without room for it the record goes: better none
 * than one that is wrong. */
static void keep_text(struct draft *d, size_t offset)
{
	uint32_t cell;

	if (!d->kept) {
		return;
	}
	cell = d->kept->cell;
	if (offset < d->text.len &&
	    memory_write(d->table->memory, &cell, offset, d->text.data + offset,
			 d->text.len - offset) < 0) {
		d->kept->cell = d->kept->cell ? d->kept->cell : cell;
		drop_record(d);
		return;
	}
	d->kept->cell = cell;
	d->kept->size = d->text.len;
}

/* All of it. */
static void make_record(struct draft *d)
{
	uint64_t unused;

	d->cell = d->table->memory ? memory_take(d->table->memory, &unused) : 0;
	if (!d->cell) {
		return;
	}
	d->kept = memory_draft(d->table->memory, d->cell);
	d->kept->job = d->job;
	d->kept->version = d->version;
	d->kept->saved = d->saved;
	d->kept->is_cut = d->is_cut;
	keep_text(d, 0);
	if (d->kept) {
		memory_set_kind(d->table->memory, d->cell, MEMORY_DRAFT);
	}
}

/* Where it went when it came the first time, or the end: remembered before anything is
 * written there. */
static size_t place_append(struct draft *d, uint64_t request)
{
	struct memory_draft *kept = d->kept;
	unsigned i;

	if (!kept || request == 0) {
		return d->text.len;
	}
	for (i = 0; i < MEMORY_APPENDS_MAX; i++) {
		if (kept->appends[i].request == request) {
			return kept->appends[i].at;
		}
	}
	i = kept->n_appends++ % MEMORY_APPENDS_MAX;
	kept->appends[i].request = 0;
	kept->appends[i].at = d->text.len;
	kept->appends[i].request = request;
	return d->text.len;
}

/* --- life ------------------------------------------------------------------------ */

static struct draft *draft_free(struct draft *d)
{
	drop_record(d);
	(void)spec_free(d->spec);
	buf_fini(&d->text);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	return NULL;
}

void draft_table_fini(struct draft_table *table)
{
	struct draft *d;

	while ((d = LIST_FIRST(&table->list))) {
		LIST_REMOVE(d, link);
		draft_free(d);
	}
	(void)pthread_mutex_destroy(&table->lock);
}

/* The table's lock is held. */
static struct draft *find_locked(struct draft_table *table, int64_t job)
{
	struct draft *d;

	LIST_FOREACH(d, &table->list, link)
	{
		if (d->job == job) {
			d->refs++;
			return d;
		}
	}
	return NULL;
}

struct draft *draft_find(struct draft_table *table, int64_t job)
{
	struct draft *d;

	(void)pthread_mutex_lock(&table->lock);
	d = find_locked(table, job);
	(void)pthread_mutex_unlock(&table->lock);
	return d;
}

static struct draft *draft_new(struct draft_table *table, int64_t job, struct buf *text)
{
	struct draft *d = calloc(1, sizeof(*d));

	if (!d) {
		return NULL;
	}
	(void)pthread_mutex_init(&d->lock, NULL);
	d->table = table;
	d->job = job;
	d->refs = 1;
	d->text = *text;
	d->text.max = SPEC_SIZE_MAX;
	d->version = d->saved = 1;
	d->changed_ms = clock_wall_ms();
	*text = (struct buf)BUF_INIT;
	return d;
}

/* The draft, or a new one with the text; NULL when another draft came and went since
 * the text was read: then the text may be older than what that one saved. */
static struct draft *find_or_add(struct draft_table *table, uint64_t drops,
				 struct draft **fresh)
{
	struct draft *d;

	(void)pthread_mutex_lock(&table->lock);
	d = find_locked(table, (*fresh)->job);
	if (!d && table->drops == drops) {
		d = steal_ptr(fresh);
		make_record(d);
		LIST_INSERT_HEAD(&table->list, d, link);
	}
	(void)pthread_mutex_unlock(&table->lock);
	return d;
}

static uint64_t count_drops(struct draft_table *table)
{
	uint64_t drops;

	(void)pthread_mutex_lock(&table->lock);
	drops = table->drops;
	(void)pthread_mutex_unlock(&table->lock);
	return drops;
}

int draft_get(struct draft_table *table, int64_t job,
	      int (*load)(void *arg, int64_t job, struct buf *out), void *arg,
	      struct draft **ret_draft)
{
	struct draft *d = draft_find(table, job);

	while (!d) {
		uint64_t drops = count_drops(table);
		cleanup_buf struct buf text = BUF_INIT;
		struct draft *fresh;
		int r = load(arg, job, &text);

		if (r < 0) {
			return r;
		}
		fresh = draft_new(table, job, &text);
		if (!fresh) {
			return -ENOMEM;
		}
		d = find_or_add(table, drops, &fresh);
		if (fresh) {
			draft_free(fresh);
		}
	}
	*ret_draft = d;
	return 0;
}

struct draft *draft_adopt(struct draft_table *table, uint32_t cell)
{
	struct memory_draft *kept = memory_draft(table->memory, cell);
	cleanup_buf struct buf text = BUF_INIT;
	struct draft *d;

	if (memory_read(table->memory, kept->cell, kept->size, &text) < 0) {
		return NULL;
	}
	d = draft_new(table, kept->job, &text);
	if (d) {
		d->cell = cell;
		d->kept = kept;
		d->version = kept->version;
		d->saved = kept->saved;
		d->is_cut = kept->is_cut;
		(void)pthread_mutex_lock(&table->lock);
		LIST_INSERT_HEAD(&table->list, d, link);
		(void)pthread_mutex_unlock(&table->lock);
	}
	return d;
}

/* The draft's lock is held. */
static bool is_text(const struct draft *d, const struct buf *text)
{
	return d->text.len == text->len &&
	       memcmp(buf_text(&d->text), buf_text(text), text->len) == 0;
}

void draft_note_accepted(struct draft *d, const struct buf *text)
{
	(void)pthread_mutex_lock(&d->lock);
	if (is_text(d, text)) {
		d->accepted = d->saved = d->version;
	}
	(void)pthread_mutex_unlock(&d->lock);
}

bool draft_is_left_unsaved(struct draft *d)
{
	bool is;

	(void)pthread_mutex_lock(&d->lock);
	is = d->writers == 0 && d->saved != d->version && d->text.len > 0;
	(void)pthread_mutex_unlock(&d->lock);
	return is;
}

int64_t draft_job(const struct draft *d)
{
	return d->job;
}

struct draft *draft_ref(struct draft *d)
{
	(void)pthread_mutex_lock(&d->table->lock);
	d->refs++;
	(void)pthread_mutex_unlock(&d->table->lock);
	return d;
}

struct draft *draft_unref(struct draft *d)
{
	struct draft_table *table;
	bool is_last;

	if (!d) {
		return NULL;
	}
	table = d->table;
	(void)pthread_mutex_lock(&table->lock);
	is_last = --d->refs == 0;
	if (is_last) {
		LIST_REMOVE(d, link);
		table->drops++;
	}
	(void)pthread_mutex_unlock(&table->lock);
	return is_last ? draft_free(d) : NULL;
}

void draft_unrefp(struct draft **draft)
{
	*draft = draft_unref(*draft);
}

void draft_attach(struct draft *d)
{
	(void)pthread_mutex_lock(&d->lock);
	d->writers++;
	(void)pthread_mutex_unlock(&d->lock);
}

bool draft_detach(struct draft *d)
{
	bool must_save;

	(void)pthread_mutex_lock(&d->lock);
	must_save = --d->writers == 0 && d->saved != d->version;
	(void)pthread_mutex_unlock(&d->lock);
	return must_save;
}

/* The draft's lock is held from here on. */

static void note_change(struct draft *d)
{
	d->version++;
	d->changed_ms = clock_wall_ms();
	if (d->kept) {
		d->kept->version = d->version;
	}
}

static void set_cut(struct draft *d, bool is_cut)
{
	d->is_cut = is_cut;
	if (d->kept) {
		d->kept->is_cut = is_cut;
	}
}

static int extend(struct draft *d, size_t size)
{
	size_t more = size > d->text.len ? size - d->text.len : 0;
	char *room;

	if (more == 0) {
		return 0;
	}
	if (size > SPEC_SIZE_MAX) {
		return -EFBIG;
	}
	room = buf_reserve(&d->text, more);
	if (!room) {
		d->text.error = 0; /* what is there stays good */
		return -ENOMEM;
	}
	memset(room, 0, more + 1);
	d->text.len = size;
	return 0;
}

static bool ends_like_a_document(const struct buf *text)
{
	size_t i = text->len;

	while (i > 0 && isspace((unsigned char)text->data[i - 1])) {
		i--;
	}
	return i > 0 && text->data[i - 1] == '}';
}

static bool is_whole(const struct buf *text)
{
	if (text->len > SHAPE_ALWAYS_MAX && !ends_like_a_document(text)) {
		return false;
	}
	return spec_shape(buf_text(text), text->len) == SPEC_COMPLETE;
}

static int write_locked(struct draft *d, const char *data, size_t len, int64_t offset,
			uint64_t request, struct buf *out)
{
	size_t at = offset < 0 ? place_append(d, request) : (size_t)offset;
	size_t old_len = d->text.len;
	int r;

	if (at > SPEC_SIZE_MAX || len > SPEC_SIZE_MAX - at) {
		return -EFBIG;
	}
	r = extend(d, at + len);
	if (r < 0 || len == 0) {
		return r;
	}
	memcpy(d->text.data + at, data, len);
	keep_text(d, at < old_len ? at : old_len);
	note_change(d);
	if (!is_whole(&d->text)) {
		return 0;
	}
	r = buf_add(out, d->text.data, d->text.len);
	return r < 0 ? r : DRAFT_IS_WHOLE;
}

static int resize_locked(struct draft *d, int64_t size)
{
	size_t old_len = d->text.len;
	int r;

	if (size < 0 || size > SPEC_SIZE_MAX) {
		return -EFBIG;
	}
	r = extend(d, (size_t)size);
	if (r < 0) {
		return r;
	}
	buf_truncate(&d->text, (size_t)size);
	keep_text(d, old_len);
	set_cut(d, false);
	note_change(d);
	return 0;
}

/* Here it ends. */

int draft_write(struct draft *d, const char *data, size_t len, int64_t offset,
		uint64_t request, struct buf *out)
{
	int r;

	(void)pthread_mutex_lock(&d->lock);
	r = write_locked(d, data, len, offset, request, out);
	if (r == -EFBIG) {
		set_cut(d, true);
		note_change(d);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

int draft_resize(struct draft *d, int64_t size)
{
	int r;

	(void)pthread_mutex_lock(&d->lock);
	r = resize_locked(d, size);
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

void draft_touch(struct draft *d)
{
	(void)pthread_mutex_lock(&d->lock);
	note_change(d);
	(void)pthread_mutex_unlock(&d->lock);
}

bool draft_is_whole(struct draft *d)
{
	bool whole;

	(void)pthread_mutex_lock(&d->lock);
	whole = d->is_cut ||
		spec_shape(buf_text(&d->text), d->text.len) == SPEC_COMPLETE;
	(void)pthread_mutex_unlock(&d->lock);
	return whole;
}

int draft_copy(struct draft *d, struct buf *out)
{
	int r;

	(void)pthread_mutex_lock(&d->lock);
	r = buf_add(out, buf_text(&d->text), d->text.len);
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

size_t draft_size(struct draft *d)
{
	size_t size;

	(void)pthread_mutex_lock(&d->lock);
	size = d->text.len;
	(void)pthread_mutex_unlock(&d->lock);
	return size;
}

int64_t draft_changed_ms(struct draft *d)
{
	int64_t changed_ms;

	(void)pthread_mutex_lock(&d->lock);
	changed_ms = d->changed_ms;
	(void)pthread_mutex_unlock(&d->lock);
	return changed_ms;
}

int draft_begin_save(struct draft *d, struct buf *out, uint64_t *ret_version)
{
	int r;

	(void)pthread_mutex_lock(&d->lock);
	r = buf_add(out, buf_text(&d->text), d->text.len);
	if (r == 0) {
		d->saved = *ret_version = d->version;
		r = d->is_cut ? DRAFT_IS_CUT : 0;
	}
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

void draft_keep_spec(struct draft *d, const struct buf *text, struct spec *spec)
{
	(void)pthread_mutex_lock(&d->lock);
	if (is_text(d, text)) {
		(void)spec_free(d->spec);
		d->spec = steal_ptr(&spec);
		d->spec_version = d->version;
	}
	(void)pthread_mutex_unlock(&d->lock);
	(void)spec_free(spec);
}

struct spec *draft_take_spec(struct draft *d, uint64_t version)
{
	struct spec *spec = NULL;

	(void)pthread_mutex_lock(&d->lock);
	if (d->spec_version == version) {
		spec = steal_ptr(&d->spec);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return spec;
}

int draft_end_save(struct draft *d, uint64_t version, int result)
{
	(void)pthread_mutex_lock(&d->lock);
	if (result == 0) {
		d->accepted = version;
	} else if (result == -EPERM && d->accepted == version) {
		result = 0;
	}
	if (d->kept && (result == 0 || result == -EINVAL)) {
		d->kept->saved = version;
	}
	(void)pthread_mutex_unlock(&d->lock);
	return result;
}
