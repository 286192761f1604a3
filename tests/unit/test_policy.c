#include "test.h"

#include <errno.h>

#include "s3/policy.h"

enum { READ = S3_MAY_READ | S3_MAY_LIST };

#define OBJECTS(actions, resources)                                                    \
	"{\"Effect\":\"Allow\",\"Action\":[" actions "],\"Resource\":[" resources "]}"
#define LISTING(bucket, prefixes)                                                      \
	"{\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\",\"Resource\":"             \
	"\"arn:aws:s3:::" bucket                                                       \
	"\",\"Condition\":{\"StringLike\":{\"s3:prefix\":[" prefixes "]}}}"
#define POLICY(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"
#define GET		   "\"s3:GetObject\""
#define PUT                                                                            \
	"\"s3:PutObject\",\"s3:AbortMultipartUpload\",\"s3:ListMultipartUploadParts\""
#define ARN(what) "\"arn:aws:s3:::" what "\""

static void check_policy(const struct s3_scope *scopes, size_t n, const char *want)
{
	const struct s3_policy policy = { .scopes = scopes,
					  .n_scopes = n,
					  .partition = "aws" };
	cleanup_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(s3_policy_write(&policy, &out, &e), 0);
	CHECK_STR(buf_text(&out), want);
}

/* clang-format off */
TEST("a job may read its inputs, list below them, write its outputs, and nothing else")
{
	static const struct s3_scope scopes[] = {
		{ "data", "ds/train.csv", false, READ },
		{ "data", "ds/eval/", true, READ },
		{ "runs", "exp1/", true, S3_MAY_WRITE },
	};

	check_policy(scopes, ARRAY_SIZE(scopes), POLICY(
		OBJECTS(GET, ARN("data/ds/eval/*") "," ARN("data/ds/train.csv") ","
			     ARN("runs/exp1/*")) ","
		OBJECTS(PUT, ARN("runs/exp1/*")) ","
		LISTING("data", "\"ds/eval/*\",\"ds/train.csv\"")));
}

TEST("what may be listed in one bucket may not in another")
{
	static const struct s3_scope scopes[] = {
		{ "two", "b/", true, READ },
		{ "one", "a/", true, READ },
	};

	check_policy(scopes, ARRAY_SIZE(scopes), POLICY(
		OBJECTS(GET, ARN("one/a/*") "," ARN("two/b/*")) ","
		LISTING("one", "\"a/*\"") ","
		LISTING("two", "\"b/*\"")));
}

TEST("checkpoints are written, listed and copied, and only what was kept is removed")
{
	static const struct s3_scope scopes[] = {
		{ "b", "c/", true, S3_MAY_WRITE | S3_MAY_LIST | S3_MAY_COPY },
		{ "b", "c/.kept/", true, S3_MAY_DELETE },
	};

	check_policy(scopes, ARRAY_SIZE(scopes), POLICY(
		OBJECTS(GET, ARN("b/c/*")) ","
		OBJECTS(PUT, ARN("b/c/*")) ","
		OBJECTS("\"s3:GetObjectTagging\",\"s3:PutObjectTagging\"",
			ARN("b/c/*")) ","
		OBJECTS("\"s3:DeleteObject\"", ARN("b/c/.kept/*")) ","
		LISTING("b", "\"c/*\"")));
}

TEST("what is below another input is named once, what only begins like it is not")
{
	static const struct s3_scope scopes[] = {
		{ "b", "a/x", false, READ },   { "b", "a/", true, READ },
		{ "b", "a/", true, READ },     { "b", "a.csv", false, READ },
		{ "b", "a.csv2", false, READ },
	};

	check_policy(scopes, ARRAY_SIZE(scopes), POLICY(
		OBJECTS(GET, ARN("b/a.csv") "," ARN("b/a.csv2") "," ARN("b/a/*")) ","
		LISTING("b", "\"a.csv\",\"a.csv2\",\"a/*\"")));
}

TEST("a whole bucket is one that was asked for")
{
	static const struct s3_scope scopes[] = { { "b", "", true, READ } };

	check_policy(scopes, 1, POLICY(
		OBJECTS(GET, ARN("b/*")) ","
		LISTING("b", "\"*\"")));
}

TEST("no name can say more than it is: wildcards, variables, quotes, other letters")
{
	static const struct s3_scope scopes[] = {
		{ "b", "*/${aws:x}?\"\\\n\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\xa7", false,
		  S3_MAY_READ },
	};

	check_policy(scopes, 1, POLICY(
		OBJECTS(GET, ARN("b/?/?{aws:x}?\\\"\\\\\\u000a\\u00e9"
			     "\\u65e5\\ud83d\\udc27"))));
}
/* clang-format on */

TEST("another partition and the keys of KMS are those of AWS")
{
	static const struct s3_scope scopes[] = { { "b", "k", false, S3_MAY_READ } };
	const struct s3_policy policy = {
		.scopes = scopes, .n_scopes = 1, .partition = "aws-cn", .has_kms = true
	};
	cleanup_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(s3_policy_write(&policy, &out, &e), 0);
	CHECK(strstr(buf_text(&out), "\"arn:aws-cn:s3:::b/k\""));
	CHECK(strstr(buf_text(&out), "\"kms:Decrypt\""));
	CHECK(strstr(buf_text(&out), "\"kms:ViaService\":\"s3.*\""));
}

/* N keys "DIR/nnn/LONG", the same LONG each. */
static size_t make_many(struct s3_scope *scopes, char (*keys)[128], size_t n,
			const char *format)
{
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), format, (int)i / 10, (int)i);
		scopes[i] = (struct s3_scope){ "bucket", keys[i], false, READ };
	}
	return n;
}

TEST("too many inputs become the directories that they share, and outputs stay as cut")
{
	static char keys[200][128];
	static struct s3_scope scopes[202];
	size_t n = make_many(scopes, keys, 200, "data/set-%d/part-%04d.parquet");
	const struct s3_policy policy = { .scopes = scopes,
					  .n_scopes = n + 2,
					  .partition = "aws" };
	cleanup_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	scopes[n] = (struct s3_scope){ "bucket", "runs/a/1/", true, S3_MAY_WRITE };
	scopes[n + 1] = (struct s3_scope){ "other", "one/key", false, READ };
	CHECK_INT(s3_policy_write(&policy, &out, &e), 0);
	CHECK(out.len <= S3_POLICY_MAX && out.len > S3_POLICY_MAX / 2);
	CHECK(strstr(buf_text(&out), "\"arn:aws:s3:::bucket/data/set-0/*\""));
	CHECK(!strstr(buf_text(&out), "bucket/data/*"));
	CHECK(!strstr(buf_text(&out), "part-0000"));
	CHECK(strstr(buf_text(&out), "\"arn:aws:s3:::bucket/runs/a/1/*\""));
	CHECK(strstr(buf_text(&out), "\"arn:aws:s3:::other/one/key\""));
	CHECK(!strstr(buf_text(&out), "bucket/*"));
}

TEST("a whole bucket is never made of inputs that lie apart: that is an error")
{
	static char keys[60][128];
	static struct s3_scope scopes[60];
	size_t n = make_many(scopes, keys, 60, "%d-%d-data-of-some-length/key");
	const struct s3_policy policy = { .scopes = scopes,
					  .n_scopes = n,
					  .partition = "aws" };
	cleanup_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(s3_policy_write(&policy, &out, &e), -E2BIG);
	CHECK_INT(out.len, 0);
	CHECK(strstr(e.text, "of which STS takes 2048"));
	CHECK(strstr(e.text, "put them below fewer directories"));
}

TEST_MAIN
