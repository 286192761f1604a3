/* What is known of one job: the row that the store keeps and the snapshot that readers
 * see. A published record is immutable and counted; the engine changes a private copy.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/state.h"
#include "util/mem.h"

enum { JOB_KEY_LEN = 16 }; /* hex digits */

/* Append-only byte streams of a job. */
enum job_stream {
	STREAM_LOG,			      /* log */
	STREAM_TRANSFER,		      /* transfer.log */
	STREAM_METRICS,			      /* metrics.jsonl */
	STREAM_OF_HOST_COUNT,		      /* those above are fetched from it */
	STREAM_EVENTS = STREAM_OF_HOST_COUNT, /* events.jsonl */
	STREAM_OUTPUTS,			      /* outputs.jsonl */
	JOB_STREAM_COUNT,
};

enum job_transfer_state {
	TRANSFER_WAITING,
	TRANSFER_RUNNING,
	TRANSFER_DONE,
	TRANSFER_FAILED
};

struct job_transfer { /* a line of `progress` */
	char *name;   /* of the input, or "outputs" */
	char *uri;    /* s3://... */
	enum job_transfer_state state;
	int64_t bytes;		    /* arrived so far */
	int64_t total;		    /* -1: not known */
	int64_t cached;		    /* of the bytes, what the host had in its cache */
	int64_t began_ms, ended_ms; /* wall clock, as far as polls tell; 0: not yet */
	/* while it runs: bytes per second of late, and when that was looked at */
	int64_t rate, seen_ms, seen_bytes;
};
/* Bytes per second: of late while it runs, of all when it is over; 0: not known. */
int64_t job_transfer_rate(const struct job_transfer *transfer);
/* Notes how far it has come, which is never less than before while it runs. */
void job_transfer_note(struct job_transfer *transfer, enum job_transfer_state state,
		       int64_t bytes, int64_t now_ms);

/* One attempt on a host, as its row keeps it after the job went on. */
struct job_attempt {
	int n; /* 1, 2, ...; 0: none was committed since the job was queued */
	char *host;
	char *gpus;    /* reserved indices "0,3", "" for none */
	char *storeid; /* of the host when the attempt was committed */
	char *engine;  /* by which its data moves, a word of s3.engine; NULL: not known
			*/
	bool is_claimed; /* the host said that the claim is a runner's */
	bool is_acked;	 /* the host keeps the tombstone only */
	char *exit;	 /* the host's `exit` file, NULL until it is there */
	char *end;	 /* the host's `end` file, NULL until it is there */
	char *timeout;	 /* the phase whose limit was reached, NULL: none */
	/* where its bytes are in the streams of the host, whose offset 0 is the base;
	 * the end counts once it is over */
	int64_t base[STREAM_OF_HOST_COUNT], end_at[STREAM_OF_HOST_COUNT];
	/* how it ended; JOB_NEW: it is not over */
	enum job_state state;
	enum job_reason reason;
	char *message;
	int exit_code; /* -1: the program has not ended */
	int64_t started_ms, exited_ms, ended_ms;
	/* Objects at its destination that are older than this are not its outputs;
	 * since 1970, by S3's clock. 0: there were none when it began. */
	int64_t outputs_since_s;
};

/* Bytes of a stream that are not kept: a log beyond its limit loses its middle. */
struct job_gap {
	int64_t from, to; /* offsets in the stream; equal: all is kept */
};

struct job_record {
	_Atomic unsigned refs;
	int64_t id;		   /* > 0, never used again */
	char key[JOB_KEY_LEN + 1]; /* JOB_ID, {id} */
	char *name;
	uid_t uid;
	gid_t gid;
	mode_t mode; /* permission bits of the directory */

	enum job_state state;
	enum job_reason reason;
	char *message; /* a sentence, "" for none */
	char *error;   /* the file `error`, NULL: there is none */

	bool is_accepted;  /* spec.json and files/ are read-only */
	int64_t spec_size; /* bytes of spec.json, -1: there is none */
	bool has_files;	   /* the user has made some of its own, be they gone */

	int64_t created_ms; /* wall clock; 0: not yet */
	int64_t submitted_ms;
	int64_t started_ms; /* the program */
	int64_t exited_ms;
	int64_t ended_ms;		      /* of the job */
	int64_t changed_ms;		      /* the last transition */
	int64_t written_ms[JOB_STREAM_COUNT]; /* the last growth of each stream */

	int priority;
	int n_attempts;	     /* that were committed */
	int retries;	     /* by itself, since the user submitted it */
	int64_t retry_at_ms; /* QUEUED, but not before that; 0: at once */

	bool cancel;	   /* asked for */
	bool cancel_now;   /* without grace */
	char *signal;	   /* to be sent to the program, NULL: none */
	bool upload_again; /* asked for */
	int exit_code;	   /* -1: the program has not ended */

	int64_t stream_size[JOB_STREAM_COUNT]; /* with what is not kept */
	struct job_gap gap[JOB_STREAM_COUNT];
	int64_t event_seq; /* number of the last line of STREAM_EVENTS */
	char *outputs_uri; /* NULL until the outputs were verified */
	int64_t outputs_count;
	int64_t outputs_bytes;

	char *checkpoint_uri; /* where checkpoints go since the first attempt; NULL:
				 there was none, or it has no checkpoints */
	/* the last one that is in S3, of whatever attempt; 0: there is none */
	int64_t checkpoint_ms, checkpoint_bytes, checkpoint_count;

	struct job_attempt attempt; /* the current one */
	struct job_transfer *transfers;
	size_t n_transfers;
	int64_t unreachable_ms; /* wall clock since when the host does not answer; 0: it
				   does */
};

struct job_record *job_record_new(void); /* one reference; NULL on no memory */
struct job_record *job_record_copy(const struct job_record *record);
struct job_record *job_record_ref(struct job_record *record);
struct job_record *job_record_unref(struct job_record *record); /* NULL is fine */
void job_record_unrefp(struct job_record **record);
#define cleanup_record cleanup_(job_record_unrefp)

/* The host has nothing to do with the job any more: no attempt is current. */
void job_attempt_reset(struct job_record *record);
/* Number of the attempt that is under way or comes next. */
int job_attempt_number(const struct job_record *record);

/* Of the attempt that the record holds; -1: its program has not ended. */
int job_attempt_exit_code(const struct job_record *record);

/* Replaces an owned string; NULL clears. 0 or -ENOMEM (then it is left as it was). */
int job_set_text(char **member, const char *text);
