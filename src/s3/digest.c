#include "s3/digest.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct s3_digest {
	EVP_MD_CTX *evp;
};

void s3_hex(const unsigned char bytes[static S3_DIGEST_SIZE],
	    char ret_hex[static S3_DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < S3_DIGEST_SIZE; i++) {
		ret_hex[2 * i] = digits[bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret_hex[2 * i] = '\0';
}

int s3_digest_new(struct s3_digest **ret_digest)
{
	cleanup_s3_digest struct s3_digest *digest = calloc(1, sizeof(*digest));

	if (!digest) {
		return -ENOMEM;
	}
	digest->evp = EVP_MD_CTX_new();
	if (!digest->evp || EVP_DigestInit_ex(digest->evp, EVP_sha256(), NULL) != 1) {
		return -ENOMEM;
	}
	*ret_digest = steal_ptr(&digest);
	return 0;
}

struct s3_digest *s3_digest_free(struct s3_digest *digest)
{
	if (digest) {
		EVP_MD_CTX_free(digest->evp);
		free(digest);
	}
	return NULL;
}

void s3_digest_freep(struct s3_digest **digest)
{
	*digest = s3_digest_free(*digest);
}

int s3_digest_add(struct s3_digest *digest, const void *data, size_t len)
{
	return EVP_DigestUpdate(digest->evp, data, len) == 1 ? 0 : -EIO;
}

int s3_digest_hex(struct s3_digest *digest, char ret_hex[static S3_DIGEST_HEX_SIZE])
{
	unsigned char hash[S3_DIGEST_SIZE];

	if (EVP_DigestFinal_ex(digest->evp, hash, NULL) != 1 ||
	    EVP_DigestInit_ex(digest->evp, EVP_sha256(), NULL) != 1) {
		return -EIO;
	}
	s3_hex(hash, ret_hex);
	return 0;
}

int s3_hmac(const void *key, size_t key_len, const char *text,
	    unsigned char ret_mac[static S3_DIGEST_SIZE])
{
	unsigned char mac[S3_DIGEST_SIZE];
	int r = -EIO;

	if (key_len <= INT_MAX &&
	    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text,
		 strlen(text), mac, NULL)) {
		memcpy(ret_mac, mac, sizeof(mac));
		r = 0;
	}
	OPENSSL_cleanse(mac, sizeof(mac));
	return r;
}
