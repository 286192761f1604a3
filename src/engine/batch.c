/* Large objects come in ranges and go in parts, so that a broken connection costs
 * little and many connections carry one object. The ranges of several objects are dealt
 * out in turn: a batch takes as long as its slowest object, not as all of them one by
 * one. */
#include "engine/batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch_internal.h"
#include "engine/cache.h"
#include "job/address.h"
#include "s3/sign.h"
#include "util/clock.h"
#include "util/mem.h"

enum {
	TEXT_MAX = 64 << 20,	 /* bytes of a batch */
	RANGE_MIN = 32 << 20,	 /* bytes */
	RANGE_MAX = 256 << 20,	 /* bytes: what a cut may cost */
	RANGES_OF_ONE = 8,	 /* at once */
	PART_SIZE = 64 << 20,	 /* bytes; AWS wants 5 MiB at least */
	PARTS_WANTED_MAX = 9000, /* the limit of AWS is 10,000 */
	LANES_MAX = 32,
	UPLOAD_LANES_MAX = 8,
};

/* Bytes of whole files in one batch: one whose URLs end first is sent anew. */
#define PUTS_MAX  (INT64_C(32) << 30)
#define SUM_BASIS UINT64_C(0xcbf29ce484222325)

static void batch_fini(struct batch *b)
{
	for (size_t k = 0; k < b->n_large; k++) {
		buf_wipe(&b->large[k].url);
	}
	free(b->large);
	buf_wipe(&b->stem);
	buf_wipe(&b->query);
}
#define cleanup_batch cleanup_(batch_fini)

/* ---- words ---- */

/* May the name go through echo and into curl's configuration as it is? */
static bool is_plain(const char *name)
{
	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		if (*c < ' ' || *c == 0x7f || *c == '"' || *c == '\\') {
			return false;
		}
	}
	return true;
}

void batch_add_quoted(struct batch *b, const char *text)
{
	(void)buf_add_char(b->text, ' ');
	(void)buf_add_sh_quoted(b->text, text);
}

static int add_url(const struct batch *b, struct s3_request request, struct buf *out)
{
	request.time_s = b->time_s;
	request.expires_s = request.expires_s ? request.expires_s : EXPIRES_S;
	return s3_presign(&b->place, &b->order->credentials, &request, out, b->e);
}

static const char signature[] = "&X-Amz-Signature=";

static void keep_first(struct batch *b, const char *url, const char *query,
		       const char *end)
{
	const char *slash = memrchr(url, '/', (size_t)(query - url));

	if (slash) {
		(void)buf_add(&b->stem, url, (size_t)(slash + 1 - url));
		(void)buf_add(&b->query, query, (size_t)(end - query));
	}
}

/* As words of sh: what it shares with the first URL is in variables, since a URL of
 * some hundred bytes, or more with a session token, differs from the next in some
 * sixty. */
static void write_url(struct batch *b, const char *url)
{
	const char *query = strchr(url, '?'), *end = strstr(url, signature);

	if (query && end) {
		end += strlen(signature);
		if (b->stem.len == 0) {
			keep_first(b, url, query, end);
		}
		if (b->stem.len > 0 && has_prefix(url, buf_text(&b->stem))) {
			(void)buf_add_str(b->text, "\"$U_STEM\"");
			url += b->stem.len;
		}
		if (b->query.len > 0 && has_prefix(query, buf_text(&b->query))) {
			(void)buf_add_char(b->text, '\'');
			(void)buf_add(b->text, url, (size_t)(query - url));
			(void)buf_add_str(b->text, "'\"$U_QUERY\"");
			url = end;
		}
	}
	(void)buf_printf(b->text, "'%s'\n", url); /* a URL holds no quote */
}

void batch_add_signed(struct batch *b, struct s3_request request)
{
	cleanup_buf_wipe struct buf url = BUF_INIT;
	int r = add_url(b, request, &url);

	(void)buf_add_char(b->text, ' ');
	write_url(b, buf_text(&url));
	b->error = b->error ? b->error : r;
}

/* ---- inputs ---- */

/* FNV-1a (Fowler, Noll, Vo), with the NUL. */
static uint64_t sum_text(uint64_t sum, const char *text)
{
	const char *end = text + strlen(text) + 1;

	for (; text < end; text++) {
		sum = (sum ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	}
	return sum;
}

static uint64_t sum_object(uint64_t sum, const struct s3_object *object)
{
	return sum_text(sum_text(sum, object->key), object->etag);
}

/* What can stand in a condition and in a file's name; "-" for anything else. */
static const char *tag_of(const struct s3_object *object)
{
	size_t n = strlen(object->etag);

	return n > 0 && n < S3_ETAG_MAX &&
			       strspn(object->etag, "0123456789abcdef-") == n
		       ? object->etag
		       : "-";
}

static void add_move(struct batch *b, const char *stage, const char *name)
{
	(void)buf_printf(b->text, "move %s", stage);
	batch_add_quoted(b, name);
	(void)buf_add_char(b->text, '\n');
}

/* Where the cache finds it; false: it is not for the cache. */
static bool get_kept_stage(const struct batch *b, const struct s3_object *object,
			   char ret_stage[static STAGE_MAX])
{
	char name[S3_DIGEST_HEX_SIZE];

	if (!b->order->keeps || !b->input || !b->input->is_cached ||
	    !cache_name(&b->place, object, name)) {
		return false;
	}
	(void)snprintf(ret_stage, STAGE_MAX, "kept/%zu/%s", b->i, name);
	return true;
}

static int64_t range_step(int64_t size)
{
	int64_t n = size / RANGE_MIN;

	n = n > RANGES_OF_ONE ? RANGES_OF_ONE : n;
	return size / n + 1 > RANGE_MAX ? RANGE_MAX : size / n + 1;
}

static int64_t range_count(const struct large *l)
{
	return (l->size + l->step - 1) / l->step;
}

static int add_large(struct batch *b, const struct s3_object *object, const char *name)
{
	struct large *l = realloc(b->large, (b->n_large + 1) * sizeof(*l));

	if (!l) {
		return -ENOMEM;
	}
	b->large = l;
	l = &b->large[b->n_large++];
	*l = (struct large){ .i = b->i,
			     .size = object->size,
			     .step = range_step(object->size) };
	(void)snprintf(l->tag, sizeof(l->tag), "%s", tag_of(object));
	if (!get_kept_stage(b, object, l->stage)) {
		(void)snprintf(l->stage, sizeof(l->stage), "big/%zu.%016llx", b->i,
			       (unsigned long long)sum_object(SUM_BASIS, object));
	}
	(void)buf_printf(b->text, "big %zu %lld %s %s %lld\n", b->i,
			 (long long)object->size, l->stage, l->tag,
			 (long long)range_count(l));
	add_move(b, l->stage, name);
	return add_url(b, (struct s3_request){ .method = "GET", .key = object->key },
		       &l->url);
}

static void add_small(struct batch *b, const struct s3_object *object, const char *name)
{
	char stage[STAGE_MAX];
	bool is_direct = false;

	if (!get_kept_stage(b, object, stage)) {
		is_direct = is_plain(name);
		(void)snprintf(stage, sizeof(stage), "odd/%zu.%016llx", b->i,
			       (unsigned long long)sum_object(SUM_BASIS, object));
	}
	(void)buf_printf(b->text, "get %zu %lld %s", b->i, (long long)object->size,
			 object->size > 0 || !is_direct ? tag_of(object) : "-");
	batch_add_quoted(b, is_direct ? name : stage);
	batch_add_signed(b, (struct s3_request){ .method = "GET", .key = object->key });
	if (!is_direct) {
		add_move(b, stage, name);
	}
}

int batch_add_get(struct batch *b, const struct s3_object *object, const char *name)
{
	if (object->size >= LARGE) {
		return add_large(b, object, name);
	}
	add_small(b, object, name);
	return b->error;
}

/* Has an object come or gone before `from`, since that was said? Then what is at a
 * place is not what was there. */
static bool is_shifted(const struct batch *b)
{
	return b->seen == b->order->from && b->order->from_sum &&
	       b->sum != b->order->from_sum;
}

static int take_object(void *arg, const struct s3_object *object)
{
	struct batch *b = arg;
	const struct spec_input *in = b->input;
	const char *below = object->key + strlen(in->key);
	cleanup_buf struct buf name = BUF_INIT;

	if (!in->is_prefix && !streq(object->key, in->key)) {
		return 1;
	}
	if (in->is_prefix && (!*below || has_suffix(below, "/"))) {
		return 0; /* a marker of a directory */
	}
	if (b->written >= BATCH_MAX) {
		b->is_full = true;
		return 1;
	}
	if (is_shifted(b)) {
		b->is_shifted = true;
		return 1;
	}
	if (b->seen >= b->order->from) {
		(void)buf_printf(&name, "%zu/%s", b->i, in->is_prefix ? below : "o");
		if (name.error) {
			b->error = name.error;
		} else {
			b->error = batch_add_get(b, object, buf_text(&name));
		}
		b->written++;
	}
	b->seen++;
	b->sum = sum_object(b->sum, object);
	return b->error < 0 || !in->is_prefix;
}

/* One line a range, in turn of the objects. */
void batch_add_ranges(struct batch *b)
{
	bool is_more = true;

	for (int64_t n = 0; is_more; n++) {
		is_more = false;
		for (size_t k = 0; k < b->n_large; k++) {
			const struct large *l = &b->large[k];
			int64_t first = n * l->step, last = first + l->step - 1;

			if (first >= l->size) {
				continue;
			}
			is_more = true;
			b->lanes += n < RANGES_OF_ONE;
			(void)buf_printf(
				b->text, "range %zu %s %s %lld-%lld ", l->i, l->stage,
				l->tag, (long long)first,
				(long long)(last < l->size ? last : l->size - 1));
			write_url(b, buf_text(&l->url));
		}
	}
	b->lanes = b->lanes > LANES_MAX ? LANES_MAX : b->lanes;
}

void batch_input(struct batch *b, size_t i)
{
	b->i = i;
	b->input = &b->order->spec->inputs[i];
	b->place.bucket = b->input->bucket;
}

static enum s3_fault add_inputs(struct batch *b)
{
	const struct spec *spec = b->order->spec;
	enum s3_fault fault = S3_OK;

	for (size_t i = 0; i < spec->n_inputs && !b->is_full && !b->is_shifted; i++) {
		if (b->order->is_done && b->order->is_done[i]) {
			continue;
		}
		batch_input(b, i);
		fault = b->order->ops->list(
			b->s3, &b->place, &b->order->credentials,
			&(struct s3_listing){
				.prefix = b->input->key,
				.page_size = b->input->is_prefix ? S3_PAGE_MAX : 1,
				.each = take_object,
				.arg = b },
			b->e);
		if (b->error < 0 || (fault != S3_OK && fault != S3_STOPPED)) {
			return fault;
		}
	}
	b->is_shifted |= is_shifted(b) || b->seen < b->order->from;
	batch_add_ranges(b);
	return S3_OK;
}

/* ---- outputs ---- */

const char *batch_find_begun(const struct buf *begun, const char *path)
{
	const char *end = begun->data + begun->len, *found = NULL;

	for (const char *p = begun->data; p && p < end; p += strlen(p) + 1) {
		const char *blank = strchr(p, ' ');

		if (blank && streq(blank + 1, path)) {
			found = p;
		}
	}
	return found;
}

static int64_t part_size(int64_t size)
{
	int64_t step = (size / PARTS_WANTED_MAX + (1 << 20)) >> 20 << 20;

	return step < PART_SIZE ? PART_SIZE : step;
}

/* Goes on with the upload that was begun, if S3 knows its parts, or begins one. */
static enum s3_fault open_upload(struct batch *b, const struct s3_object_name *name,
				 const char *path, struct buf *id,
				 struct s3_parts *ret_parts)
{
	const char *begun = batch_find_begun(b->order->begun, path);
	enum s3_fault fault = S3_OK;

	if (begun) {
		(void)buf_add(id, begun, strcspn(begun, " "));
		fault = s3_upload_parts(b->s3, name, buf_text(id), ret_parts, b->e);
		if (fault != S3_OK || ret_parts->n > 0) {
			return fault;
		}
		fault = s3_upload_abort(b->s3, name, buf_text(id), b->e);
		buf_truncate(id, 0);
	}
	if (fault == S3_OK) {
		fault = s3_upload_create(b->s3, name, id, b->e);
	}
	if (fault == S3_OK) {
		(void)buf_add_str(b->text, "begun");
		batch_add_quoted(b, buf_text(id));
		batch_add_quoted(b, path);
		(void)buf_add_char(b->text, '\n');
	}
	return fault;
}

static bool has_part(const struct s3_parts *parts, int number, int64_t size)
{
	for (size_t i = 0; i < parts->n; i++) {
		if (parts->parts[i].number == number) {
			return parts->parts[i].size == size;
		}
	}
	return false;
}

/* N of the next word. */
int64_t batch_next_number(struct batch *b, const char *path)
{
	int64_t number = b->seen++;

	if (!is_plain(path)) {
		(void)buf_printf(b->text, "name %lld", (long long)number);
		batch_add_quoted(b, path);
		(void)buf_add_char(b->text, '\n');
	}
	return number;
}

static void add_part(struct batch *b, const struct s3_object_name *name, const char *id,
		     const struct manifest_entry *entry, int number)
{
	int64_t step = part_size(entry->size), first = (number - 1) * step;
	int64_t len = entry->size - first < step ? entry->size - first : step;
	char text[16];
	const struct s3_query query[] = { { "partNumber", text }, { "uploadId", id } };
	int64_t n = batch_next_number(b, entry->path);

	(void)snprintf(text, sizeof(text), "%d", number);
	(void)buf_printf(b->text, "part %lld %lld %lld", (long long)n, (long long)len,
			 (long long)first);
	batch_add_quoted(b, is_plain(entry->path) ? entry->path : "-");
	batch_add_signed(b, (struct s3_request){ .method = "PUT",
						 .key = name->key,
						 .query = query,
						 .n_query = ARRAY_SIZE(query) });
	b->lanes += b->lanes < UPLOAD_LANES_MAX;
}

int batch_add_missing(struct batch *b, const struct s3_object_name *name,
		      const char *id, const struct s3_parts *parts,
		      const struct manifest_entry *entry)
{
	int64_t step = part_size(entry->size);
	int number = 1, n_missing = 0;

	for (int64_t first = 0; first < entry->size; first += step) {
		int64_t left = entry->size - first;

		if (!has_part(parts, number, left < step ? left : step)) {
			add_part(b, name, id, entry, number);
			n_missing++;
		}
		number++;
	}
	return n_missing;
}

static enum s3_fault add_parts(struct batch *b, const struct s3_object_name *name,
			       const struct manifest_entry *entry)
{
	cleanup_buf struct buf id = BUF_INIT;
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	enum s3_fault fault = open_upload(b, name, entry->path, &id, &parts);

	if (fault == S3_OK) {
		(void)batch_add_missing(b, name, buf_text(&id), &parts, entry);
	}
	return fault;
}

void batch_add_put(struct batch *b, const struct s3_object_name *name,
		   const struct manifest_entry *entry, int expires_s)
{
	int64_t n = batch_next_number(b, entry->path);

	(void)buf_printf(b->text, "put %lld %lld", (long long)n,
			 (long long)entry->size);
	batch_add_quoted(b, is_plain(entry->path) ? entry->path : "-");
	batch_add_signed(b, (struct s3_request){ .method = "PUT",
						 .key = name->key,
						 .expires_s = expires_s });
}

static enum s3_fault add_output(struct batch *b, const char *prefix,
				const struct manifest_entry *entry)
{
	cleanup_buf struct buf key = BUF_INIT;
	struct s3_object_name name = { .place = &b->place,
				       .credentials = &b->order->credentials };

	b->error = buf_printf(&key, "%s%s", prefix, entry->path);
	name.key = buf_text(&key);
	if (entry->size >= LARGE) {
		return add_parts(b, &name, entry);
	}
	b->put_bytes += entry->size;
	batch_add_put(b, &name, entry, 0);
	return S3_OK;
}

static enum s3_fault add_outputs(struct batch *b, struct manifest_list *list,
				 int64_t *ret_next)
{
	const char *prefix;
	cleanup_free char *bucket = address_split(b->order->destination, &prefix);
	enum s3_fault fault = S3_OK;
	size_t k;

	if (!bucket) {
		b->error = -ENOMEM;
	}
	b->place.bucket = bucket;
	for (k = (size_t)b->order->from;
	     k < list->n && fault == S3_OK && b->error == 0 && b->seen < BATCH_MAX &&
	     b->put_bytes < PUTS_MAX;
	     k++) {
		fault = add_output(b, prefix, &list->entries[k]);
	}
	b->is_full = k < list->n;
	*ret_next = (int64_t)k;
	return fault;
}

/* ---- the batch ---- */

static enum s3_fault add_list(struct batch *b, int64_t *ret_next)
{
	const struct buf *records = b->order->manifest;
	cleanup_manifest struct manifest_list list = { .n = 0 };
	enum s3_fault fault;

	if (b->order->checkpoint) {
		return batch_add_checkpoint(b, ret_next);
	}
	if (!b->order->destination) {
		fault = add_inputs(b);
		*ret_next = b->seen;
		return fault;
	}
	b->error = manifest_parse(buf_text(records), records->len, &list);
	return b->error < 0 ? S3_OK : add_outputs(b, &list, ret_next);
}

static void begin(struct batch *b, const struct batch_order *order, struct buf *text,
		  struct err *e)
{
	*b = (struct batch){
		.order = order,
		.text = text,
		.e = e,
		.place = order->place,
		.time_s = clock_wall_ms() / 1000,
		.sum = SUM_BASIS,
		.stem = BUF_INIT,
		.query = BUF_INIT,
	};
	text->max = TEXT_MAX;
	(void)buf_add_str(text, "urls_list() {\n:\n");
}

static void finish(struct batch *b, int64_t next)
{
	(void)buf_add_str(b->text, "}\nurls_vars() { U_NEXT='");
	if (b->is_full) {
		(void)buf_printf(b->text, "%lld", (long long)next);
	}
	if (b->is_full && !b->order->destination) {
		(void)buf_printf(b->text, " %llx", (unsigned long long)b->sum);
	}
	(void)buf_printf(b->text, "' U_LANES=%lld U_STEM='%s' U_QUERY='%s'; }\n",
			 (long long)b->lanes, buf_text(&b->stem), buf_text(&b->query));
	b->error = b->error ? b->error : b->text->error;
}

enum s3_fault batch_make(const struct batch_order *order, struct s3_client *s3,
			 struct buf *text, struct err *e)
{
	cleanup_batch struct batch b;
	struct batch_order all = *order;
	enum s3_fault fault;
	int64_t next = 0;

	begin(&b, order, text, e);
	b.s3 = s3;
	fault = add_list(&b, &next);
	if (b.is_shifted) {
		all.from = 0;
		all.from_sum = 0;
		batch_fini(&b);
		buf_truncate(text, 0);
		begin(&b, &all, text, e);
		b.s3 = s3;
		fault = add_list(&b, &next);
	}
	finish(&b, next);
	if (fault == S3_OK && b.error < 0) {
		if (b.error != -EINVAL) { /* which has a sentence already */
			(void)err_set(e, b.error, "the URLs cannot be made: %s",
				      strerror(-b.error));
		}
		return S3_REFUSED;
	}
	return fault;
}

void batch_refuse(struct buf *text, const char *why)
{
	(void)buf_add_str(text, "urls_list() {\n:\n}\nurls_vars() { U_REFUSED=");
	(void)buf_add_sh_quoted(text, why);
	(void)buf_add_str(text, "; }\n");
}

struct batch *batch_open(const struct batch_order *order, struct buf *text,
			 struct err *e)
{
	struct batch *b = malloc(sizeof(*b));

	if (b) {
		begin(b, order, text, e);
	}
	return b;
}

void batch_add_object(struct batch *b, const struct s3_object *object)
{
	if (b->error == 0) {
		(void)take_object(b, object);
	}
}

int batch_close(struct batch *b)
{
	int error = 0;

	if (b) {
		batch_add_ranges(b);
		finish(b, b->seen);
		error = b->error;
		batch_fini(b);
		free(b);
	}
	return error;
}
