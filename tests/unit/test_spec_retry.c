/* retry, timeouts, priority and hold of a spec. */
#include "spec_helper.h"

static struct spec *with_members(const char *members)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_printf(&text, "{\"run\":\"a\",%s}", members);
	return accepted(buf_text(&text));
}

TEST("every phase has a limit of its own, and none by default")
{
	cleanup_spec struct spec *none = accepted("{\"run\":\"a\"}");
	cleanup_spec struct spec *all = with_members(
		"\"timeouts\": {\"queue\": \"1h\", \"prepare\": 60, \"download\": "
		"\"2h\", \"run\": \"3d\", \"upload\": 1.5, \"stop_grace\": 0, "
		"\"unreachable\": \"12h\"}");

	CHECK_INT(none->timeouts.queue_ms, 0);
	CHECK_INT(none->timeouts.unreachable_ms, 0);
	CHECK_INT(none->timeouts.stop_grace_ms, -1);
	CHECK_INT(all->timeouts.queue_ms, 3600000);
	CHECK_INT(all->timeouts.prepare_ms, 60000);
	CHECK_INT(all->timeouts.download_ms, 7200000);
	CHECK_INT(all->timeouts.run_ms, 259200000);
	CHECK_INT(all->timeouts.upload_ms, 1500);
	CHECK_INT(all->timeouts.stop_grace_ms, 0);
	CHECK_INT(all->timeouts.unreachable_ms, 43200000);
}

TEST("a job is tried once, unless its spec says more")
{
	cleanup_spec struct spec *spec = accepted("{\"run\":\"a\"}");

	CHECK_INT(spec->retry.max_attempts, 1);
	CHECK_INT(spec->retry.backoff_ms, 10000);
	CHECK_INT(spec->priority, 50);
	CHECK(!spec->is_held);
	CHECK(!spec->is_dry_run);
}

TEST("without a list only what may pass is tried again, and only before the program "
     "ran")
{
	cleanup_spec struct spec *spec =
		with_members("\"retry\": {\"max_attempts\": 3}");

	CHECK(spec_retries(&spec->retry, REASON_DOWNLOAD_FAILED, -1, false));
	CHECK(spec_retries(&spec->retry, REASON_HOST_UNREACHABLE, -1, false));
	CHECK(!spec_retries(&spec->retry, REASON_HOST_REBOOTED, -1, true));
	CHECK(!spec_retries(&spec->retry, REASON_NON_ZERO_EXIT, 1, true));
	CHECK(!spec_retries(&spec->retry, REASON_NO_SUCH_INPUT, -1, false));
	CHECK(!spec_retries(&spec->retry, REASON_BAD_CREDENTIALS, -1, false));
}

TEST("a list of reasons and classes says what is tried again, whatever ran")
{
	cleanup_spec struct spec *spec = with_members(
		"\"retry\": {\"max_attempts\": 2, \"on\": [\"HostRebooted\", "
		"\"transfer\"], \"backoff\": \"1m\"}");

	CHECK(spec_retries(&spec->retry, REASON_HOST_REBOOTED, -1, true));
	CHECK(spec_retries(&spec->retry, REASON_UPLOAD_FAILED, 0, true));
	CHECK(!spec_retries(&spec->retry, REASON_LOST, -1, true));
	CHECK(!spec_retries(&spec->retry, REASON_HOST_UNREACHABLE, -1, false));
	CHECK_INT(spec->retry.backoff_ms, 60000);
}

TEST("exit codes are tried again when they are named")
{
	cleanup_spec struct spec *spec = with_members(
		"\"retry\": {\"max_attempts\": 2, \"exit_codes\": [75, 255], "
		"\"on\": []}");

	CHECK(spec_retries(&spec->retry, REASON_NON_ZERO_EXIT, 75, true));
	CHECK(spec_retries(&spec->retry, REASON_SIGNALED, 255, true));
	CHECK(!spec_retries(&spec->retry, REASON_NON_ZERO_EXIT, 1, true));
	CHECK(!spec_retries(&spec->retry, REASON_DOWNLOAD_FAILED, -1, false));
}

TEST("wrong members of retry, priority and hold are told with their place")
{
	static const struct members rows[] = {
		{ "\"retry\": {\"max_attempts\": 0}",
		  "27: $.retry.max_attempts: found 0; expected 1 to 100" },
		{ "\"retry\": {\"on\": [\"Cancelled\"]}",
		  "18: $.retry.on[0]: found \"Cancelled\"; expected a reason that "
		  "a failed job can have, such as \"HostRebooted\", or one of the "
		  "classes \"host\", \"transfer\", \"user\", \"limit\"" },
		{ "\"retry\": {\"exit_codes\": [0]}",
		  "26: $.retry.exit_codes[0]: found 0; expected 1 to 255" },
		{ "\"retry\": {\"backoff\": \"soon\"}",
		  "22: $.retry.backoff: found \"soon\"; expected seconds, or a "
		  "number with a unit: \"90s\" \"10m\" \"2h\" \"3d\"" },
		{ "\"retry\": 3",
		  "10: $.retry: found a number; expected an object such "
		  "as {\"max_attempts\": 3}" },
		{ "\"priority\": 101", "13: $.priority: found 101; expected 0 to 100" },
		{ "\"hold\": \"yes\"",
		  "9: $.hold: found a string; expected true or false" },
	};

	ALL_REFUSED(rows);
}

TEST_MAIN
