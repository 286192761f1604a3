/* What a host said before anything was encrypted, put into words for the user: libssh2
 * tells only that the handshake failed. Pure; the bytes are the host's and may be
 * anything. */
#pragma once

#include <stddef.h>

#include "util/buf.h"

enum greeting_kind {
	GREETING_NOTHING,     /* not a byte */
	GREETING_TURNED_AWAY, /* an sshd that takes no more connections for now */
	GREETING_NOT_SSH,
	GREETING_NO_COMMON, /* its algorithms are none of ours */
	GREETING_SSH,	    /* nothing is wrong with it, as far as it goes */
};

enum { GREETING_METHODS = 4 };

/* Ours, comma-separated, as in SSH_MSG_KEXINIT. */
struct greeting_ours {
	const char *key_exchange, *host_key, *cipher, *mac;
};

/* Adds a sentence to ret_text for NOTHING, TURNED_AWAY, NOT_SSH ("answers ...") and
 * NO_COMMON ("offers only ..."), the subject left out. */
enum greeting_kind greeting_explain(const char *data, size_t len,
				    const struct greeting_ours *ours,
				    struct buf *ret_text);

/* The version line of the host ("SSH-2.0-OpenSSH_9.2p1"), printable; "" when none came.
 */
void greeting_version(const char *data, size_t len, struct buf *ret_text);
/* The host key types that it offers, comma-separated; 0, or -ENOENT when none were
 * read. */
int greeting_host_keys(const char *data, size_t len, struct buf *ret_list);
/* Whether two comma-separated lists share a name. */
int greeting_lists_meet(const char *a, const char *b);
