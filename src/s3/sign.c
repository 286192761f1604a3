/* One rule keeps a signature right: the server computes it from the request that it
 * gets, so every part is brought into its canonical form first and the URL is made of
 * exactly those parts. Hence: the host in lower case and without the default port (curl
 * sends it so), path and query encoded once, the query sorted. */
#include "s3/sign.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "s3/digest.h"
#include "s3/uri.h"

enum { SIGNED_MAX = 6 }; /* parameters that signing adds */

/* ---- the query ---- */

struct pair { /* encoded */
	struct buf name;
	struct buf value;
};

struct query {
	struct pair pairs[S3_QUERY_MAX + SIGNED_MAX];
	size_t n;
};

static void query_fini(struct query *query)
{
	for (size_t i = 0; i < query->n; i++) {
		buf_fini(&query->pairs[i].name);
		buf_wipe(&query->pairs[i].value);
	}
}
#define cleanup_query cleanup_(query_fini)

static int query_add(struct query *query, const char *name, const char *value)
{
	struct pair *pair = &query->pairs[query->n];

	assert(query->n < ARRAY_SIZE(query->pairs));
	*pair = (struct pair){ .name = BUF_INIT, .value = BUF_INIT };
	query->n++;
	(void)s3_encode(name, false, &pair->name);
	(void)s3_encode(value ? value : "", false, &pair->value);
	return pair->name.error ? pair->name.error : pair->value.error;
}

static int pair_compare(const void *left, const void *right)
{
	const struct pair *a = left, *b = right;
	int r = strcmp(buf_text(&a->name), buf_text(&b->name));

	return r ? r : strcmp(buf_text(&a->value), buf_text(&b->value));
}

static int query_write(struct query *query, struct buf *out)
{
	qsort(query->pairs, query->n, sizeof(query->pairs[0]), pair_compare);
	for (size_t i = 0; i < query->n; i++) {
		if (i > 0) {
			(void)buf_add_char(out, '&');
		}
		(void)buf_add_str(out, buf_text(&query->pairs[i].name));
		(void)buf_add_char(out, '=');
		(void)buf_add_str(out, buf_text(&query->pairs[i].value));
	}
	return out->error;
}

/* ---- the signature ---- */

struct stamp {
	char time[17]; /* 20130524T000000Z */
	char date[9];  /* 20130524 */
};

static int stamp_make(int64_t time_s, struct stamp *ret_stamp)
{
	time_t seconds = (time_t)time_s;
	struct stamp stamp;
	struct tm tm;

	if (time_s < 0 || !gmtime_r(&seconds, &tm) ||
	    strftime(stamp.time, sizeof(stamp.time), "%Y%m%dT%H%M%SZ", &tm) != 16 ||
	    strftime(stamp.date, sizeof(stamp.date), "%Y%m%d", &tm) != 8) {
		return -EINVAL;
	}
	*ret_stamp = stamp;
	return 0;
}

/* What a signature holds for. */
struct scope {
	const struct stamp *stamp;
	const char *region;
	const char *service;
};

static int scope_write(const struct scope *scope, struct buf *out)
{
	return buf_printf(out, "%s/%s/%s/aws4_request", scope->stamp->date,
			  scope->region, scope->service);
}

static int query_add_signing(struct query *query, const struct scope *scope,
			     const struct s3_credentials *credentials, int expires_s)
{
	cleanup_buf struct buf credential = BUF_INIT, expires = BUF_INIT;
	int r;

	(void)buf_printf(&credential, "%s/", credentials->access_key);
	r = scope_write(scope, &credential);
	if (r == 0) {
		r = buf_printf(&expires, "%d", expires_s);
	}
	const struct s3_query added[] = {
		{ "X-Amz-Algorithm", "AWS4-HMAC-SHA256" },
		{ "X-Amz-Credential", buf_text(&credential) },
		{ "X-Amz-Date", scope->stamp->time },
		{ "X-Amz-Expires", buf_text(&expires) },
		{ "X-Amz-SignedHeaders", "host" },
		{ "X-Amz-Security-Token", credentials->session_token },
	};
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(added); i++) {
		if (added[i].value) {
			r = query_add(query, added[i].name, added[i].value);
		}
	}
	return r;
}

/* The key of one day, region and service, so that the secret itself signs nothing. */
static int signing_key(const char *secret, const struct scope *scope,
		       unsigned char ret_key[static S3_DIGEST_SIZE])
{
	const char *const steps[] = { scope->region, scope->service, "aws4_request" };
	cleanup_buf_wipe struct buf first = BUF_INIT;
	int r;

	/* Room for all of it at once: a buffer that grows leaves copies behind. */
	if (!buf_reserve(&first, strlen("AWS4") + strlen(secret)) ||
	    buf_add_str(&first, "AWS4") < 0 || buf_add_str(&first, secret) < 0) {
		return first.error;
	}
	r = s3_hmac(first.data, first.len, scope->stamp->date, ret_key);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++) {
		r = s3_hmac(ret_key, S3_DIGEST_SIZE, steps[i], ret_key);
	}
	return r;
}

struct canonical { /* all in canonical form */
	const char *method;
	const char *host;
	const char *path;
	const char *query;
};

/* The canonical request is hashed in pieces and never stands in memory. */
static int canonical_hash(const struct canonical *canonical,
			  char ret_hex[static S3_DIGEST_HEX_SIZE])
{
	const char *const pieces[] = {
		canonical->method,  "\n",      canonical->path, "\n",
		canonical->query,   "\nhost:", canonical->host, "\n\nhost\n",
		"UNSIGNED-PAYLOAD",
	};
	cleanup_s3_digest struct s3_digest *digest = NULL;
	int r = s3_digest_new(&digest);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pieces); i++) {
		r = s3_digest_add(digest, pieces[i], strlen(pieces[i]));
	}
	return r < 0 ? r : s3_digest_hex(digest, ret_hex);
}

/* hash: of the canonical request */
static int signature_make(const char *secret, const struct scope *scope,
			  const char *hash, char ret_hex[static S3_DIGEST_HEX_SIZE])
{
	cleanup_buf struct buf text = BUF_INIT;
	unsigned char key[S3_DIGEST_SIZE] = { 0 };
	int r;

	(void)buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n", scope->stamp->time);
	(void)scope_write(scope, &text);
	r = buf_printf(&text, "\n%s", hash);
	if (r == 0) {
		r = signing_key(secret, scope, key);
	}
	if (r == 0) {
		r = s3_hmac(key, sizeof(key), text.data, key);
	}
	if (r == 0) {
		s3_hex(key, ret_hex);
	}
	OPENSSL_cleanse(key, sizeof(key));
	return r;
}

/* ---- the URL ---- */

static int request_check(const struct s3_request *request, struct stamp *ret_stamp,
			 struct err *e)
{
	assert(request->n_query <= S3_QUERY_MAX);
	if (stamp_make(request->time_s, ret_stamp) < 0) {
		return err_set(e, -EINVAL, "the time to sign for is out of range");
	}
	if (request->expires_s < 1 || request->expires_s > S3_EXPIRES_MAX_S) {
		return err_set(e, -EINVAL, "a signature lasts 1 to %d seconds, not %d",
			       S3_EXPIRES_MAX_S, request->expires_s);
	}
	return 0;
}

static int request_query(const struct s3_request *request, struct query *query)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < request->n_query; i++) {
		r = query_add(query, request->query[i].name, request->query[i].value);
	}
	return r;
}

/* The parts of the URL. */
struct parts {
	struct buf origin;
	struct buf path;
	struct buf query;
	char signature[S3_DIGEST_HEX_SIZE];
};

static void parts_fini(struct parts *parts)
{
	buf_fini(&parts->origin);
	buf_fini(&parts->path);
	buf_wipe(&parts->query);
}
#define cleanup_parts cleanup_(parts_fini)

static int parts_sign(struct parts *parts, const struct scope *scope,
		      const char *secret, const char *method)
{
	const struct canonical canonical = {
		.method = method,
		.host = strstr(parts->origin.data, "://") + 3,
		.path = buf_text(&parts->path),
		.query = buf_text(&parts->query),
	};
	char hash[S3_DIGEST_HEX_SIZE];
	int r = canonical_hash(&canonical, hash);

	return r < 0 ? r : signature_make(secret, scope, hash, parts->signature);
}

static int url_write(const struct parts *parts, struct buf *url)
{
	size_t start = url->len;

	(void)buf_add_str(url, buf_text(&parts->origin));
	(void)buf_add_str(url, buf_text(&parts->path));
	if (parts->query.len > 0) {
		(void)buf_printf(url, "?%s", buf_text(&parts->query));
	}
	if (*parts->signature) {
		(void)buf_printf(url, "&X-Amz-Signature=%s", parts->signature);
	}
	if (url->error) {
		buf_truncate(url, start);
	}
	return url->error;
}

int s3_presign(const struct s3_place *place, const struct s3_credentials *credentials,
	       const struct s3_request *request, struct buf *url, struct err *e)
{
	cleanup_parts struct parts parts = { .signature = "" };
	cleanup_query struct query query = { .n = 0 };
	bool is_signed = credentials->access_key != NULL;
	struct stamp stamp;
	const struct scope scope = { &stamp, s3_place_region(place), "s3" };
	int r = request_check(request, &stamp, e);

	if (r == 0) {
		r = s3_place_origin(place, &parts.origin, e);
	}
	if (r == 0) {
		r = s3_place_path(place, request->key, &parts.path, e);
	}
	if (r == 0) {
		r = request_query(request, &query);
	}
	if (r == 0 && is_signed) {
		r = query_add_signing(&query, &scope, credentials, request->expires_s);
	}
	if (r == 0) {
		r = query_write(&query, &parts.query);
	}
	if (r == 0 && is_signed) {
		r = parts_sign(&parts, &scope, credentials->secret_key,
			       request->method);
	}
	return r < 0 ? r : url_write(&parts, url);
}

/* ---- headers ---- */

static int body_hash(const struct s3_post *post,
		     char ret_hex[static S3_DIGEST_HEX_SIZE])
{
	cleanup_s3_digest struct s3_digest *digest = NULL;
	int r = s3_digest_new(&digest);

	r = r < 0 ? r : s3_digest_add(digest, post->body, post->body_len);
	return r < 0 ? r : s3_digest_hex(digest, ret_hex);
}

/* As canonical_hash(): the token is hashed in its place, and stands in no text here. */
static int post_hash(const struct s3_post *post, const struct stamp *stamp,
		     const char *token, const char *names,
		     char ret_hex[static S3_DIGEST_HEX_SIZE])
{
	char body[S3_DIGEST_HEX_SIZE];
	const char *const pieces[] = {
		"POST\n",
		post->path,
		"\n\ncontent-type:",
		post->type,
		"\nhost:",
		post->host,
		"\nx-amz-date:",
		stamp->time,
		token ? "\nx-amz-security-token:" : "",
		token ? token : "",
		"\n\n",
		names,
		"\n",
		body,
	};
	cleanup_s3_digest struct s3_digest *digest = NULL;
	int r = body_hash(post, body);

	r = r < 0 ? r : s3_digest_new(&digest);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pieces); i++) {
		r = s3_digest_add(digest, pieces[i], strlen(pieces[i]));
	}
	return r < 0 ? r : s3_digest_hex(digest, ret_hex);
}

int s3_sign_post(const struct s3_post *post, const struct s3_credentials *credentials,
		 char ret_date[static S3_STAMP_SIZE], struct buf *authorization)
{
	const char *token = credentials->session_token;
	const char *names = token ? "content-type;host;x-amz-date;x-amz-security-token"
				  : "content-type;host;x-amz-date";
	char hash[S3_DIGEST_HEX_SIZE], signature[S3_DIGEST_HEX_SIZE];
	struct stamp stamp;
	const struct scope scope = { &stamp, post->region, post->service };
	int r = stamp_make(post->time_s, &stamp);

	_Static_assert(sizeof(stamp.time) == S3_STAMP_SIZE, "the header of the time");
	r = r < 0 ? r : post_hash(post, &stamp, token, names, hash);
	r = r < 0 ? r
		  : signature_make(credentials->secret_key, &scope, hash, signature);
	if (r < 0) {
		return r;
	}
	memcpy(ret_date, stamp.time, sizeof(stamp.time));
	(void)buf_printf(authorization, "AWS4-HMAC-SHA256 Credential=%s/",
			 credentials->access_key);
	(void)scope_write(&scope, authorization);
	return buf_printf(authorization, ", SignedHeaders=%s, Signature=%s", names,
			  signature);
}
