#include "job/address.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "job/show.h"
#include "util/mem.h"

enum { BUCKET_LEN_MAX = 63 };

static const char scheme[] = "s3://";

/* Wider than today's rule for new buckets: old ones may hold capitals and underscores,
 * and other stores than AWS's have shorter ones. What is too short for S3, S3 says. */
static bool is_bucket(const char *name, size_t len)
{
	if (len < 1 || len > BUCKET_LEN_MAX) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])) {
			return false;
		}
	}
	return true;
}

static int check_bucket(const char *name, size_t len, struct err *e)
{
	char shown[SHOW_MAX];

	if (is_bucket(name, len)) {
		return 0;
	}
	if (memchr(name, '@', len)) {
		return err_set(e, -EINVAL,
			       "found \"@\" in the name of the bucket; expected "
			       "s3://BUCKET/KEY "
			       "(credentials do not belong into a spec)");
	}
	show_text(name, len, shown);
	return err_set(
		e, -EINVAL,
		"found the bucket %s; expected 1 to 63 letters, digits, \".\", \"_\" "
		"and \"-\"",
		shown);
}

/* A key without s3:// in front: is it meant as one? */
static int check_bare(const char *text, const char *default_bucket, struct err *e)
{
	static const char *const local[] = { "/", "./", "../", "~" };
	const char *colon = strstr(text, "://");
	char shown[SHOW_MAX];

	if (colon) {
		show_text(text, (size_t)(colon - text) + 3, shown);
		return err_set(e, -EINVAL,
			       "found an address with %s; expected s3://BUCKET/KEY",
			       shown);
	}
	for (size_t i = 0; i < ARRAY_SIZE(local); i++) {
		if (has_prefix(text, local[i])) {
			show_text(text, strlen(text), shown);
			return err_set(e, -EINVAL,
				       "found the local path %s; expected "
				       "s3://BUCKET/KEY or a "
				       "key (your own files go into the job's files/)",
				       shown);
		}
	}
	if (!default_bucket) {
		show_text(text, strlen(text), shown);
		return err_set(
			e, -EINVAL,
			"found %s without a bucket; expected s3://BUCKET/KEY (or a "
			"default bucket: the daemon's variable BUCKET_NAME or "
			"s3.bucket "
			"in its configuration)",
			shown);
	}
	return 0;
}

static int check_key(const char *key, struct err *e)
{
	if (key[0] == '/') {
		return err_set(
			e, -EINVAL,
			"found two slashes behind the bucket; expected a key without "
			"\"/\" in front");
	}
	if (strlen(key) > ADDRESS_KEY_LEN_MAX) {
		return err_set(e, -EINVAL,
			       "found a key of %zu bytes; expected at most %d, the "
			       "limit of S3",
			       strlen(key), ADDRESS_KEY_LEN_MAX);
	}
	return 0;
}

int address_parse(const char *text, const char *default_bucket,
		  struct address *ret_address, struct err *e)
{
	struct address address = { .bucket = default_bucket, .key = text };
	int result;

	if (has_prefix(text, scheme)) {
		address.bucket = text + strlen(scheme);
		address.bucket_len = strcspn(address.bucket, "/");
		address.key = address.bucket + address.bucket_len;
		address.key += *address.key == '/';
		result = check_bucket(address.bucket, address.bucket_len, e);
	} else {
		result = check_bare(text, default_bucket, e);
		address.bucket_len = default_bucket ? strlen(default_bucket) : 0;
	}
	if (result < 0) {
		return result;
	}
	result = check_key(address.key, e);
	if (result < 0) {
		return result;
	}
	*ret_address = address;
	return 0;
}

bool address_is_prefix(const struct address *address)
{
	return address->key[0] == '\0' || has_suffix(address->key, "/");
}

const char *address_base_name(const struct address *address)
{
	const char *slash = strrchr(address->key, '/');

	return slash ? slash + 1 : address->key;
}

char *address_split(const char *uri, const char **ret_key)
{
	const char *bucket = uri + strlen(scheme);
	size_t len = strcspn(bucket, "/");

	*ret_key = bucket[len] ? bucket + len + 1 : "";
	return strndup(bucket, len);
}
