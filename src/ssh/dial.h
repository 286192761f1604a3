/* From a host's name to a connected TCP socket: look-up, every address tried with a
 * small stagger, one deadline over all. */
#pragma once

#include "ssh/remote.h"
#include "ssh/resolver.h"
#include "ssh/waiter.h"
#include "util/err.h"

enum { DIAL_PEER_MAX = 80 };

struct dial {
	const struct remote_config *config;
	struct waiter *waiter;
	/* A look-up that a call gave up waiting for; the next call waits on for the
	 * same one, so that a dead resolver is not asked by more and more threads. */
	struct resolver *pending;
};

struct dial_peer {
	char text[DIAL_PEER_MAX]; /* "192.0.2.1:22" or "[2001:db8::1]:22" */
};

/* 0 and the socket (non-blocking, the caller's) with whom it talks to; a negative errno
 * of this machine's, -ECANCELED too; or > 0 an enum remote_fault. */
int dial_connect(struct dial *d, int *ret_fd, struct dial_peer *ret_peer,
		 struct err *e);
void dial_fini(struct dial *d);
