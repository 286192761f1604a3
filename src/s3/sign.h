/* AWS Signature Version 4: in the query string ("presigning"), as
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html defines
 * it, for S3; and in headers, for the one request to STS. */
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

struct s3_post {	     /* of a body to a service that is not S3; borrowed */
	const char *service; /* "sts" */
	const char *region;
	const char *host; /* as it is sent */
	const char *path; /* encoded */
	const char *type; /* of the body */
	const char *body;
	size_t body_len;
	int64_t time_s; /* since 1970 */
};

enum { S3_STAMP_SIZE = 17 }; /* 20130524T000000Z */

/* Gives X-Amz-Date and appends the value of Authorization. The headers Content-Type,
 * Host, X-Amz-Date and, if there is a token, X-Amz-Security-Token must be sent as they
 * are here. -EINVAL: the time; -ENOMEM, -EIO. */
int s3_sign_post(const struct s3_post *post, const struct s3_credentials *credentials,
		 char ret_date[static S3_STAMP_SIZE], struct buf *authorization);
