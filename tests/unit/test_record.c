#include "job/record.h"
#include "test.h"

TEST("another attempt has no outputs, no exit code and no host yet")
{
	cleanup_record struct job_record *r = job_record_new();

	CHECK(r);
	r->attempt.n = r->n_attempts = 1;
	r->exit_code = 1;
	r->outputs_count = 2;
	CHECK_INT(job_set_text(&r->outputs_uri, "s3://bucket/out/"), 0);
	CHECK_INT(job_set_text(&r->attempt.host, "gpu-a"), 0);
	job_attempt_reset(r);
	CHECK(!r->outputs_uri);
	CHECK_INT(r->outputs_count, 0);
	CHECK_INT(r->exit_code, -1);
	CHECK(!r->attempt.host);
	CHECK_INT(job_attempt_number(r), 2);
}

TEST("a transfer tells its rate of late, and in the end that of all")
{
	struct job_transfer t = { .total = 10000000 };

	job_transfer_note(&t, TRANSFER_RUNNING, 0, 50000);
	CHECK_INT(job_transfer_rate(&t), 0);
	job_transfer_note(&t, TRANSFER_RUNNING, 1000000, 51000);
	CHECK_INT(job_transfer_rate(&t), 1000000);
	job_transfer_note(&t, TRANSFER_RUNNING, 1100000, 51100); /* too soon */
	CHECK_INT(job_transfer_rate(&t), 1000000);
	job_transfer_note(&t, TRANSFER_RUNNING, 4000000, 52000);
	CHECK_INT(job_transfer_rate(&t), 2000000);
	job_transfer_note(&t, TRANSFER_DONE, 10000000, 54000);
	CHECK_INT(job_transfer_rate(&t), 2500000);
	CHECK_INT(t.bytes, 10000000);
}

TEST("a transfer neither goes back nor beyond its end, and may begin anew")
{
	struct job_transfer t = { .total = 1000 };

	job_transfer_note(&t, TRANSFER_RUNNING, 600, 1000);
	job_transfer_note(&t, TRANSFER_RUNNING, 500, 2000);
	CHECK_INT(t.bytes, 600);
	job_transfer_note(&t, TRANSFER_RUNNING, 4096, 3000); /* whole blocks */
	CHECK_INT(t.bytes, 1000);
	job_transfer_note(&t, TRANSFER_FAILED, 0, 4000);
	CHECK_INT(t.ended_ms, 4000);
	job_transfer_note(&t, TRANSFER_RUNNING, 100, 9000);
	CHECK_INT(t.bytes, 100);
	CHECK_INT(t.began_ms, 9000);
	CHECK_INT(t.ended_ms, 0);
}

TEST_MAIN
