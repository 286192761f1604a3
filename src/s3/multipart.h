/* Uploads in parts, as far as the daemon sees to them itself: to begin one, to find one
 * that was begun, to list its parts, to complete or to abort it. The parts are put by a
 * GPU host with URLs of s3/sign.h. */
#pragma once

#include <stdint.h>

#include "s3/client.h"
#include "util/buf.h"

enum {
	S3_PARTS_MAX = 10000, /* of one upload */
	S3_ETAG_MAX = 128,    /* bytes with the NUL */
};

struct s3_object_name { /* borrowed */
	const struct s3_place *place;
	const struct s3_credentials *credentials;
	const char *key;
};

struct s3_part {
	int number;		/* from 1 */
	int64_t size;		/* bytes */
	char etag[S3_ETAG_MAX]; /* without quotes */
};

struct s3_parts {
	struct s3_part *parts; /* by number */
	size_t n;
};
void s3_parts_fini(struct s3_parts *parts);
#define cleanup_s3_parts cleanup_(s3_parts_fini)

/* Each asks once and says in e what S3 said, never a secret. Faults as of s3_list(). */

/* May an object of that name be written? None is. */
enum s3_fault s3_try_write(struct s3_client *client, const struct s3_object_name *name,
			   struct err *e);
/* Appends the id of a new upload. */
enum s3_fault s3_upload_create(struct s3_client *client,
			       const struct s3_object_name *name, struct buf *id,
			       struct err *e);
/* Appends the id of the last upload that was begun for this key and is not over;
 * nothing when there is none. */
enum s3_fault s3_upload_find(struct s3_client *client,
			     const struct s3_object_name *name, struct buf *id,
			     struct err *e);
/* The same of any key that begins with that of prefix; *key is the whole one. */
enum s3_fault s3_upload_find_below(struct s3_client *client,
				   const struct s3_object_name *prefix, struct buf *key,
				   struct buf *id, struct err *e);
/* What S3 has of it. An upload that S3 does not know (any more) has no parts. */
enum s3_fault s3_upload_parts(struct s3_client *client,
			      const struct s3_object_name *name, const char *id,
			      struct s3_parts *ret_parts, struct err *e);
/* One that S3 does not know (any more) is no fault: a call whose answer was lost may
 * have completed it, which a listing tells. */
enum s3_fault s3_upload_complete(struct s3_client *client,
				 const struct s3_object_name *name, const char *id,
				 const struct s3_parts *parts, struct err *e);
/* Its parts are gone after that. One that S3 does not know is no fault. */
enum s3_fault s3_upload_abort(struct s3_client *client,
			      const struct s3_object_name *name, const char *id,
			      struct err *e);
