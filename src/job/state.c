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
	[JOB_PREPARING]   = { "PREPARING", false, true,
		BIT(JOB_QUEUED) | BIT(JOB_DOWNLOADING) | BIT(JOB_RUNNING) |
		BIT(JOB_UPLOADING) | BIT(JOB_STOPPING) | ENDS },
	[JOB_DOWNLOADING] = { "DOWNLOADING", false, true,
		BIT(JOB_RUNNING) | BIT(JOB_UPLOADING) | BIT(JOB_STOPPING) | ENDS },
	[JOB_RUNNING]     = { "RUNNING", false, true,
		BIT(JOB_UPLOADING) | BIT(JOB_STOPPING) | ENDS },
	[JOB_UPLOADING]   = { "UPLOADING", false, true, ENDS },
	[JOB_STOPPING]    = { "STOPPING", false, true, BIT(JOB_UPLOADING) | ENDS },
	[JOB_SUCCEEDED]   = { "SUCCEEDED", true, false, 0 },
	[JOB_FAILED]      = { "FAILED", true, false, 0 },
	[JOB_CANCELLED]   = { "CANCELLED", true, false, 0 },
	/* clang-format on */
};

static const struct {
	const char *name;
	const char *class;
} reasons[JOB_REASON_COUNT] = {
	/* clang-format off */
	[REASON_NONE]              = { "", "" },
	[REASON_INVALID_SPEC]      = { "InvalidSpec", "spec" },
	[REASON_WAITING_FOR_FILES] = { "WaitingForFiles", "spec" },
	[REASON_WAITING_FOR_SLOT]  = { "WaitingForSlot", "host" },
	[REASON_HOST_UNREACHABLE]  = { "HostUnreachable", "host" },
	[REASON_HOST_REFUSED]      = { "HostRefused", "host" },
	[REASON_HOST_UNKNOWN]      = { "HostUnknown", "host" },
	[REASON_HOST_KEY]          = { "HostKeyMismatch", "host" },
	[REASON_HOST_AUTH]         = { "HostAuthFailed", "host" },
	[REASON_HOST_UNFIT]        = { "HostNotReady", "host" },
	[REASON_HOST_REBOOTED]     = { "HostRebooted", "host" },
	[REASON_HOST_STATE_LOST]   = { "HostStateLost", "host" },
	[REASON_LOST]              = { "ProcessLost", "host" },
	[REASON_NO_SUCH_INPUT]     = { "NoSuchInput", "transfer" },
	[REASON_DOWNLOAD_FAILED]   = { "DownloadFailed", "transfer" },
	[REASON_UPLOAD_FAILED]     = { "UploadFailed", "transfer" },
	[REASON_S3_UNREACHABLE]    = { "S3Unreachable", "transfer" },
	[REASON_CLI_INSTALL_FAILED] = { "CliInstallFailed", "transfer" },
	[REASON_NO_CREDENTIALS]    = { "NoCredentials", "credentials" },
	[REASON_BAD_CREDENTIALS]   = { "BadCredentials", "credentials" },
	[REASON_ACCESS_DENIED]     = { "AccessDenied", "credentials" },
	[REASON_NON_ZERO_EXIT]     = { "NonZeroExit", "user" },
	[REASON_SIGNALED]          = { "Signaled", "user" },
	[REASON_SETUP_FAILED]      = { "SetupFailed", "user" },
	[REASON_CANCELLED]         = { "Cancelled", "user" },
	[REASON_TIMEOUT_RUN]       = { "TimeoutRun", "limit" },
	[REASON_INTERNAL]          = { "Internal", "daemon" },
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

enum job_reason job_reason_from_name(const char *name)
{
	for (int i = 0; i < JOB_REASON_COUNT; i++) {
		if (strcmp(reasons[i].name, name) == 0) {
			return (enum job_reason)i;
		}
	}
	return REASON_NONE;
}
