#include "engine/inquiry.h"

#include <errno.h>

#include "job/address.h"

enum job_reason inspect_reason(enum s3_fault fault, enum job_reason otherwise)
{
	switch (fault) {
	case S3_CREDENTIALS:
	case S3_SKEW:
		return REASON_BAD_CREDENTIALS;
	case S3_DENIED:
		return REASON_ACCESS_DENIED;
	case S3_UNREACHABLE:
	case S3_THROTTLED:
		return REASON_S3_UNREACHABLE;
	case S3_OK:
	case S3_STOPPED:
	case S3_NO_BUCKET:
	case S3_REDIRECT:
	case S3_REFUSED:
		break;
	}
	return otherwise;
}

void inquiry_init(struct inquiry *q, struct engine *e, const struct spec *spec)
{
	*q = (struct inquiry){
		.s3 = e->ports.s3,
		.stats = &e->stats,
		.credentials = keys_of_daemon(e),
	};
	run_get_place(e, spec, NULL, &q->place);
}

void inquiry_list(struct inquiry *q, struct s3_client *client,
		  const struct s3_place *place, const struct s3_listing *listing)
{
	int64_t begun_us = meter_clock_us();

	q->fault = q->s3->list(client, place, &q->credentials, listing, &q->error);
	meter_add(&q->stats->listings, meter_clock_us() - begun_us);
	q->stats->failed_listings += q->fault != S3_OK && q->fault != S3_STOPPED;
}

/* A name that no output has: it would be a hidden file of jobfs's own. */
static const char written_name[] = ".jobfs-may-write";

int inquiry_try_write(struct inquiry *q, struct s3_client *client, const char *uri,
		      const char *what)
{
	cleanup_buf struct buf key = BUF_INIT;
	struct s3_place place = q->place;
	struct s3_object_name name = { .place = &place,
				       .credentials = &q->credentials };
	const char *prefix;
	cleanup_free char *bucket = address_split(uri, &prefix);

	if (!bucket || buf_printf(&key, "%s%s", prefix, written_name) < 0) {
		return err_set(&q->error, -ENOMEM, "no memory");
	}
	place.bucket = bucket;
	name.key = buf_text(&key);
	q->fault = q->s3->try_write(client, &name, &q->error);
	if (q->fault != S3_OK) {
		q->reason = inspect_reason(q->fault, REASON_UPLOAD_FAILED);
		return err_prefix(&q->error, -EIO, "$.%s (%s)", what, uri);
	}
	return err_set(&q->error, 0, "%s", "");
}
