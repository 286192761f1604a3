#include "engine/input_scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/cache.h"

/* Notes a key that cannot become a file below the input's directory. Keys come in the
 * order of their bytes, so that what begins with another key comes somewhere behind it:
 * `open` is the chain of those that the present one begins with, as ends in `path`. */
static bool key_is_bad(struct input_scan *scan, const char *below)
{
	struct err e = ERR_INIT;
	const char *flaw;

	if (path_check(below, &e) < 0) {
		(void)snprintf(scan->why, sizeof(scan->why), "is no path (%s)", e.text);
		return true;
	}
	flaw = tool_refuses_key(scan->engine, below);
	if (flaw) {
		(void)snprintf(scan->why, sizeof(scan->why), "%s", flaw);
		return true;
	}
	while (scan->n_open > 0) {
		size_t len = scan->open[scan->n_open - 1];

		if (strncmp(scan->path, below, len) == 0) {
			break;
		}
		scan->n_open--;
	}
	for (size_t i = 0; i < scan->n_open; i++) {
		if (below[scan->open[i]] == '/') {
			(void)snprintf(scan->why, sizeof(scan->why),
				       "needs a directory where the object \"%.*s\" "
				       "is a file",
				       (int)scan->open[i], below);
			return true;
		}
	}
	(void)snprintf(scan->path, sizeof(scan->path), "%s", below);
	scan->open[scan->n_open++] = (short)strlen(below);
	return false;
}

static void note_etag(struct input_scan *scan, const char *etag)
{
	if (etag[strspn(etag, "0123456789abcdef-")] == '\0') {
		(void)snprintf(scan->listed.etag, sizeof(scan->listed.etag), "%s",
			       etag);
	}
}

static void keep_object(struct buf *objects, const struct s3_object *object)
{
	const char *etag = object->etag ? object->etag : "";

	(void)buf_printf(objects, "%lld", (long long)object->size);
	(void)buf_add_char(objects, '\0');
	(void)buf_add(objects, etag, strlen(etag) + 1);
	(void)buf_add(objects, object->key, strlen(object->key) + 1);
}

static void count_object(struct input_scan *scan, const struct s3_object *object,
			 const char *below)
{
	scan->listed.count++;
	scan->listed.bytes += object->size;
	if (scan->index &&
	    !cache_index_add(scan->index, scan->i, scan->place, object, below)) {
		buf_truncate(scan->index, 0);
		scan->index = NULL;
	}
	if (scan->objects) {
		keep_object(scan->objects, object);
	}
}

static int scan_object(void *arg, const struct s3_object *object)
{
	struct input_scan *scan = arg;
	const char *below = object->key + strlen(scan->input->key);

	if (!scan->input->is_prefix) {
		/* the listing begins with the key itself, if it is there */
		if (streq(object->key, scan->input->key)) {
			count_object(scan, object, "");
			note_etag(scan, object->etag);
		}
		return 1;
	}
	if (*below && !has_suffix(below, "/") && key_is_bad(scan, below)) {
		(void)snprintf(scan->bad_key, sizeof(scan->bad_key), "%s", object->key);
		return 1;
	}
	if (*below && !has_suffix(below, "/")) { /* else it marks a directory */
		count_object(scan, object, below);
	}
	return 0;
}

int input_scan(struct input_scan *scan, struct inquiry *q, struct s3_client *s3)
{
	const struct spec_input *in = scan->input;
	struct s3_listing listing = {
		.prefix = in->key,
		.page_size = in->is_prefix ? S3_PAGE_MAX : 1,
		.each = scan_object,
		.arg = scan,
	};
	const char *flaw;

	flaw = tool_refuses(scan->engine, in);
	if (flaw) {
		q->reason = REASON_NO_SUCH_INPUT;
		return err_set(&q->error, -EINVAL, "input \"%s\" (s3://%s/%s) %s",
			       in->name, in->bucket, in->key, flaw);
	}
	q->place.bucket = in->bucket;
	scan->place = &q->place;
	inquiry_list(q, s3, &q->place, &listing);
	if (q->fault != S3_OK && q->fault != S3_STOPPED) {
		q->reason = inspect_reason(q->fault, REASON_NO_SUCH_INPUT);
		return err_prefix(&q->error, -EIO, "input \"%s\" (s3://%s/%s)",
				  in->name, in->bucket, in->key);
	}
	q->reason = REASON_NO_SUCH_INPUT;
	if (scan->bad_key[0]) {
		return err_set(&q->error, -EINVAL,
			       "input \"%s\": the key \"%s\" of bucket %s %s; "
			       "rename the object",
			       in->name, scan->bad_key, in->bucket, scan->why);
	}
	if (scan->listed.count == 0) {
		return err_set(
			&q->error, -ENOENT,
			in->is_prefix
				? "input \"%s\": there is no object below s3://%s/%s"
				: "input \"%s\": there is no object s3://%s/%s",
			in->name, in->bucket, in->key);
	}
	return err_set(&q->error, 0, "%s", "");
}
