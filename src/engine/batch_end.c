/* The end of uploads in parts. */
#include <errno.h>
#include <string.h>

#include "engine/batch_internal.h"
#include "job/address.h"
#include "util/mem.h"

static int64_t size_of(const struct manifest_list *list, const char *path)
{
	for (size_t k = 0; k < list->n; k++) {
		if (streq(list->entries[k].path, path)) {
			return list->entries[k].size;
		}
	}
	return -1;
}

/* One that S3 does not know was completed before, by a daemon that could not say so. */
static enum s3_fault complete(struct s3_client *s3, const struct s3_object_name *name,
			      const char *id, int64_t size, struct err *e)
{
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	enum s3_fault fault = s3_upload_parts(s3, name, id, &parts, e);
	int64_t sum = 0;

	for (size_t k = 0; k < parts.n; k++) {
		sum += parts.parts[k].size;
	}
	if (fault != S3_OK || parts.n == 0) {
		return fault;
	}
	return sum == size ? s3_upload_complete(s3, name, id, &parts, e)
			   : s3_upload_abort(s3, name, id, e);
}

static enum s3_fault end_upload(const struct batch_order *order, struct s3_client *s3,
				const char *begun, int64_t size, struct err *e)
{
	const char *prefix, *path = strchr(begun, ' ') + 1;
	cleanup_free char *bucket = address_split(order->destination, &prefix);
	cleanup_free char *id = strndup(begun, strcspn(begun, " "));
	cleanup_buf struct buf key = BUF_INIT;
	struct s3_place place = order->place;
	const struct s3_object_name name = { .place = &place,
					     .credentials = &order->credentials,
					     .key = "" };
	struct s3_object_name of = name;
	bool is_last = batch_find_begun(order->begun, path) == begun;

	if (!bucket || !id || buf_printf(&key, "%s%s", prefix, path) < 0) {
		(void)err_set(e, -ENOMEM, "no memory");
		return S3_UNREACHABLE;
	}
	place.bucket = bucket;
	of.key = buf_text(&key);
	return size >= 0 && is_last ? complete(s3, &of, id, size, e)
				    : s3_upload_abort(s3, &of, id, e);
}

enum s3_fault batch_end_uploads(const struct batch_order *order, struct s3_client *s3,
				bool keep, struct err *e)
{
	cleanup_manifest struct manifest_list list = { .n = 0 };
	const char *end = order->begun->data + order->begun->len;
	enum s3_fault fault = S3_OK;

	if (keep && manifest_parse(buf_text(order->manifest), order->manifest->len,
				   &list) < 0) {
		(void)err_set(e, -EBADMSG, "the host's list of outputs is malformed");
		return S3_REFUSED;
	}
	for (const char *p = order->begun->data; p && p < end && fault == S3_OK;
	     p += strlen(p) + 1) {
		const char *blank = strchr(p, ' ');

		if (blank) {
			fault = end_upload(order, s3, p,
					   keep ? size_of(&list, blank + 1) : -1, e);
		}
	}
	return fault;
}
