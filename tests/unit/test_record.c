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

TEST_MAIN
