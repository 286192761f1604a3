#include "job/quantity.h"

#include <errno.h>
#include <stdint.h>

#include "test.h"
#include "util/mem.h"

struct quantity {
	const char *text;
	int result;
	int64_t value;
};

static const int64_t untouched = -77;

static void check_all(const struct quantity *rows, size_t n,
		      int (*parse)(const char *text, int64_t *ret_value))
{
	for (size_t i = 0; i < n; i++) {
		int64_t value = untouched;

		printf("# \"%s\"\n", rows[i].text);
		CHECK_INT(parse(rows[i].text, &value), rows[i].result);
		CHECK_INT(value, rows[i].result < 0 ? untouched : rows[i].value);
	}
}

TEST("a duration is a whole number and a unit, or seconds")
{
	static const struct quantity rows[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1000 },
		{ "90", 0, 90000 },
		{ "1500ms", 0, 1500 },
		{ "90s", 0, 90000 },
		{ "10m", 0, 600000 },
		{ "2h", 0, 7200000 },
		{ "3d", 0, 259200000 },
		{ "007s", 0, 7000 },
		{ "106751991167d", 0, INT64_C(9223372036828800000) },
		{ "9223372036854775807ms", 0, INT64_MAX },
	};

	check_all(rows, ARRAY_SIZE(rows), duration_parse);
}

TEST("a duration that is none is refused")
{
	static const struct quantity rows[] = {
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ " 1s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ "1.5h", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1w", -EINVAL, 0 },
		{ "ten", -EINVAL, 0 },
		{ "1KiB", -EINVAL, 0 },
		{ "99999999999999999999x", -EINVAL, 0 },
	};

	check_all(rows, ARRAY_SIZE(rows), duration_parse);
}

TEST("a duration that does not fit is out of range")
{
	static const struct quantity rows[] = {
		{ "106751991168d", -ERANGE, 0 },
		{ "9223372036854775808ms", -ERANGE, 0 },
		{ "9223372036854775807", -ERANGE, 0 },
		{ "99999999999999999999999999999999s", -ERANGE, 0 },
	};

	check_all(rows, ARRAY_SIZE(rows), duration_parse);
}

TEST("a size is a whole number of bytes, or of powers of 1024 or 1000")
{
	static const struct quantity rows[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "64KiB", 0, 65536 },
		{ "64MiB", 0, 67108864 },
		{ "64GiB", 0, INT64_C(68719476736) },
		{ "2TiB", 0, INT64_C(2199023255552) },
		{ "64kB", 0, 64000 },
		{ "64MB", 0, 64000000 },
		{ "64GB", 0, INT64_C(64000000000) },
		{ "2TB", 0, INT64_C(2000000000000) },
		{ "9223372036854775807", 0, INT64_MAX },
	};

	check_all(rows, ARRAY_SIZE(rows), size_parse);
}

TEST("a size that is none, or does not fit, is refused")
{
	static const struct quantity rows[] = {
		{ "", -EINVAL, 0 },
		{ "KiB", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1 KiB", -EINVAL, 0 },
		{ "1kiB", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "1K", -EINVAL, 0 },
		{ "1.5GiB", -EINVAL, 0 },
		{ "1PiB", -EINVAL, 0 },
		{ "8388608TiB", -ERANGE, 0 },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "99999999999999999999999GB", -ERANGE, 0 },
	};

	check_all(rows, ARRAY_SIZE(rows), size_parse);
}

TEST_MAIN
