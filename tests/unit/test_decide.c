/* The decisions of the launch protocol, crash point by crash point. */
#include "job/decide.h"

#include "test.h"

static struct job_facts ready_job(void)
{
	return (struct job_facts){
		.state = JOB_PREPARING,
		.needs_s3 = true,
		.has_outputs = true,
		.host_is_ready = true,
		.same_store = true,
		.cli_is_ready = true,
		.inputs_checked = true,
		.room_checked = true,
		.has_payload = true,
		.exit = { .kind = EXIT_NONE, .code = -1 },
	};
}

static struct job_facts claimed_job(void)
{
	struct job_facts f = ready_job();

	f.is_committed = f.is_polled = f.is_claimed = true;
	f.alive = ALIVE_RUNNER;
	f.state = JOB_RUNNING;
	return f;
}

static struct job_facts ended_job(int code, enum job_end end)
{
	struct job_facts f = claimed_job();

	f.alive = ALIVE_DEAD;
	f.state = JOB_UPLOADING;
	f.exit = (struct job_exit){ .kind = EXIT_CODE, .code = code };
	f.end = end;
	f.logs_are_whole = true;
	return f;
}

#define CHECK_STEP(facts, step)                                                        \
	CHECK_STR(job_step_name(job_next_step(facts)), job_step_name(step))
#define CHECK_VERDICT(facts, want_state, want_reason)                                  \
	do {                                                                           \
		struct job_verdict v_ = job_verdict(facts);                            \
		CHECK_STR(job_state_name(v_.state), job_state_name(want_state));       \
		CHECK_STR(job_reason_name(v_.reason), job_reason_name(want_reason));   \
	} while (0)

TEST("the last checkpoint of a dead runner is made in its place")
{
	struct job_facts f = claimed_job();

	f.has_outputs = false;
	f.alive = ALIVE_DEAD;
	f.logs_are_whole = true;
	CHECK_STEP(&f, STEP_FINISH);
	f.has_checkpoints = true;
	CHECK_STEP(&f, STEP_UPLOAD);
	f.end = END_OK;
	f.exit = (struct job_exit){ .kind = EXIT_LOST };
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_LOST);
}

TEST("a runner that waits for URLs gets them, for its outputs once it has said which")
{
	struct job_facts f = claimed_job();

	f.is_presigned = f.wants_urls = true;
	CHECK_STEP(&f, STEP_URLS);
	f.wants_list = true;
	CHECK_STEP(&f, STEP_MANIFEST);
	f.has_list = true;
	CHECK_STEP(&f, STEP_URLS);
	f.cancel = true;
	CHECK_STEP(&f, STEP_CANCEL);
	f.cancel_sent = true;
	CHECK_STEP(&f, STEP_URLS);
	f.alive = ALIVE_ORPHAN; /* who waited is dead */
	CHECK_STEP(&f, STEP_POLL);
}

TEST("temporary credentials are had before the commit, and before each call with them")
{
	struct job_facts f = ready_job();

	f.lacks_keys = true;
	CHECK_STEP(&f, STEP_KEYS);
	f.room_checked = false;
	CHECK_STEP(&f, STEP_CHECK_ROOM);
	f.room_checked = f.is_dry_run = true; /* a dry run tells what is wrong, too */
	CHECK_STEP(&f, STEP_KEYS);
	f.is_dry_run = f.lacks_keys = false;
	f.is_committed = f.is_polled = f.payload_sent = f.same_store = true;
	CHECK_STEP(&f, STEP_LAUNCH);
	f.lacks_keys = true;
	CHECK_STEP(&f, STEP_KEYS);
	f.cancel = true;
	CHECK_STEP(&f, STEP_CANCEL);

	f = claimed_job();
	f.lacks_keys = true; /* of no concern, until the host wants some */
	CHECK_STEP(&f, STEP_POLL);
	f.wants_keys = true;
	CHECK_STEP(&f, STEP_KEYS);
	f.lacks_keys = false;
	CHECK_STEP(&f, STEP_RENEW);
	f.alive = ALIVE_DEAD; /* who wanted them is gone */
	f.logs_are_whole = true;
	f.lacks_keys = true;
	CHECK_STEP(&f, STEP_KEYS);
	f.lacks_keys = false;
	CHECK_STEP(&f, STEP_UPLOAD);
	f = ended_job(0, END_UPLOAD_FAILED);
	f.upload_again = f.lacks_keys = true;
	CHECK_STEP(&f, STEP_KEYS);
}

TEST("a presigned upload that failed leaves nothing that was begun")
{
	struct job_facts f = ended_job(0, END_UPLOAD_FAILED);

	f.is_presigned = true;
	CHECK_STEP(&f, STEP_MANIFEST);
	f.has_manifest = f.has_begun = true;
	CHECK_STEP(&f, STEP_ABORT);
	f.has_begun = false;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_UPLOAD_FAILED);
}

TEST("a job is prepared in order, and its attempt is committed before a packet leaves")
{
	struct job_facts f = ready_job();

	f.host_is_ready = f.inputs_checked = f.cli_is_ready = f.has_payload = false;
	f.room_checked = false;
	CHECK_STEP(&f, STEP_WAIT_HOST);
	f.host_is_ready = true;
	CHECK_STEP(&f, STEP_CHECK_INPUTS);
	f.inputs_checked = true;
	CHECK_STEP(&f, STEP_CHECK_ROOM);
	f.room_checked = true;
	CHECK_STEP(&f, STEP_WAIT_CLI);
	f.cli_is_ready = true;
	CHECK_STEP(&f, STEP_MAKE_PAYLOAD);
	f.has_payload = true;
	CHECK_STEP(&f, STEP_PUT);
	f.payload_sent = true;
	CHECK_STEP(&f, STEP_COMMIT);
	f.is_committed = f.is_polled = true;
	CHECK_STEP(&f, STEP_LAUNCH);
	f.is_claimed = true;
	CHECK_STEP(&f, STEP_POLL);
}

TEST("a dry run is planned once it was checked, and nothing is sent")
{
	struct job_facts f = ready_job();

	f.is_dry_run = true;
	f.cli_is_ready = f.has_payload = f.room_checked = false;
	CHECK_STEP(&f, STEP_CHECK_ROOM);
	f.room_checked = true;
	CHECK_STEP(&f, STEP_PLAN);
	f.needs_s3 = f.inputs_checked = f.room_checked = false;
	CHECK_STEP(&f, STEP_PLAN);
	f.cancel = true;
	CHECK_STEP(&f, STEP_FINISH);
}

TEST("a job without data needs neither S3 nor the CLI")
{
	struct job_facts f = ready_job();

	f.needs_s3 = f.inputs_checked = f.cli_is_ready = false;
	f.room_checked = false;
	CHECK_STEP(&f, STEP_PUT);
}

TEST("after a crash the host is asked before anything is launched again")
{
	struct job_facts f = ready_job();

	f.is_committed = true;
	f.has_payload = f.inputs_checked = f.cli_is_ready = false;
	CHECK_STEP(&f, STEP_POLL);
	f.is_polled = true; /* no claim there: the same attempt is launched */
	CHECK_STEP(&f, STEP_WAIT_CLI);
	f.cli_is_ready = true;
	CHECK_STEP(&f, STEP_MAKE_PAYLOAD);
}

TEST("no claim on another store proves nothing: never launched again")
{
	struct job_facts f = ready_job();

	f.is_committed = true;
	f.same_store = false;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_HOST_STATE_LOST);
}

TEST("silence of the host decides nothing")
{
	struct job_facts f = claimed_job();

	f.host_is_ready = false;
	CHECK_STEP(&f, STEP_WAIT_HOST);
	f.cancel = true;
	CHECK_STEP(&f, STEP_WAIT_HOST);
}

TEST("a cancel before the commit needs no host")
{
	struct job_facts f = ready_job();

	f.cancel = true;
	f.host_is_ready = false;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
}

TEST("a cancel after the commit competes for the claim")
{
	struct job_facts f = ready_job();

	f.is_committed = f.is_polled = f.cancel = true;
	CHECK_STEP(&f, STEP_CANCEL);
	f.is_void = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
}

TEST("a cancel is sent once, and once more without grace")
{
	struct job_facts f = claimed_job();

	f.cancel = true;
	CHECK_STEP(&f, STEP_CANCEL);
	f.cancel_sent = true;
	CHECK_STEP(&f, STEP_POLL);
	f.cancel_now_due = true;
	CHECK_STEP(&f, STEP_CANCEL);
}

TEST("a program that ended by itself keeps its result when a cancel comes too late")
{
	struct job_facts f = ended_job(0, END_OK);

	f.cancel = f.cancel_sent = f.is_verified = true;
	CHECK_VERDICT(&f, JOB_SUCCEEDED, REASON_NONE);
	f.exit.code = 2; /* the host noted no cancel, since there was an exit */
	CHECK_VERDICT(&f, JOB_FAILED, REASON_NON_ZERO_EXIT);
}

TEST("a cancelled program is cancelled, whatever its code")
{
	struct job_facts f = ended_job(143, END_OK);

	f.cancel = f.cancel_sent = f.cancel_noted = f.is_verified = true;
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
}

TEST("a cancelled program of which the host lost the end is cancelled")
{
	struct job_facts f = claimed_job();

	f.has_outputs = false;
	f.cancel = f.cancel_sent = f.logs_are_whole = true;
	f.alive = ALIVE_DEAD;
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
	f.exit = job_exit_parse("lost inner-killed");
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
}

TEST("success needs every output in S3")
{
	struct job_facts f = ended_job(0, END_OK);

	CHECK_STEP(&f, STEP_MANIFEST);
	f.has_manifest = true;
	CHECK_STEP(&f, STEP_VERIFY);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_UPLOAD_FAILED);
	f.is_verified = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_SUCCEEDED, REASON_NONE);
}

TEST("nothing ends before both logs are whole")
{
	struct job_facts f = ended_job(3, END_OK);

	f.logs_are_whole = false;
	CHECK_STEP(&f, STEP_POLL);
	f = claimed_job();
	f.alive = ALIVE_DEAD;
	CHECK_STEP(&f, STEP_POLL);
}

TEST("a failed upload is a failure, and the host keeps the data")
{
	struct job_facts f = ended_job(0, END_UPLOAD_FAILED);

	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_UPLOAD_FAILED);
	CHECK(!job_may_ack(&f));
	f.state = JOB_FAILED;
	CHECK_STEP(&f, STEP_NONE);
}

TEST("an exit code above 128 is a signal, 255 too, and 3 is 3")
{
	struct job_facts f = ended_job(137, END_OK);

	f.is_verified = true;
	CHECK_VERDICT(&f, JOB_FAILED, REASON_SIGNALED);
	f.exit.code = 3;
	CHECK_VERDICT(&f, JOB_FAILED, REASON_NON_ZERO_EXIT);
}

TEST("a dead runner with a result: the daemon has the outputs uploaded")
{
	struct job_facts f = ended_job(0, END_NONE);

	CHECK_STEP(&f, STEP_UPLOAD);
	f.has_outputs = false;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_SUCCEEDED, REASON_NONE);
}

TEST("an orphan is waited for, however long")
{
	struct job_facts f = claimed_job();

	f.alive = ALIVE_ORPHAN;
	f.logs_are_whole = true;
	CHECK_STEP(&f, STEP_POLL);
}

TEST("an orphan that has told its result does not hold the outputs back")
{
	struct job_facts f = ended_job(0, END_NONE);

	f.alive = ALIVE_ORPHAN;
	CHECK_STEP(&f, STEP_UPLOAD);
	f.logs_are_whole = false;
	CHECK_STEP(&f, STEP_POLL);
}

TEST("what a program left on a host that died goes up too")
{
	struct job_facts f = claimed_job();

	f.alive = ALIVE_REBOOTED;
	f.logs_are_whole = true;
	CHECK_STEP(&f, STEP_UPLOAD);
	f.end = END_OK;
	f.alive = ALIVE_DEAD;
	f.exit = job_exit_parse("lost rebooted");
	f.is_verified = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_HOST_REBOOTED);
}

TEST("a cancel that another daemon sent is a cancel")
{
	struct job_facts f = ended_job(143, END_OK);

	f.cancel = f.is_verified = true;
	CHECK_VERDICT(&f, JOB_FAILED, REASON_SIGNALED);
	f.cancel_noted = true;
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
	f.exit.code = 0; /* it took TERM for a reason to end well */
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
}

TEST("dead without a result is lost, and after a reboot it says so")
{
	struct job_facts f = claimed_job();

	f.has_outputs = false;
	f.alive = ALIVE_DEAD;
	f.logs_are_whole = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_LOST);
	f.alive = ALIVE_REBOOTED;
	CHECK_VERDICT(&f, JOB_FAILED, REASON_HOST_REBOOTED);
}

TEST("a failed download ends the job before the program")
{
	struct job_facts f = claimed_job();

	f.end = END_DOWNLOAD_FAILED;
	f.logs_are_whole = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_DOWNLOAD_FAILED);
}

TEST("a finished job is acknowledged once its host answers")
{
	struct job_facts f = ended_job(0, END_OK);

	f.state = JOB_SUCCEEDED;
	f.is_verified = true;
	CHECK_STEP(&f, STEP_ACK);
	f.host_is_ready = false;
	CHECK_STEP(&f, STEP_WAIT_HOST);
	f.is_acked = true;
	CHECK_STEP(&f, STEP_NONE);
}

TEST("whatever the facts, a final state has no step but the ack")
{
	for (unsigned bits = 0; bits < 1U << 14; bits++) {
		struct job_facts f = {
			.state = JOB_FAILED,
			.cancel = bits & 1,
			.needs_s3 = bits & 2,
			.has_outputs = bits & 4,
			.host_is_ready = bits & 8,
			.same_store = bits & 16,
			.is_committed = bits & 32,
			.is_polled = bits & 64,
			.is_claimed = bits & 128,
			.is_void = bits & 256,
			.is_verified = bits & 512,
			.is_acked = bits & 1024,
			.logs_are_whole = bits & 2048,
			.has_payload = bits & 4096,
			.payload_sent = bits & 8192,
		};
		enum job_step step = job_next_step(&f);

		CHECK(step == STEP_NONE || step == STEP_ACK || step == STEP_WAIT_HOST);
	}
}

/* Every combination of facts: no launch after a claim or a void, none on another store,
 * none before the commit; no success without its outputs. */
TEST("whatever the facts, nothing is launched twice and no success is a lie")
{
	for (unsigned bits = 0; bits < 1U << 18; bits++) {
		struct job_facts f = {
			.state = JOB_PREPARING,
			.cancel = bits & 1,
			.needs_s3 = bits & 2,
			.has_outputs = bits & 4,
			.host_is_ready = bits & 8,
			.same_store = bits & 16,
			.is_committed = bits & 32,
			.is_polled = bits & 64,
			.is_claimed = bits & 128,
			.is_void = bits & 256,
			.is_verified = bits & 512,
			.has_manifest = bits & 1024,
			.logs_are_whole = bits & 2048,
			.has_payload = bits & 4096,
			.payload_sent = bits & 8192,
			.cli_is_ready = bits & 16384,
			.inputs_checked = bits & 32768,
			.exit = { .kind = bits & 65536 ? EXIT_CODE : EXIT_NONE },
			.end = bits & 131072 ? END_OK : END_NONE,
			.alive = bits & 65536 ? ALIVE_DEAD : ALIVE_RUNNER,
		};
		enum job_step step = job_next_step(&f);

		if (step == STEP_LAUNCH) {
			CHECK(f.is_committed && f.is_polled && f.same_store &&
			      f.host_is_ready && !f.is_claimed && !f.is_void &&
			      !f.cancel);
		}
		if (step == STEP_FINISH && job_verdict(&f).state == JOB_SUCCEEDED) {
			CHECK(f.exit.kind == EXIT_CODE);
			CHECK(!f.has_outputs || f.is_verified);
			CHECK(f.logs_are_whole);
		}
	}
}

TEST("a job that waited too long for a slot fails; one that has it is not asked")
{
	struct job_facts f = { .state = JOB_QUEUED, .queue_is_over = true };

	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_TIMEOUT_QUEUE);
	f.queue_is_over = false;
	CHECK_STEP(&f, STEP_NONE);
}

TEST("a job that was prepared too long is voided on its host before it is called "
     "failed")
{
	struct job_facts f = ready_job();

	f.timeout = TIMEOUT_PREPARE;
	CHECK_STEP(&f, STEP_FINISH); /* nothing was sent yet */
	CHECK_VERDICT(&f, JOB_FAILED, REASON_TIMEOUT_PREPARE);
	f.is_committed = f.is_polled = true;
	CHECK_STEP(&f, STEP_CANCEL);
	f.is_void = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_TIMEOUT_PREPARE);
	f.cancel = true; /* the user was quicker */
	CHECK_VERDICT(&f, JOB_CANCELLED, REASON_CANCELLED);
}

TEST("each limit of the host has its own reason")
{
	struct job_facts down = claimed_job(), run = ended_job(143, END_OK),
			 up = ended_job(0, END_UPLOAD_FAILED);

	down.end = END_DOWNLOAD_FAILED;
	down.timeout = TIMEOUT_DOWNLOAD;
	CHECK_VERDICT(&down, JOB_FAILED, REASON_TIMEOUT_DOWNLOAD);
	run.timeout = TIMEOUT_RUN;
	run.is_verified = true;
	CHECK_VERDICT(&run, JOB_FAILED, REASON_TIMEOUT_RUN);
	up.timeout = TIMEOUT_UPLOAD;
	CHECK_VERDICT(&up, JOB_FAILED, REASON_TIMEOUT_UPLOAD);
	up.exit.code = 3; /* the program's own failure comes first */
	CHECK_VERDICT(&up, JOB_FAILED, REASON_NON_ZERO_EXIT);
}

TEST("silence ends a job only when its spec says so, and only while it lasts")
{
	struct job_facts f = claimed_job();

	f.host_is_ready = false;
	CHECK_STEP(&f, STEP_WAIT_HOST);
	f.silence_is_over = true;
	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_HOST_UNREACHABLE);
	f.host_is_ready = true;
	CHECK_STEP(&f, STEP_POLL);
}

TEST("a signal is for a program that runs")
{
	struct job_facts f = claimed_job();

	f.signal_due = true;
	CHECK_STEP(&f, STEP_SIGNAL);
	f.exit = (struct job_exit){ .kind = EXIT_CODE, .code = 0 };
	CHECK_STEP(&f, STEP_POLL);
}

TEST("outputs that are still on the host can be uploaded again, by the user alone")
{
	struct job_facts f = ended_job(0, END_UPLOAD_FAILED);

	CHECK_STEP(&f, STEP_FINISH);
	CHECK_VERDICT(&f, JOB_FAILED, REASON_UPLOAD_FAILED);
	CHECK(job_may_upload_again(&f));
	f.upload_again = true;
	CHECK_STEP(&f, STEP_UPLOAD);
	f.is_verified = true;
	CHECK(!job_may_upload_again(&f));
	f = ended_job(0, END_OK);
	f.is_acked = true;
	CHECK(!job_may_upload_again(&f));
}

TEST("code of the user's may have run unless the host says that it did not")
{
	struct job_facts f = claimed_job();

	CHECK(job_may_have_run(&f));
	f.end = END_DOWNLOAD_FAILED;
	CHECK(!job_may_have_run(&f));
	f = ended_job(1, END_OK);
	CHECK(job_may_have_run(&f));
	f = ready_job();
	CHECK(!job_may_have_run(&f));
}

TEST("the host's words are read as they are written")
{
	CHECK_INT(job_end_parse(NULL), END_NONE);
	CHECK_INT(job_end_parse("ok"), END_OK);
	CHECK_INT(job_end_parse("okay"), END_BROKEN);
	CHECK_INT(job_end_parse("upload-failed 1"), END_UPLOAD_FAILED);
	CHECK_INT(job_end_parse("payload-failed no space"), END_BROKEN);
	CHECK_INT(job_exit_parse("exit 255").code, 255);
	CHECK_INT(job_exit_parse("setup 1").kind, EXIT_SETUP);
	CHECK_INT(job_exit_parse("lost inner-killed").kind, EXIT_LOST);
}

TEST_MAIN
