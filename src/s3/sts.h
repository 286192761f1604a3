/* Temporary credentials: AssumeRole of STS,
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
#pragma once

#include <stdint.h>

#include "s3/client.h"

struct s3_role {	      /* what is asked for; borrowed */
	const char *endpoint; /* NULL: that of AWS, by region */
	const char *region;   /* NULL: us-east-1 */
	const char *arn;
	const char *session; /* its name in the logs of AWS: 2 to 64 of A-Z a-z 0-9 - */
	const char *policy;  /* JSON */
	int duration_s;
};

struct s3_keys { /* in memory for secrets (util/secret.h) */
	char *access_key;
	char *secret_key;
	char *session_token;
	int64_t life_s; /* so long they hold, from when they came */
};
void s3_keys_fini(struct s3_keys *keys); /* wipes them; may be called again */
#define cleanup_s3_keys cleanup_(s3_keys_fini)

/* Blocking, as s3_list(). For any fault but S3_STOPPED, e says what STS said and what
 * to do, never a secret. S3_REFUSED: the role, its policy or the duration are wrong. */
enum s3_fault s3_assume_role(struct s3_client *client, const struct s3_role *role,
			     const struct s3_credentials *credentials,
			     struct s3_keys *ret_keys, struct err *e);
