/* A user's key: read from a private key file, or held by an agent. */
#pragma once

#include <stdbool.h>

#include <openssl/types.h>

#include "ssh/wire.h"
#include "util/err.h"

enum key_kind {
	KEY_OWN,     /* signed here, with `pkey` */
	KEY_LIBSSH2, /* an encrypted file: libssh2 opens it, with the passphrase, and
			signs */
	KEY_AGENT,   /* the agent signs */
	KEY_LOCKED,  /* only its public half could be read, for want of a passphrase */
};

struct key {
	enum key_kind kind;
	char *label;	 /* for messages: the file's path, or the agent's comment */
	struct buf blob; /* public half as on the wire */
	struct buf file; /* KEY_LIBSSH2: the private key file, wiped at the end */
	EVP_PKEY *pkey;	 /* KEY_OWN */
	struct key *next;
};

struct key *key_free(struct key *k); /* NULL is fine; not those behind it */
struct key *key_free_all(struct key *first);
static inline void key_freep(struct key **k)
{
	*k = key_free(*k);
}
#define cleanup_key cleanup_(key_freep)

struct key *key_new(enum key_kind kind, const char *label);

/* passphrase may be NULL. 0; or a negative errno with a sentence that names the file,
 * and ret_key then is NULL or a KEY_LOCKED one. */
int key_load(const char *path, const char *passphrase, struct key **ret_key,
	     struct err *e);

/* The type of the public half, "ssh-ed25519". */
struct slice key_type(const struct key *k);
bool key_is_rsa(const struct key *k);
