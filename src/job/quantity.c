#include "job/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/mem.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* A whole number and one of the units; the unit without a name is for plain numbers. */
static int parse(const char *text, const struct unit *units, size_t n_units,
		 int64_t *ret_value)
{
	int64_t value = 0;
	const char *p = text;
	int overflow = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		overflow |= __builtin_mul_overflow(value, 10, &value);
		overflow |= __builtin_add_overflow(value, *p - '0', &value);
	}
	if (p == text) {
		return -EINVAL;
	}
	for (size_t i = 0; i < n_units; i++) {
		if (!streq(p, units[i].name)) {
			continue;
		}
		overflow |= __builtin_mul_overflow(value, units[i].factor, &value);
		if (overflow) {
			return -ERANGE;
		}
		*ret_value = value;
		return 0;
	}
	return -EINVAL;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "", INT64_C(1000) },	       { "ms", INT64_C(1) },
		{ "s", INT64_C(1000) },	       { "m", INT64_C(60) * 1000 },
		{ "h", INT64_C(3600) * 1000 }, { "d", INT64_C(24) * 3600 * 1000 },
	};

	return parse(text, units, ARRAY_SIZE(units), ret_ms);
}

int size_parse(const char *text, int64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "KiB", INT64_C(1) << 10 },
		{ "MiB", INT64_C(1) << 20 },
		{ "GiB", INT64_C(1) << 30 },
		{ "TiB", INT64_C(1) << 40 },
		{ "kB", INT64_C(1000) },
		{ "MB", INT64_C(1000000) },
		{ "GB", INT64_C(1000000000) },
		{ "TB", INT64_C(1000000000000) },
	};

	return parse(text, units, ARRAY_SIZE(units), ret_bytes);
}

int size_print(int64_t bytes, struct buf *out)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		return buf_printf(out, "%" PRId64 " B", bytes);
	}
	while (n >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
		n /= 1024;
		unit++;
	}
	return buf_printf(out, "%.1f %s", n, units[unit]);
}
