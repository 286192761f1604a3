/* What tests/s3 puts into its bucket, and where that is. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "s3/place.h"

enum { MANY = 2500 }; /* objects many/00000 ..., of 0, 1 and 2 bytes in turn */

/* In S3's order. */
static const char *const odd_keys[] = {
	"odd/",
	"odd/ lead and trail ",
	"odd/!*'();:@&=+$,?#[]",
	"odd/\"quotes\"",
	"odd/%20%zz%",
	"odd/+",
	"odd/-dash",
	"odd/../x",
	"odd/./y",
	"odd/<a>&amp;]]>",
	"odd/Icon\r",
	"odd/a b+c%2Bd",
	"odd/a//b",
	"odd/back\\slash",
	"odd/line\nbreak\ttab",
	"odd/~tilde",
	"odd/\xc3\xbcmlaut",
	"odd/\xe6\x97\xa5\xe6\x9c\xac",
	"odd/\xf0\x9f\x90\xa7",
};

static inline const char *env(const char *name)
{
	const char *value = getenv(name);

	if (!value) {
		printf("Bail out! %s is not set: start tests/s3/run\n", name);
		fflush(stdout);
		abort();
	}
	return value;
}

static inline struct s3_place store(void)
{
	return (struct s3_place){ .endpoint = env("S3_TEST_ENDPOINT"),
				  .region = "us-east-1",
				  .bucket = env("S3_TEST_BUCKET") };
}

static inline struct s3_credentials owner(void)
{
	return (struct s3_credentials){ .access_key = env("S3_TEST_ACCESS"),
					.secret_key = env("S3_TEST_SECRET") };
}
