#include "util/random.h"

#include <errno.h>
#include <sys/random.h>

int random_hex(char *ret_text, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[32];

	if (n / 2 > sizeof(bytes)) {
		return -EINVAL;
	}
	if (getrandom(bytes, n / 2, 0) != (ssize_t)(n / 2)) {
		return -EIO;
	}
	for (size_t i = 0; i < n; i++) {
		ret_text[i] = digits[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	}
	ret_text[n] = '\0';
	return 0;
}
