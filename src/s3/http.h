/* A request over a connection that is kept: one at a time, with limits. Hides libcurl.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/mem.h"

struct s3_http;
/* -ENOMEM, -EIO (libcurl cannot start). *ret_http is the caller's. */
int s3_http_new(struct s3_http **ret_http);
struct s3_http *s3_http_free(struct s3_http *http);
void s3_http_freep(struct s3_http **http);
#define cleanup_s3_http cleanup_(s3_http_freep)

void s3_http_set_timeouts(struct s3_http *http, int connect_s, int stall_s);
/* From any thread, for good. */
void s3_http_cancel(struct s3_http *http);

/* Where a body goes. */
struct s3_sink {
	void (*take)(void *arg, const void *data, size_t len);
	void *arg;
	size_t page_max;  /* bytes of a body with status 200 */
	size_t error_max; /* of any other */
};

struct s3_reply {
	int status; /* of HTTP; 0: none came */
	/* Headers, "" when missing or too long. */
	char region[64];
	char request_id[128];
	int64_t date_s; /* since 1970, 0 when missing */
	/* Of S3_HTTP_FAILED; `why` is borrowed until the next call. */
	const char *says; /* "cannot be reached" */
	const char *why;  /* libcurl's words */
};

enum s3_http_outcome {
	S3_HTTP_DONE,	  /* with any status */
	S3_HTTP_TOO_LONG, /* the body was left unread at its limit */
	S3_HTTP_FAILED,
	S3_HTTP_CANCELLED,
};

struct s3_send {	    /* borrowed */
	const char *method; /* in capitals */
	const char *url;
	const char *body; /* NULL: none */
	size_t body_len;
	const char *md5; /* of the body, in base64; NULL: not told */
	/* "Name: value", NULL-terminated, sent with a body in place of no type; NULL:
	 * none. They may hold secrets. */
	const char *const *headers;
};
enum s3_http_outcome s3_http_send(struct s3_http *http, const struct s3_send *send,
				  const struct s3_sink *sink,
				  struct s3_reply *ret_reply);
