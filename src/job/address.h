/* Where something is in S3, as people write it: "s3://bucket/key", or a key of the
 * default bucket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

enum { ADDRESS_KEY_LEN_MAX = 1024 }; /* bytes, the limit of S3 */

struct address {
	const char
		*bucket; /* borrowed from the text or the caller, not NUL-terminated */
	size_t bucket_len;
	const char *key; /* borrowed from the text; no slash in front */
};

/* default_bucket may be NULL. -EINVAL: e->text says "what; expected what" and holds
 * nothing of a text that may hold a secret (a user name, a signed query). Control
 * characters are not looked at. */
int address_parse(const char *text, const char *default_bucket,
		  struct address *ret_address, struct err *e);

/* Everything below the key, not the object of that name: the key is empty or ends in /.
 */
bool address_is_prefix(const struct address *address);

/* Of an address that is written out and right, "s3://bucket/key": the bucket is the
 * caller's (NULL: no memory), the key is borrowed from it, "" for none. */
char *address_split(const char *uri, const char **ret_key);

/* The part of the key behind its last slash. */
const char *address_base_name(const struct address *address);
