/* The rules of a spec, each with the exact line that a user reads. The wrong specs that
 * are generated are in test_spec_wrong.c, the moment of submission is in
 * test_spec_shape.c. */
#include "job/spec.h"

#include <errno.h>

#include "job/problems.h"
#include "test.h"

static int host_gpus(const void *arg, const char *host)
{
	(void)arg;
	return streq(host, "gpu-a") ? 8 : 2;
}

static const char *const host_names[] = { "gpu-a", "gpu-b", "big", "c1", "c2",
					  "c3",	   "c4",    "c5",  "c6", NULL };
static const struct spec_context context = {
	.default_bucket = "models",
	.host_names = host_names,
	.host_gpus = host_gpus,
	.max_gpus = 8,
};
static const struct spec_context bare_context = { .default_bucket = NULL };

static void refused_with(const struct spec_context *with, const char *text,
			 const char *lines)
{
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	CHECK_INT(spec_parse(text, strlen(text), with, &spec, &e), -EINVAL);
	CHECK_STR(e.text, lines);
	CHECK(!spec);
	CHECK_INT(spec_shape(text, strlen(text)), SPEC_COMPLETE);
}

static void refused(const char *text, const char *lines)
{
	refused_with(&context, text, lines);
}

static struct spec *accepted_with(const struct spec_context *with, const char *text)
{
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	CHECK_STR((spec_parse(text, strlen(text), with, &spec, &e), e.text), "");
	CHECK(spec);
	CHECK_INT(spec_shape(text, strlen(text)), SPEC_COMPLETE);
	return spec;
}

static struct spec *accepted(const char *text)
{
	return accepted_with(&context, text);
}

/* Members that follow "run", in line 2. */
struct members {
	const char *text;
	const char *line; /* behind "spec.json:2:" */
};

static void all_refused(const struct members *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_buf struct buf text = BUF_INIT, line = BUF_INIT;

		(void)buf_printf(&text, "{ \"run\": \"true\",\n%s }\n", rows[i].text);
		(void)buf_printf(&line, "spec.json:2:%s", rows[i].line);
		CHECK(!text.error && !line.error);
		refused(text.data, line.data);
	}
}
#define ALL_REFUSED(rows) all_refused((rows), ARRAY_SIZE(rows))

static void all_accepted(const char *const *members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_buf struct buf text = BUF_INIT;

		CHECK(buf_printf(&text, "{ \"run\": \"true\",\n%s }\n", members[i]) ==
		      0);
		(void)spec_free(accepted(text.data));
	}
}
#define ALL_ACCEPTED(members) all_accepted((members), ARRAY_SIZE(members))

/* ---- what is right ---- */

TEST("the first job of the manual is accepted")
{
	cleanup_spec struct spec *spec =
		accepted("{ \"inputs\":  { \"train\": \"s3://bkt/ds/train.csv\",\n"
			 "               \"eval\": \"s3://bkt/ds/eval/\", \"config\": "
			 "\"configs/run.yaml\" },\n"
			 "  \"script\":  \"train.sh\",\n"
			 "  \"outputs\": \"s3://bkt/runs/exp1/\" }\n");

	CHECK_INT(spec->n_inputs, 3);
	CHECK_STR(spec->inputs[0].name, "train");
	CHECK_STR(spec->inputs[0].variable, "TRAIN");
	CHECK_STR(spec->inputs[0].bucket, "bkt");
	CHECK_STR(spec->inputs[0].key, "ds/train.csv");
	CHECK_STR(spec->inputs[0].path, "inputs/train/train.csv");
	CHECK(!spec->inputs[0].is_prefix);
	CHECK_STR(spec->inputs[1].key, "ds/eval/");
	CHECK_STR(spec->inputs[1].path, "inputs/eval");
	CHECK(spec->inputs[1].is_prefix);
	CHECK_STR(spec->inputs[2].bucket, "models");
	CHECK_STR(spec->inputs[2].key, "configs/run.yaml");
	CHECK_STR(spec->inputs[2].path, "inputs/config/run.yaml");
	CHECK_INT(spec->program, SPEC_SCRIPT);
	CHECK_STR(spec->script, "train.sh");
	CHECK(spec->has_outputs);
	CHECK_STR(spec->destination_bucket, "bkt");
	CHECK_STR(spec->destination_prefix, "runs/exp1/");
}

TEST("what is not said has its default")
{
	cleanup_spec struct spec *spec = accepted("{\"run\":\"true\"}");

	CHECK(spec->n_labels == 0 && spec->n_inputs == 0 && spec->n_env == 0);
	CHECK(!spec->host && !spec->setup && !spec->image && !spec->argv);
	CHECK(!spec->s3_region && !spec->s3_endpoint);
	CHECK_INT(spec->gpus, 0);
	CHECK_INT(spec->run_limit_ms, 0);
	CHECK(spec->args && !spec->args[0]);
	CHECK(!spec->has_outputs && !spec->destination_prefix);
	CHECK_STR(spec->output_path, "output");
	CHECK_STR(spec->exclude[0], "*.log");
	CHECK_STR(spec->exclude[1], "logs/**");
	CHECK(!spec->exclude[2]);
}

TEST("every key of a full spec arrives")
{
	cleanup_spec struct spec *spec =
		accepted("{ \"version\": 1, \"labels\": { \"team\": \"vision\", \"a "
			 "b\": \"\" },\n"
			 "  \"resources\": { \"host\": \"gpu-a\", \"gpus\": 8 },\n"
			 "  \"inputs\": { \"a.b-c\": { \"source\": "
			 "\"s3://bkt/x/y.csv\", \"path\": \"data/\" },\n"
			 "    \"all\": { \"source\": \"s3://My_Bucket\", \"path\": "
			 "\"all/of/it/\" } },\n"
			 "  \"run\": \"set -x\\nmake \\\"$1\\\"\\n\", \"args\": "
			 "[\"train\", \"\"],\n"
			 "  \"setup\": \"pip install x\\n\", \"image\": "
			 "\"pytorch/pytorch:2.4.0\",\n"
			 "  \"env\": { \"A\": \"1\\n2\\t\\u001b\", \"_b2\": \"\" },\n"
			 "  \"outputs\": { \"path\": \"out/best/\", \"destination\": "
			 "\"runs/{job}/{id}\",\n"
			 "    \"exclude\": [] },\n"
			 "  \"s3\": { \"region\": \"ap-south-1\", \"endpoint_url\": "
			 "\"http://[::1]:9000/x\",\n"
			 "    \"credentials\": \"env\" },\n"
			 "  \"timeouts\": { \"run\": \"2h\" } }\n");

	CHECK_INT(spec->n_labels, 2);
	CHECK_STR(spec->labels[0].name, "team");
	CHECK_STR(spec->labels[0].value, "vision");
	CHECK_STR(spec->labels[1].name, "a b");
	CHECK_STR(spec->host, "gpu-a");
	CHECK_INT(spec->gpus, 8);
	CHECK_STR(spec->inputs[0].variable, "A_B_C");
	CHECK_STR(spec->inputs[0].path, "data/y.csv");
	CHECK_STR(spec->inputs[1].bucket, "My_Bucket");
	CHECK_STR(spec->inputs[1].key, "");
	CHECK(spec->inputs[1].is_prefix);
	CHECK_STR(spec->inputs[1].path, "all/of/it");
	CHECK_INT(spec->program, SPEC_SHELL);
	CHECK_STR(spec->script, "set -x\nmake \"$1\"\n");
	CHECK_STR(spec->args[0], "train");
	CHECK_STR(spec->args[1], "");
	CHECK(!spec->args[2]);
	CHECK_STR(spec->setup, "pip install x\n");
	CHECK_STR(spec->image, "pytorch/pytorch:2.4.0");
	CHECK_STR(spec->env[0].value, "1\n2\t\x1b");
	CHECK_STR(spec->env[1].name, "_b2");
	CHECK_STR(spec->output_path, "out/best");
	CHECK_STR(spec->destination_bucket, "models");
	CHECK_STR(spec->destination_prefix, "runs/{job}/{id}/");
	CHECK(!spec->exclude[0]);
	CHECK_STR(spec->s3_region, "ap-south-1");
	CHECK_STR(spec->s3_endpoint, "http://[::1]:9000/x");
	CHECK_INT(spec->run_limit_ms, 7200000);
}

TEST("an array runs as it is")
{
	cleanup_spec struct spec *spec =
		accepted("{\"run\":[\"python3\",\"-c\",\"\"]}");

	CHECK_INT(spec->program, SPEC_ARGV);
	CHECK(!spec->script);
	CHECK_STR(spec->argv[0], "python3");
	CHECK_STR(spec->argv[2], "");
	CHECK(!spec->argv[3]);
}

TEST("the run limit is seconds or a duration")
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1", 1000 },
		{ "0.5", 500 },
		{ "1e2", 100000 },
		{ "\"90s\"", 90000 },
		{ "\"1ms\"", 1 },
		{ "\"60\"", 60000 },
		{ "31622400", INT64_C(31622400000) },
		{ "\"366d\"", INT64_C(31622400000) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_spec struct spec *spec = NULL;
		cleanup_buf struct buf text = BUF_INIT;

		(void)buf_printf(&text, "{\"run\":\"a\",\"timeouts\":{\"run\":%s}}",
				 rows[i].text);
		spec = accepted(buf_text(&text));
		CHECK_INT(spec->run_limit_ms, rows[i].ms);
	}
}

TEST("keys that begin with x- are the user's, wherever keys are fixed")
{
	static const char *const rows[] = {
		"\"x-note\": [null, {\"a\": 1.5}]",
		"\"resources\": {\"x-why\": 1}",
		"\"inputs\": {\"a\": {\"source\": \"k\", \"x-\": null}}",
		"\"outputs\": {\"destination\": \"k\", \"x-1\": {}}",
		"\"s3\": {\"x-1\": {}}",
		"\"timeouts\": {\"x-1\": 0}",
	};

	ALL_ACCEPTED(rows);
}

TEST("values at their limits are accepted")
{
	static const char *const rows[] = {
		"\"resources\": {\"gpus\": 0}",
		"\"resources\": {\"host\": \"gpu-b\", \"gpus\": 2}",
		"\"labels\": {}, \"env\": {}, \"inputs\": {}, \"args\": [], \"setup\": "
		"\"\"",
		"\"inputs\": {\"_\": \"s3://a.b\", \"A1\": \"s3://a-b/\", \"a\": "
		"\"k/../x\"}",
		"\"inputs\": {\"a\": \"s3://bkt/a//b\", \"b\": \"s3://bkt/./\"}",
		"\"inputs\": {\"a\": {\"source\": \"k/\", \"path\": \"d\"},"
		" \"b\": {\"source\": \"k\", \"path\": \"d/e\"}}",
		"\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"inputs/x\"}}",
		"\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"filesystem\"}}",
		"\"inputs\": {\"a\": {\"source\": \"k\", \"path\": \"output2\"}}",
		"\"env\": {\"PATH\": \"/bin\", \"LD_LIBRARY_PATH\": \"/l\", \"JOB\": "
		"\"\","
		" \"AWS_REGION\": \"x\", \"JOBS\": \"4\"}",
		"\"outputs\": \"s3://bkt\"",
		"\"outputs\": \"runs/{a/b\"",
		"\"s3\": {\"endpoint_url\": \"https://h\"}",
		"\"s3\": {}, \"resources\": {}, \"timeouts\": {}",
	};

	ALL_ACCEPTED(rows);
}

/* ---- the document ---- */

TEST("a syntax error is told alone")
{
	refused("{ \"version\": 7,\n  \"inputs\": { \"train\": } }",
		"spec.json:2:24: $.inputs.train: found \"}\"; expected a value");
	refused("hello\n",
		"spec.json:1:1: $: found the word \"hello\"; expected \"{\"");
	refused("{\"run\":\"a\"}{", "spec.json:1:12: $: found \"{\"; expected end of "
				    "text after the document");
}

TEST("all other problems are told in one run, in the order of the document")
{
	refused("{ \"timeouts\": { \"run\": 0 },\n"
		"  \"input\": {},\n"
		"  \"inputs\": { \"train\": 5 },\n"
		"  \"version\": 2 }",
		"spec.json:1:1: $: neither \"script\" nor \"run\"; expected \"script\" "
		"(the "
		"name of a file below files/) or \"run\" (commands)\n"
		"spec.json:1:24: $.timeouts.run: found 0; expected more than 0 and at "
		"most "
		"366 days\n"
		"spec.json:2:3: $.input: unknown key \"input\"; did you mean "
		"\"inputs\"?\n"
		"spec.json:3:24: $.inputs.train: found a number; expected an S3 "
		"address such "
		"as \"s3://BUCKET/KEY\", or an object with \"source\"\n"
		"spec.json:4:14: $.version: found version 2; expected 1, the only "
		"version "
		"known");
}

TEST("at most 20 problems are told, and the others are counted")
{
	cleanup_buf struct buf text = BUF_INIT, lines = BUF_INIT;
	struct spec *spec = NULL;
	struct err e = ERR_INIT;
	size_t shown = 0;

	(void)buf_add_str(&text, "{\"run\":\"a\",\"hold\":1,\"args\":[1");
	for (int i = 2; i < 100; i++) {
		(void)buf_printf(&text, ",\n%d", i);
	}
	(void)buf_add_str(&text, "]}");
	CHECK_INT(spec_parse(text.data, text.len, &context, &spec, &e), -EINVAL);
	(void)buf_add_str(&lines,
			  "spec.json:1:12: $.hold: \"hold\" is not supported yet; "
			  "expected a spec without it\n");
	while (++shown < PROBLEMS_MAX) {
		(void)buf_printf(
			&lines,
			"spec.json:%zu:%d: $.args[%zu]: found a number; expected a "
			"string\n",
			shown, shown == 1 ? 29 : 1, shown - 1);
	}
	(void)buf_add_str(&lines, "(and 80 more)");
	CHECK_STR(e.text, buf_text(&lines));
}

TEST("lines that do not fit are counted, not cut")
{
	cleanup_buf struct buf text = BUF_INIT;
	struct spec *spec = NULL;
	struct err e = ERR_INIT;
	char last[64];
	size_t n = 0;

	(void)buf_add_str(&text, "{\"run\":\"a\",\"env\":{\"0\":\"\"");
	for (int i = 1; i < 20; i++) {
		(void)buf_printf(
			&text,
			",\n\"%d bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
			"bbbbbbbbbbbbb\":\"\"",
			i);
	}
	(void)buf_add_str(&text, "}}");
	CHECK_INT(spec_parse(text.data, text.len, &context, &spec, &e), -EINVAL);
	for (const char *c = strchr(e.text, '\n'); c; c = strchr(c + 1, '\n')) {
		n++;
	}
	CHECK(n > 2 && n < 20);
	(void)snprintf(last, sizeof(last), "no digit first\n(and %zu more)", 20 - n);
	CHECK(has_suffix(e.text, last));
}

TEST("a spec of more than 1 MiB is too big")
{
	size_t len = SPEC_SIZE_MAX;
	cleanup_free char *text = malloc(len + 1);
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	CHECK(text);
	memset(text, ' ', len + 1);
	memcpy(text, "{\"run\":\"a\"}", 11);
	CHECK_INT(spec_parse(text, len, &context, &spec, NULL), 0);
	spec = spec_free(spec);
	CHECK_INT(spec_parse(text, len + 1, &context, &spec, &e), -EFBIG);
	CHECK_STR(e.text,
		  "spec.json:1:1: $: found 1048577 bytes; expected at most 1048576");
}

TEST("a spec has at most 16 levels and 10,000 members")
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)spec_free(
		accepted("{\"run\":\"a\",\"x-a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}"));
	refused("{\"run\":\"a\",\"x-a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
		"spec.json:1:33: "
		"$[\"x-a\"][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: "
		"found nesting level 17; expected at most 16");
	(void)buf_add_str(&text, "{\"run\":\"a\",\"args\":[\"0\"");
	for (int i = 1; i < 10000; i++) {
		(void)buf_add_str(&text, ",\"\"");
	}
	(void)buf_add_str(&text, "]}");
	(void)spec_free(accepted(buf_text(&text)));
	buf_truncate(&text, text.len - 2);
	(void)buf_add_str(&text, ",\n\"\"]}");
	refused(buf_text(&text), "spec.json:2:1: $.args: found more than 10000 values; "
				 "expected at most 10000");
}

TEST("an unknown key is refused with what was probably meant")
{
	static const struct members rows[] = {
		{ "\"Inputs\": {}", "1: $.Inputs: unknown key \"Inputs\"; did you mean "
				    "\"inputs\"?" },
		{ "\"ouptuts\": {}",
		  "1: $.ouptuts: unknown key \"ouptuts\"; did you mean "
		  "\"outputs\"?" },
		{ "\"ran\": {}",
		  "1: $.ran: unknown key \"ran\"; did you mean \"run\"?" },
		{ "\"priorty\": 1",
		  "1: $.priorty: unknown key \"priorty\"; did you mean "
		  "\"priority\" (which is not supported yet)?" },
		{ "\"command\": \"\"", "1: $.command: unknown key \"command\"; "
				       "expected one of: version, labels, "
				       "resources, inputs, script, run, args, setup, "
				       "image, env, outputs, s3, "
				       "timeouts" },
		{ "\"\": 1", "1: $[\"\"]: unknown key \"\"; expected one of: version, "
			     "labels, resources, "
			     "inputs, script, run, args, setup, image, env, outputs, "
			     "s3, timeouts" },
		{ "\"resources\": {\"gpu\": 1}",
		  "15: $.resources.gpu: unknown key \"gpu\"; did you mean \"gpus\"?" },
		{ "\"resources\": {\"memory\": 1}",
		  "15: $.resources.memory: unknown key \"memory\"; expected one of: "
		  "host, "
		  "gpus" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"uri\": \"k\"}}",
		  "33: $.inputs.a.uri: unknown key \"uri\"; expected one of: source, "
		  "path" },
		{ "\"outputs\": {\"destination\": \"k\", \"excludes\": []}",
		  "33: $.outputs.excludes: unknown key \"excludes\"; did you mean "
		  "\"exclude\"?" },
		{ "\"s3\": {\"bucket\": \"b\"}",
		  "8: $.s3.bucket: unknown key \"bucket\"; expected one of: region, "
		  "endpoint_url, credentials" },
		{ "\"timeouts\": {\"runs\": 1}",
		  "14: $.timeouts.runs: unknown key \"runs\"; did you mean \"run\"?" },
		{ "\"X-note\": 1", "1: $[\"X-note\"]: unknown key \"X-note\"; expected "
				   "one of: version, labels, "
				   "resources, inputs, script, run, args, setup, "
				   "image, env, outputs, s3, "
				   "timeouts" },
	};

	ALL_REFUSED(rows);
}

TEST("keys of a later version are refused by name")
{
	static const char *const top[] = { "priority",	 "hold",    "dry_run",
					   "depends_on", "array",   "retry",
					   "notify",	 "ttl",	    "docker_args",
					   "secrets",	 "metrics", "checkpoints" };
	static const char *const inner[][2] = {
		{ "resources", "pool" },      { "resources", "gpu_type" },
		{ "timeouts", "queue" },      { "timeouts", "prepare" },
		{ "timeouts", "download" },   { "timeouts", "upload" },
		{ "timeouts", "stop_grace" }, { "timeouts", "unreachable" },
	};
	char text[128], line[128];

	for (size_t i = 0; i < ARRAY_SIZE(top); i++) {
		struct members row = { text, line };

		(void)snprintf(text, sizeof(text), "\"%s\": null", top[i]);
		(void)snprintf(
			line, sizeof(line),
			"1: $.%s: \"%s\" is not supported yet; expected a spec without "
			"it",
			top[i], top[i]);
		all_refused(&row, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(inner); i++) {
		struct members row = { text, line };

		(void)snprintf(text, sizeof(text), "\"%s\": {\"%s\": 1}", inner[i][0],
			       inner[i][1]);
		(void)snprintf(
			line, sizeof(line),
			"%zu: $.%s.%s: \"%s\" is not supported yet; expected a spec "
			"without it",
			strlen(inner[i][0]) + 6, inner[i][0], inner[i][1], inner[i][1]);
		all_refused(&row, 1);
	}
}

TEST("keys of a later version are refused inside of inputs, outputs and s3 too")
{
	static const struct members rows[] = {
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"cache\": true}}",
		  "33: $.inputs.a.cache: \"cache\" is not supported yet; expected a "
		  "spec without "
		  "it" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"required\": true}}",
		  "33: $.inputs.a.required: \"required\" is not supported yet; "
		  "expected a spec "
		  "without it" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"checksum\": true}}",
		  "33: $.inputs.a.checksum: \"checksum\" is not supported yet; "
		  "expected a spec "
		  "without it" },
		{ "\"outputs\": {\"destination\": \"k\", \"when\": \"always\"}",
		  "33: $.outputs.when: \"when\" is not supported yet; expected a spec "
		  "without "
		  "it" },
		{ "\"outputs\": {\"destination\": \"k\", \"sync_interval\": 5}",
		  "33: $.outputs.sync_interval: \"sync_interval\" is not supported "
		  "yet; expected "
		  "a spec without it" },
		{ "\"s3\": {\"credentials\": \"sts\"}",
		  "23: $.s3.credentials: \"sts\" is not supported yet; expected "
		  "\"env\"" },
		{ "\"s3\": {\"credentials\": \"presigned\"}",
		  "23: $.s3.credentials: \"presigned\" is not supported yet; expected "
		  "\"env\"" },
	};

	ALL_REFUSED(rows);
}

TEST("a value of the wrong kind is refused")
{
	static const struct members rows[] = {
		{ "\"version\": \"1\"",
		  "12: $.version: found a string; expected the integer 1" },
		{ "\"version\": 1.0",
		  "12: $.version: found a number; expected the integer 1" },
		{ "\"labels\": []",
		  "11: $.labels: found an array; expected an object of strings" },
		{ "\"resources\": 1",
		  "14: $.resources: found a number; expected an object such "
		  "as {\"gpus\": 1}" },
		{ "\"inputs\": []",
		  "11: $.inputs: found an array; expected an object of names "
		  "and S3 addresses" },
		{ "\"args\": \"-v\"",
		  "9: $.args: found a string; expected an array of strings" },
		{ "\"args\": [true]",
		  "10: $.args[0]: found a boolean; expected a string" },
		{ "\"args\": [null]", "10: $.args[0]: found null; expected a string" },
		{ "\"setup\": []",
		  "10: $.setup: found an array; expected commands for sh -e" },
		{ "\"image\": null",
		  "10: $.image: found null; expected the name of a container "
		  "image (or leave the key out)" },
		{ "\"env\": \"A=1\"",
		  "8: $.env: found a string; expected an object of strings" },
		{ "\"env\": {\"A\": 1}",
		  "14: $.env.A: found a number; expected a string, in double quotes" },
		{ "\"outputs\": 5",
		  "12: $.outputs: found a number; expected an S3 prefix, or an "
		  "object with \"destination\"" },
		{ "\"outputs\": {\"destination\": {}}",
		  "28: $.outputs.destination: found an object; expected an S3 prefix "
		  "such as "
		  "\"s3://BUCKET/runs/{job}/\"" },
		{ "\"outputs\": {\"destination\": \"k\", \"path\": 1}",
		  "41: $.outputs.path: found a number; expected a directory below the "
		  "job's "
		  "directory" },
		{ "\"outputs\": {\"destination\": \"k\", \"exclude\": \"*.log\"}",
		  "44: $.outputs.exclude: found a string; expected an array of "
		  "strings" },
		{ "\"s3\": \"env\"",
		  "7: $.s3: found a string; expected an object such as "
		  "{\"region\": \"ap-south-1\"}" },
		{ "\"s3\": {\"region\": 1}",
		  "18: $.s3.region: found a number; expected a region "
		  "such as \"ap-south-1\"" },
		{ "\"s3\": {\"endpoint_url\": false}",
		  "24: $.s3.endpoint_url: found a boolean; expected an address such as "
		  "\"https://minio.example:9000\"" },
		{ "\"s3\": {\"credentials\": {}}",
		  "23: $.s3.credentials: found an object; expected \"env\"" },
		{ "\"timeouts\": \"2h\"",
		  "13: $.timeouts: found a string; expected an object "
		  "such as {\"run\": \"2h\"}" },
		{ "\"timeouts\": {\"run\": []}",
		  "21: $.timeouts.run: found an array; expected seconds, or a number "
		  "with a "
		  "unit: \"90s\" \"10m\" \"2h\" \"3d\"" },
	};

	ALL_REFUSED(rows);
}

TEST("another version is refused")
{
	static const struct members rows[] = {
		{ "\"version\": 2",
		  "12: $.version: found version 2; expected 1, the only "
		  "version known" },
		{ "\"version\": 0",
		  "12: $.version: found version 0; expected 1, the only "
		  "version known" },
	};

	ALL_REFUSED(rows);
}

/* ---- what runs ---- */

TEST("exactly one of script and run is there")
{
	refused("\n{}",
		"spec.json:2:1: $: neither \"script\" nor \"run\"; expected "
		"\"script\" (the name of a file below files/) or \"run\" (commands)");
	refused("{\"run\":\"a\",\n\"script\":\"b\"}",
		"spec.json:2:1: $.script: both \"script\" and \"run\"; expected one of "
		"the "
		"two");
	refused("{\"script\":\"a\",\n\"run\":\"b\"}",
		"spec.json:2:1: $.run: both \"script\" and \"run\"; expected one of "
		"the two");
}

TEST("a program is named as it can be run")
{
	refused("{\"run\":\"\"}",
		"spec.json:1:8: $.run: found an empty string; expected "
		"commands for sh -e");
	refused("{\"run\":\" \\n\"}", "spec.json:1:8: $.run: found only white space; "
				      "expected commands for sh -e");
	refused("{\"run\":[]}",
		"spec.json:1:8: $.run: found an empty array; expected a "
		"program and its arguments");
	refused("{\"run\":[\"\"]}",
		"spec.json:1:9: $.run[0]: found an empty string; expected "
		"the program to run");
	refused("{\"run\":[\"a\",1]}",
		"spec.json:1:13: $.run[1]: found a number; expected a string");
	refused("{\"run\":true}", "spec.json:1:8: $.run: found a boolean; expected "
				  "commands for sh -e in a "
				  "string, or an array of a program and its arguments");
	refused("{\"run\":[\"a\"],\"args\":[]}",
		"spec.json:1:14: $.args: \"args\" beside a \"run\" that is an array; "
		"expected "
		"the arguments inside of \"run\"");
	refused("{\"script\":\"\"}",
		"spec.json:1:11: $.script: found an empty string; "
		"expected the name of a file below the job's files/");
	refused("{\"script\":1}",
		"spec.json:1:11: $.script: found a number; expected the "
		"name of a file below the job's files/");
}

TEST("a script lies below files/")
{
	refused("{\"script\":\"/bin/sh\"}",
		"spec.json:1:11: $.script: found \"/bin/sh\"; expected a path without "
		"\"/\" "
		"in front, it is below the job's directory");
	refused("{\"script\":\"../x\"}",
		"spec.json:1:11: $.script: found \"../x\"; expected "
		"a path without \".\" and \"..\" parts");
	refused("{\"script\":\"./x\"}",
		"spec.json:1:11: $.script: found \"./x\"; expected a "
		"path without \".\" and \"..\" parts");
	refused("{\"script\":\"a//x\"}", "spec.json:1:11: $.script: found \"a//x\"; "
					 "expected a path without empty parts "
					 "(no \"//\", no \"/\" at the end)");
	refused("{\"script\":\"a/\"}", "spec.json:1:11: $.script: found \"a/\"; "
				       "expected a path without empty parts "
				       "(no \"//\", no \"/\" at the end)");
	refused("{\"script\":\"a\\nb\"}", "spec.json:1:11: $.script: found the control "
					  "character U+000A; expected one "
					  "line of plain text");
}

/* Is {"script": <path>} refused with that line? Messages show 74 bytes of a long path.
 */
static void script_refused(const char *path, const char *expected)
{
	cleanup_buf struct buf text = BUF_INIT, line = BUF_INIT;

	(void)buf_printf(&text, "{\"script\":\"%s\"}", path);
	(void)buf_printf(&line,
			 "spec.json:1:11: $.script: found \"%.74s...\"; expected %s",
			 path, expected);
	refused(buf_text(&text), buf_text(&line));
}

static void add_many(struct buf *out, size_t n, char c)
{
	for (size_t i = 0; i < n; i++) {
		(void)buf_add_char(out, c);
	}
}

TEST("paths have the limits of the kernel")
{
	cleanup_buf struct buf path = BUF_INIT;

	add_many(&path, 256, 'p');
	script_refused(buf_text(&path),
		       "no name between slashes longer than 255 bytes");
	for (int i = 0; i < 4; i++) {
		buf_truncate(&path, path.len - 1);
		(void)buf_add_char(&path, '/');
		add_many(&path, 256, 'p');
	}
	buf_truncate(&path, 1025);
	script_refused(buf_text(&path), "a path of at most 1024 bytes");
}

TEST("an argument fits into what the kernel passes")
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_add_str(&text, "{\"run\":[\"a\",\n\"");
	add_many(&text, 128 << 10, 'p');
	(void)buf_add_str(&text, "\"]}");
	refused(buf_text(&text), "spec.json:2:1: $.run[1]: found a string of 131072 "
				 "bytes; expected at most "
				 "131071, what the kernel passes to a program");
}

TEST("an image is a name, not an option")
{
	static const struct members rows[] = {
		{ "\"image\": \"\"",
		  "10: $.image: found an empty string; expected the name of a "
		  "container image" },
		{ "\"image\": \"-v\"",
		  "10: $.image: found \"-v\"; expected the name of a "
		  "container image, such as \"pytorch/pytorch:2.4.0\"" },
		{ "\"image\": \"a b\"",
		  "10: $.image: found \"a b\"; expected the name of a "
		  "container image, such as \"pytorch/pytorch:2.4.0\"" },
		{ "\"image\": \"a\\u0085\"",
		  "10: $.image: found the control character U+0085; "
		  "expected one line of plain text" },
	};

	ALL_REFUSED(rows);
}

TEST("env holds no secrets and nothing that changes jobfs's own shells")
{
	static const struct members rows[] = {
		{ "\"env\": {\"1A\": \"\"}", "9: $.env[\"1A\"]: found \"1A\"; expected "
					     "the name of a variable: letters, "
					     "digits and _, no digit first" },
		{ "\"env\": {\"\": \"\"}", "9: $.env[\"\"]: found \"\"; expected the "
					   "name of a variable: letters, digits "
					   "and _, no digit first" },
		{ "\"env\": {\"A=B\": \"\"}",
		  "9: $.env[\"A=B\"]: found \"A=B\"; expected the name of a variable: "
		  "letters, "
		  "digits and _, no digit first" },
		{ "\"env\": {\"a b\": 1}", "9: $.env[\"a b\"]: found \"a b\"; expected "
					   "the name of a variable: letters, "
					   "digits and _, no digit first\n"
					   "spec.json:2:16: $.env[\"a b\"]: found a "
					   "number; expected a string, in double "
					   "quotes" },
		{ "\"env\": {\"JOB_ID\": \"\"}",
		  "9: $.env.JOB_ID: found \"JOB_ID\" (jobfs sets the variables that "
		  "begin so); "
		  "expected another name" },
		{ "\"env\": {\"JOBFS_X\": \"\"}",
		  "9: $.env.JOBFS_X: found \"JOBFS_X\" (jobfs sets the variables that "
		  "begin so); "
		  "expected another name" },
		{ "\"env\": {\"AWS_ACCESS_KEY_ID\": \"\"}",
		  "9: $.env.AWS_ACCESS_KEY_ID: found \"AWS_ACCESS_KEY_ID\" "
		  "(credentials do not "
		  "belong into a spec); expected it in the daemon's environment" },
		{ "\"env\": {\"AWS_SECRET_ACCESS_KEY\": \"hunter2\"}",
		  "9: $.env.AWS_SECRET_ACCESS_KEY: found \"AWS_SECRET_ACCESS_KEY\" "
		  "(credentials "
		  "do not belong into a spec); expected it in the daemon's "
		  "environment" },
		{ "\"env\": {\"AWS_SESSION_TOKEN\": \"\"}",
		  "9: $.env.AWS_SESSION_TOKEN: found \"AWS_SESSION_TOKEN\" "
		  "(credentials do not "
		  "belong into a spec); expected it in the daemon's environment" },
		{ "\"env\": {\"AWS_SECURITY_TOKEN\": \"\"}",
		  "9: $.env.AWS_SECURITY_TOKEN: found \"AWS_SECURITY_TOKEN\" "
		  "(credentials do not "
		  "belong into a spec); expected it in the daemon's environment" },
		{ "\"env\": {\"LD_PRELOAD\": \"\"}",
		  "9: $.env.LD_PRELOAD: found \"LD_PRELOAD\" (it would change the "
		  "shells that "
		  "jobfs itself runs); expected it in the script" },
		{ "\"env\": {\"BASH_ENV\": \"\"}",
		  "9: $.env.BASH_ENV: found \"BASH_ENV\" (it would change the shells "
		  "that jobfs "
		  "itself runs); expected it in the script" },
		{ "\"env\": {\"ENV\": \"\"}", "9: $.env.ENV: found \"ENV\" (it would "
					      "change the shells that jobfs itself "
					      "runs); expected it in the script" },
		{ "\"env\": {\"IFS\": \"\"}", "9: $.env.IFS: found \"IFS\" (it would "
					      "change the shells that jobfs itself "
					      "runs); expected it in the script" },
		{ "\"env\": {\"SHELLOPTS\": \"\"}",
		  "9: $.env.SHELLOPTS: found \"SHELLOPTS\" (it would change the shells "
		  "that jobfs "
		  "itself runs); expected it in the script" },
		{ "\"env\": {\"PS4\": \"\"}", "9: $.env.PS4: found \"PS4\" (it would "
					      "change the shells that jobfs itself "
					      "runs); expected it in the script" },
		{ "\"env\": {\"A\": \"\\u0000\"}",
		  "15: $.env.A: found \\u0000; expected text without NUL characters" },
	};

	ALL_REFUSED(rows);
}

TEST("an environment variable fits into what the kernel passes")
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_add_str(&text, "{\"run\":\"a\",\"env\":{\"NAME\":\n\"");
	add_many(&text, (128 << 10) - 6, 'v');
	(void)buf_add_str(&text, "\"}}");
	(void)spec_free(accepted(buf_text(&text)));
	buf_truncate(&text, text.len - 3);
	(void)buf_add_str(&text, "v\"}}");
	refused(buf_text(&text), "spec.json:2:1: $.env.NAME: found 131071 bytes of "
				 "name and value; expected at "
				 "most 131070, what the kernel passes to a program");
}

TEST("labels are short lines")
{
	cleanup_buf struct buf text = BUF_INIT, lines = BUF_INIT;
	static const struct members rows[] = {
		{ "\"labels\": {\"\": \"\"}", "12: $.labels[\"\"]: found a name of 0 "
					      "bytes; expected a label's name of 1 to "
					      "255 bytes" },
		{ "\"labels\": {\"a\\tb\": \"\"}",
		  "12: $.labels[\"a\\tb\"]: found a control character in the name of a "
		  "label; "
		  "expected plain text" },
		{ "\"labels\": {\"a\": \"b\\nc\"}",
		  "17: $.labels.a: found the control character U+000A; expected one "
		  "line of "
		  "plain text" },
		{ "\"labels\": {\"a\": 1}", "17: $.labels.a: found a number; expected "
					    "a string, in double quotes" },
	};

	ALL_REFUSED(rows);
	(void)buf_add_str(&text, "{\"run\":\"a\",\"labels\":{\"a\":\n\"");
	add_many(&text, 256, 'v');
	(void)buf_add_str(&text, "\"}}");
	refused(buf_text(&text),
		"spec.json:2:1: $.labels.a: found a value of 256 bytes; "
		"expected at most 255");
}

/* ---- resources, s3, timeouts ---- */

TEST("a host is one of the configured ones")
{
	static const struct members rows[] = {
		{ "\"resources\": {\"host\": \"gpu-c\"}",
		  "23: $.resources.host: found the host \"gpu-c\"; expected a "
		  "configured one: "
		  "\"gpu-a\", \"gpu-b\", \"big\", \"c1\", \"c2\", \"c3\", \"c4\", "
		  "\"c5\"" },
		{ "\"resources\": {\"host\": \"c66\"}",
		  "23: $.resources.host: found the host \"c66\"; expected a configured "
		  "one: "
		  "\"c6\", \"c1\", \"c2\", \"c3\", \"c4\", \"c5\", \"big\", "
		  "\"gpu-a\"" },
		{ "\"resources\": {\"host\": 1}",
		  "23: $.resources.host: found a number; expected "
		  "the name of a GPU host" },
	};

	ALL_REFUSED(rows);
	refused_with(
		&bare_context, "{\"run\":\"a\",\n\"resources\":{\"host\":\"h\"}}",
		"spec.json:2:21: $.resources.host: found the host \"h\"; expected no "
		"host, none is configured");
}

TEST("no more GPUs are asked for than there are")
{
	static const struct members rows[] = {
		{ "\"resources\": {\"gpus\": 9}",
		  "23: $.resources.gpus: found 9; expected at "
		  "most 8, which the largest host has" },
		{ "\"resources\": {\"gpus\": 3, \"host\": \"gpu-b\"}",
		  "23: $.resources.gpus: found 3; expected at most 2, which the host "
		  "\"gpu-b\" "
		  "has" },
		{ "\"resources\": {\"gpus\": 9223372036854775807}",
		  "23: $.resources.gpus: found 9223372036854775807; expected at most "
		  "8, which "
		  "the largest host has" },
		{ "\"resources\": {\"gpus\": -1}",
		  "23: $.resources.gpus: found -1; expected a whole number of GPUs, "
		  "from 0" },
		{ "\"resources\": {\"gpus\": 1.5}",
		  "23: $.resources.gpus: found a number; "
		  "expected a whole number of GPUs, from 0" },
		{ "\"resources\": {\"gpus\": \"all\"}",
		  "23: $.resources.gpus: found a string; expected a whole number of "
		  "GPUs, from "
		  "0" },
	};

	ALL_REFUSED(rows);
}

TEST("s3 options are checked, and no address is repeated")
{
	static const struct members rows[] = {
		{ "\"s3\": {\"region\": \"\"}",
		  "18: $.s3.region: found an empty string; expected "
		  "a region such as \"ap-south-1\"" },
		{ "\"s3\": {\"region\": \"AP South\"}",
		  "18: $.s3.region: found \"AP South\"; expected a region such as "
		  "\"ap-south-1\": small letters, digits and \"-\", at most 64" },
		{ "\"s3\": {\"endpoint_url\": \"minio:9000\"}",
		  "24: $.s3.endpoint_url: found no http:// or https:// in front; "
		  "expected an "
		  "address such as \"https://minio.example:9000\"" },
		{ "\"s3\": {\"endpoint_url\": \"https:///x\"}",
		  "24: $.s3.endpoint_url: found no server in the address; expected one "
		  "such as "
		  "\"https://minio.example:9000\"" },
		{ "\"s3\": {\"endpoint_url\": \"https://me:hunter2@h/\"}",
		  "24: $.s3.endpoint_url: found a user name in the address; expected "
		  "none "
		  "(credentials do not belong into a spec)" },
		{ "\"s3\": {\"endpoint_url\": \"https://h h\"}",
		  "24: $.s3.endpoint_url: found a character that such an address does "
		  "not hold; "
		  "expected one such as \"https://minio.example:9000\"" },
		{ "\"s3\": {\"endpoint_url\": \"https://h/?x\"}",
		  "24: $.s3.endpoint_url: found a character that such an address does "
		  "not hold; "
		  "expected one such as \"https://minio.example:9000\"" },
		{ "\"s3\": {\"endpoint_url\": \"https://h\\n\"}",
		  "24: $.s3.endpoint_url: found the control character U+000A; expected "
		  "one line "
		  "of plain text" },
		{ "\"s3\": {\"credentials\": \"AKIAXXXX\"}",
		  "23: $.s3.credentials: found another word; expected \"env\": the "
		  "credentials "
		  "are those of the daemon's environment" },
	};

	ALL_REFUSED(rows);
}

TEST("a run limit is more than nothing and at most 366 days")
{
	static const struct members rows[] = {
		{ "\"timeouts\": {\"run\": 0}",
		  "21: $.timeouts.run: found 0; expected more than "
		  "0 and at most 366 days" },
		{ "\"timeouts\": {\"run\": -5}",
		  "21: $.timeouts.run: found -5; expected more "
		  "than 0 and at most 366 days" },
		{ "\"timeouts\": {\"run\": 0.0001}",
		  "21: $.timeouts.run: found 0.0001; expected more than 0 and at most "
		  "366 days" },
		{ "\"timeouts\": {\"run\": 1e300}",
		  "21: $.timeouts.run: found 1e300; expected more than 0 and at most "
		  "366 days" },
		{ "\"timeouts\": {\"run\": 31622401}",
		  "21: $.timeouts.run: found 31622401; expected more than 0 and at "
		  "most 366 "
		  "days" },
		{ "\"timeouts\": {\"run\": \"367d\"}",
		  "21: $.timeouts.run: found \"367d\"; expected more than 0 and at "
		  "most 366 "
		  "days" },
		{ "\"timeouts\": {\"run\": \"99999999999999999999d\"}",
		  "21: $.timeouts.run: found \"99999999999999999999d\"; expected more "
		  "than 0 and "
		  "at most 366 days" },
		{ "\"timeouts\": {\"run\": \"5 min\"}",
		  "21: $.timeouts.run: found \"5 min\"; expected seconds, or a number "
		  "with a "
		  "unit: \"90s\" \"10m\" \"2h\" \"3d\"" },
		{ "\"timeouts\": {\"run\": \"\"}",
		  "21: $.timeouts.run: found \"\"; expected seconds, or a number with "
		  "a unit: "
		  "\"90s\" \"10m\" \"2h\" \"3d\"" },
	};

	ALL_REFUSED(rows);
}

/* ---- inputs and outputs ---- */

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
		  "17: $.inputs.a: found the bucket \"\"; expected 3 to 63 letters, "
		  "digits, "
		  "\".\", \"_\" and \"-\"" },
		{ "\"inputs\": {\"a\": \"s3://b/k\"}",
		  "17: $.inputs.a: found the bucket \"b\"; expected 3 to 63 letters, "
		  "digits, "
		  "\".\", \"_\" and \"-\"" },
		{ "\"inputs\": {\"a\": \"s3://b{}t/k\"}",
		  "17: $.inputs.a: found the bucket \"b{}t\"; expected 3 to 63 "
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
		  "12: $.outputs: found the bucket \"{job}\"; expected 3 to 63 "
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

TEST("placeholders are replaced once, whatever the job is called")
{
	cleanup_spec struct spec *spec = accepted(
		"{\"run\":\"a\",\"outputs\":\"s3://bkt/r/{job}/{id}-{job}/{x\"}");
	cleanup_spec struct spec *none = accepted("{\"run\":\"a\"}");
	cleanup_spec struct spec *top =
		accepted("{\"run\":\"a\",\"outputs\":\"s3://bkt/\"}");
	cleanup_buf struct buf out = BUF_INIT;

	CHECK_INT(spec_expand_destination(spec, "{id} \xc3\xa4%s", "9f{job}", &out), 0);
	CHECK_STR(buf_text(&out), "r/{id} \xc3\xa4%s/9f{job}-{id} \xc3\xa4%s/{x/");
	buf_truncate(&out, 0);
	CHECK_INT(spec_expand_destination(top, "a", "b", &out), 0);
	CHECK_INT(spec_expand_destination(none, "a", "b", &out), 0);
	CHECK_STR(buf_text(&out), "");
}

/* ---- names of jobs ---- */

TEST("a job may be called what a directory may be called, but harmlessly")
{
	static const char *const rows[][2] = {
		{ "", "the name of a job must not be empty" },
		{ ".", "the name of a job must not begin with a dot" },
		{ "..", "the name of a job must not begin with a dot" },
		{ ".jobfs", "the name of a job must not begin with a dot" },
		{ "a/b", "the name of a job must not hold a slash" },
		{ "a\nb", "the name of a job must not hold control characters (such as "
			  "line breaks)" },
		{ "a\x7f", "the name of a job must not hold control characters (such "
			   "as line breaks)" },
		{ "a\xc2\x9b"
		  "b",
		  "the name of a job must not hold control characters (such as line "
		  "breaks)" },
		{ "a\xff", "the name of a job must be valid UTF-8" },
		{ "\xed\xa0\x80", "the name of a job must be valid UTF-8" },
	};
	char name[257];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_STR(spec_job_name_problem(rows[i][0]), rows[i][1]);
	}
	memset(name, 'n', sizeof(name) - 1);
	name[256] = '\0';
	CHECK_STR(spec_job_name_problem(name),
		  "the name of a job must not be longer than 255 bytes");
	name[255] = '\0';
	CHECK(!spec_job_name_problem(name));
	CHECK(!spec_job_name_problem("exp1"));
	CHECK(!spec_job_name_problem("a b {id} 'x' \"y\" \\ $z \xf0\x9f\x98\x80 -"));
}

TEST_MAIN
