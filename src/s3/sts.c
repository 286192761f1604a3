#include "s3/sts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/internal.h"
#include "s3/leaves.h"
#include "s3/secrets.h"
#include "s3/sign.h"
#include "s3/uri.h"
#include "util/clock.h"
#include "util/secret.h"
#include "util/utf8.h"

enum {
	REPLY_BYTES_MAX = 64 << 10,
	MESSAGE_SHOWN_MAX = 300, /* bytes */
	SKEW_MIN_S = 4 * 60,	 /* STS stands five minutes */
	LIFE_MAX_S = 7 * 86400,
};

/* ---- what is sent ---- */

static const char form[] = "application/x-www-form-urlencoded; charset=utf-8";

struct ask {
	const struct s3_role *role;
	const struct s3_credentials *credentials;
	struct buf endpoint, origin, path, body, url;
	struct buf headers[4]; /* in the order of `names` */
	struct s3_secrets secrets;
};

static void ask_fini(struct ask *ask)
{
	buf_fini(&ask->endpoint);
	buf_fini(&ask->origin);
	buf_fini(&ask->path);
	buf_fini(&ask->body);
	buf_fini(&ask->url);
	for (size_t i = 0; i < ARRAY_SIZE(ask->headers); i++) {
		buf_wipe(&ask->headers[i]);
	}
	s3_secrets_fini(&ask->secrets);
}
#define cleanup_ask cleanup_(ask_fini)

static int add_field(struct buf *body, const char *name, const char *value)
{
	(void)buf_printf(body, "&%s=", name);
	return s3_encode(value, false, body);
}

/* Spaces are %20 and not +, which Ceph does not decode here. */
static int ask_body(struct ask *ask)
{
	const struct s3_role *role = ask->role;
	struct buf *b = &ask->body;

	(void)buf_add_str(b, "Action=AssumeRole&Version=2011-06-15");
	(void)add_field(b, "RoleArn", role->arn);
	(void)add_field(b, "RoleSessionName", role->session);
	(void)buf_printf(b, "&DurationSeconds=%d", role->duration_s);
	return add_field(b, "Policy", role->policy);
}

static int ask_place(struct ask *ask, struct err *e)
{
	struct s3_place place = { .endpoint = ask->role->endpoint,
				  .region = ask->role->region,
				  .bucket = "" };
	const char *region = s3_place_region(&place);
	int r;

	if (!place.endpoint) {
		r = buf_printf(&ask->endpoint, "https://sts.%s.amazonaws.com%s", region,
			       has_prefix(region, "cn-") ? ".cn" : "");
		if (r < 0) {
			return r;
		}
		place.endpoint = buf_text(&ask->endpoint);
	}
	r = s3_place_origin(&place, &ask->origin, e);
	r = r < 0 ? r : s3_place_path(&place, "", &ask->path, e);
	return r < 0 ? r
		     : buf_printf(&ask->url, "%s%s", buf_text(&ask->origin),
				  buf_text(&ask->path));
}

static int ask_sign(struct ask *ask)
{
	const struct s3_place place = { .region = ask->role->region };
	const char *token = ask->credentials->session_token;
	const struct s3_post post = {
		.service = "sts",
		.region = s3_place_region(&place),
		.host = strstr(buf_text(&ask->origin), "://") + 3,
		.path = buf_text(&ask->path),
		.type = form,
		.body = buf_text(&ask->body),
		.body_len = ask->body.len,
		.time_s = clock_wall_ms() / 1000,
	};
	struct buf *headers = ask->headers;
	char date[S3_STAMP_SIZE];
	int r;

	(void)buf_printf(&headers[0], "Content-Type: %s", form);
	(void)buf_add_str(&headers[1], "Authorization: ");
	r = s3_sign_post(&post, ask->credentials, date, &headers[1]);
	if (r < 0) {
		return r;
	}
	r = buf_printf(&headers[2], "X-Amz-Date: %s", date);
	/* at once: growing would leave copies behind */
	if (token && buf_reserve(&headers[3], strlen(token) + 32)) {
		(void)buf_add_str(&headers[3], "X-Amz-Security-Token: ");
		r = buf_add_str(&headers[3], token);
	} else if (token) {
		r = -ENOMEM;
	}
	return r < 0 ? r : headers[0].error;
}

/* ---- what comes back ---- */

struct answer {
	struct s3_leaves *leaves;
	struct s3_keys keys;
	int64_t until_s; /* since 1970, by its clock; 0: not told */
	int error;
	struct s3_error said;
	struct s3_reply reply;
};

static void answer_fini(struct answer *answer)
{
	answer->leaves = s3_leaves_free(answer->leaves);
	s3_keys_fini(&answer->keys);
}
#define cleanup_answer cleanup_(answer_fini)

void s3_keys_fini(struct s3_keys *keys)
{
	keys->access_key = secret_free(keys->access_key);
	keys->secret_key = secret_free(keys->secret_key);
	keys->session_token = secret_free(keys->session_token);
	keys->life_s = 0;
}

/* They travel in lines, through echo of any shell. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~' || *text == '\\') {
			return false;
		}
	}
	return true;
}

static void take_secret(struct answer *answer, char **secret, const char *text)
{
	if (!is_plain(text) || *text == '\0' || *secret) {
		answer->error = -EPROTO;
		return;
	}
	*secret = secret_copy(text, strlen(text));
	if (!*secret) {
		answer->error = -ENOMEM;
	}
}

static void take_text(const char *text, char *to, size_t size)
{
	if (strlen(text) < size) { /* half a secret could not be recognised */
		memcpy(to, text, strlen(text) + 1);
	}
}

/* Ceph says /Error/Code where AWS says /ErrorResponse/Error/Code. */
static void take_error(struct s3_error *said, const char *path, const char *text)
{
	if (has_suffix(path, "Error/Code")) {
		take_text(text, said->code, sizeof(said->code));
	} else if (has_suffix(path, "Error/Message")) {
		take_text(text, said->message, sizeof(said->message));
	} else if (has_suffix(path, "/RequestId")) {
		take_text(text, said->request_id, sizeof(said->request_id));
	}
}

static void take_leaf(void *arg, const char *path, const char *text)
{
	static const char top[] = "/AssumeRoleResponse/AssumeRoleResult/Credentials/";
	struct answer *answer = arg;
	struct tm tm = { .tm_isdst = 0 };

	if (has_prefix(path, "/Error")) {
		take_error(&answer->said, path, text);
		return;
	}
	if (!has_prefix(path, top)) {
		return;
	}
	path += strlen(top);
	if (streq(path, "AccessKeyId")) {
		take_secret(answer, &answer->keys.access_key, text);
	} else if (streq(path, "SecretAccessKey")) {
		take_secret(answer, &answer->keys.secret_key, text);
	} else if (streq(path, "SessionToken")) {
		take_secret(answer, &answer->keys.session_token, text);
	} else if (streq(path, "Expiration") &&
		   strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) {
		answer->until_s = timegm(&tm);
	}
}

static void take_body(void *arg, const void *data, size_t len)
{
	struct answer *answer = arg;

	(void)s3_leaves_feed(answer->leaves, data, len);
}

/* ---- faults ---- */

struct meaning {
	const char *code; /* NULL: in the row of a status */
	int status;
	enum s3_fault fault;
	const char *says, *advice; /* NULL: none; "%s" is the role */
};

static const char check_role[] =
	"let that key's user call sts:AssumeRole on it and name the user in the role's "
	"trust policy; s3.sts_role_arn says which role it is";
static const char check_keys[] = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
static const char renew[] = "renew AWS_SESSION_TOKEN and the keys that came with it";

/* clang-format off */
static const struct meaning meanings[] = {
	{ "AccessDenied", 0, S3_DENIED,
	  "does not let the daemon's access key assume the role", check_role },
	{ "NoSuchEntity", 0, S3_REFUSED, "does not know the role",
	  "check s3.sts_role_arn" },
	{ "InvalidClientTokenId", 0, S3_CREDENTIALS,
	  "refused the daemon's access key, for the role", check_keys },
	{ "InvalidAccessKeyId", 0, S3_CREDENTIALS,
	  "refused the daemon's access key, for the role", check_keys },
	{ "SignatureDoesNotMatch", 0, S3_CREDENTIALS,
	  "refused the signature, for the role", check_keys },
	{ "ExpiredToken", 0, S3_CREDENTIALS,
	  "says that the daemon's session token has expired, for the role", renew },
	{ "ExpiredTokenException", 0, S3_CREDENTIALS,
	  "says that the daemon's session token has expired, for the role", renew },
	{ "RequestExpired", 0, S3_SKEW,
	  "says that this machine's clock is off, for the role", "set it, by NTP" },
	{ "RequestTimeTooSkewed", 0, S3_SKEW,
	  "says that this machine's clock is off, for the role", "set it, by NTP" },
	{ "PackedPolicyTooLarge", 0, S3_REFUSED,
	  "finds the session policy of this job too long, for the role",
	  "put its inputs below fewer directories of S3" },
	{ "MalformedPolicyDocument", 0, S3_REFUSED,
	  "cannot read the session policy of this job, for the role", NULL },
	{ "ValidationError", 0, S3_REFUSED, "refused what is asked of the role",
	  "s3.sts_duration may be longer than the role's own limit, or than the hour "
	  "that a role has which was assumed by another one" },
	{ "RegionDisabledException", 0, S3_REFUSED,
	  "is not switched on there, for the role", "set s3.sts_endpoint_url" },
	{ "Throttling", 0, S3_THROTTLED,
	  "asks for fewer requests, for the role", NULL },
	{ "ThrottlingException", 0, S3_THROTTLED,
	  "asks for fewer requests, for the role", NULL },

	{ NULL, 403, S3_DENIED,
	  "does not let the daemon's access key assume the role", check_role },
	{ NULL, 404, S3_REFUSED, "does not know the role", "check s3.sts_role_arn" },
	{ NULL, 429, S3_THROTTLED, "asks for fewer requests, for the role", NULL },
	{ NULL, 500, S3_THROTTLED, "has an error of its own, for the role", NULL },
	{ NULL, 502, S3_THROTTLED, "is not there just now, for the role", NULL },
	{ NULL, 503, S3_THROTTLED, "is not there just now, for the role", NULL },
	{ NULL, 504, S3_THROTTLED, "is too slow just now, for the role", NULL },
};
/* clang-format on */

static const struct meaning unknown = {
	.fault = S3_REFUSED,
	.says = "gives no credentials of the role",
	.advice = "if there is no STS, set s3.sts_endpoint_url",
};
static const struct meaning clock_off = {
	.fault = S3_SKEW,
	.says = "says that this machine's clock is off, for the role",
	.advice = "set it, by NTP",
};

static const struct meaning *meaning_of(const struct s3_error *said)
{
	const struct meaning *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(meanings) && !found; i++) {
		if (meanings[i].code && streq(meanings[i].code, said->code)) {
			found = &meanings[i];
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(meanings) && !found; i++) {
		if (meanings[i].status && meanings[i].status == said->status) {
			found = &meanings[i];
		}
	}
	if (found && found->fault != S3_THROTTLED && found->fault != S3_REFUSED &&
	    llabs(said->skew_s) > SKEW_MIN_S) {
		return &clock_off;
	}
	return found ? found : &unknown;
}

static enum s3_fault say(const struct ask *ask, enum s3_fault fault, const char *says,
			 const char *advice, const char *quote, struct err *e)
{
	char quoted[MESSAGE_SHOWN_MAX];
	int code = fault == S3_DENIED ? -EACCES : -EPROTO;

	(void)snprintf(quoted, sizeof(quoted), "%s", quote);
	for (char *c = quoted; *c; c++) {
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
	}
	utf8_clean(quoted);
	(void)err_set(e, code, "STS at %s %s %s%s%s%s%s%s", buf_text(&ask->origin),
		      says, ask->role->arn, advice ? ": " : "", advice ? advice : "",
		      !*quoted			? ""
		      : fault == S3_UNREACHABLE ? " ("
						: "; it said \"",
		      quoted,
		      !*quoted			? ""
		      : fault == S3_UNREACHABLE ? ")"
						: "\"");
	return fault;
}

static enum s3_fault refused(const struct ask *ask, struct answer *answer,
			     struct err *e)
{
	struct s3_error *said = &answer->said;
	cleanup_buf struct buf quote = BUF_INIT;
	const struct meaning *m;

	said->status = answer->reply.status;
	if (answer->reply.date_s) {
		said->skew_s = clock_wall_ms() / 1000 - answer->reply.date_s;
	}
	s3_error_redact(said, ask->secrets.texts, S3_SECRETS_MAX);
	m = meaning_of(said);
	(void)buf_printf(&quote, "%s%s%s", said->code, *said->message ? ": " : "",
			 said->message);
	if (!*said->code) {
		(void)buf_printf(&quote, "HTTP %d", said->status);
	}
	return say(ask, m->fault, m->says, m->advice, buf_text(&quote), e);
}

static enum s3_fault judge(const struct ask *ask, struct answer *answer,
			   enum s3_http_outcome outcome, struct err *e)
{
	int finished = outcome == S3_HTTP_DONE ? s3_leaves_finish(answer->leaves) : 0;
	const struct s3_keys *keys = &answer->keys;

	if (outcome == S3_HTTP_CANCELLED) {
		return S3_STOPPED;
	}
	if (outcome == S3_HTTP_FAILED) {
		cleanup_buf struct buf says = BUF_INIT;

		(void)buf_printf(&says, "%s, for the role", answer->reply.says);
		return say(ask, S3_UNREACHABLE, buf_text(&says), NULL,
			   s3_text_has_secret(answer->reply.why, ask->secrets.texts,
					      S3_SECRETS_MAX)
				   ? ""
				   : answer->reply.why,
			   e);
	}
	if (answer->reply.status != 200 || *answer->said.code) {
		return refused(ask, answer, e);
	}
	if (finished < 0 || outcome == S3_HTTP_TOO_LONG || answer->error < 0 ||
	    !keys->access_key || !keys->secret_key || !keys->session_token) {
		return say(ask, S3_REFUSED, unknown.says, unknown.advice, "", e);
	}
	return S3_OK;
}

/* By its own clock, since ours may be off. */
static int64_t life_of(const struct ask *ask, const struct answer *answer)
{
	int64_t now_s =
		answer->reply.date_s ? answer->reply.date_s : clock_wall_ms() / 1000;
	int64_t life_s = answer->until_s - now_s;

	return life_s > 0 && life_s <= LIFE_MAX_S ? life_s : ask->role->duration_s;
}

enum s3_fault s3_assume_role(struct s3_client *client, const struct s3_role *role,
			     const struct s3_credentials *credentials,
			     struct s3_keys *ret_keys, struct err *e)
{
	cleanup_ask struct ask ask = { .role = role, .credentials = credentials };
	cleanup_answer struct answer answer = { .error = 0 };
	const struct s3_sink sink = { .take = take_body,
				      .arg = &answer,
				      .page_max = REPLY_BYTES_MAX,
				      .error_max = S3_ERROR_BYTES_MAX };
	const char *headers[ARRAY_SIZE(ask.headers) + 1] = { NULL };
	enum s3_fault fault;
	int r = s3_leaves_new(take_leaf, &answer, &answer.leaves);

	s3_secrets_init(&ask.secrets, credentials, "");
	r = r < 0 ? r : ask_place(&ask, e);
	r = r < 0 ? r : ask_body(&ask);
	r = r < 0 ? r : ask_sign(&ask);
	if (r < 0) {
		(void)err_set(r == -EINVAL ? NULL : e, r, "no memory");
		return r == -EINVAL ? S3_REFUSED : S3_UNREACHABLE;
	}
	ask.secrets.texts[2] = strstr(ask.headers[1].data, "Signature=") + 10;
	for (size_t i = 0; i < ARRAY_SIZE(ask.headers); i++) {
		headers[i] = ask.headers[i].len > 0 ? ask.headers[i].data : NULL;
	}
	fault = judge(&ask, &answer,
		      s3_http_send(client->http,
				   &(struct s3_send){ .method = "POST",
						      .url = buf_text(&ask.url),
						      .body = buf_text(&ask.body),
						      .body_len = ask.body.len,
						      .headers = headers },
				   &sink, &answer.reply),
		      e);
	if (fault == S3_OK) {
		answer.keys.life_s = life_of(&ask, &answer);
		*ret_keys = answer.keys;
		answer.keys = (struct s3_keys){ .life_s = 0 };
	}
	return fault;
}
