/* The key types of ssh that OpenSSL computes with: ed25519, ECDSA on the NIST curves,
 * RSA. */
#pragma once

#include <stdbool.h>

#include <openssl/types.h>

#include "ssh/wire.h"

/* Whether it is a key type that this layer and the hosts have: not DSA, no
 * certificates, and none of a security key, whose signatures have more fields. */
bool pkey_type_is_known(struct slice type);

/* A key from the private part of OpenSSH's file format, behind the type; NULL when it
 * is not one. The caller's (EVP_PKEY_free). */
EVP_PKEY *pkey_read(struct slice type, struct wire *w);

/* Adds the public half as it goes over the wire. 0, -EOPNOTSUPP, -EIO or -ENOMEM. */
int pkey_add_blob(const EVP_PKEY *pkey, struct buf *ret_blob);

/* Adds the bare signature, without its name, as RFC 4253, 5656, 8332 (rsa-sha2-512) and
 * 8709 want it. 0 or -EIO. */
int pkey_sign(EVP_PKEY *pkey, struct slice data, struct buf *ret_signature);
