/* What to do next with a job, as one pure function of what is known of it; and what its
 * end means. Every crash point of the launch protocol (src/agent/PROTOCOL.md) is a set
 * of facts here: the daemon that comes back decides from them alone. */
#pragma once

#include <stdbool.h>

#include "job/state.h"

enum job_alive { /* what the last poll said of the attempt's processes */
		 ALIVE_UNKNOWN,
		 ALIVE_RUNNER,	 /* the runner carries it on */
		 ALIVE_ORPHAN,	 /* the runner is dead, the program is not */
		 ALIVE_DEAD,	 /* nothing lives */
		 ALIVE_REBOOTED, /* the claim is of an earlier boot */
};

/* The host's `end` file. */
enum job_end {
	END_NONE,
	END_OK,
	END_DOWNLOAD_FAILED,
	END_UPLOAD_FAILED,
	END_CANCELLED, /* before the program started */
	END_REBOOTED,  /* the same, by a reboot */
	END_BROKEN,    /* payload-failed, lost */
};
enum job_end job_end_parse(const char *text); /* NULL: END_NONE */

enum job_exit_kind {
	EXIT_NONE,
	EXIT_CODE,  /* the program's own */
	EXIT_SETUP, /* setup failed, the program did not start */
	EXIT_LOST,  /* the wrapper was killed; the code is not known */
};
struct job_exit {
	enum job_exit_kind kind;
	int code;
	bool rebooted; /* EXIT_LOST: by a reboot */
};
struct job_exit job_exit_parse(const char *text); /* NULL: EXIT_NONE */

enum job_timeout {
	TIMEOUT_NONE,
	TIMEOUT_PREPARE,
	TIMEOUT_DOWNLOAD,
	TIMEOUT_RUN,
	TIMEOUT_UPLOAD,
};
enum job_timeout job_timeout_parse(const char *phase); /* NULL: TIMEOUT_NONE */

struct job_facts {
	enum job_state state;
	bool cancel;   /* the user asked for it */
	bool needs_s3; /* has inputs, outputs or checkpoints */
	bool is_dry_run;
	bool has_outputs;
	bool has_checkpoints;
	/* of the host */
	bool host_is_ready; /* answered a probe; at least that its disk is full */
	bool same_store;    /* its storeid is the attempt's */
	bool cli_is_ready;  /* an AWS CLI is known there */
	/* on our side */
	bool inputs_checked;
	bool room_checked; /* on the host's disk, for the inputs */
	bool has_payload;
	bool is_committed; /* the attempt's id is in the database */
	/* said by the host */
	bool is_polled; /* an answer since this daemon took the job up */
	bool payload_sent;
	bool is_claimed;
	bool is_void; /* cancelled before it ran: it never will */
	bool cancel_sent;
	bool cancel_noted;   /* it reached the host before the program ended */
	bool cancel_now_due; /* "cancel now" after a cancel with grace */
	enum job_alive alive;
	struct job_exit exit;
	enum job_end end;
	bool logs_are_whole; /* all bytes of both logs are in the database */
	bool has_manifest;
	bool is_verified;
	bool is_acked;
	enum job_timeout timeout; /* the limit of this phase was reached */
	bool queue_is_over;	  /* it waited for a slot longer than its spec allows */
	bool silence_is_over;	  /* the same of a host that does not answer */
	bool signal_due;
	bool upload_again; /* the user asked for it */
	bool is_presigned; /* the data moves by presigned URLs */
	bool wants_urls;   /* the runner waits for presigned URLs */
	bool wants_list;   /* ... for which it has a list: outputs, checkpoints */
	bool has_list;	   /* ... and that is here */
	bool has_begun;	   /* uploads in parts that nobody will complete */
	bool lacks_keys;   /* temporary credentials must be had before it goes on */
	bool wants_keys;   /* what the host has of them runs out */
};

enum job_step {
	STEP_NONE,	   /* wait for the user or for another job */
	STEP_WAIT_HOST,	   /* the host must answer a probe first */
	STEP_WAIT_CLI,	   /* the host needs an AWS CLI first */
	STEP_CHECK_INPUTS, /* are they in S3? */
	STEP_CHECK_ROOM,   /* do they fit on the host's disk? */
	STEP_KEYS,	   /* get temporary credentials from STS */
	STEP_PLAN,	   /* a dry run ends here */
	STEP_MAKE_PAYLOAD,
	STEP_COMMIT, /* the attempt's id, before anything that could start it */
	STEP_PUT,
	STEP_LAUNCH,
	STEP_POLL,
	STEP_CANCEL,
	STEP_SIGNAL,
	STEP_UPLOAD, /* again, or in place of a dead runner */
	STEP_MANIFEST,
	STEP_RENEW,  /* hand the host new temporary credentials */
	STEP_URLS,   /* sign what the runner waits for */
	STEP_ABORT,  /* unfinished uploads in parts */
	STEP_VERIFY, /* is every output in S3? */
	STEP_FINISH, /* job_verdict() says how */
	STEP_ACK,
};
enum job_step job_next_step(const struct job_facts *facts);
const char *job_step_name(enum job_step step);

struct job_verdict {
	enum job_state state;
	enum job_reason reason;
};
/* How the job ends; only when job_next_step() said STEP_FINISH. */
struct job_verdict job_verdict(const struct job_facts *facts);
/* Can code of the user's have run in the attempt? */
bool job_may_have_run(const struct job_facts *facts);
/* Are there outputs on the host that a second try could bring to S3? */
bool job_may_upload_again(const struct job_facts *facts);
/* May the host forget all but the tombstone? Not while the only copy of outputs is
 * there. */
bool job_may_ack(const struct job_facts *facts);
