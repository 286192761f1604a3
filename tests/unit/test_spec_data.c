/* What goes in and comes out: inputs and outputs. */
#include "spec_helper.h"

TEST("an input has a name that can be a variable and a directory")
{
	static const struct members rows[] = {
		{ "\"inputs\": {\"a b\": \"k\"}",
		  "12: $.inputs[\"a b\"]: found \"a b\"; expected the name of an "
		  "input: a letter "
		  "or _, then letters, digits, \"_\", \".\", \"-\", at most 64" },
		{ "\"inputs\": {\"\": \"k\"}",
		  "12: $.inputs[\"\"]: found \"\"; expected the name of an input: a "
		  "letter or _, "
		  "then letters, digits, \"_\", \".\", \"-\", at most 64" },
		{ "\"inputs\": {\"1\": \"k\"}",
		  "12: $.inputs[\"1\"]: found \"1\"; expected the name of an input: a "
		  "letter or "
		  "_, then letters, digits, \"_\", \".\", \"-\", at most 64" },
		{ "\"inputs\": {\"a/b\": \"k\"}",
		  "12: $.inputs[\"a/b\"]: found \"a/b\"; expected the name of an "
		  "input: a letter "
		  "or _, then letters, digits, \"_\", \".\", \"-\", at most 64" },
		{ "\"inputs\": {\"a.b\": \"k\", \"A-b\": \"k\"}",
		  "24: $.inputs[\"A-b\"]: its variable would be JOB_INPUT_A_B, as that "
		  "of "
		  "$.inputs[\"a.b\"] is; expected names that differ in letters or "
		  "digits" },
	};

	ALL_REFUSED(rows);
}

TEST("a source is an S3 address or a key of the default bucket")
{
	static const struct members rows[] = {
		{ "\"inputs\": {\"a\": 5}",
		  "17: $.inputs.a: found a number; expected an S3 address such as "
		  "\"s3://BUCKET/KEY\", or an object with \"source\"" },
		{ "\"inputs\": {\"a\": {}}", "17: $.inputs.a: no \"source\"; expected "
					     "{\"source\": \"s3://BUCKET/KEY\"}" },
		{ "\"inputs\": {\"a\": {\"source\": 5}}",
		  "28: $.inputs.a.source: found a number; expected an S3 address such "
		  "as "
		  "\"s3://BUCKET/KEY\"" },
		{ "\"inputs\": {\"a\": \"\"}",
		  "17: $.inputs.a: found an empty string; expected "
		  "an S3 address such as \"s3://BUCKET/KEY\"" },
		{ "\"inputs\": {\"a\": \"s3://\"}",
		  "17: $.inputs.a: found the bucket \"\"; expected 1 to 63 letters, "
		  "digits, "
		  "\".\", \"_\" and \"-\"" },
		{ "\"inputs\": {\"a\": \"s3://b{}t/k\"}",
		  "17: $.inputs.a: found the bucket \"b{}t\"; expected 1 to 63 "
		  "letters, digits, "
		  "\".\", \"_\" and \"-\"" },
		{ "\"inputs\": {\"a\": \"s3://id:hunter2@bkt/k\"}",
		  "17: $.inputs.a: found \"@\" in the name of the bucket; expected "
		  "s3://BUCKET/KEY (credentials do not belong into a spec)" },
		{ "\"inputs\": {\"a\": \"https://bkt.s3.example/k?X-Amz-Signature=1\"}",
		  "17: $.inputs.a: found an address with \"https://\"; expected "
		  "s3://BUCKET/KEY" },
		{ "\"inputs\": {\"a\": \"S3://bkt/k\"}",
		  "17: $.inputs.a: found an address with \"S3://\"; expected "
		  "s3://BUCKET/KEY" },
		{ "\"inputs\": {\"a\": \"/data/x\"}",
		  "17: $.inputs.a: found the local path \"/data/x\"; expected "
		  "s3://BUCKET/KEY or "
		  "a key (your own files go into the job's files/)" },
		{ "\"inputs\": {\"a\": \"../x\"}",
		  "17: $.inputs.a: found the local path \"../x\"; expected "
		  "s3://BUCKET/KEY or a "
		  "key (your own files go into the job's files/)" },
		{ "\"inputs\": {\"a\": \"~/x\"}",
		  "17: $.inputs.a: found the local path \"~/x\"; expected "
		  "s3://BUCKET/KEY or a "
		  "key (your own files go into the job's files/)" },
		{ "\"inputs\": {\"a\": \"s3://bkt//k\"}",
		  "17: $.inputs.a: found two slashes behind the bucket; expected a key "
		  "without "
		  "\"/\" in front" },
		{ "\"inputs\": {\"a\": \"s3://bkt/x/..\"}",
		  "17: $.inputs.a: found a key that ends in \"..\"; expected the key "
		  "of an "
		  "object, or a prefix that ends in /" },
		{ "\"inputs\": {\"a\": \"s3://bkt/.\"}",
		  "17: $.inputs.a: found a key that ends in \".\"; expected the key of "
		  "an object, "
		  "or a prefix that ends in /" },
		{ "\"inputs\": {\"a\": \"s3://bkt/a\\nb\"}",
		  "17: $.inputs.a: found the control character U+000A; expected one "
		  "line of plain "
		  "text" },
	};

	ALL_REFUSED(rows);
	refused_with(
		&bare_context, "{\"run\":\"a\",\n\"inputs\":{\"a\":\"ds/k\"}}",
		"spec.json:2:15: $.inputs.a: found \"ds/k\" without a bucket; expected "
		"s3://BUCKET/KEY (or a default bucket: the daemon's variable "
		"BUCKET_NAME "
		"or s3.bucket in its configuration)");
}

TEST("an input is cached if its spec says so")
{
	static const struct members rows[] = {
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"cache\": 1}}",
		  "42: $.inputs.a.cache: found a number; expected true or false" },
	};
	cleanup_spec struct spec *spec = accepted(
		"{\"run\": \"true\", \"inputs\": {"
		"\"a\": {\"source\": \"k\", \"cache\": true}, "
		"\"b\": {\"source\": \"l\", \"cache\": false}, \"c\": \"m\"}}");

	CHECK(spec->inputs[0].is_cached);
	CHECK(!spec->inputs[1].is_cached);
	CHECK(!spec->inputs[2].is_cached);
	ALL_REFUSED(rows);
}

TEST("a key has at most 1024 bytes, and the name of a file 255")
{
	cleanup_buf struct buf text = BUF_INIT, line = BUF_INIT;
	const char *head = "{\"run\":\"a\",\n\"inputs\":{\"a\":\"s3://bkt/";

	(void)buf_add_str(&text, head);
	add_many(&text, 256, 'k');
	(void)buf_add_str(&text, "\"}}");
	(void)buf_add_str(&line, "spec.json:2:15: $.inputs.a: found \"inputs/a/");
	add_many(&line, 65, 'k');
	(void)buf_add_str(&line,
			  "...\"; expected no name between slashes longer than 255 "
			  "bytes");
	refused(buf_text(&text), buf_text(&line));
	buf_truncate(&text, strlen(head));
	add_many(&text, 1024, 'k');
	(void)buf_add_str(&text, "/\"}}");
	refused(buf_text(&text),
		"spec.json:2:15: $.inputs.a: found a key of 1025 bytes; "
		"expected at most 1024, the limit of S3");
}

TEST("an input lands at a place of its own")
{
	static const struct members rows[] = {
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"\"}}",
		  "41: $.inputs.a.path: found an empty string; expected a path below "
		  "the job's "
		  "directory" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": 1}}",
		  "41: $.inputs.a.path: found a number; expected a path below the "
		  "job's "
		  "directory" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"/x\"}}",
		  "41: $.inputs.a.path: found \"/x\"; expected a path without \"/\" in "
		  "front, it "
		  "is below the job's directory" },
		{ "\"inputs\": {\"a\": {\"source\": \"k/\", \"path\": \"/\"}}",
		  "42: $.inputs.a.path: found \"/\"; expected a path without \"/\" in "
		  "front, it "
		  "is below the job's directory" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"../x\"}}",
		  "41: $.inputs.a.path: found \"../x\"; expected a path without \".\" "
		  "and \"..\" "
		  "parts" },
		{ "\"inputs\": {\"a\": {\"source\": \"k/\", \"path\": \"x//\"}}",
		  "42: $.inputs.a.path: found \"x/\"; expected a path without empty "
		  "parts (no "
		  "\"//\", no \"/\" at the end)" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"files\"}}",
		  "41: $.inputs.a.path: it lands in \"files\"; expected a path outside "
		  "of files/, "
		  "which holds your own files" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"files/\"}}",
		  "41: $.inputs.a.path: it lands in \"files/k\"; expected a path "
		  "outside of "
		  "files/, which holds your own files" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"output/\"}}",
		  "41: $.inputs.a.path: it lands in \"output/k\"; expected a path "
		  "apart from "
		  "\"output\", the output directory" },
		{ "\"outputs\": {\"destination\": \"k\", \"path\": \"o/p\"}, "
		  "\"inputs\": {\"a\": {\"source\": \"k/\", \"path\": \"o\"}}",
		  "90: $.inputs.a.path: it lands in \"o\"; expected a path apart from "
		  "\"o/p\", "
		  "the output directory" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"x\"}, "
		  "\"b\": {\"source\": \"k/\", \"path\": \"x/\"}}",
		  "77: $.inputs.b.path: it lands in \"x\", as $.inputs.a does; "
		  "expected a "
		  "\"path\" of its own" },
		{ "\"inputs\": {\"b\": {\"source\": \"k/\", \"path\": \"x/y/z\"}, "
		  "\"a\": {\"source\": \"k\", \"path\": \"x\"}}",
		  "42: $.inputs.b.path: it lands below \"x\", which is the file of "
		  "$.inputs.a; "
		  "expected a \"path\" of its own" },
		{ "\"inputs\": {\"a\": \"k\", \"b\": {\"source\": \"j\", "
		  "\"path\": \"inputs/a/k/j\"}}",
		  "51: $.inputs.b.path: it lands below \"inputs/a/k\", which is the "
		  "file of "
		  "$.inputs.a; expected a \"path\" of its own" },
	};

	ALL_REFUSED(rows);
}

TEST("10,000 inputs are compared with each other in no time")
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_add_str(&text, "{\"run\":\"a\",\"inputs\":{");
	for (int i = 0; i < 10000; i++) {
		(void)buf_printf(&text, "\"i%d\":\"s3://bkt/%d/k\",\n", i, i);
	}
	buf_truncate(&text, text.len - 2);
	(void)buf_add_str(&text, "}}");
	(void)spec_free(accepted(buf_text(&text)));
}

TEST("a destination is a prefix with placeholders that are known")
{
	static const struct members rows[] = {
		{ "\"outputs\": \"\"",
		  "12: $.outputs: found an empty string; expected an S3 prefix such as "
		  "\"s3://BUCKET/runs/{job}/\"" },
		{ "\"outputs\": {}", "12: $.outputs: no \"destination\"; expected "
				     "{\"destination\": \"s3://BUCKET/PREFIX/\"}" },
		{ "\"outputs\": \"/tmp/x\"",
		  "12: $.outputs: found the local path \"/tmp/x\"; expected "
		  "s3://BUCKET/KEY or a "
		  "key (your own files go into the job's files/)" },
		{ "\"outputs\": \"s3://{job}/x\"",
		  "12: $.outputs: found the bucket \"{job}\"; expected 1 to 63 "
		  "letters, digits, "
		  "\".\", \"_\" and \"-\"" },
		{ "\"outputs\": \"runs/{user}/\"",
		  "12: $.outputs: found \"{user}\"; expected {job} or {id}" },
		{ "\"outputs\": \"runs/{}\"",
		  "12: $.outputs: found \"{}\"; expected {job} or "
		  "{id}" },
		{ "\"outputs\": \"runs//x\"", "12: $.outputs: found \"runs//x\"; "
					      "expected a path without empty parts (no "
					      "\"//\", no \"/\" at the end)" },
		{ "\"outputs\": \"runs/../x/\"",
		  "12: $.outputs: found \"runs/../x\"; expected a path without \".\" "
		  "and \"..\" "
		  "parts" },
	};

	ALL_REFUSED(rows);
}

TEST("the output directory is apart from files/ and inputs/")
{
	static const struct members rows[] = {
		{ "\"outputs\": {\"destination\": \"k\", \"path\": \"\"}",
		  "41: $.outputs.path: found an empty string; expected a directory "
		  "below the "
		  "job's directory" },
		{ "\"outputs\": {\"destination\": \"k\", \"path\": \".\"}",
		  "41: $.outputs.path: found \".\"; expected a path without \".\" and "
		  "\"..\" "
		  "parts" },
		{ "\"outputs\": {\"destination\": \"k\", \"path\": \"files/\"}",
		  "41: $.outputs.path: found \"files\"; expected a directory outside "
		  "of files/ and "
		  "inputs/" },
		{ "\"outputs\": {\"destination\": \"k\", \"path\": \"inputs/x\"}",
		  "41: $.outputs.path: found \"inputs/x\"; expected a directory "
		  "outside of files/ "
		  "and inputs/" },
		{ "\"outputs\": {\"destination\": \"k\", \"exclude\": [\"\"]}",
		  "45: $.outputs.exclude[0]: found an empty string; expected a pattern "
		  "such as "
		  "\"*.log\"" },
		{ "\"outputs\": {\"destination\": \"k\", \"exclude\": [\"a\", 5]}",
		  "50: $.outputs.exclude[1]: found a number; expected a pattern such "
		  "as "
		  "\"*.log\"" },
	};

	ALL_REFUSED(rows);
}

TEST("checkpoints go to a place of their own, from a directory of their own")
{
	static const struct members rows[] = {
		{ "\"checkpoints\": {}",
		  "16: $.checkpoints: no \"destination\"; expected "
		  "{\"destination\": \"s3://BUCKET/PREFIX/\"}" },
		{ "\"checkpoints\": 5",
		  "16: $.checkpoints: found a number; expected an S3 prefix, or an "
		  "object with \"destination\"" },
		{ "\"checkpoints\": \"c/{x}\"",
		  "16: $.checkpoints: found \"{x}\"; expected {job} or {id}" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"path\": \"files/c\"}",
		  "45: $.checkpoints.path: found \"files/c\"; expected a directory "
		  "outside of files/ and inputs/" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"path\": \"../c\"}",
		  "45: $.checkpoints.path: found \"../c\"; expected a path without "
		  "\".\" and \"..\" parts" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"path\": \"output/c\"}",
		  "45: $.checkpoints.path: found \"output/c\"; expected a directory "
		  "apart from \"output\", the output directory" },
		{ "\"outputs\": \"s3://bkt/a/\", \"checkpoints\": \"s3://bkt/a\"",
		  "42: $.checkpoints: the outputs go there too; expected a destination "
		  "of its own" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"interval\": 0}",
		  "49: $.checkpoints.interval: found 0; expected more than 0 and at "
		  "most 366 days" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"settle\": -1}",
		  "47: $.checkpoints.settle: found -1; expected 0 or more and at most "
		  "366 days" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"resume\": 1}",
		  "47: $.checkpoints.resume: found a number; expected true or false" },
		{ "\"checkpoints\": {\"destination\": \"c\", \"keep\": 1}",
		  "37: $.checkpoints.keep: unknown key \"keep\"; expected one of: "
		  "path, "
		  "destination, interval, settle, resume" },
		{ "\"checkpoints\": \"c\", \"inputs\": {\"a\": {\"source\": \"k/\", "
		  "\"path\": \"checkpoints/a\"}}",
		  "62: $.inputs.a.path: it lands in \"checkpoints/a\"; expected a path "
		  "apart from \"checkpoints\", the checkpoint directory" },
	};
	cleanup_spec struct spec *spec =
		accepted("{\"run\":\"a\",\"checkpoints\":\"s3://bkt/c/{job}\"}");
	const struct spec_checkpoints *c = &spec->checkpoints;

	ALL_REFUSED(rows);
	CHECK(spec->has_checkpoints && c->resume);
	CHECK_STR(c->path, "checkpoints");
	CHECK_STR(c->bucket, "bkt");
	CHECK_STR(c->prefix, "c/{job}/");
	CHECK_INT(c->interval_ms, 600000);
	CHECK_INT(c->settle_ms, 30000);
}

TEST("placeholders are replaced once, whatever the job is called")
{
	cleanup_spec struct spec *spec = accepted(
		"{\"run\":\"a\",\"outputs\":\"s3://bkt/r/{job}/{id}-{job}/{x\"}");
	cleanup_spec struct spec *none = accepted("{\"run\":\"a\"}");
	cleanup_spec struct spec *top =
		accepted("{\"run\":\"a\",\"outputs\":\"s3://bkt/\"}");
	cleanup_buf struct buf out = BUF_INIT;

	CHECK_INT(spec_expand_destination(spec->destination_prefix, "{id} \xc3\xa4%s",
					  "9f{job}", &out),
		  0);
	CHECK_STR(buf_text(&out), "r/{id} \xc3\xa4%s/9f{job}-{id} \xc3\xa4%s/{x/");
	buf_truncate(&out, 0);
	CHECK_INT(spec_expand_destination(top->destination_prefix, "a", "b", &out), 0);
	CHECK_INT(spec_expand_destination(none->destination_prefix, "a", "b", &out), 0);
	CHECK_STR(buf_text(&out), "");
}

TEST_MAIN
