/* URLs for checkpoints. The list of what is wanted comes from the host, which is not
 * believed: a key is signed only when it is the destination and a path that is one of
 *
 *   LATEST                              to be fetched or put
 *   a path (job/path.h)                 to be fetched, when a listing has it
 *   .at/ID-ATTEMPT.N/PATH               to be put; ID and ATTEMPT are its own
 *   .at/…                               to be removed, when a listing has it: rounds of
 *                                       this job, and of those that ended before it
 *
 * An object of a round is believed to be there once a listing says so, with its size:
 * the last batch of a round is empty. LATEST's own URL holds two minutes only: a host
 * that was given up and wakes later must not put it over that of another attempt. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/batch_internal.h"
#include "job/address.h"
#include "job/path.h"
#include "util/mem.h"

enum {
	LATEST_EXPIRES_S = 120,
	ABORTS_MAX = 100, /* of one batch */
};

#define PLACES ".at/"

struct wish {
	struct batch *b;
	const char *prefix; /* key of the destination */
	struct manifest_list list;
};

/* ".at/ID-ATTEMPT.N/PATH" */
static bool is_place_of(const char *path, const char *attempt)
{
	size_t n = strlen(attempt);
	const char *number = path + strlen(PLACES) + n + 1;
	size_t digits;

	if (!has_prefix(path, PLACES) || strncmp(path + strlen(PLACES), attempt, n) ||
	    number[-1] != '.') {
		return false;
	}
	digits = strspn(number, "0123456789");
	return digits > 0 && number[digits] == '/';
}

static bool may_be_wished(const struct batch_order *order, const char *path)
{
	struct err flaw;

	if (path_check(path, &flaw) < 0) {
		return false;
	}
	switch (order->checkpoint) {
	case CHECKPOINT_PUT:
		return streq(path, "LATEST") || is_place_of(path, order->attempt);
	case CHECKPOINT_NONE:
	case CHECKPOINT_GET:
	case CHECKPOINT_DROP:
		break;
	}
	return true;
}

static bool is_latest(const struct wish *w)
{
	return w->list.n == 1 && streq(w->list.entries[0].path, "LATEST");
}

static enum s3_fault list_below(struct wish *w, const char *below, int page_size,
				int (*each)(void *arg, const struct s3_object *object))
{
	struct batch *b = w->b;
	cleanup_buf struct buf key = BUF_INIT;
	enum s3_fault fault;

	if (buf_printf(&key, "%s%s", w->prefix, below) < 0) {
		b->error = -ENOMEM;
		return S3_OK;
	}
	fault = b->order->ops->list(b->s3, &b->place, &b->order->credentials,
				    &(struct s3_listing){ .prefix = buf_text(&key),
							  .page_size = page_size,
							  .each = each,
							  .arg = w },
				    b->e);
	return fault == S3_STOPPED ? S3_OK : fault;
}

/* ---- to fetch ---- */

static int take_wanted(void *arg, const struct s3_object *object)
{
	struct wish *w = arg;
	struct batch *b = w->b;
	const char *below = object->key + strlen(w->prefix);
	cleanup_buf struct buf name = BUF_INIT;

	if (is_latest(w) ? !streq(below, "LATEST")
			 : !manifest_match(&w->list, below, object->size, false)) {
		return is_latest(w);
	}
	if (b->written >= BATCH_MAX) {
		b->is_full = true;
		return 1;
	}
	if (b->seen++ >= b->order->from) {
		b->error = buf_printf(&name, "0/%s", below);
		b->error =
			b->error ? b->error : batch_add_get(b, object, buf_text(&name));
		b->written++;
	}
	return b->error < 0 || is_latest(w);
}

static enum s3_fault add_gets(struct wish *w, int64_t *ret_next)
{
	enum s3_fault fault = is_latest(w)
				      ? list_below(w, "LATEST", 1, take_wanted)
				      : list_below(w, "", S3_PAGE_MAX, take_wanted);

	batch_add_ranges(w->b);
	*ret_next = w->b->seen;
	return fault;
}

/* ---- to put ---- */

static int note_there(void *arg, const struct s3_object *object)
{
	struct wish *w = arg;

	(void)manifest_match(&w->list, object->key + strlen(w->prefix), object->size,
			     false);
	return 0;
}

/* Goes on with the upload of that key, which no other round has, and ends it once S3
 * has all parts. */
static enum s3_fault add_large_put(struct batch *b, const struct s3_object_name *name,
				   struct manifest_entry *entry)
{
	cleanup_buf struct buf id = BUF_INIT;
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	enum s3_fault fault = s3_upload_find(b->s3, name, &id, b->e);

	if (fault == S3_OK && id.len > 0) {
		fault = s3_upload_parts(b->s3, name, buf_text(&id), &parts, b->e);
	} else if (fault == S3_OK) {
		fault = s3_upload_create(b->s3, name, &id, b->e);
	}
	if (fault != S3_OK ||
	    batch_add_missing(b, name, buf_text(&id), &parts, entry) > 0) {
		return fault;
	}
	entry->is_found = true;
	return s3_upload_complete(b->s3, name, buf_text(&id), &parts, b->e);
}

static enum s3_fault add_put(struct wish *w, struct manifest_entry *entry)
{
	struct batch *b = w->b;
	cleanup_buf struct buf key = BUF_INIT;
	struct s3_object_name name = { .place = &b->place,
				       .credentials = &b->order->credentials };

	b->error = buf_printf(&key, "%s%s", w->prefix, entry->path);
	name.key = buf_text(&key);
	if (b->error < 0) {
		return S3_OK;
	}
	if (entry->size >= LARGE && !is_latest(w)) {
		return add_large_put(b, &name, entry);
	}
	batch_add_put(b, &name, entry, is_latest(w) ? LATEST_EXPIRES_S : 0);
	return S3_OK;
}

static enum s3_fault add_puts(struct wish *w, int64_t *ret_next)
{
	struct batch *b = w->b;
	cleanup_buf struct buf place = BUF_INIT;
	enum s3_fault fault = S3_OK;
	int64_t next = -1;

	if (!is_latest(w)) {
		b->error = buf_printf(&place, "%s%s.", PLACES, b->order->attempt);
		fault = list_below(w, buf_text(&place), S3_PAGE_MAX, note_there);
	}
	for (size_t k = 0;
	     k < w->list.n && fault == S3_OK && b->error == 0 && b->seen < BATCH_MAX;
	     k++) {
		struct manifest_entry *entry = &w->list.entries[k];

		if (!entry->is_found) {
			fault = add_put(w, entry);
		}
		if (!entry->is_found && next < 0) {
			next = (int64_t)k;
		}
	}
	/* what was put is looked for by the next one */
	b->is_full = next >= 0 && !is_latest(w);
	*ret_next = next;
	return fault;
}

/* ---- to remove ---- */

/* ".at/ID-" */
static int add_own_places(const struct batch_order *order, struct buf *out)
{
	const char *hyphen = strrchr(order->attempt, '-');

	return buf_printf(out, "%s%.*s-", PLACES, (int)(hyphen - order->attempt),
			  order->attempt);
}

/* Whose checkpoints go to the same place, from another daemon, may have put its LATEST
 * over that of this job while the answer to it was under way. */
static bool may_be_of_another(const struct batch_order *order,
			      const struct s3_object *object, const char *below)
{
	cleanup_buf struct buf own = BUF_INIT;

	if (add_own_places(order, &own) == 0 && has_prefix(below, buf_text(&own))) {
		return false;
	}
	return object->modified_s == 0 || object->modified_s >= order->older_than_s;
}

static int take_left(void *arg, const struct s3_object *object)
{
	struct wish *w = arg;
	struct batch *b = w->b;
	const char *below = object->key + strlen(w->prefix);
	int order = -1;

	while (w->list.next < w->list.n &&
	       (order = strcmp(w->list.entries[w->list.next].path, below)) < 0) {
		w->list.next++;
	}
	if ((w->list.next < w->list.n && order == 0) ||
	    may_be_of_another(b->order, object, below)) {
		return 0;
	}
	(void)buf_add_str(b->text, "drop");
	batch_add_signed(b,
			 (struct s3_request){ .method = "DELETE", .key = object->key });
	return ++b->written >= BATCH_MAX || b->error < 0; /* others go next time */
}

/* Uploads in parts of rounds that came to nothing: no round is under way now. What
 * fails is tried again after the next one, and holds up nothing. */
static void abort_left(struct wish *w)
{
	struct batch *b = w->b;
	cleanup_buf struct buf prefix = BUF_INIT;
	enum s3_fault fault = S3_OK;

	b->error = b->error ? b->error : buf_add_str(&prefix, w->prefix);
	b->error = b->error ? b->error : add_own_places(b->order, &prefix);
	for (int n = 0; n < ABORTS_MAX && fault == S3_OK && b->error == 0; n++) {
		cleanup_buf struct buf key = BUF_INIT;
		cleanup_buf struct buf id = BUF_INIT;
		struct s3_object_name name = { .place = &b->place,
					       .credentials = &b->order->credentials,
					       .key = buf_text(&prefix) };

		fault = s3_upload_find_below(b->s3, &name, &key, &id, b->e);
		if (fault != S3_OK || id.len == 0) {
			break;
		}
		name.key = buf_text(&key);
		fault = s3_upload_abort(b->s3, &name, buf_text(&id), b->e);
	}
}

static enum s3_fault add_drops(struct wish *w)
{
	enum s3_fault fault = list_below(w, PLACES, S3_PAGE_MAX, take_left);

	if (fault == S3_OK && w->b->s3) {
		abort_left(w);
	}
	return fault;
}

/* ---- all ---- */

static enum s3_fault add_wish(struct wish *w, int64_t *ret_next)
{
	switch (w->b->order->checkpoint) {
	case CHECKPOINT_GET:
		return add_gets(w, ret_next);
	case CHECKPOINT_PUT:
		return add_puts(w, ret_next);
	case CHECKPOINT_DROP:
		return add_drops(w);
	case CHECKPOINT_NONE:
		break;
	}
	return S3_OK;
}

static int check_wish(const struct wish *w)
{
	for (size_t k = 0; k < w->list.n; k++) {
		if (!may_be_wished(w->b->order, w->list.entries[k].path)) {
			return err_set(w->b->e, -EINVAL,
				       "the host wants a URL of a checkpoint that is "
				       "not of its own");
		}
	}
	return 0;
}

enum s3_fault batch_add_checkpoint(struct batch *b, int64_t *ret_next)
{
	const struct buf *records = b->order->manifest;
	struct wish w = { .b = b };
	cleanup_free char *bucket = address_split(b->order->destination, &w.prefix);
	enum s3_fault fault = S3_OK;

	if (!bucket) {
		b->error = -ENOMEM;
		return S3_OK;
	}
	b->place.bucket = bucket;
	b->error = manifest_parse(buf_text(records), records->len, &w.list);
	if (b->error == 0) {
		b->error = check_wish(&w);
	}
	if (b->error == 0) {
		fault = add_wish(&w, ret_next);
	}
	manifest_fini(&w.list);
	return fault;
}
