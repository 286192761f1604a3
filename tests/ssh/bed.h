/* What the tests of the ssh layer share: the sshds that tests/ssh/run has started,
 * calls that are waited for, data that proves itself, and listeners that only pretend
 * to be an sshd. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/remote.h"

/* The sshds; each is a directory made by tests/bed/sshd. */
enum bed {
	BED_PLAIN,
	BED_NARROW /* MaxSessions 4, MaxAuthTries 3 */,
	BED_REKEY /* RekeyLimit 1M */
};

const char *bed_path(enum bed bed, const char *file); /* a file of it; kept for ever */
int bed_port(enum bed bed);
/* A configuration that works, with id_ed25519. */
struct remote_config bed_config(enum bed bed);
/* keys: file names in the bed, or paths; NULL-terminated; kept for ever. */
const char *const *bed_keys(enum bed bed, const char *first, ...)
	__attribute__((sentinel));

struct remote *open_remote(const struct remote_config *config);

/* One call, its stdin and its end. */
struct ticket {
	struct remote_call *call; /* NULL once taken away */
	int64_t begun_ms, took_ms;
	bool over;
	uint64_t to_send, sent; /* bytes of pattern() for stdin */
	int input_error;	/* what read_more gives at the end of them */
	struct ticket *then;	/* submitted by done() */
	struct remote *remote;
};

void ticket_init(struct ticket *t, struct remote *r, const char *command);
void ticket_fini(struct ticket *t);
#define cleanup_ticket __attribute__((cleanup(ticket_fini)))
void ticket_feed(struct ticket *t, uint64_t bytes); /* stdin through read_more() */
void ticket_submit(struct ticket *t);
void ticket_wait(struct ticket *t); /* aborts after a minute */
void ticket_run(struct ticket *t);  /* both */

/* Runs a command and says whether all went well and it printed just that. */
bool prints(struct remote *r, const char *command, const char *output);
/* Runs `true` and gives the fault; ret_text, if not NULL, is the sentence. */
enum remote_fault fault_of(const struct remote_config *config,
			   char ret_text[ERR_TEXT_MAX]);

/* Byte i of a stream that has no period to speak of. */
unsigned char pattern(uint64_t i);
bool is_pattern(const struct buf *b, uint64_t len);

enum listener_kind {
	LISTENER_SILENT,
	LISTENER_SAYS,	 /* text, and then nothing more */
	LISTENER_CLOSES, /* after the text */
	LISTENER_FLOODS, /* text, for ever */
	LISTENER_DRIPS,	 /* text, a byte every 50 ms, for ever */
};

struct listener {
	int port;
	int fd, stop_fd;
	enum listener_kind kind;
	const char *text;
	size_t len;
	_Atomic int accepted;
	pthread_t thread;
};

void listener_start(struct listener *l, enum listener_kind kind, const void *text,
		    size_t len);
void listener_stop(struct listener *l);

/* The whole file as text; free(). */
char *file_text(const char *path);
bool has(const char *text, const char *part);
