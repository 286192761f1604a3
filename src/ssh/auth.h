/* Proving who we are: the keys of the configuration and of the agent, offered in turn.
 */
#pragma once

#include "ssh/agent.h"
#include "ssh/key.h"
#include "ssh/link.h"
#include "ssh/remote.h"

/* sshd closes the connection after MaxAuthTries (6) keys that it does not take. */
enum { AUTH_TRIES_MAX = 5 };

struct auth {
	const struct remote_config *config;
	struct waiter *waiter;
	struct agent agent;
	struct key *keys; /* in the order in which they are offered */
	struct buf notes; /* why some could not be used, "; " between them */
};

/* Reads the key files and lists the agent's keys, before there is a connection: without
 * a key that can be offered there need not be one. 0; a negative errno (-ECANCELED); or
 * REMOTE_IDENTITY. auth_fini() in every case. */
int auth_init(struct auth *a, const struct remote_config *config, struct waiter *w,
	      struct err *e);
void auth_fini(struct auth *a);

/* Offers them, over a link whose host key has been verified; where is "NAME (PEER)". 0;
 * a negative errno; or REMOTE_AUTH, REMOTE_IDENTITY, REMOTE_UNREACHABLE. */
int auth_run(struct auth *a, struct link *l, const char *where, int64_t deadline_ms,
	     struct err *e);
