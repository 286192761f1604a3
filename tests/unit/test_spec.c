/* What a spec becomes, and what is told of a document as a whole. The rules of its
 * parts are in test_spec_program.c and test_spec_data.c, generated wrong specs in
 * test_spec_wrong.c, the moment of submission in test_spec_shape.c. */
#include "job/problems.h"
#include "spec_helper.h"

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
	CHECK_INT(spec->timeouts.run_ms, 0);
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
	CHECK_INT(spec->timeouts.run_ms, 7200000);
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
		CHECK_INT(spec->timeouts.run_ms, rows[i].ms);
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
		"\"metrics\": {\"files\": []}",
		"\"checkpoints\": \"s3://bkt/c/{job}/\"",
		"\"checkpoints\": {\"path\": \"c/\", \"destination\": \"c\", "
		"\"interval\": \"1s\", \"settle\": 0, \"resume\": false}",
		"\"metrics\": {\"files\": [\"output/m.jsonl\", \"logs/*/[a-z].json\"]}",
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

	(void)buf_add_str(&text, "{\"run\":\"a\",\"ttl\":1,\"args\":[1");
	for (int i = 2; i < 100; i++) {
		(void)buf_printf(&text, ",\n%d", i);
	}
	(void)buf_add_str(&text, "]}");
	CHECK_INT(spec_parse(text.data, text.len, &spec_context, &spec, &e), -EINVAL);
	(void)buf_add_str(&lines,
			  "spec.json:1:12: $.ttl: \"ttl\" is not supported yet; "
			  "expected a spec without it\n");
	while (++shown < PROBLEMS_MAX) {
		(void)buf_printf(
			&lines,
			"spec.json:%zu:%d: $.args[%zu]: found a number; expected a "
			"string\n",
			shown, shown == 1 ? 28 : 1, shown - 1);
	}
	(void)buf_add_str(&lines, "(and 80 more)");
	CHECK_STR(e.text, buf_text(&lines));
}

/* What is noted last (the neither-nor of the document) stands first. */
TEST("a problem that is found late has its place before the others")
{
	cleanup_buf struct buf text = BUF_INIT;
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	(void)buf_add_str(&text, "{\"a0\":0");
	for (int i = 1; i < 50; i++) {
		(void)buf_printf(&text, ",\n\"a%d\":0", i);
	}
	(void)buf_add_str(&text, "}");
	CHECK_INT(spec_parse(text.data, text.len, &spec_context, &spec, &e), -EINVAL);
	CHECK(has_prefix(e.text, "spec.json:1:1: $: neither \"script\" nor \"run\"; "));
	CHECK(strstr(e.text,
		     "\nspec.json:1:2: $.a0: unknown key \"a0\"; expected one of: "));
	CHECK(strstr(e.text, "\nspec.json:2:1: $.a1: "));
	CHECK(strstr(e.text, "\n(and "));
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
	CHECK_INT(spec_parse(text.data, text.len, &spec_context, &spec, &e), -EINVAL);
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
	CHECK_INT(spec_parse(text, len, &spec_context, &spec, NULL), 0);
	spec = spec_free(spec);
	CHECK_INT(spec_parse(text, len + 1, &spec_context, &spec, &e), -EFBIG);
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
		{ "\"metric\": 1", "1: $.metric: unknown key \"metric\"; did you mean "
				   "\"metrics\"?" },
		{ "\"checkpoint\": 1",
		  "1: $.checkpoint: unknown key \"checkpoint\"; did you mean "
		  "\"checkpoints\"?" },
		{ "\"depend_on\": 1", "1: $.depend_on: unknown key \"depend_on\"; did "
				      "you mean \"depends_on\" (which is not "
				      "supported yet)?" },
		{ "\"command\": \"\"", "1: $.command: unknown key \"command\"; "
				       "expected one of: version, labels, "
				       "resources, inputs, script, run, args, setup, "
				       "image, env, outputs, s3, "
				       "timeouts, priority, hold, dry_run, "
				       "checkpoints, metrics, retry" },
		{ "\"\": 1", "1: $[\"\"]: unknown key \"\"; expected one of: version, "
			     "labels, resources, "
			     "inputs, script, run, args, setup, image, env, outputs, "
			     "s3, timeouts, priority, hold, dry_run, "
			     "checkpoints, metrics, retry" },
		{ "\"resources\": {\"gpu\": 1}",
		  "15: $.resources.gpu: unknown key \"gpu\"; did you mean \"gpus\"?" },
		{ "\"resources\": {\"memory\": 1}",
		  "15: $.resources.memory: unknown key \"memory\"; expected one of: "
		  "host, "
		  "gpus" },
		{ "\"inputs\": {\"a\": {\"source\": \"k\", \"uri\": \"k\"}}",
		  "33: $.inputs.a.uri: unknown key \"uri\"; expected one of: source, "
		  "path, cache" },
		{ "\"metrics\": {}",
		  "12: $.metrics: no \"files\"; expected {\"files\": [\"PATH\"]}" },
		{ "\"metrics\": {\"files\": [\"a\", \"../b\"]}",
		  "28: $.metrics.files[1]: found \"../b\"; expected a path "
		  "without \".\" and \"..\" parts" },
		{ "\"outputs\": {\"destination\": \"k\", \"excludes\": []}",
		  "33: $.outputs.excludes: unknown key \"excludes\"; did you mean "
		  "\"exclude\"?" },
		{ "\"s3\": {\"bucket\": \"b\"}",
		  "8: $.s3.bucket: unknown key \"bucket\"; expected one of: region, "
		  "endpoint_url, credentials, engine" },
		{ "\"timeouts\": {\"runs\": 1}",
		  "14: $.timeouts.runs: unknown key \"runs\"; did you mean \"run\"?" },
		{ "\"X-note\": 1", "1: $[\"X-note\"]: unknown key \"X-note\"; expected "
				   "one of: version, labels, "
				   "resources, inputs, script, run, args, setup, "
				   "image, env, outputs, s3, "
				   "timeouts, priority, hold, dry_run, "
				   "checkpoints, metrics, retry" },
	};

	ALL_REFUSED(rows);
}

TEST("keys of a later version are refused by name")
{
	static const char *const top[] = { "depends_on", "array",	"notify",
					   "ttl",	 "docker_args", "secrets" };
	static const char *const inner[][2] = {
		{ "resources", "pool" },
		{ "resources", "gpu_type" },
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
		{ "\"s3\": {\"credentials\": \"presigned\", \"engine\": \"rclone\"}",
		  "46: $.s3.engine: found \"rclone\", which needs credentials on the "
		  "host; expected \"presigned\", as credentials is" },
		{ "\"s3\": {\"engine\": \"s5cmd\"}",
		  "18: $.s3.engine: \"s5cmd\" is not supported; expected \"auto\", "
		  "\"aws\", \"presigned\", \"rclone\" or \"s3cmd\"" },
		{ "\"s3\": {\"credentials\": \"presigned\", \"engine\": \"aws\"}",
		  "46: $.s3.engine: found \"aws\", which needs credentials on the "
		  "host; expected \"presigned\", as credentials is" },
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
		  "23: $.s3.credentials: found an object; expected \"env\", \"sts\" "
		  "or \"presigned\"" },
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
