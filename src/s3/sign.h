/* AWS Signature Version 4 in the query string ("presigning"), as
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html defines
 * it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "s3/place.h"
#include "util/buf.h"
#include "util/err.h"

enum {
	S3_EXPIRES_MAX_S = 604800, /* a week: the limit of AWS */
	S3_QUERY_MAX = 16,	   /* values of a request */
};

struct s3_query { /* of the URL; neither is encoded yet */
	const char *name;
	const char *value; /* NULL: empty */
};

struct s3_request {
	const char *method; /* "GET"; in capitals */
	const char *key;    /* "": the bucket itself */
	const struct s3_query *query;
	size_t n_query; /* at most S3_QUERY_MAX */
	int64_t time_s; /* since 1970 */
	int expires_s;	/* 1 to S3_EXPIRES_MAX_S */
};

/* Appends the URL of the request with its signature, which stands last. Path style
 * where an endpoint is given or the bucket cannot be a part of a host's name (it holds
 * a dot), virtual-host style otherwise. Anonymous credentials give a plain URL.
 *
 * Dots in a key stay as they are: who fetches the URL must not resolve them
 * (curl --path-as-is), and must not send a Host header of its own.
 *
 * -EINVAL: endpoint, region or times are wrong; e->text says which. -ENOMEM, -EIO. */
int s3_presign(const struct s3_place *place, const struct s3_credentials *credentials,
	       const struct s3_request *request, struct buf *url, struct err *e);
