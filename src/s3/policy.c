#include "s3/policy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/mem.h"
#include "util/utf8.h"

/* ---- scopes, sorted and merged ---- */

struct scope {
	const char *bucket, *key; /* borrowed */
	size_t key_len;		  /* of it that counts: what was merged has less */
	bool is_prefix;
	unsigned may;
};

struct scopes {
	struct scope *all; /* by bucket, rights and key */
	size_t n;
};

static void scopes_fini(struct scopes *scopes)
{
	free(scopes->all);
}
#define cleanup_scopes cleanup_(scopes_fini)

static int scope_compare(const void *left, const void *right)
{
	const struct scope *a = left, *b = right;
	int r = strcmp(a->bucket, b->bucket);

	if (r == 0 && a->may != b->may) {
		r = a->may < b->may ? -1 : 1;
	}
	return r ? r : strcmp(a->key, b->key);
}

static bool is_kin(const struct scope *a, const struct scope *b)
{
	return a->may == b->may && streq(a->bucket, b->bucket);
}

/* Is all of b in a, which stands before it? */
static bool covers(const struct scope *a, const struct scope *b)
{
	return is_kin(a, b) && b->key_len >= a->key_len &&
	       memcmp(a->key, b->key, a->key_len) == 0 &&
	       (a->is_prefix || (a->key_len == b->key_len && !b->is_prefix));
}

static void drop_covered(struct scopes *scopes)
{
	size_t n = 0;

	for (size_t i = 0; i < scopes->n; i++) {
		if (n == 0 || !covers(&scopes->all[n - 1], &scopes->all[i])) {
			scopes->all[n++] = scopes->all[i];
		}
	}
	scopes->n = n;
}

static int scopes_init(struct scopes *scopes, const struct s3_policy *policy)
{
	scopes->all = calloc(policy->n_scopes + 1, sizeof(*scopes->all));
	if (!scopes->all) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < policy->n_scopes; i++) {
		const struct s3_scope *s = &policy->scopes[i];

		scopes->all[i] = (struct scope){ .bucket = s->bucket,
						 .key = s->key,
						 .key_len = strlen(s->key),
						 .is_prefix = s->is_prefix,
						 .may = s->may };
	}
	scopes->n = policy->n_scopes;
	qsort(scopes->all, scopes->n, sizeof(*scopes->all), scope_compare);
	drop_covered(scopes);
	return 0;
}

/* The length of the directory that both are in; 0: none. */
static size_t shared_len(const struct scope *a, const struct scope *b)
{
	size_t len = 0;

	for (size_t i = 0; i < a->key_len && i < b->key_len && a->key[i] == b->key[i];
	     i++) {
		len = a->key[i] == '/' ? i + 1 : len;
	}
	return len;
}

/* Two neighbours become one: since they are sorted, no others share a deeper directory.
 * false: there is nothing left to merge. */
static bool merge_two(struct scopes *scopes)
{
	size_t best = 0, best_len = 0;

	for (size_t i = 0; i + 1 < scopes->n; i++) {
		const struct scope *a = &scopes->all[i], *b = &scopes->all[i + 1];
		size_t len = is_kin(a, b) && !(a->may & ~(S3_MAY_READ | S3_MAY_LIST))
				     ? shared_len(a, b)
				     : 0;

		if (len > best_len) {
			best = i;
			best_len = len;
		}
	}
	if (best_len == 0) {
		return false;
	}
	while (best > 0 && is_kin(&scopes->all[best - 1], &scopes->all[best]) &&
	       shared_len(&scopes->all[best - 1], &scopes->all[best]) == best_len) {
		best--; /* it takes all that are there */
	}
	scopes->all[best].key_len = best_len;
	scopes->all[best].is_prefix = true;
	drop_covered(scopes);
	return true;
}

/* ---- the text ---- */

static void add_unicode(struct buf *out, unsigned code)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		(void)buf_printf(out, "\\u%04x\\u%04x", 0xd800 | code >> 10,
				 0xdc00 | (code & 0x3ff));
	} else {
		(void)buf_printf(out, "\\u%04x", code);
	}
}

static unsigned utf8_code(const char *text, size_t len)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned code = (unsigned char)*text & masks[len];

	for (size_t i = 1; i < len; i++) {
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	return code;
}

/* Within a JSON string, without what the policy's language would read in it. */
static void add_key(struct buf *out, const char *key, size_t left)
{
	while (left > 0) {
		size_t n = utf8_char_len(key, left);

		if (n == 0) { /* no key of S3 */
			(void)buf_add_char(out, '?');
			n = 1;
		} else if (n > 1 || *key < ' ' || *key == 0x7f) {
			add_unicode(out, utf8_code(key, n));
		} else if (strchr("*?$", *key)) {
			(void)buf_add_char(out, '?');
		} else {
			if (*key == '"' || *key == '\\') {
				(void)buf_add_char(out, '\\');
			}
			(void)buf_add_char(out, *key);
		}
		key += n;
		left -= n;
	}
}

static void add_resources(const struct s3_policy *policy, const struct scopes *scopes,
			  unsigned may, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < scopes->n; i++) {
		const struct scope *s = &scopes->all[i];

		if (s->may & may) {
			(void)buf_printf(out, "%s\"arn:%s:s3:::%s/", comma,
					 policy->partition, s->bucket);
			add_key(out, s->key, s->key_len);
			(void)buf_add_str(out, s->is_prefix ? "*\"" : "\"");
			comma = ",";
		}
	}
}

static bool has_any(const struct scopes *scopes, unsigned may)
{
	for (size_t i = 0; i < scopes->n; i++) {
		if (scopes->all[i].may & may) {
			return true;
		}
	}
	return false;
}

/* What is allowed on objects. */
static void add_objects(const struct s3_policy *policy, const struct scopes *scopes,
			struct buf *out)
{
	static const struct {
		unsigned may;
		const char *actions;
	} rows[] = {
		{ S3_MAY_READ | S3_MAY_WRITE, "\"s3:GetObject\"" },
		{ S3_MAY_WRITE, "\"s3:PutObject\",\"s3:AbortMultipartUpload\","
				"\"s3:ListMultipartUploadParts\"" },
		{ S3_MAY_COPY, "\"s3:GetObjectTagging\",\"s3:PutObjectTagging\"" },
		{ S3_MAY_DELETE, "\"s3:DeleteObject\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (has_any(scopes, rows[i].may)) {
			(void)buf_printf(out,
					 "{\"Effect\":\"Allow\",\"Action\":[%s],"
					 "\"Resource\":[",
					 rows[i].actions);
			add_resources(policy, scopes, rows[i].may, out);
			(void)buf_add_str(out, "]},");
		}
	}
}

/* A listing is of the bucket, whose names are cut down by a condition: each bucket has
 * a statement of its own. */
static void add_listings(const struct s3_policy *policy, const struct scopes *scopes,
			 struct buf *out)
{
	const char *bucket = NULL;

	for (size_t i = 0; i < scopes->n; i++) {
		const struct scope *s = &scopes->all[i];

		if (!(s->may & S3_MAY_LIST)) {
			continue;
		}
		if (!bucket || !streq(bucket, s->bucket)) {
			(void)buf_printf(
				out,
				"%s{\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\","
				"\"Resource\":\"arn:%s:s3:::%s\",\"Condition\":"
				"{\"StringLike\":{\"s3:prefix\":[",
				bucket ? "]}}}," : "", policy->partition, s->bucket);
		} else {
			(void)buf_add_char(out, ',');
		}
		bucket = s->bucket;
		(void)buf_add_char(out, '"');
		add_key(out, s->key, s->key_len);
		(void)buf_add_str(out, s->is_prefix ? "*\"" : "\"");
	}
	if (bucket) {
		(void)buf_add_str(out, "]}}},");
	}
}

/* What the role may do with keys of KMS by way of S3 stays. */
static const char kms[] =
	"{\"Effect\":\"Allow\",\"Action\":[\"kms:Decrypt\",\"kms:GenerateDataKey\"],"
	"\"Resource\":\"*\",\"Condition\":{\"StringLike\":{\"kms:ViaService\":"
	"\"s3.*\"}}},";

static int write_once(const struct s3_policy *policy, const struct scopes *scopes,
		      struct buf *out)
{
	(void)buf_add_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	add_objects(policy, scopes, out);
	add_listings(policy, scopes, out);
	(void)buf_add_str(out, policy->has_kms ? kms : "");
	if (!out->error && out->data[out->len - 1] == ',') {
		buf_truncate(out, out->len - 1);
	}
	return buf_add_str(out, "]}");
}

int s3_policy_write(const struct s3_policy *policy, struct buf *out, struct err *e)
{
	cleanup_scopes struct scopes scopes = { .n = 0 };
	size_t start = out->len, len = 0;
	int r = scopes_init(&scopes, policy);

	while (r == 0) {
		buf_truncate(out, start);
		r = write_once(policy, &scopes, out);
		if (r == 0 && out->len - start <= S3_POLICY_MAX) {
			return 0;
		}
		len = out->len - start;
		if (r == 0 && !merge_two(&scopes)) {
			buf_truncate(out, start);
			return err_set(
				e, -E2BIG,
				"their session policy would have %zu characters, "
				"of which STS takes %d: the inputs lie too far "
				"apart, put them below fewer directories of S3, "
				"or give them shorter names",
				len, S3_POLICY_MAX);
		}
	}
	buf_truncate(out, start);
	return err_set(e, r, "no memory");
}
