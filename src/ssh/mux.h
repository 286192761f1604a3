/* Many calls over one connection: a channel each, up to a limit that the host may
 * lower, and the watch over whether the connection is alive. */
#pragma once

#include "ssh/call.h"
#include "ssh/exec.h"
#include "ssh/link.h"

struct mux {
	struct link link;
	int keepalive_ms;
	int limit;	/* channels at once */
	int peak;	/* as many have been open at once */
	bool is_narrow; /* the host has refused one */
	struct exec *execs;
	struct remote_call
		*opening; /* whose channel is being opened; NULL: its time was up */
	bool is_opening;  /* libssh2 has one half-open channel a session */
	int64_t opening_deadline_ms;
	LIBSSH2_CHANNEL *spare; /* opened for a call whose time was up */
	LIBSSH2_CHANNEL *pump;	/* the last closed channel: see link_pump() */
	unsigned opened;	/* channels */
	int64_t retry_ms;	/* no channel is opened before */
	unsigned refusals;	/* of a first channel, in a row */
	int64_t ping_ms;	/* when the last keepalive was sent, 0: never */
	bool is_asked;		/* one was sent after the last bytes came */
	unsigned pings;
	char scratch[EXEC_SLICE];
};

/* m->link is open and logged in. */
void mux_begin(struct mux *m, int max_channels, int keepalive_ms);
/* Starts calls of the queue, moves what can be moved, gives back what is over. True:
 * another turn is worth while at once. m->link.error is set when the connection is
 * dead. */
bool mux_turn(struct mux *m, struct call_queue *queue);
/* When the next turn is due though nothing comes in. */
int64_t mux_deadline_ms(const struct mux *m);
/* Nothing is lost with the connection, and a new one would be better. */
bool mux_is_worn_out(const struct mux *m);
/* Closes the connection: running calls get the fault; a call of which nothing was sent
 * goes back to the front of the queue. */
void mux_end(struct mux *m, struct call_queue *queue, enum remote_fault fault,
	     const struct err *e);
