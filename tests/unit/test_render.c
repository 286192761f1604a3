#include "test.h"

#include <json-c/json.h>

#include "fs/render.h"
#include "job/quantity.h"

static struct job_record *new_record(void)
{
	struct job_record *r = job_record_new();

	CHECK(r != NULL);
	memcpy(r->key, "0123456789abcdef", JOB_KEY_LEN + 1);
	CHECK_INT(job_set_text(&r->name, "exp1"), 0);
	CHECK_INT(job_set_text(&r->message, ""), 0);
	r->created_ms = 1700000000123;
	return r;
}

static void add_transfer(struct job_record *r, const char *name, int64_t bytes,
			 int64_t total, enum job_transfer_state state)
{
	struct job_transfer *t;

	r->transfers =
		reallocarray(r->transfers, r->n_transfers + 1, sizeof(*r->transfers));
	CHECK(r->transfers != NULL);
	t = &r->transfers[r->n_transfers++];
	*t = (struct job_transfer){ .bytes = bytes, .total = total, .state = state };
	t->name = strdup(name);
	t->uri = strdup("s3://b/k");
	CHECK(t->name && t->uri);
}

static const char *rendered(struct buf *b, int result)
{
	CHECK_INT(result, 0);
	return buf_text(b);
}

static void check_bytes(int64_t bytes, const char *want)
{
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_STR(rendered(&b, size_print(bytes, &b)), want);
}

TEST("a host that is drained says so")
{
	char name[] = "gpu-a";
	struct conf_host conf = { .name = name, .address = name, .user = name };
	struct engine_host host = { .conf = &conf,
				    .status = "draining",
				    .is_drained = true };
	cleanup_buf struct buf out = BUF_INIT;

	CHECK_INT(render_host_status_json(&host, &out), 0);
	CHECK(strstr(buf_text(&out), "\"status\":\"draining\",\"drained\":true,"));
}

TEST("a link of by-state leads to the job from there")
{
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_record struct job_record *r = job_record_new();

	CHECK(r && job_set_text(&r->name, "a job") == 0);
	CHECK_INT(render_link(r, &out), 0);
	CHECK_STR(buf_text(&out), "../../../a job");
}

TEST("bytes are told in the largest unit that they fill")
{
	check_bytes(0, "0 B");
	check_bytes(1023, "1023 B");
	check_bytes(1024, "1.0 KiB");
	check_bytes(1536, "1.5 KiB");
	check_bytes((1 << 20) - 1, "1.0 MiB");
	check_bytes(INT64_C(100) << 30, "100.0 GiB");
	check_bytes(INT64_MAX, "8.0 EiB");
}

TEST("a line ends with one newline")
{
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_STR(rendered(&b, render_line("a", &b)), "a\n");
	CHECK_STR(rendered(&b, render_line("b\n", &b)), "a\nb\n");
	CHECK_STR(rendered(&b, render_line(NULL, &b)), "a\nb\n");
}

TEST("status is the state and a newline")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	r->state = JOB_DOWNLOADING;
	CHECK_STR(rendered(&b, render_status(r, &b)), "DOWNLOADING\n");
}

TEST("status.json of a new job says null where nothing is known")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_STR(
		rendered(&b, render_status_json(r, 0, &b)),
		"{\"name\":\"exp1\",\"id\":\"0123456789abcdef\",\"state\":\"NEW\","
		"\"reason\":null,\"class\":null,\"message\":\"\",\"attempt\":0,"
		"\"priority\":50,"
		"\"host\":null,\"gpus\":[],\"queue_position\":null,\"exit_code\":null,"
		"\"cancel_requested\":false,\"unreachable_since\":null,"
		"\"owner\":{\"uid\":0,\"gid\":0},"
		"\"times\":{\"created\":\"2023-11-14T22:13:20.123Z\","
		"\"submitted\":null,\"started\":null,\"exited\":null,\"ended\":null,"
		"\"changed\":null},"
		"\"bytes\":{\"log\":0,\"inputs\":0,\"outputs\":0},"
		"\"outputs\":null,\"outputs_count\":0,\"checkpoint\":null,"
		"\"transfers\":[]}\n");
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	CHECK(json_object_object_get_ex(object, key, &value));
	return value;
}

TEST("status.json stays JSON whatever the texts in it")
{
	static const char hostile[] = "a\"b\\c\nd\x01\x7f\xff\xc3\xa9";
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;
	struct json_object *o;

	CHECK_INT(job_set_text(&r->name, hostile), 0);
	CHECK_INT(job_set_text(&r->message, hostile), 0);
	CHECK_INT(job_set_text(&r->attempt.host, hostile), 0);
	CHECK_INT(job_set_text(&r->attempt.gpus, "0,3"), 0);
	CHECK_INT(job_set_text(&r->outputs_uri, hostile), 0);
	r->state = JOB_FAILED;
	r->reason = REASON_NON_ZERO_EXIT;
	r->exit_code = 3;
	r->outputs_bytes = INT64_MAX;
	add_transfer(r, hostile, 1, -1, TRANSFER_FAILED);
	o = json_tokener_parse(rendered(&b, render_status_json(r, 7, &b)));
	CHECK(o != NULL);
	CHECK_STR(json_object_get_string(member(o, "message")),
		  "a\"b\\c\nd\x01\x7f\xef\xbf\xbd\xc3\xa9");
	CHECK_STR(json_object_get_string(member(o, "reason")), "NonZeroExit");
	CHECK_STR(json_object_get_string(member(o, "class")), "user");
	CHECK_INT(json_object_get_int(member(o, "exit_code")), 3);
	CHECK_INT(json_object_get_int(member(o, "queue_position")), 7);
	CHECK_STR(json_object_to_json_string_ext(member(o, "gpus"), 0), "[0,3]");
	CHECK_INT(json_object_get_int64(member(member(o, "bytes"), "outputs")),
		  INT64_MAX);
	o = (json_object_put(o), NULL);
	CHECK(b.data[b.len - 1] == '\n' && strlen(b.data) == b.len);
	CHECK(strchr(b.data, '\n') == b.data + b.len - 1);
}

TEST("the inputs' bytes are summed without those of the outputs")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	add_transfer(r, "train", 5, 10, TRANSFER_RUNNING);
	add_transfer(r, "eval", 6, 6, TRANSFER_DONE);
	add_transfer(r, "outputs", 1000, -1, TRANSFER_WAITING);
	CHECK(strstr(rendered(&b, render_status_json(r, 0, &b)), "\"inputs\":11,"));
}

TEST("progress has a headline and a line for each transfer")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	r->state = JOB_DOWNLOADING;
	CHECK_INT(job_set_text(&r->attempt.host, "gpu1"), 0);
	CHECK_INT(job_set_text(&r->message, "fetching"), 0);
	add_transfer(r, "train", 50 << 20, 100 << 20, TRANSFER_RUNNING);
	add_transfer(r, "eval-set", 0, 0, TRANSFER_DONE);
	add_transfer(r, "x", 17, -1, TRANSFER_WAITING);
	CHECK_STR(
		rendered(&b, render_progress(r, 0, &b)),
		"DOWNLOADING on gpu1: fetching\n"
		"train    [##########..........]  50%  50.0 MiB of 100.0 MiB  running\n"
		"eval-set [####################] 100%  0 B of 0 B  done\n"
		"x        [....................]   ?   17 B  waiting\n");
}

TEST("a bar is full only when nothing is missing")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	add_transfer(r, "a", (INT64_C(1) << 60) - 1, INT64_C(1) << 60,
		     TRANSFER_RUNNING);
	add_transfer(r, "b", 999, 1000, TRANSFER_RUNNING);
	CHECK(strstr(rendered(&b, render_progress(r, 0, &b)),
		     "[###################.]  99%"));
}

TEST("progress tells how fast it goes, and when it is over")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	add_transfer(r, "train", 1 << 20, 5 << 20, TRANSFER_RUNNING);
	r->transfers[0].rate = 2 << 20;
	r->transfers[0].began_ms = 1000;
	CHECK(strstr(rendered(&b, render_progress(r, 0, &b)),
		     "1.0 MiB of 5.0 MiB  2.0 MiB/s  2 s left  running\n"));
	buf_truncate(&b, 0);
	CHECK(strstr(rendered(&b, render_status_json(r, 0, &b)),
		     "\"bytes_per_s\":2097152,\"eta_s\":2}"));
	r->transfers[0].state = TRANSFER_DONE;
	r->transfers[0].bytes = 5 << 20;
	r->transfers[0].ended_ms = 6000;
	buf_truncate(&b, 0);
	CHECK(strstr(rendered(&b, render_progress(r, 0, &b)),
		     "5.0 MiB of 5.0 MiB  1.0 MiB/s  done\n"));
	buf_truncate(&b, 0);
	CHECK(strstr(rendered(&b, render_status_json(r, 0, &b)),
		     "\"bytes_per_s\":1048576,\"eta_s\":null}"));
}

TEST("the last checkpoint is told")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	r->checkpoint_ms = 1700000000000;
	r->checkpoint_bytes = 5 << 20;
	r->checkpoint_count = 3;
	CHECK_INT(job_set_text(&r->checkpoint_uri, "s3://b/\"c/"), 0);
	CHECK(strstr(rendered(&b, render_status_json(r, 0, &b)),
		     "\"checkpoint\":{\"last\":\"2023-11-14T22:13:20.000Z\","
		     "\"bytes\":5242880,\"count\":3,\"uri\":\"s3://b/\\\"c/\"}"));
	buf_truncate(&b, 0);
	CHECK(strstr(rendered(&b, render_progress(r, 0, &b)),
		     "checkpoint of 2023-11-14T22:13:20.000Z: 3 files, 5.0 MiB\n"));
}

TEST("progress and status.json tell what came from the cache")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	r->state = JOB_RUNNING;
	add_transfer(r, "train", 3 << 20, 3 << 20, TRANSFER_DONE);
	r->transfers[0].cached = 2 << 20;
	r->transfers[0].began_ms = 1000;
	r->transfers[0].ended_ms = 2000;
	CHECK(strstr(rendered(&b, render_progress(r, 0, &b)),
		     " 3.0 MiB of 3.0 MiB  1.0 MiB/s  done, 2.0 MiB from the "
		     "cache\n"));
	CHECK(strstr(rendered(&b, render_status_json(r, 0, &b)),
		     "\"cached\":2097152,"));
}

TEST("progress tells the place in the queue, and a host that is silent")
{
	cleanup_record struct job_record *r = new_record();
	cleanup_buf struct buf b = BUF_INIT;

	r->state = JOB_QUEUED;
	CHECK_STR(rendered(&b, render_progress(r, 3, &b)),
		  "QUEUED, place 3 in the queue\n");
	buf_truncate(&b, 0);
	r->state = JOB_RUNNING;
	r->unreachable_ms = 1700000000123;
	CHECK_INT(job_set_text(&r->attempt.host, "gpu1"), 0);
	CHECK_STR(rendered(&b, render_progress(r, 0, &b)),
		  "RUNNING on gpu1\n"
		  "host gpu1 has not answered since 2023-11-14T22:13:20.123Z (the job "
		  "goes on"
		  " there)\n");
}

TEST("a host's status is one word, its status.json one object")
{
	char *labels[] = { (char *)"gpu=h100", (char *)"odd", NULL };
	struct conf_host conf = { .name = (char *)"gpu1",
				  .address = (char *)"10.0.0.5",
				  .port = 22,
				  .user = (char *)"u",
				  .gpus = 8,
				  .slots = 4,
				  .labels = labels };
	struct engine_host host = { .conf = &conf,
				    .status = "down",
				    .text = "no \"route\"",
				    .slots_used = 2,
				    .bytes_in = 5 };
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_STR(rendered(&b, render_host_status(&host, &b)), "down\n");
	buf_truncate(&b, 0);
	CHECK_STR(rendered(&b, render_host_status_json(&host, &b)),
		  "{\"name\":\"gpu1\",\"status\":\"down\",\"drained\":false,"
		  "\"message\":\"no "
		  "\\\"route\\\"\","
		  "\"address\":\"10.0.0.5\",\"port\":22,\"user\":\"u\",\"slots\":4,"
		  "\"slots_used\":2,\"gpus\":8,\"gpus_used\":0,\"labels\":{\"gpu\":"
		  "\"h100\"},"
		  "\"connects\":0,\"bytes_in\":5,\"bytes_out\":0}\n");
}

TEST_MAIN
