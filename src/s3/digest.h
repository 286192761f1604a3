/* SHA-256 of bytes as they come, and HMAC with it. Hides OpenSSL's EVP. */
#pragma once

#include <stddef.h>

#include "util/mem.h"

enum {
	S3_DIGEST_SIZE = 32,
	S3_DIGEST_HEX_SIZE = 65, /* with the NUL */
};

/* Lower case. */
void s3_hex(const unsigned char bytes[static S3_DIGEST_SIZE],
	    char ret_hex[static S3_DIGEST_HEX_SIZE]);

struct s3_digest;
/* -ENOMEM. *ret_digest is the caller's. */
int s3_digest_new(struct s3_digest **ret_digest);
struct s3_digest *s3_digest_free(struct s3_digest *digest);
void s3_digest_freep(struct s3_digest **digest);
#define cleanup_s3_digest cleanup_(s3_digest_freep)

/* -EIO: OpenSSL failed. */
int s3_digest_add(struct s3_digest *digest, const void *data, size_t len);
/* Gives the digest of what was added and starts again from nothing. */
int s3_digest_hex(struct s3_digest *digest, char ret_hex[static S3_DIGEST_HEX_SIZE]);

/* HMAC-SHA-256 (RFC 2104) of a text. ret_mac may be the key. -EIO: OpenSSL failed. */
int s3_hmac(const void *key, size_t key_len, const char *text,
	    unsigned char ret_mac[static S3_DIGEST_SIZE]);
