/* When is a spec submitted? Never before it is whole. */
#include "job/spec.h"

#include "test.h"
#include "util/mem.h"

static const char *const specs[] = {
	"{\"run\":\"true\"}",
	" \t\r\n{ \"run\" : \"true\" }",
	"{ \"inputs\":  { \"train\": \"s3://bkt/ds/train.csv\", \"eval\": "
	"\"s3://bkt/e/\" },\n"
	"  \"script\":  \"train.sh\",\n"
	"  \"outputs\": \"s3://bkt/runs/exp1/\" }",
	"{\"run\":[\"sh\",\"-c\",\"}]\\\"{[\"],\"x-n\":[-1.5e+3,0.0,true,false,null,{"
	"\"a\":[]}]}",
	"{\"run\":\"\\\\\",\"setup\":\"\\\\\\\"}\",\"env\":{\"A\":"
	"\"\\u007d\\ud83d\\ude00\","
	"\"B\":\"\xc3\xa4\xf0\x9f\x98\x80\\/\\b\\f\\n\\r\\t\"}}",
	"{\"run\":\"a\",\"x-a\":[[[[[[[[[[[[[[{}]]]]]]]]]]]]],[]]}",
};

TEST("no proper prefix of a spec is complete, and the spec is")
{
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		static const struct spec_context context = { .default_bucket = NULL };
		cleanup_spec struct spec *spec = NULL;
		size_t len = strlen(specs[i]);

		CHECK_INT(spec_parse(specs[i], len, &context, &spec, NULL), 0);
		for (size_t k = 0; k < len; k++) {
			CHECK_INT(spec_shape(specs[i], k), SPEC_INCOMPLETE);
		}
		CHECK_INT(spec_shape(specs[i], len), SPEC_COMPLETE);
	}
}

TEST("it does not matter in which pieces a spec is written")
{
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		size_t len = strlen(specs[i]);

		for (size_t cut = 0; cut < len; cut++) {
			struct spec_scan scan = SPEC_SCAN_INIT;

			CHECK_INT(spec_scan_feed(&scan, specs[i], cut),
				  SPEC_INCOMPLETE);
			CHECK_INT(spec_scan_feed(&scan, specs[i] + cut, len - cut),
				  SPEC_COMPLETE);
			CHECK_INT(spec_scan_feed(&scan, "\n", 1), SPEC_COMPLETE);
		}
	}
}

TEST("what stands behind the last bracket leaves it complete")
{
	static const char *const texts[] = { "{}\n", "{} \t\r\n", "{}x",
					     "{}{",  "{},",	  "{}\"" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CHECK_INT(spec_shape(texts[i], strlen(texts[i])), SPEC_COMPLETE);
	}
}

TEST("nothing, and white space, can still become a spec")
{
	CHECK_INT(spec_shape("", 0), SPEC_INCOMPLETE);
	CHECK_INT(spec_shape(NULL, 0), SPEC_INCOMPLETE);
	CHECK_INT(spec_shape(" \n\t\r", 4), SPEC_INCOMPLETE);
}

TEST("what can never become right is complete at the byte that spoils it")
{
	static const char *const texts[] = {
		"h",	       "[",
		"\"",	       "1",
		" \n}",	       "\xef",
		"#",	       "{]",
		"{[}",	       "{\"a\":[{]",
		"{\"\n",       "{\"a\t",
		"{\"\x01",     "{\"\\x",
		"{\"a\\\n",    "{'",
		"{#",	       "{/",
		"{a:N",	       "{\"a\":T",
		"{\"a\":\xc3", "{\x7f",
		"{\x01",       "{(",
		"{\"a\"=",     "{[[[[[[[[[[[[[[[[",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t len = strlen(texts[i]);

		CHECK_INT(spec_shape(texts[i], len - 1), SPEC_INCOMPLETE);
		CHECK_INT(spec_shape(texts[i], len), SPEC_COMPLETE);
	}
	CHECK_INT(spec_shape("{\0", 2), SPEC_COMPLETE);
	CHECK_INT(spec_shape("{\"\0", 3), SPEC_COMPLETE);
	CHECK_INT(spec_shape("\0", 1), SPEC_COMPLETE);
	CHECK_INT(spec_shape("{\"\\\0", 4), SPEC_COMPLETE);
}

TEST("a text of more than 1 MiB can never become right")
{
	cleanup_free char *text = malloc(SPEC_SIZE_MAX + 1);

	CHECK(text);
	memset(text, ' ', SPEC_SIZE_MAX + 1);
	CHECK_INT(spec_shape(text, SPEC_SIZE_MAX), SPEC_INCOMPLETE);
	CHECK_INT(spec_shape(text, SPEC_SIZE_MAX + 1), SPEC_COMPLETE);
}

TEST_MAIN
