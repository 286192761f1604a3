#include "util/buf.h"
#include "util/clock.h"
#include "util/random.h"
#include "util/utf8.h"

#include <errno.h>

#include "test.h"

TEST("what is no UTF-8 is replaced byte by byte, the rest stays")
{
	char text[] = "a\xff\xc3\xa9\xed\xa0\x80z\xe2\x82";

	utf8_clean(text);
	CHECK_STR(text, "a?\xc3\xa9???z??");
	CHECK(utf8_is_valid(text, strlen(text)));
}

TEST("a word in sh quotes is the same word for a shell")
{
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_INT(buf_add_sh_quoted(&b, "it's $(x) `y` \\ \n\"z\""), 0);
	CHECK_STR(b.data, "'it'\\''s $(x) `y` \\ \n\"z\"'");
}

TEST("a JSON string escapes what JSON must, and shows the rest")
{
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_INT(buf_add_json_str(&b, "\"\\\n\t\r\x01\x7f\xc3\xa9\xff/"), 0);
	CHECK_STR(b.data, "\"\\\"\\\\\\n\\t\\r\\u0001\\u007f\xc3\xa9\\ufffd/\"");
}

TEST("a buffer that reached its maximum keeps what it had and says so for ever")
{
	cleanup_buf struct buf b = { .max = 4 };

	CHECK_INT(buf_add_str(&b, "abcd"), 0);
	CHECK_INT(buf_add_str(&b, "e"), -EFBIG);
	CHECK_INT(buf_add_str(&b, ""), -EFBIG);
	CHECK_STR(b.data, "abcd");
	CHECK(!buf_steal(&b));
}

TEST("times are RFC 3339 in UTC with milliseconds")
{
	char text[CLOCK_TEXT_MAX];

	clock_format(1700000000123, text);
	CHECK_STR(text, "2023-11-14T22:13:20.123Z");
}

TEST("random names differ and are hex digits")
{
	char a[17], b[17];

	CHECK_INT(random_hex(a, 16), 0);
	CHECK_INT(random_hex(b, 16), 0);
	CHECK_INT(strspn(a, "0123456789abcdef"), 16);
	CHECK(strcmp(a, b) != 0);
	CHECK_INT(random_hex(a, 128), -EINVAL);
}

TEST_MAIN
