/* One call on one channel, as a state machine that is stepped and never waits. */
#pragma once

#include "ssh/call.h"
#include "ssh/link.h"

enum {
	EXEC_SLICE = 64 << 10, /* bytes a stream and turn, so that no channel starves */
};

enum exec_state {
	EXEC_STARTING, /* the command was sent; the host has not said yes */
	EXEC_RUNNING,
	EXEC_ZOMBIE,  /* its call is over, its command may run on */
	EXEC_CLOSING, /* its output is over; the host is to close the channel too */
	EXEC_CLOSED,
};

struct exec {
	enum exec_state state;
	struct remote_call *call; /* NULL from the moment that it was given back */
	LIBSSH2_CHANNEL *channel;
	int64_t deadline_ms; /* of the call */
	int64_t closing_ms;  /* when we closed our side */
	size_t input_sent;
	char *chunk; /* of read_more() */
	size_t chunk_len, chunk_sent;
	bool input_is_over, eof_sent;
	size_t drained; /* by a zombie */
	struct exec *next;
};

/* Takes the channel and borrows the call until it gives it back. NULL: no memory, then
 * neither is taken. */
struct exec *exec_new(LIBSSH2_CHANNEL *channel, struct remote_call *call,
		      int64_t deadline_ms);
struct exec *exec_free(struct exec *x); /* the channel is the session's */

/* One turn with the buffer `scratch` of EXEC_SLICE bytes. True when something moved, so
 * that another turn is worth while. The link's error is set when the connection is
 * dead. */
bool exec_turn(struct exec *x, struct link *l, char *scratch);
/* The call's time is up: it is given back, and the channel abandoned. */
void exec_expire(struct exec *x);
/* Gives the call back, if it still has one. */
void exec_finish(struct exec *x, enum remote_fault fault, const struct err *e);
