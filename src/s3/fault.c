/* A sentence reads: S3 at WHERE SAYS (CODE): ADVICE; it said "MESSAGE"
 * [s3://BUCKET/PREFIX, request ID]. A code of S3 decides before the status of HTTP
 * does. */
#include "s3/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/mem.h"
#include "util/utf8.h"

enum {
	MESSAGE_SHOWN_MAX = 300, /* bytes */
	SKEW_MIN_S = 14 * 60,	 /* S3 stands 15 minutes; less is no reason to refuse */
};

/* ---- faults ---- */

static const struct {
	const char *name;
	int code; /* errno of struct err */
	bool may_pass;
} faults[] = {
	[S3_OK] = { "Ok", 0, false },
	[S3_NO_BUCKET] = { "NoBucket", -ENOENT, false },
	[S3_DENIED] = { "Denied", -EACCES, false },
	[S3_CREDENTIALS] = { "Credentials", -EKEYREJECTED, false },
	[S3_SKEW] = { "ClockSkew", -ETIME, false },
	[S3_REDIRECT] = { "Redirect", -EREMCHG, false },
	[S3_UNREACHABLE] = { "Unreachable", -EHOSTUNREACH, true },
	[S3_THROTTLED] = { "Throttled", -EBUSY, true },
	[S3_REFUSED] = { "Refused", -EPROTO, false },
	[S3_STOPPED] = { "Stopped", -ECANCELED, false },
};

const char *s3_fault_name(enum s3_fault fault)
{
	return faults[fault].name;
}

bool s3_fault_may_pass(enum s3_fault fault)
{
	return faults[fault].may_pass;
}

/* ---- what S3 says, as rows ---- */

struct meaning {
	const char *code; /* of S3, NULL in the rows of HTTP */
	int status;	  /* of HTTP, 0 in the rows of S3 */
	enum s3_fault fault;
	const char *says;      /* %s: what was to be done */
	const char *of_bucket; /* NULL, or: says "BUCKET" of_bucket */
	const char *advice;    /* NULL: none */
};

static const char renew[] = "renew AWS_SESSION_TOKEN and the keys that came with it";
static const char set_place[] = "set the region or the endpoint of the bucket";
static const char set_region[] = "set the region of the bucket";
static const char set_clock[] = "set it, by NTP at best";

/* clang-format off */
/* https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList */
static const struct meaning meanings[] = {
	{ "NoSuchBucket", 0, S3_NO_BUCKET,
	  "says that bucket", "does not exist", "check its name and the endpoint" },
	{ "AccessDenied", 0, S3_DENIED,
	  "does not let this access key %s bucket", "",
	  "it needs s3:ListBucket there" },
	{ "InvalidAccessKeyId", 0, S3_CREDENTIALS,
	  "refused the access key", NULL, "check AWS_ACCESS_KEY_ID" },
	{ "SignatureDoesNotMatch", 0, S3_CREDENTIALS,
	  "refused the signature: the secret key does not match", NULL,
	  "check AWS_SECRET_ACCESS_KEY" },
	{ "ExpiredToken", 0, S3_CREDENTIALS,
	  "refused the session token: it has expired", NULL, renew },
	{ "TokenRefreshRequired", 0, S3_CREDENTIALS,
	  "refused the session token: it must be renewed", NULL, renew },
	{ "InvalidToken", 0, S3_CREDENTIALS,
	  "refused the session token", NULL, "check AWS_SESSION_TOKEN and its keys" },
	{ "RequestTimeTooSkewed", 0, S3_SKEW,
	  "refused the request: this machine's clock is off", NULL, set_clock },
	{ "PermanentRedirect", 0, S3_REDIRECT,
	  "says that bucket", "is elsewhere", set_place },
	{ "TemporaryRedirect", 0, S3_REDIRECT,
	  "says that bucket", "is elsewhere", set_place },
	{ "IllegalLocationConstraintException", 0, S3_REDIRECT,
	  "says that bucket", "is in another region", set_region },
	{ "SlowDown", 0, S3_THROTTLED, "asks for fewer requests", NULL, NULL },
	{ "ServiceUnavailable", 0, S3_THROTTLED,
	  "is not available just now", NULL, NULL },
	{ "InternalError", 0, S3_THROTTLED, "has an error of its own", NULL, NULL },
	{ "RequestTimeout", 0, S3_THROTTLED,
	  "waited too long for the request", NULL, NULL },

	{ NULL, 301, S3_REDIRECT, "sends requests elsewhere", NULL, set_place },
	{ NULL, 302, S3_REDIRECT, "sends requests elsewhere", NULL, set_place },
	{ NULL, 303, S3_REDIRECT, "sends requests elsewhere", NULL, set_place },
	{ NULL, 307, S3_REDIRECT, "sends requests elsewhere", NULL, set_place },
	{ NULL, 308, S3_REDIRECT, "sends requests elsewhere", NULL, set_place },
	{ NULL, 401, S3_CREDENTIALS, "wants other credentials", NULL, NULL },
	{ NULL, 403, S3_DENIED, "forbids to %s bucket", "", NULL },
	{ NULL, 404, S3_REFUSED, "knows no such address", NULL, "check the endpoint" },
	{ NULL, 408, S3_THROTTLED,
	  "waited too long for the request", NULL, NULL },
	{ NULL, 429, S3_THROTTLED, "asks for fewer requests", NULL, NULL },
	{ NULL, 500, S3_THROTTLED, "has an error of its own", NULL, NULL },
	{ NULL, 502, S3_THROTTLED, "is not behind its gateway just now", NULL, NULL },
	{ NULL, 503, S3_THROTTLED, "is not available just now", NULL, NULL },
	{ NULL, 504, S3_THROTTLED, "is too slow for its gateway", NULL, NULL },
};

/* clang-format on */

static const struct meaning unknown = {
	.fault = S3_REFUSED,
	.says = "refused the request",
};

/* Of a gateway: 507, 520 and the like. */
static const struct meaning unknown_of_server = {
	.fault = S3_THROTTLED,
	.says = "has an error of its own",
};

/* 400 with AuthorizationHeaderMalformed, AuthorizationQueryParametersError or others,
 * when S3 adds where the bucket is. */
static const struct meaning other_region = {
	.fault = S3_REDIRECT,
	.says = "says that bucket",
	.of_bucket = "is in another region",
	.advice = set_region,
};

/* With AWS and Ceph a presigned request of a clock that is off is "expired" or "not
 * valid yet", which is plain AccessDenied: the Date of the answer tells. */
static const struct meaning clock_off = {
	.fault = S3_SKEW,
	.says = "refused the request: this machine's clock is off",
	.advice = set_clock,
};

static bool names_other_region(const struct s3_asked *asked,
			       const struct s3_error *error)
{
	return *error->region && !streq(error->region, s3_place_region(asked->place));
}

static const struct meaning *meaning_find(const struct s3_error *error, bool by_code)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		const struct meaning *m = &meanings[i];

		if (by_code ? m->code && streq(m->code, error->code)
			    : m->status && m->status == error->status) {
			return m;
		}
	}
	return NULL;
}

static const struct meaning *meaning_of(const struct s3_asked *asked,
					const struct s3_error *error)
{
	const struct meaning *m = meaning_find(error, true);

	if (!m && error->status == 400 && names_other_region(asked, error)) {
		return &other_region;
	}
	if (!m) {
		m = meaning_find(error, false);
	}
	if (m && m->fault == S3_DENIED && llabs(error->skew_s) > SKEW_MIN_S) {
		return &clock_off;
	}
	if (!m && error->status > 505) {
		return &unknown_of_server;
	}
	return m ? m : &unknown;
}

/* ---- sentences ---- */

/* Makes foreign text fit for one line on a terminal: UTF-8 without control characters,
 * at most max bytes. */
static void add_clean(struct buf *out, const char *text, size_t max)
{
	size_t left = strlen(text);

	while (left > 0 && max > 0) {
		size_t n = utf8_char_len(text, left);
		bool is_plain = n > 1 || (n == 1 && *text >= 0x20 && *text != 0x7f);

		if (n > max) {
			break;
		}
		n = n ? n : 1;
		if (is_plain) {
			(void)buf_add(out, text, n);
		} else {
			(void)buf_add_char(out, '?');
		}
		text += n;
		left -= n;
		max -= n;
	}
}

static void add_asked(struct buf *out, const struct s3_asked *asked,
		      const char *request_id)
{
	(void)buf_printf(out, " [s3://%s/%s", asked->place->bucket, asked->prefix);
	if (*request_id) {
		(void)buf_printf(out, ", request %s", request_id);
	}
	(void)buf_add_char(out, ']');
}

static enum s3_fault fault_say(enum s3_fault fault, const struct buf *sentence,
			       struct err *e)
{
	cleanup_buf struct buf clean = BUF_INIT;

	add_clean(&clean, buf_text(sentence), ERR_TEXT_MAX - 1);
	(void)err_set(e, faults[fault].code, "%s", buf_text(&clean));
	return fault;
}

enum s3_fault s3_fault_set(enum s3_fault fault, const struct s3_asked *asked,
			   const char *says, const char *why, struct err *e)
{
	cleanup_buf struct buf s = BUF_INIT;

	(void)buf_printf(&s, "S3 at %s %s%s", asked->origin, says, *why ? ": " : "");
	add_clean(&s, why, MESSAGE_SHOWN_MAX);
	add_asked(&s, asked, "");
	return fault_say(fault, &s, e);
}

/* What is known about this very request, before the advice that always holds. */
static void add_detail(struct buf *s, const struct meaning *m,
		       const struct s3_asked *asked, const struct s3_error *error)
{
	if (m->fault == S3_REDIRECT && names_other_region(asked, error)) {
		(void)buf_printf(s, "it is in %s, not in %s; ", error->region,
				 s3_place_region(asked->place));
	}
	if (m->fault == S3_SKEW && error->skew_s != 0) {
		(void)buf_printf(s, "it is %lld minutes %s; ",
				 (llabs(error->skew_s) + 30) / 60,
				 error->skew_s < 0 ? "behind" : "ahead");
	}
}

static void add_advice(struct buf *s, const struct meaning *m,
		       const struct s3_asked *asked, const struct s3_error *error)
{
	if (m->fault == S3_DENIED && asked->is_anonymous) {
		(void)buf_add_str(s, ": no credentials were given, set "
				     "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
	} else if (m->advice && !(m->fault == S3_DENIED && asked->act)) {
		(void)buf_add_str(s, ": ");
		add_detail(s, m, asked, error);
		(void)buf_add_str(s, m->advice);
	}
}

static void add_says(struct buf *s, const char *says, const char *act)
{
	const char *gap = strstr(says, "%s");

	if (!gap) {
		(void)buf_add_str(s, says);
		return;
	}
	(void)buf_add(s, says, (size_t)(gap - says));
	(void)buf_add_str(s, act);
	(void)buf_add_str(s, gap + strlen("%s"));
}

enum s3_fault s3_fault_of_error(const struct s3_asked *asked,
				const struct s3_error *error, struct err *e)
{
	const struct meaning *m = meaning_of(asked, error);
	cleanup_buf struct buf s = BUF_INIT;

	(void)buf_printf(&s, "S3 at %s ", asked->origin);
	add_says(&s, m->says, asked->act ? asked->act : "list");
	if (m->of_bucket) {
		(void)buf_printf(&s, " \"%s\"%s%s", asked->place->bucket,
				 *m->of_bucket ? " " : "", m->of_bucket);
	}
	if (*error->code) {
		(void)buf_printf(&s, " (%s)", error->code);
	} else {
		(void)buf_printf(&s, " (HTTP %d)", error->status);
	}
	add_advice(&s, m, asked, error);
	if (*error->message) {
		(void)buf_add_str(&s, "; it said \"");
		add_clean(&s, error->message, MESSAGE_SHOWN_MAX);
		(void)buf_add_char(&s, '"');
	}
	add_asked(&s, asked, error->request_id);
	return fault_say(m->fault, &s, e);
}

/* ---- secrets ---- */

bool s3_text_has_secret(const char *text, const char *const *secrets, size_t n)
{
	if (strcasestr(text, "X-Amz-Signature") ||
	    strcasestr(text, "X-Amz-Security-Token")) {
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		if (secrets[i] && *secrets[i] && strstr(text, secrets[i])) {
			return true;
		}
	}
	return false;
}

void s3_error_redact(struct s3_error *error, const char *const *secrets, size_t n)
{
	char *const texts[] = { error->code, error->message, error->region,
				error->request_id };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (s3_text_has_secret(texts[i], secrets, n)) {
			*texts[i] = '\0';
		}
	}
}
