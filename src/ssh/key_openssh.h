/* OpenSSH's own format of private key files (PROTOCOL.key of OpenSSH). OpenSSL cannot
 * read it and libssh2 does not give its RSA keys away, so the unencrypted ones are read
 * here. */
#pragma once

#include <stdbool.h>

#include <openssl/types.h>

#include "util/buf.h"

struct key_openssh {
	struct buf blob; /* the public half, which is never encrypted */
	bool encrypted;
	bool cipher_is_known; /* libssh2 1.10 can decrypt it */
	EVP_PKEY *rsa;	      /* of an unencrypted RSA key, else NULL */
};

bool key_openssh_is(const struct buf *file);
/* 0 or a negative errno; what ret_form holds is the caller's in either case. */
int key_openssh_read(const struct buf *file, struct key_openssh *ret_form);

/* An "mpint" (RFC 4251, section 5); returns b->error. */
int key_add_mpint(struct buf *b, const BIGNUM *number);
