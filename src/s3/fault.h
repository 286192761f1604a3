/* Why a request got no answer, or not the one that was asked for: S3's many error codes
 * as the few things callers decide by, each with a sentence for a person. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/place.h"
#include "util/err.h"

/* What S3 answered, as far as callers decide by it. */
enum s3_fault {
	S3_OK,
	S3_NO_BUCKET,
	S3_DENIED,	/* the credentials are good but not for this */
	S3_CREDENTIALS, /* unknown key, wrong signature, expired token */
	S3_SKEW,	/* this machine's clock is off */
	S3_REDIRECT,	/* wrong region or endpoint */
	S3_UNREACHABLE, /* no connection, time-out, TLS: may pass */
	S3_THROTTLED,	/* 503 SlowDown, 5xx: may pass */
	S3_REFUSED,	/* any other answer */
	S3_STOPPED,	/* the callback returned non-zero, or s3_client_cancel() */
};
const char *s3_fault_name(enum s3_fault fault); /* one CamelCase word */
bool s3_fault_may_pass(enum s3_fault fault);

/* What S3 said in place of a listing; foreign text, "" where there is none. */
struct s3_error {
	int status; /* of HTTP */
	char code[64];
	char message[1024];
	char region[64]; /* where the bucket is */
	char request_id[128];
	int64_t skew_s; /* this machine's clock minus S3's, 0 when not known */
};

/* Who was asked for what. */
struct s3_asked {
	const char *origin; /* "http://10.0.0.2:8000" */
	const struct s3_place *place;
	const char *prefix; /* or a key */
	const char *act;    /* "write to", what is done to the bucket; NULL: list */
	bool is_anonymous;
};

/* Each gives fault and sets e (which may be NULL). */
enum s3_fault s3_fault_of_error(const struct s3_asked *asked,
				const struct s3_error *error, struct err *e);
/* says: "cannot be reached", why: the library's text, "" for none. */
enum s3_fault s3_fault_set(enum s3_fault fault, const struct s3_asked *asked,
			   const char *says, const char *why, struct err *e);

/* Empties what holds one of the secrets (NULLs are skipped), or the name of a
 * signature's parameter: a server may repeat the request that it got. */
void s3_error_redact(struct s3_error *error, const char *const *secrets, size_t n);
bool s3_text_has_secret(const char *text, const char *const *secrets, size_t n);
