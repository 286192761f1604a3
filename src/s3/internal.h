/* What the files that talk to S3 share; seen by nobody else. */
#pragma once

#include "s3/client.h"
#include "s3/http.h"

struct s3_client {
	struct s3_http *http;
};

enum {
	S3_ERROR_BYTES_MAX = 64 << 10,
	S3_EXPIRES_S = 900, /* what S3 allows clocks to differ anyway */
};
