#include "test.h"

#include "fs/ino.h"
#include "fs/known.h"
#include "fs/node.h"

TEST("a family is known from its first lookup until all are forgotten")
{
	struct known known;
	uint64_t status = ino_job(7, 67), log = ino_job(7, 70);

	known_init(&known);
	CHECK(!known_has(&known, status));
	known_add(&known, status);
	known_add(&known, status);
	known_add(&known, log);
	CHECK(known_has(&known, ino_job(7, 64)));
	CHECK(!known_has(&known, ino_job(8, 64)));
	known_forget(&known, status, 2);
	CHECK(known_has(&known, status));
	known_forget(&known, log, 1);
	CHECK(!known_has(&known, status));
	known_fini(&known);
}

TEST("of a family those are known that were looked up")
{
	struct known known;

	known_init(&known);
	CHECK(!known_has_row(&known, ino_job(7, 67)));
	known_add(&known, ino_job(7, 67));
	CHECK(known_has_row(&known, ino_job(7, 67)));
	CHECK(!known_has_row(&known, ino_job(7, 70)));
	known_forget(&known, ino_job(7, 67), 1);
	CHECK(!known_has_row(&known, ino_job(7, 67)));
	known_fini(&known);
}

TEST("what is forgotten more often than it was looked up is not known")
{
	struct known known;

	known_init(&known);
	known_forget(&known, ino_job(1, 64), 3);
	known_add(&known, ino_job(1, 64));
	known_forget(&known, ino_job(1, 64), 3);
	CHECK(!known_has(&known, ino_job(1, 64)));
	known_fini(&known);
}

TEST("hosts and the rest are families too, files of the user are none")
{
	struct known known;

	known_init(&known);
	known_add(&known, ino_host(3, 33));
	known_add(&known, ino_top(7));
	known_add(&known, ino_file(99));
	CHECK(known_has(&known, ino_host(3, 32)));
	CHECK(!known_has(&known, ino_host(4, 32)));
	CHECK(known_has(&known, ino_top(1)));
	CHECK(!known_has(&known, ino_file(99)));
	known_fini(&known);
}

TEST("the directory of a state is a family of its own")
{
	struct known known;

	known_init(&known);
	known_add(&known, ino_top(NODE_BY_STATE));
	CHECK(!known_has(&known, ino_top(NODE_STATE + JOB_RUNNING)));
	known_add(&known, ino_top(NODE_STATE + JOB_RUNNING));
	CHECK(known_has(&known, ino_top(NODE_STATE + JOB_RUNNING)));
	CHECK(!known_has(&known, ino_top(NODE_STATE + JOB_QUEUED)));
	known_forget(&known, ino_top(NODE_STATE + JOB_RUNNING), 1);
	CHECK(!known_has(&known, ino_top(NODE_STATE + JOB_RUNNING)));
	CHECK(known_has(&known, ino_top(NODE_BY_STATE)));
	known_fini(&known);
}

TEST("a hundred thousand jobs are told from each other")
{
	struct known known;

	known_init(&known);
	for (int64_t job = 1; job <= 100000; job += 2) {
		known_add(&known, ino_job(job, 64));
	}
	for (int64_t job = 1; job <= 100000; job++) {
		CHECK_INT(known_has(&known, ino_job(job, 67)), job % 2);
	}
	for (int64_t job = 1; job <= 100000; job += 2) {
		known_forget(&known, ino_job(job, 64), 1);
	}
	for (int64_t job = 1; job <= 100000; job++) {
		CHECK(!known_has(&known, ino_job(job, 67)));
	}
	known_fini(&known);
}

TEST_MAIN
