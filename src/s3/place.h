/* Where a bucket is and who asks: the parts of a request's URL that do not change. */
#pragma once

#include "util/buf.h"
#include "util/err.h"

struct s3_credentials { /* borrowed; NULL access_key: anonymous */
	const char *access_key;
	const char *secret_key;
	const char *session_token; /* may be NULL */
};

struct s3_place {	      /* where a bucket is; borrowed */
	const char *endpoint; /* "http://host:port", NULL: AWS, by region */
	const char *region;   /* NULL: us-east-1 */
	const char *bucket;   /* "": the endpoint's name says which one it is */
};

const char *s3_place_region(const struct s3_place *place);

/* Appends scheme, host and port, "http://10.0.0.2:8000", in the form in which clients
 * send the host: lower case, the scheme's own port left out. -EINVAL: the endpoint or
 * the region is wrong; e->text says so. */
int s3_place_origin(const struct s3_place *place, struct buf *out, struct err *e);

/* Appends the encoded path of a key ("": of the bucket). Path style where an endpoint
 * is given or the bucket cannot be a part of a host's name (it holds a dot), else the
 * bucket is in the host ("virtual-host style"). -EINVAL as above. */
int s3_place_path(const struct s3_place *place, const char *key, struct buf *out,
		  struct err *e);
