/* OpenSSH's own format of private key files (PROTOCOL.key of OpenSSH), which OpenSSL
 * cannot read. The encrypted ones are left to libssh2: their key derivation is its own.
 */
#pragma once

#include <stdbool.h>

#include <openssl/types.h>

#include "util/buf.h"

struct key_openssh {
	struct buf blob; /* the public half, which is never encrypted */
	bool encrypted;
	bool cipher_is_known; /* libssh2 1.10 can decrypt it */
	EVP_PKEY *pkey;	      /* of an unencrypted key whose type is known, else NULL */
};

bool key_openssh_is(const struct buf *file);
/* 0 or a negative errno; what ret_form holds is the caller's in either case. */
int key_openssh_read(const struct buf *file, struct key_openssh *ret_form);
