/* What runs, where and how long: script, run, env, labels, resources, s3, timeouts. */
#include "spec_helper.h"

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
	cleanup_buf struct buf text = BUF_INIT;
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
		  "23: $.s3.credentials: found another word; expected \"env\", \"sts\" "
		  "or "
		  "\"presigned\": the "
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

TEST_MAIN
