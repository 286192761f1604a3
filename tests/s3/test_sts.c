/* AssumeRole of a real server, with a session policy that it enforces, and of
 * strangers: tests/s3/run starts both. */
#include "test.h"

#include <signal.h>

#include "s3/multipart.h"
#include "s3/policy.h"
#include "s3/sts.h"
#include "util/clock.h"

#include "objects.h"

enum { READ = S3_MAY_READ | S3_MAY_LIST };

static const char role_arn[] = "arn:aws:iam:::role/r1";

static enum s3_fault assume(const char *endpoint, const char *arn, const char *policy,
			    const struct s3_credentials *who, struct s3_keys *ret_keys,
			    struct err *e)
{
	cleanup_s3_client struct s3_client *client = NULL;
	const struct s3_role role = { .endpoint = endpoint,
				      .region = "us-east-1",
				      .arn = arn,
				      .session = "jobfs-0123456789abcdef-1",
				      .policy = policy,
				      .duration_s = 900 };
	enum s3_fault fault;

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK_INT(s3_client_new(&client), 0);
	s3_client_set_timeouts(client, 5, 5);
	fault = s3_assume_role(client, &role, who, ret_keys, e);
	printf("# %s: %s\n", s3_fault_name(fault), e->text);
	return fault;
}

static void assume_bad(const char *endpoint, const struct s3_credentials *who,
		       enum s3_fault fault, const char *words)
{
	cleanup_s3_keys struct s3_keys keys = { .life_s = 0 };
	struct err e = ERR_INIT;

	CHECK_STR(s3_fault_name(assume(endpoint, role_arn, "{}", who, &keys, &e)),
		  s3_fault_name(fault));
	if (!strstr(e.text, words)) {
		CHECK_STR(e.text, words);
	}
	CHECK(strstr(e.text, role_arn) && e.code < 0);
	CHECK(!strstr(e.text, who->secret_key) && !strstr(e.text, "Signature="));
	CHECK(!who->session_token || !strstr(e.text, who->session_token));
	CHECK(!keys.access_key);
}

/* ---- the real server ---- */

static int count_one(void *arg, const struct s3_object *object)
{
	(void)object;
	++*(int *)arg;
	return 0;
}

static enum s3_fault list(const struct s3_credentials *who, const char *prefix)
{
	cleanup_s3_client struct s3_client *client = NULL;
	const struct s3_place place = { .endpoint = env("S3_TEST_STS"),
					.region = "us-east-1",
					.bucket = env("S3_TEST_BUCKET") };
	struct err e = ERR_INIT;
	int n = 0;

	CHECK_INT(s3_client_new(&client), 0);
	return s3_list(client, &place, who,
		       &(struct s3_listing){ .prefix = prefix,
					     .page_size = 10,
					     .each = count_one,
					     .arg = &n },
		       &e);
}

static enum s3_fault try_write(const struct s3_credentials *who, const char *key)
{
	cleanup_s3_client struct s3_client *client = NULL;
	const struct s3_place place = { .endpoint = env("S3_TEST_STS"),
					.region = "us-east-1",
					.bucket = env("S3_TEST_BUCKET") };
	struct err e = ERR_INIT;

	CHECK_INT(s3_client_new(&client), 0);
	return s3_try_write(client,
			    &(struct s3_object_name){
				    .place = &place, .credentials = who, .key = key },
			    &e);
}

#define CHECK_FAULT(have, want) CHECK_STR(s3_fault_name(have), s3_fault_name(want))

TEST("temporary credentials may do what their policy says, and S3 refuses the rest")
{
	const struct s3_scope scopes[] = {
		{ env("S3_TEST_BUCKET"), "in put/", true, READ },
		{ env("S3_TEST_BUCKET"), "\xc3\xbc\"*\\", false, READ },
		{ env("S3_TEST_BUCKET"), "runs/1/", true, S3_MAY_WRITE },
	};
	const struct s3_policy policy = { .scopes = scopes,
					  .n_scopes = ARRAY_SIZE(scopes),
					  .partition = "aws" };
	cleanup_s3_keys struct s3_keys keys = { .life_s = 0 };
	const struct s3_credentials daemon = owner();
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct s3_credentials job;

	CHECK_INT(s3_policy_write(&policy, &text, &e), 0);
	CHECK_FAULT(assume(env("S3_TEST_STS"), role_arn, buf_text(&text), &daemon,
			   &keys, &e),
		    S3_OK);
	CHECK(keys.life_s > 880 && keys.life_s <= 900);
	CHECK(strcmp(keys.access_key, daemon.access_key) != 0);
	job = (struct s3_credentials){ .access_key = keys.access_key,
				       .secret_key = keys.secret_key,
				       .session_token = keys.session_token };
	CHECK_FAULT(list(&job, "in put/"), S3_OK);
	CHECK_FAULT(list(&job, "in put/deeper"), S3_OK);
	CHECK_FAULT(list(&job, "\xc3\xbc\"*\\"), S3_OK);
	CHECK_FAULT(list(&job, "in put"), S3_DENIED);
	CHECK_FAULT(list(&job, ""), S3_DENIED);
	CHECK_FAULT(list(&job, "runs/1/"), S3_DENIED);
	CHECK_FAULT(try_write(&job, "runs/1/x"), S3_OK);
	CHECK_FAULT(try_write(&job, "runs/2/x"), S3_DENIED);
	CHECK_FAULT(try_write(&job, "in put/x"), S3_DENIED);
	CHECK_FAULT(list(&daemon, ""), S3_OK);
}

TEST("a role that is not there, and a key that may not, are named")
{
	struct s3_credentials who = owner();
	struct s3_keys keys = { .life_s = 0 };
	struct err e = ERR_INIT;

	CHECK_FAULT(assume(env("S3_TEST_STS"), "arn:aws:iam:::role/none", "{}", &who,
			   &keys, &e),
		    S3_REFUSED);
	CHECK(strstr(e.text, "does not know the role arn:aws:iam:::role/none: check "
			     "s3.sts_role_arn"));
	who.secret_key = "not-the-secret";
	assume_bad(env("S3_TEST_STS"), &who, S3_DENIED,
		   "let that key's user call sts:AssumeRole on it");
	who = owner();
	assume_bad(env("S3_TEST_ENDPOINT"), &who, S3_REFUSED, role_arn); /* has none */
}

/* ---- strangers ---- */

static void stranger(const char *name, enum s3_fault fault, const char *words)
{
	const struct s3_credentials who = { .access_key = "AKSTRANGER",
					    .secret_key = "secret/of+stranger",
					    .session_token = "token-of+stranger==" };
	cleanup_buf struct buf endpoint = BUF_INIT;

	(void)buf_printf(&endpoint, "%s/%s", env("S3_TEST_STRANGER"), name);
	assume_bad(buf_text(&endpoint), &who, fault, words);
}

TEST("how long they hold is told by the clock of STS, not by ours")
{
	const struct s3_credentials who = owner();
	cleanup_s3_keys struct s3_keys keys = { .life_s = 0 };
	cleanup_buf struct buf endpoint = BUF_INIT;
	struct err e = ERR_INIT;

	(void)buf_printf(&endpoint, "%s/sts_good", env("S3_TEST_STRANGER"));
	CHECK_FAULT(assume(buf_text(&endpoint), role_arn, "{}", &who, &keys, &e),
		    S3_OK);
	CHECK_INT(keys.life_s, 1234);
	CHECK_STR(keys.access_key, "ASIATEMPORARY");
	CHECK_STR(keys.secret_key, "temporary/secret+");
	CHECK_STR(keys.session_token, "temporary/token==");
}

TEST("what AWS refuses is told with what to do")
{
	stranger("sts_denied", S3_DENIED, "trust policy");
	stranger("sts_expired", S3_CREDENTIALS, "renew AWS_SESSION_TOKEN");
	stranger("sts_unknown", S3_CREDENTIALS, "check AWS_ACCESS_KEY_ID");
	stranger("sts_long", S3_REFUSED, "s3.sts_duration may be longer");
	stranger("sts_packed", S3_REFUSED, "put its inputs below fewer directories");
	stranger("sts_skewed", S3_SKEW, "this machine's clock is off");
}

TEST("a busy STS, and one that is away, may come back")
{
	stranger("sts_busy", S3_THROTTLED, "asks for fewer requests");
	stranger("gateway", S3_THROTTLED, "not there just now");
	stranger("hangup", S3_UNREACHABLE, "does not answer");
	stranger("silent", S3_UNREACHABLE, "does not answer");
}

TEST("an answer without whole credentials, or with odd ones, is none")
{
	stranger("sts_half", S3_REFUSED, "gives no credentials");
	stranger("sts_odd", S3_REFUSED, "gives no credentials");
	stranger("html", S3_REFUSED, "gives no credentials");
	stranger("flood", S3_REFUSED, "gives no credentials");
}

TEST("an STS that repeats secrets is not repeated")
{
	stranger("sts_echo", S3_DENIED, "trust policy");
}

TEST_MAIN
