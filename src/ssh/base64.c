#include "ssh/base64.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/evp.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const char *data, size_t len, struct buf *ret_text)
{
	char *to;

	if (len > INT_MAX / 2) {
		return -EFBIG;
	}
	to = buf_reserve(ret_text, len / 3 * 4 + 8);
	if (!to) {
		return ret_text->error;
	}
	ret_text->len += (size_t)EVP_EncodeBlock((unsigned char *)to,
						 (const unsigned char *)data, (int)len);
	return 0;
}

int base64_decode(const char *text, size_t len, struct buf *ret_data)
{
	size_t padding = 0;
	char *to;
	int n;

	if (len == 0 || len % 4 != 0 || len > INT_MAX / 2) {
		return -EINVAL;
	}
	while (padding < 2 && text[len - 1 - padding] == '=') {
		padding++;
	}
	for (size_t i = 0; i < len - padding; i++) {
		if (text[i] == '\0' || !strchr(alphabet, text[i])) {
			return -EINVAL;
		}
	}
	to = buf_reserve(ret_data, len / 4 * 3 + 3);
	if (!to) {
		return ret_data->error;
	}
	n = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text, (int)len);
	if (n < 0 || (size_t)n < padding) {
		return -EINVAL;
	}
	ret_data->len += (size_t)n - padding;
	ret_data->data[ret_data->len] = '\0';
	return 0;
}
