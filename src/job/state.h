/* The states of a job and the reasons it gives: two tables. */
#pragma once

#include <stdbool.h>

enum job_state {
	JOB_NEW,       /* the directory exists, no spec was accepted yet */
	JOB_QUEUED,    /* accepted; waits for a slot */
	JOB_HELD,      /* accepted; waits for release */
	JOB_PREPARING, /* has a slot; host, AWS CLI, inputs are checked, files/ is sent
			*/
	JOB_DOWNLOADING, /* the claim is the runner's: inputs are on their way */
	JOB_RUNNING,	 /* setup or the program */
	JOB_UPLOADING,	 /* outputs go to S3 and are verified there */
	JOB_STOPPING,	 /* a cancel is under way on the host */
	JOB_SUCCEEDED,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_STATE_COUNT,
};

const char *job_state_name(enum job_state state);
/* JOB_STATE_COUNT when there is none of this name. */
enum job_state job_state_from_name(const char *name);
/* No further change, except by the user (rmdir, retry). */
bool job_state_is_final(enum job_state state);
/* Has a slot on a host. */
bool job_state_is_active(enum job_state state);
/* May `to` follow `from`? */
bool job_state_may_follow(enum job_state from, enum job_state to);

enum job_reason {
	REASON_NONE,
	/* spec */
	REASON_INVALID_SPEC,
	REASON_WAITING_FOR_FILES,
	/* host */
	REASON_WAITING_FOR_SLOT,
	REASON_WAITING_FOR_RETRY,
	REASON_HOST_DRAINED,
	REASON_HOST_UNREACHABLE,
	REASON_HOST_REFUSED,
	REASON_HOST_UNKNOWN,
	REASON_HOST_KEY,
	REASON_HOST_AUTH,
	REASON_HOST_UNFIT,
	REASON_HOST_DISK,
	REASON_HOST_REBOOTED,
	REASON_HOST_STATE_LOST,
	REASON_LOST,
	/* transfer */
	REASON_NO_SUCH_INPUT,
	REASON_DOWNLOAD_FAILED,
	REASON_UPLOAD_FAILED,
	REASON_S3_UNREACHABLE,
	REASON_CLI_INSTALL_FAILED,
	REASON_HOST_CLOCK,
	/* credentials */
	REASON_NO_CREDENTIALS,
	REASON_BAD_CREDENTIALS,
	REASON_ACCESS_DENIED,
	/* user */
	REASON_NON_ZERO_EXIT,
	REASON_SIGNALED,
	REASON_SETUP_FAILED,
	REASON_CANCELLED,
	REASON_HELD,
	/* limit */
	REASON_TIMEOUT_QUEUE,
	REASON_TIMEOUT_PREPARE,
	REASON_TIMEOUT_DOWNLOAD,
	REASON_TIMEOUT_RUN,
	REASON_TIMEOUT_UPLOAD,
	/* daemon */
	REASON_INTERNAL,
	JOB_REASON_COUNT,
};

/* One CamelCase word, "" for REASON_NONE. */
const char *job_reason_name(enum job_reason reason);
/* spec, host, transfer, credentials, gpu, user, limit, preempted, daemon; "" for none.
 */
const char *job_reason_class(enum job_reason reason);
/* Can a spec ask for another attempt after a failure for this reason? */
bool job_reason_may_retry(enum job_reason reason);
/* Could the next attempt succeed without anybody mending anything? */
bool job_reason_may_pass(enum job_reason reason);
enum job_reason job_reason_from_name(const char *name); /* REASON_NONE when unknown */
