#include "test.h"

#include <errno.h>

#include "s3/fault.h"

static const struct s3_place place = { .bucket = "x", .region = "us-east-1" };

static const struct s3_asked asked = {
	.origin = "http://10.0.0.2:8000",
	.place = &place,
	.prefix = "runs/",
};

static void check_fault(const struct s3_error *error, enum s3_fault fault,
			const char *text)
{
	struct err e = ERR_INIT;

	CHECK_INT(s3_fault_of_error(&asked, error, &e), fault);
	CHECK_STR(e.text, text);
	CHECK(e.code < 0);
	CHECK_INT(s3_fault_of_error(&asked, error, NULL), fault);
}

static void check_code(int status, const char *code, enum s3_fault fault)
{
	struct s3_error error = { .status = status };
	struct err e = ERR_INIT;

	(void)snprintf(error.code, sizeof(error.code), "%s", code);
	if (s3_fault_of_error(&asked, &error, &e) != fault) {
		printf("# %d %s: %s\n", status, code, e.text);
		CHECK(false);
	}
	CHECK(!*code || strstr(e.text, code));
}

TEST("a wrong access key, secret or bucket is a sentence that says what to check")
{
	check_fault(&(struct s3_error){ .status = 403, .code = "InvalidAccessKeyId" },
		    S3_CREDENTIALS,
		    "S3 at http://10.0.0.2:8000 refused the access key "
		    "(InvalidAccessKeyId): check AWS_ACCESS_KEY_ID [s3://x/runs/]");
	check_fault(&(struct s3_error){ .status = 403,
					.code = "SignatureDoesNotMatch",
					.request_id = "tx1" },
		    S3_CREDENTIALS,
		    "S3 at http://10.0.0.2:8000 refused the signature: the secret key "
		    "does not match (SignatureDoesNotMatch): check "
		    "AWS_SECRET_ACCESS_KEY [s3://x/runs/, request tx1]");
	check_fault(&(struct s3_error){ .status = 404,
					.code = "NoSuchBucket",
					.message = "No such." },
		    S3_NO_BUCKET,
		    "S3 at http://10.0.0.2:8000 says that bucket \"x\" does not exist "
		    "(NoSuchBucket): check its name and the endpoint; it said \"No "
		    "such.\" [s3://x/runs/]");
}

TEST("codes of S3 decide before the status does")
{
	check_code(403, "AccessDenied", S3_DENIED);
	check_code(400, "ExpiredToken", S3_CREDENTIALS);
	check_code(400, "InvalidToken", S3_CREDENTIALS);
	check_code(403, "RequestTimeTooSkewed", S3_SKEW);
	check_code(301, "PermanentRedirect", S3_REDIRECT);
	check_code(503, "SlowDown", S3_THROTTLED);
	check_code(200, "InternalError", S3_THROTTLED);
	check_code(400, "RequestTimeout", S3_THROTTLED);
	check_code(400, "InvalidArgument", S3_REFUSED);
	check_code(400, "AuthorizationHeaderMalformed", S3_REFUSED);
}

TEST("without a code the status decides")
{
	check_code(301, "", S3_REDIRECT);
	check_code(307, "", S3_REDIRECT);
	check_code(403, "", S3_DENIED);
	check_code(404, "", S3_REFUSED);
	check_code(418, "", S3_REFUSED);
	check_code(204, "", S3_REFUSED);
	check_code(500, "", S3_THROTTLED);
	check_code(502, "", S3_THROTTLED);
	check_code(503, "", S3_THROTTLED);
	check_code(504, "", S3_THROTTLED);
	check_code(503, "SomethingNew", S3_THROTTLED);
	check_code(408, "", S3_THROTTLED);
	check_code(507, "", S3_THROTTLED);
	check_code(524, "", S3_THROTTLED);
	check_code(501, "", S3_REFUSED);
}

TEST("another region is a redirect that names it")
{
	struct s3_error error = { .status = 400,
				  .code = "AuthorizationHeaderMalformed",
				  .region = "eu-west-1" };

	check_fault(&error, S3_REDIRECT,
		    "S3 at http://10.0.0.2:8000 says that bucket \"x\" is in another "
		    "region (AuthorizationHeaderMalformed): it is in eu-west-1, not in "
		    "us-east-1; set the region of the bucket [s3://x/runs/]");
	error.status = 403;
	(void)snprintf(error.code, sizeof(error.code), "AccessDenied");
	CHECK_INT(s3_fault_of_error(&asked, &error, NULL), S3_DENIED);
	error = (struct s3_error){ .status = 400, .region = "us-east-1" };
	CHECK_INT(s3_fault_of_error(&asked, &error, NULL), S3_REFUSED);
}

TEST("access denied to a clock that is off is the clock's fault")
{
	struct s3_error error = { .status = 403,
				  .code = "AccessDenied",
				  .skew_s = -7200 };

	check_fault(&error, S3_SKEW,
		    "S3 at http://10.0.0.2:8000 refused the request: this machine's "
		    "clock is off (AccessDenied): it is 120 minutes behind; set it, by "
		    "NTP at best [s3://x/runs/]");
	error.skew_s = 60;
	CHECK_INT(s3_fault_of_error(&asked, &error, NULL), S3_DENIED);
	error.skew_s = 3600;
	CHECK_INT(s3_fault_of_error(&asked, &error, NULL), S3_SKEW);
}

TEST("who has no credentials is told so")
{
	struct s3_asked anonymous = asked;
	struct err e = ERR_INIT;

	anonymous.is_anonymous = true;
	CHECK_INT(s3_fault_of_error(
			  &anonymous,
			  &(struct s3_error){ .status = 403, .code = "AccessDenied" },
			  &e),
		  S3_DENIED);
	CHECK(strstr(e.text, "no credentials were given"));
}

TEST("foreign text is made fit for a terminal and cut")
{
	struct s3_error error = { .status = 418,
				  .message = "a\nb\x1b[31m\xff\xc3\xbc" };
	struct err e = ERR_INIT;

	check_fault(&error, S3_REFUSED,
		    "S3 at http://10.0.0.2:8000 refused the request (HTTP 418); it "
		    "said \"a?b?[31m?\xc3\xbc\" [s3://x/runs/]");
	memset(error.message, 'm', sizeof(error.message) - 1);
	CHECK_INT(s3_fault_of_error(&asked, &error, &e), S3_REFUSED);
	CHECK(strlen(e.text) < 450);
	CHECK(strstr(e.text, "mmm\" [s3://x/runs/]"));
}

TEST("what repeats a secret is dropped")
{
	static const char *const secrets[] = { NULL, "", "deadbeef" };
	struct s3_error error = { .code = "Code",
				  .message = "got deadbeef",
				  .region = "?x-amz-signature=1",
				  .request_id = "R" };

	s3_error_redact(&error, secrets, 3);
	CHECK_STR(error.code, "Code");
	CHECK_STR(error.message, "");
	CHECK_STR(error.region, "");
	CHECK_STR(error.request_id, "R");
}

TEST("faults have names, and some may pass")
{
	for (enum s3_fault fault = S3_OK; fault <= S3_STOPPED; fault++) {
		CHECK(*s3_fault_name(fault));
	}
	CHECK(s3_fault_may_pass(S3_UNREACHABLE));
	CHECK(s3_fault_may_pass(S3_THROTTLED));
	CHECK(!s3_fault_may_pass(S3_DENIED));
}

TEST_MAIN
