#include "test.h"

#include <sys/stat.h>

#include "fs/node.h"

static const struct node *find(enum node_id parent, const char *name)
{
	const struct node *node = node_find(parent, name);

	CHECK(node != NULL);
	return node;
}

TEST("each row is found by its number and by its name")
{
	int rows = 0;

	for (unsigned i = 0; i < NODE_ID_END; i++) {
		const struct node *node = node_get(i);

		if (!node) {
			continue;
		}
		rows++;
		CHECK_INT(node->id, i);
		if (node->name) {
			CHECK(node_find(node->parent, node->name) == node);
		}
	}
	CHECK(rows > 20);
	CHECK(node_get(NODE_NONE) == NULL);
	CHECK(node_get(100000) == NULL);
	CHECK(node_find(NODE_JOB, "nothing") == NULL);
	CHECK(node_find(NODE_STATUS, "status") == NULL);
}

TEST("rows have what their content needs")
{
	for (unsigned i = 0; i < NODE_ID_END; i++) {
		const struct node *node = node_get(i);

		if (!node) {
			continue;
		}
		CHECK_INT(S_ISDIR(node->mode), node->content == CONTENT_DIR);
		CHECK_INT(node->render != NULL, node->content == CONTENT_TEXT ||
							node->content == CONTENT_LINK);
		CHECK_INT(S_ISLNK(node->mode), node->content == CONTENT_LINK);
		CHECK(node->more == MORE_NONE || node->content == CONTENT_DIR);
		CHECK(!node->exists || node->scope == INO_JOB ||
		      node->scope == INO_ATTEMPT);
		if (node->name) { /* of a directory of the same kind, or the root */
			const struct node *parent = node_get(node->parent);

			CHECK(parent && parent->content == CONTENT_DIR);
			CHECK_INT(parent->scope, node->scope);
		}
	}
}

TEST("rows of a directory come in the order of their numbers, each once")
{
	unsigned last = 0, n = 0;

	for (const struct node *node = node_next(NODE_JOB, 0); node;
	     node = node_next(NODE_JOB, node->id)) {
		CHECK(node->id > last);
		last = node->id;
		n++;
	}
	CHECK_INT(n, 16);
}

/* The contract of DESIGN: names of a job's files. */
TEST("a job has the files of the design")
{
	static const char *const names[] = {
		"spec.json", "files",	   "status",	    "status.json",
		"progress",  "log",	   "transfer.log",  "events.jsonl",
		"exit_code", "outputs.s3", "outputs.jsonl", "error",
		"ctl",	     "metrics.jsonl",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)find(NODE_JOB, names[i]);
	}
}

/* They are in inode numbers, which are the same after every restart and upgrade. */
TEST("numbers of rows never change")
{
	CHECK_INT(NODE_ROOT, 1);
	CHECK_INT(NODE_DOT, 2);
	CHECK_INT(NODE_HOST, 32);
	CHECK_INT(NODE_JOB, 64);
	CHECK_INT(NODE_FILES, 66);
	CHECK_INT(NODE_STATUS, 67);
	CHECK_INT(NODE_LOG, 70);
	CHECK_INT(NODE_CTL, 77);
	CHECK_INT(NODE_SPEC, 78);
	CHECK_INT(NODE_STATE + JOB_RUNNING, 21);
	CHECK_INT(NODE_LINK + JOB_CANCELLED, 122);
}

TEST("each state has its directory, with a link for each job in it and no other")
{
	cleanup_record struct job_record *r = job_record_new();

	CHECK(r != NULL);
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		enum job_state state = (enum job_state)i;
		const struct node *dir = find(NODE_BY_STATE, job_state_name(state));
		const struct node *link = node_get(NODE_LINK + (unsigned)i);

		CHECK_INT(dir->id, NODE_STATE + i);
		CHECK(dir->more == MORE_LINKS && dir->state == state);
		CHECK(link && link->parent == dir->id && node_may_go(link));
		for (int other = 0; other < JOB_STATE_COUNT; other++) {
			r->state = (enum job_state)other;
			CHECK_INT(node_exists(link, r), other == i);
		}
	}
	CHECK_INT(node_count_dirs(node_get(NODE_BY_STATE)), JOB_STATE_COUNT);
	CHECK(node_get(NODE_STATE + JOB_STATE_COUNT) == NULL);
}

TEST("directories that are always there are counted, others not")
{
	CHECK_INT(node_count_dirs(node_get(NODE_JOB)), 1); /* files, not attempts */
	CHECK_INT(node_count_dirs(node_get(NODE_ROOT)), 1);
	CHECK_INT(node_count_dirs(node_get(NODE_DOT)), 2);
	CHECK_INT(node_count_dirs(node_get(NODE_HOST)), 0);
}

TEST("error comes before spec.json, with which rm takes it away")
{
	CHECK(find(NODE_JOB, "error")->id < find(NODE_JOB, "spec.json")->id);
}

TEST("presence is information")
{
	cleanup_record struct job_record *r = job_record_new();
	const struct node *exit_code = find(NODE_JOB, "exit_code");
	const struct node *uri = find(NODE_JOB, "outputs.s3");
	const struct node *list = find(NODE_JOB, "outputs.jsonl");
	const struct node *error = find(NODE_JOB, "error");

	CHECK(r != NULL);
	CHECK(!exit_code->exists(r) && !uri->exists(r) && !list->exists(r));
	CHECK(!error->exists(r));
	r->exit_code = 0;
	r->stream_size[STREAM_OUTPUTS] = 1;
	CHECK_INT(job_set_text(&r->outputs_uri, "s3://b/k"), 0);
	CHECK_INT(job_set_text(&r->error, "x"), 0);
	CHECK(exit_code->exists(r) && uri->exists(r) && list->exists(r));
	CHECK(error->exists(r));
	CHECK(find(NODE_JOB, "log")->exists == NULL);
}

TEST("files can be written until the job is accepted and has them")
{
	cleanup_record struct job_record *r = job_record_new();

	CHECK(r != NULL);
	CHECK(node_is_writable(r, true) && node_is_writable(r, false));
	r->is_accepted = true;
	r->state = JOB_QUEUED;
	CHECK(!node_is_writable(r, true) && !node_is_writable(r, false));
	r->reason = REASON_WAITING_FOR_FILES;
	CHECK(node_is_writable(r, true) && !node_is_writable(r, false));
	r->state = JOB_CANCELLED;
	CHECK(!node_is_writable(r, true));
}

TEST("a file changes when what is in it does")
{
	cleanup_record struct job_record *r = job_record_new();

	CHECK(r != NULL);
	r->created_ms = 1;
	CHECK_INT(node_changed_ms(find(NODE_JOB, "status"), r), 1);
	CHECK_INT(node_changed_ms(find(NODE_JOB, "log"), r), 1);
	r->changed_ms = 2;
	r->submitted_ms = 3;
	r->written_ms[STREAM_LOG] = 4;
	r->written_ms[STREAM_EVENTS] = 5;
	CHECK_INT(node_changed_ms(find(NODE_JOB, "status"), r), 2);
	CHECK_INT(node_changed_ms(node_get(NODE_JOB), r), 2);
	CHECK_INT(node_changed_ms(find(NODE_JOB, "spec.json"), r), 3);
	CHECK_INT(node_changed_ms(find(NODE_JOB, "log"), r), 4);
	CHECK_INT(node_changed_ms(find(NODE_JOB, "events.jsonl"), r), 5);
	CHECK_INT(node_changed_ms(find(NODE_JOB, "transfer.log"), r), 1);
	CHECK_INT(node_changed_ms(find(NODE_JOB, "ctl"), r), 1);
}

static unsigned compare(enum node_id id, const struct job_record *before,
			const struct job_record *after)
{
	return node_compare(node_get(id), before, after);
}

TEST("a record that says the same changes nothing but what tells of all")
{
	struct job_record a = { .state = JOB_RUNNING,
				.exit_code = -1,
				.created_ms = 1 };
	struct job_record b = a;

	for (unsigned i = 0; i < NODE_ID_END; i++) {
		const struct node *node = node_get(i);

		if (node && node->scope == INO_JOB && i != NODE_STATUS_JSON &&
		    node->content != CONTENT_LINK) {
			CHECK_INT(compare(i, &a, &b), 0);
		}
	}
	CHECK_INT(compare(NODE_STATUS_JSON, &a, &b), NODE_TEXT | NODE_ATTR);
}

TEST("a transition changes and closes the status")
{
	struct job_record a = { .state = JOB_QUEUED, .exit_code = -1, .changed_ms = 1 };
	struct job_record b = { .state = JOB_RUNNING,
				.exit_code = -1,
				.changed_ms = 2 };

	CHECK_INT(compare(NODE_STATUS, &a, &b), NODE_TEXT | NODE_ATTR | NODE_CLOSED);
	CHECK_INT(compare(NODE_STATUS_JSON, &a, &b),
		  NODE_TEXT | NODE_ATTR | NODE_CLOSED);
	CHECK_INT(compare(NODE_LOG, &a, &b), 0);
	CHECK_INT(compare(NODE_JOB, &a, &b), NODE_ATTR);
}

TEST("a stream that grows is changed, and closed when the job has ended")
{
	struct job_record a = { .state = JOB_RUNNING, .exit_code = -1 };
	struct job_record b = { .state = JOB_RUNNING, .exit_code = -1 };
	struct job_record c = { .state = JOB_SUCCEEDED, .exit_code = -1 };

	b.stream_size[STREAM_LOG] = c.stream_size[STREAM_LOG] = 10;
	b.written_ms[STREAM_LOG] = c.written_ms[STREAM_LOG] = 5;
	CHECK_INT(compare(NODE_LOG, &a, &b), NODE_TEXT | NODE_ATTR);
	CHECK_INT(compare(NODE_TRANSFER_LOG, &a, &b), 0);
	CHECK_INT(compare(NODE_LOG, &b, &c), NODE_CLOSED);
}

TEST("what comes appears, and what goes vanishes")
{
	char text[] = "wrong", other[] = "still wrong";
	struct job_record a = { .exit_code = -1 };
	struct job_record b = { .exit_code = 3, .error = text };
	struct job_record c = { .exit_code = 3, .error = other };

	CHECK_INT(compare(NODE_EXIT_CODE, &a, &b),
		  NODE_APPEARED | NODE_TEXT | NODE_ATTR | NODE_CLOSED);
	CHECK_INT(compare(NODE_ERROR, &a, &b),
		  NODE_APPEARED | NODE_TEXT | NODE_ATTR | NODE_CLOSED);
	CHECK_INT(compare(NODE_ERROR, &b, &c), NODE_TEXT | NODE_ATTR | NODE_CLOSED);
	CHECK_INT(compare(NODE_ERROR, &b, &a), NODE_VANISHED);
	CHECK_INT(compare(NODE_OUTPUTS, &a, &b), 0);
}

TEST("a directory that appears has nothing to be read")
{
	struct job_record a = { .exit_code = -1 };
	struct job_record b = { .exit_code = -1, .n_attempts = 1 };

	CHECK_INT(compare(NODE_ATTEMPTS, &a, &b), NODE_APPEARED | NODE_ATTR);
}

TEST("another mode or owner changes the attributes of all rows of the job")
{
	struct job_record a = { .mode = 0770, .exit_code = -1 };
	struct job_record b = { .mode = 0700, .exit_code = -1 };

	CHECK_INT(compare(NODE_JOB, &a, &b), NODE_ATTR);
	CHECK_INT(compare(NODE_LOG, &a, &b), NODE_ATTR);
	CHECK_INT(compare(NODE_STATUS, &a, &b), NODE_ATTR);
}

TEST_MAIN
