/* The session policy of temporary credentials: what one job may do in S3, in the 2,048
 * characters that AssumeRole takes
 * (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

enum { S3_POLICY_MAX = 2048 }; /* characters; all are ASCII here */

enum {
	S3_MAY_READ = 1,  /* objects */
	S3_MAY_LIST = 2,  /* names */
	S3_MAY_WRITE = 4, /* objects, also in parts; and read what was written */
	S3_MAY_COPY = 8,  /* within S3, with the tags of an object */
	S3_MAY_DELETE = 16,
};

struct s3_scope { /* borrowed */
	const char *bucket;
	const char *key; /* "": the whole bucket, with is_prefix */
	bool is_prefix;	 /* else it is one object */
	unsigned may;
};

struct s3_policy {
	const struct s3_scope *scopes;
	size_t n_scopes;
	const char *partition; /* "aws", "aws-cn": the second word of each ARN */
	bool has_kms; /* objects may be encrypted by keys that only AWS knows */
};

/* Appends the policy as JSON. When it would be too long, those scopes of one bucket
 * that may only be read or listed become the directory that they share, the deepest
 * first, but never a whole bucket. In place of a wildcard in a key stands "?", since
 * there is no way to quote one that all servers know.
 *
 * -E2BIG: it is too long all the same; e says so. -ENOMEM. */
int s3_policy_write(const struct s3_policy *policy, struct buf *out, struct err *e);
