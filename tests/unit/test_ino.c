#include "test.h"

#include <errno.h>

#include "fs/ino.h"

static struct ino_parts parts(uint64_t ino)
{
	struct ino_parts p = { .row = 0 };

	CHECK_INT(ino_parse(ino, &p), 0);
	return p;
}

TEST("the root is 1")
{
	CHECK_INT(ino_top(INO_ROOT), 1);
	CHECK_INT(parts(1).scope, INO_TOP);
	CHECK_INT(parts(1).row, 1);
	CHECK_INT(parts(1).id, 0);
}

TEST("an attempt's number means the job, the attempt and the row")
{
	struct ino_parts p = parts(ino_attempt((INT64_C(1) << 40) - 1, 4095, 81));

	CHECK_INT(p.scope, INO_ATTEMPT);
	CHECK_INT(p.id, (INT64_C(1) << 40) - 1);
	CHECK_INT(p.attempt, 4095);
	CHECK_INT(p.row, 81);
}

TEST("a number means what it was made of")
{
	static const int64_t ids[] = {
		1, 2, 255, 256, 1000000, (INT64_C(1) << 52) - 1
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct ino_parts job = parts(ino_job(ids[i], 77));
		struct ino_parts file = parts(ino_file(ids[i]));

		CHECK_INT(job.scope, INO_JOB);
		CHECK_INT(job.id, ids[i]);
		CHECK_INT(job.row, 77);
		CHECK_INT(file.scope, INO_FILE);
		CHECK_INT(file.id, ids[i]);
	}
	CHECK_INT(parts(ino_file((INT64_C(1) << 60) - 1)).id, (INT64_C(1) << 60) - 1);
	CHECK_INT(parts(ino_host(0, 33)).scope, INO_HOST);
	CHECK_INT(parts(ino_host(0, 33)).id, 0);
	CHECK_INT(parts(ino_host(UINT32_MAX, 255)).id, UINT32_MAX);
	CHECK_INT(parts(ino_host(UINT32_MAX, 255)).row, 255);
}

TEST("no two things share a number")
{
	CHECK(ino_job(1, 1) != ino_top(1));
	CHECK(ino_job(1, 255) < ino_job(2, 1));
	CHECK(ino_file(256 + 64) != ino_job(1, 64));
	CHECK(ino_host(1, 64) != ino_job(1, 64));
	CHECK(ino_host(UINT32_MAX, 255) < ino_file(1));
}

TEST("numbers that are never made are stale")
{
	static const uint64_t never[] = {
		0,
		256,		   /* a job without a row */
		UINT64_C(1) << 60, /* a host without a row */
		UINT64_C(1) << 61, /* file 0 */
		UINT64_C(3) << 60 | 1,
		UINT64_C(1) << 62 | 1,
		UINT64_C(1) << 63 | 1,
		UINT64_MAX,
		UINT64_C(1) << 60 | UINT64_C(1) << 40 |
			1, /* more hosts than there are */
	};
	struct ino_parts p;

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		CHECK_INT(ino_parse(never[i], &p), -ESTALE);
	}
}

TEST_MAIN
