/* One socket with its libssh2 session: what libssh2 sends waits here until the kernel
 * takes it, and what came in is counted and timed. */
#pragma once

#include <libssh2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/pool.h"
#include "ssh/waiter.h"
#include "util/buf.h"

enum {
	LINK_BUDGET = 1 << 20, /* bytes taken in at one go */
	LINK_BUDGET_GREETING =
		16 << 10, /* ... of a greeting, which libssh2 reads by bytes */
	LINK_OUT_ENOUGH = 256 << 10, /* more than this waiting: write no channel data */
	LINK_GREETING_MAX = 8 << 10, /* of the first bytes kept for the diagnosis */
	LINK_FAREWELL_MAX = 200,
};

struct link_counters { /* over all connections of a host; read by any thread */
	_Atomic uint64_t in, out;
};

struct link {
	int fd;
	LIBSSH2_SESSION *session;
	struct pool pool; /* the session's memory */
	struct link_counters *counters;
	struct buf out;	    /* sent by libssh2, not yet taken by the kernel ... */
	size_t out_sent;    /* ... from this byte on */
	unsigned sends;	    /* packets that libssh2 has sent */
	int error;	    /* negative errno: the connection is dead; sticks */
	bool is_at_end;	    /* the host closed it, in good order */
	size_t budget;	    /* bytes that may be taken in until link_refill() */
	bool is_dry;	    /* there was nothing more to take in since then */
	int64_t last_in_ms; /* clock_ms() when the last bytes came */
	bool greeting_is_over;
	struct buf greeting; /* the first bytes that came, while the handshake runs */
	char farewell[LINK_FAREWELL_MAX]; /* the reason in the host's SSH_MSG_DISCONNECT
					   */
};

/* Takes the socket (closed on failure too). The link must not move after this. */
int link_open(struct link *l, int fd, struct link_counters *counters);
/* Says goodbye if that is possible at once, closes the socket, frees the session with
 * its channels. Fine on a link that is zero or closed. */
void link_close(struct link *l);

static inline bool link_is_open(const struct link *l)
{
	return l->session != NULL;
}

/* A new budget, for the next turn. */
void link_refill(struct link *l);
/* Hands to the kernel what it takes; 0 or link->error. */
int link_flush(struct link *l);
static inline size_t link_out_len(const struct link *l)
{
	return l->out.len - l->out_sent;
}
/* Flushes, then waits until the socket is ready; as waiter_poll(). */
int link_wait(struct link *l, struct waiter *w, int64_t deadline_ms);
/* What a call of libssh2 gave: <= -1 but LIBSSH2_ERROR_EAGAIN means that the connection
 * is of no use any more, and sets link->error. Returns code. */
int link_check(struct link *l, int code);
/* Takes in packets by way of a channel, of whatever state, and leaves its data alone.
 * libssh2 reads only for somebody who waits: with nobody there, the host's questions
 * would stay unanswered and its goodbye unheard. */
int link_pump(struct link *l, LIBSSH2_CHANNEL *channel);
/* Why the connection is dead, the best that is known; borrowed. */
const char *link_reason(const struct link *l);
/* What libssh2 says of its last failure; borrowed until the next call. */
const char *link_message(struct link *l);
