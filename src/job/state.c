#include "job/state.h"

#include <stddef.h>
#include <string.h>

#define BIT(state) (1U << (state))
#define ENDS	   (BIT(JOB_SUCCEEDED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED))

static const struct {
	const char *name;
	bool is_final;
	bool is_active;
	unsigned followers; /* bits of the states that may come next */
} states[JOB_STATE_COUNT] = {
	/* clang-format off */
	[JOB_NEW]         = { "NEW", false, false,
		BIT(JOB_QUEUED) | BIT(JOB_HELD) },
	[JOB_QUEUED]      = { "QUEUED", false, false,
		BIT(JOB_HELD) | BIT(JOB_PREPARING) | BIT(JOB_FAILED) |
		BIT(JOB_CANCELLED) },
	[JOB_HELD]        = { "HELD", false, false,
		BIT(JOB_QUEUED) | BIT(JOB_CANCELLED) },
	/* back to QUEUED: for another attempt */
	[JOB_PREPARING]   = { "PREPARING", false, true,
		BIT(JOB_QUEUED) | BIT(JOB_DOWNLOADING) | BIT(JOB_RUNNING) |
		BIT(JOB_UPLOADING) | BIT(JOB_STOPPING) | ENDS },
	[JOB_DOWNLOADING] = { "DOWNLOADING", false, true,
		BIT(JOB_QUEUED) | BIT(JOB_RUNNING) | BIT(JOB_UPLOADING) |
		BIT(JOB_STOPPING) | ENDS },
	[JOB_RUNNING]     = { "RUNNING", false, true,
		BIT(JOB_QUEUED) | BIT(JOB_UPLOADING) | BIT(JOB_STOPPING) | ENDS },
	[JOB_UPLOADING]   = { "UPLOADING", false, true, BIT(JOB_QUEUED) | ENDS },
	[JOB_STOPPING]    = { "STOPPING", false, true, BIT(JOB_UPLOADING) | ENDS },
	[JOB_SUCCEEDED]   = { "SUCCEEDED", true, false, 0 },
	/* by the user alone: retry, retry-upload */
	[JOB_FAILED]      = { "FAILED", true, false,
		BIT(JOB_QUEUED) | BIT(JOB_UPLOADING) },
	[JOB_CANCELLED]   = { "CANCELLED", true, false,
		BIT(JOB_QUEUED) | BIT(JOB_UPLOADING) },
	/* clang-format on */
};

/* May a job be tried again that failed for this reason? */
enum retry {
	NEVER,	   /* no job fails for it, or nobody wants that */
	ON_DEMAND, /* when its spec says so */
	MAY_PASS,  /* it may go better next time: also without being named */
};

static const struct {
	const char *name;
	const char *class;
	enum retry retry;
} reasons[JOB_REASON_COUNT] = {
	/* clang-format off */
	[REASON_NONE]              = { "", "", NEVER },
	[REASON_INVALID_SPEC]      = { "InvalidSpec", "spec", NEVER },
	[REASON_WAITING_FOR_FILES] = { "WaitingForFiles", "spec", NEVER },
	[REASON_WAITING_FOR_SLOT]  = { "WaitingForSlot", "host", NEVER },
	[REASON_WAITING_FOR_RETRY] = { "WaitingForRetry", "host", NEVER },
	[REASON_HOST_DRAINED]      = { "HostDrained", "host", NEVER },
	[REASON_HOST_UNREACHABLE]  = { "HostUnreachable", "host", MAY_PASS },
	[REASON_HOST_REFUSED]      = { "HostRefused", "host", MAY_PASS },
	[REASON_HOST_UNKNOWN]      = { "HostUnknown", "host", ON_DEMAND },
	[REASON_HOST_KEY]          = { "HostKeyMismatch", "host", ON_DEMAND },
	[REASON_HOST_AUTH]         = { "HostAuthFailed", "host", ON_DEMAND },
	[REASON_HOST_UNFIT]        = { "HostNotReady", "host", MAY_PASS },
	[REASON_HOST_DISK]         = { "HostDiskFull", "host", MAY_PASS },
	[REASON_HOST_REBOOTED]     = { "HostRebooted", "host", MAY_PASS },
	[REASON_HOST_STATE_LOST]   = { "HostStateLost", "host", ON_DEMAND },
	[REASON_LOST]              = { "ProcessLost", "host", MAY_PASS },
	[REASON_NO_SUCH_INPUT]     = { "NoSuchInput", "transfer", ON_DEMAND },
	[REASON_DOWNLOAD_FAILED]   = { "DownloadFailed", "transfer", MAY_PASS },
	[REASON_UPLOAD_FAILED]     = { "UploadFailed", "transfer", ON_DEMAND },
	[REASON_S3_UNREACHABLE]    = { "S3Unreachable", "transfer", MAY_PASS },
	[REASON_CLI_INSTALL_FAILED] = { "CliInstallFailed", "transfer", MAY_PASS },
	[REASON_HOST_CLOCK]        = { "HostClockSkew", "transfer", MAY_PASS },
	[REASON_NO_CREDENTIALS]    = { "NoCredentials", "credentials", ON_DEMAND },
	[REASON_BAD_CREDENTIALS]   = { "BadCredentials", "credentials", ON_DEMAND },
	[REASON_ACCESS_DENIED]     = { "AccessDenied", "credentials", ON_DEMAND },
	[REASON_NON_ZERO_EXIT]     = { "NonZeroExit", "user", ON_DEMAND },
	[REASON_SIGNALED]          = { "Signaled", "user", ON_DEMAND },
	[REASON_SETUP_FAILED]      = { "SetupFailed", "user", ON_DEMAND },
	[REASON_CANCELLED]         = { "Cancelled", "user", NEVER },
	[REASON_HELD]              = { "Held", "user", NEVER },
	[REASON_TIMEOUT_QUEUE]     = { "TimeoutQueue", "limit", ON_DEMAND },
	[REASON_TIMEOUT_PREPARE]   = { "TimeoutPrepare", "limit", ON_DEMAND },
	[REASON_TIMEOUT_DOWNLOAD]  = { "TimeoutDownload", "limit", ON_DEMAND },
	[REASON_TIMEOUT_RUN]       = { "TimeoutRun", "limit", ON_DEMAND },
	[REASON_TIMEOUT_UPLOAD]    = { "TimeoutUpload", "limit", ON_DEMAND },
	[REASON_INTERNAL]          = { "Internal", "daemon", ON_DEMAND },
	/* clang-format on */
};

const char *job_state_name(enum job_state state)
{
	return states[state].name;
}

enum job_state job_state_from_name(const char *name)
{
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		if (strcmp(states[i].name, name) == 0) {
			return (enum job_state)i;
		}
	}
	return JOB_STATE_COUNT;
}

bool job_state_is_final(enum job_state state)
{
	return states[state].is_final;
}

bool job_state_is_active(enum job_state state)
{
	return states[state].is_active;
}

bool job_state_may_follow(enum job_state from, enum job_state to)
{
	return states[from].followers & BIT(to);
}

const char *job_reason_name(enum job_reason reason)
{
	return reasons[reason].name;
}

const char *job_reason_class(enum job_reason reason)
{
	return reasons[reason].class;
}

bool job_reason_may_retry(enum job_reason reason)
{
	return reasons[reason].retry != NEVER;
}

bool job_reason_may_pass(enum job_reason reason)
{
	return reasons[reason].retry == MAY_PASS;
}

enum job_reason job_reason_from_name(const char *name)
{
	for (int i = 0; i < JOB_REASON_COUNT; i++) {
		if (strcmp(reasons[i].name, name) == 0) {
			return (enum job_reason)i;
		}
	}
	return REASON_NONE;
}
