/* What must not come back in a message about a request: its secrets in each form in
 * which they left. */
#pragma once

#include "s3/place.h"
#include "util/buf.h"
#include "util/mem.h"

enum { S3_SECRETS_MAX = 4 };

struct s3_secrets {
	const char *texts[S3_SECRETS_MAX]; /* borrowed; NULL: none */
	struct buf encoded;		   /* the token as it stands in the URL */
};

void s3_secrets_init(struct s3_secrets *secrets,
		     const struct s3_credentials *credentials, const char *url);
void s3_secrets_fini(struct s3_secrets *secrets);
#define cleanup_s3_secrets cleanup_(s3_secrets_fini)
