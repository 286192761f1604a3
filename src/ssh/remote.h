/* Commands on one GPU host: a thread owns the host's one SSH connection, makes it when
 * it is needed, verifies the host key, and multiplexes every call over it as a channel.
 * Nothing of libssh2 is seen above this header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/err.h"

struct remote_config {	     /* borrowed until remote_free() */
	const char *name;    /* of the host, for messages */
	const char *address; /* name, IPv4 or IPv6 */
	int port;
	const char *user;
	const char *const
		*identities;	 /* private key files, NULL-terminated, ~ expanded */
	const char *passphrase;	 /* for encrypted keys, NULL: none */
	bool use_agent;		 /* ask SSH_AUTH_SOCK too, after the files */
	const char *known_hosts; /* file; may be absent */
	bool accept_new; /* host_key accept-new: unknown keys are appended to it */
	int connect_timeout_ms; /* resolve + TCP */
	int auth_timeout_ms;	/* banner + key exchange + authentication */
	int keepalive_ms; /* nothing heard for 3 of these: the connection is dead */
	int max_channels; /* at once; MaxSessions of sshd is 10 by default */
};

/* Why a call did not get an answer. */
enum remote_fault {
	REMOTE_OK,
	REMOTE_UNRESOLVED,  /* the name does not exist (for ever) */
	REMOTE_REFUSED,	    /* connection refused */
	REMOTE_UNREACHABLE, /* time-out, no route, resolver down, handshake hung */
	REMOTE_HOST_KEY, /* unknown, changed or revoked; nothing was sent to the host */
	REMOTE_AUTH,	 /* the host took none of the keys */
	REMOTE_IDENTITY, /* a key file is missing, open to others or not readable */
	REMOTE_PROTOCOL, /* no common algorithm, not an SSH server */
	REMOTE_LOST, /* the connection went while the call ran: the effect is unknown */
	REMOTE_TIMEOUT,	  /* the call's own deadline: the effect is unknown */
	REMOTE_ABORTED,	  /* output_max or read_more(), which error.code tells: unknown
			     too */
	REMOTE_CANCELLED, /* remote_free() while it waited */
};
const char *remote_fault_name(enum remote_fault fault);

/* One command with its input and what it printed. The caller allocates it, fills the
 * first part and hands it over; the host's thread gives it back through done(), exactly
 * once. */
struct remote_call {
	char *command;	      /* owned by the call; plain ASCII, one login-shell line */
	struct buf input;     /* stdin, first these bytes ... */
	bool input_is_secret; /* wiped with explicit_bzero after use */
	/* ... then these, until it returns 0 (end) or < 0 (the call fails with it). May
	 * block on the local disk. NULL: none. */
	ssize_t (*read_more)(void *arg, char *data, size_t len);
	int64_t timeout_ms;  /* of the whole call, from when its channel is being opened
			      */
	size_t output_max;   /* more output than this ends the call with -EFBIG */
	bool new_connection; /* do not wait out the back-off */
	void (*done)(struct remote_call
			     *call); /* in the host's thread; may submit new calls */
	void *arg;

	struct buf output; /* stdout; stderr is discarded after its first 4 KiB in
			      `trouble` */
	struct buf trouble;
	enum remote_fault fault;
	struct err error; /* a sentence when fault is not REMOTE_OK */

	struct remote_call *next; /* of the queue it is in */
};
void remote_call_free(struct remote_call *call); /* NULL is fine */

struct remote;

int remote_new(const struct remote_config *config, struct remote **ret_remote,
	       struct err *e);
/* Tells the thread to end and does not wait for it: many hosts end side by side. */
void remote_stop(struct remote *r);
/* Ends the thread; waiting and running calls get REMOTE_CANCELLED. Takes at most 2 s.
 */
struct remote *remote_free(struct remote *r);
void remote_submit(struct remote *r, struct remote_call *call);

/* Snapshot for `cat hosts/X/status`. */
struct remote_health {
	bool connected;
	int64_t since_ms;	      /* clock_ms() of the last change of `connected` */
	int64_t connects;	      /* handshakes that succeeded */
	int sessions; /* calls at once, as far as the host is known to allow */
	uint64_t bytes_in, bytes_out; /* as the socket saw them */
	enum remote_fault fault;      /* of the last attempt to connect */
	char text[512];
};
void remote_get_health(struct remote *r, struct remote_health *ret_health);

/* The functions above as a table, so that a simulation can put hosts of its own in
 * their place. */
struct remote_ops {
	void *world; /* the first argument of open() */
	int (*open)(void *world, const struct remote_config *config,
		    struct remote **ret_remote, struct err *e);
	void (*stop)(struct remote *r);
	struct remote *(*free)(struct remote *r);
	void (*submit)(struct remote *r, struct remote_call *call);
	void (*get_health)(struct remote *r, struct remote_health *ret_health);
};
extern const struct remote_ops remote_over_ssh;
