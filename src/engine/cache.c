#include "engine/cache.h"

#include <string.h>

#include "s3/multipart.h"

static bool is_tag(const char *etag)
{
	size_t n = strlen(etag);

	return n > 0 && n < S3_ETAG_MAX && strspn(etag, "0123456789abcdef-") == n;
}

/* Only the key may hold a newline: no two objects give the same text. */
bool cache_name(const struct s3_place *place, const struct s3_object *object,
		char ret_name[static S3_DIGEST_HEX_SIZE])
{
	cleanup_s3_digest struct s3_digest *digest = NULL;
	cleanup_buf struct buf text = BUF_INIT;

	if (!object->etag || !is_tag(object->etag)) {
		return false;
	}
	(void)buf_printf(&text, "%s\n%s\n%s\n%s\n%lld\n",
			 place->endpoint ? place->endpoint : "", place->bucket,
			 object->key, object->etag, (long long)object->size);
	return !text.error && s3_digest_new(&digest) == 0 &&
	       s3_digest_add(digest, text.data, text.len) == 0 &&
	       s3_digest_hex(digest, ret_name) == 0;
}

bool cache_index_add(struct buf *index, size_t i, const struct s3_place *place,
		     const struct s3_object *object, const char *below)
{
	char name[S3_DIGEST_HEX_SIZE];

	if (strpbrk(object->key, "\t\n") || index->len > CACHE_INDEX_MAX ||
	    !cache_name(place, object, name)) {
		return false;
	}
	return buf_printf(index, "%zu\t%lld\t%s\t%s\t%s\n", i, (long long)object->size,
			  object->etag, name, below) == 0;
}
