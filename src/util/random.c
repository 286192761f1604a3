#include "util/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

static const struct random_source *simulated;

void random_set_source(const struct random_source *source)
{
	simulated = source;
}

int random_bytes(void *data, size_t n)
{
	if (simulated) {
		simulated->bytes(simulated->arg, data, n);
		return 0;
	}
	return getrandom(data, n, 0) == (ssize_t)n ? 0 : -EIO;
}

double random_fraction(void)
{
	uint32_t n = 0;

	(void)random_bytes(&n, sizeof(n)); /* without it there is no jitter */
	return (double)n / ((double)UINT32_MAX + 1);
}

int random_hex(char *ret_text, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[32];

	if (n / 2 > sizeof(bytes)) {
		return -EINVAL;
	}
	if (random_bytes(bytes, n / 2) < 0) {
		return -EIO;
	}
	for (size_t i = 0; i < n; i++) {
		ret_text[i] = digits[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	}
	ret_text[n] = '\0';
	return 0;
}
