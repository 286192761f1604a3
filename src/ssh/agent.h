/* The user's ssh-agent (draft-miller-ssh-agent), with a deadline on every answer;
 * libssh2's client has none, and cannot ask for SHA-2 signatures of RSA keys. */
#pragma once

#include <stdint.h>

#include "ssh/key.h"
#include "ssh/waiter.h"

struct agent {
	int fd; /* -1: none */
	struct waiter *waiter;
	int64_t deadline_ms; /* of the answers; may be set anew */
};

/* path is that of SSH_AUTH_SOCK. 0 or a negative errno. */
int agent_open(struct agent *a, const char *path, struct waiter *w,
	       int64_t deadline_ms);
void agent_close(struct agent *a);

/* The keys whose types are of use to us, in the agent's order (key_free_all). */
int agent_list(struct agent *a, struct key **ret_first);
/* The bare signature of the data, RSA with SHA-512. -EACCES: the agent refused. */
int agent_sign(struct agent *a, const struct key *k, struct slice data,
	       struct buf *ret_signature);
