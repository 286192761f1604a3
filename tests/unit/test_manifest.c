#include "job/manifest.h"

#include <errno.h>

#include "test.h"

TEST("a listing that holds every output leaves none missing")
{
	static const char records[] = "3 b\0"
				      "0 a/empty\0"
				      "7 -x\0";
	cleanup_manifest struct manifest_list list;
	size_t n;

	CHECK_INT(manifest_parse(records, sizeof(records) - 1, &list), 0);
	CHECK_INT(list.n, 3);
	CHECK_INT(list.bytes, 10);
	CHECK(manifest_match(&list, "-x", 7, false));
	CHECK(!manifest_match(&list, "0foreign", 1, false));
	CHECK(manifest_match(&list, "a/empty", 0, false));
	CHECK(manifest_match(&list, "b", 3, false));
	CHECK(!manifest_match(&list, "zzz", 3, false));
	CHECK(!manifest_missing(&list, &n));
	CHECK_INT(n, 0);
}

TEST("a wrong size and an absent key are missing")
{
	static const char records[] = "3 a\0"
				      "4 b\0"
				      "5 c\0";
	cleanup_manifest struct manifest_list list;
	size_t n;

	CHECK_INT(manifest_parse(records, sizeof(records) - 1, &list), 0);
	CHECK(!manifest_match(&list, "a", 2, false));
	CHECK(manifest_match(&list, "c", 5, false));
	CHECK_STR(manifest_missing(&list, &n)->path, "a");
	CHECK_INT(n, 2);
}

TEST("what was there before is no output of this attempt, and is named so")
{
	static const char records[] = "3 a\0"
				      "4 b\0";
	cleanup_manifest struct manifest_list list;
	size_t n;

	CHECK_INT(manifest_parse(records, sizeof(records) - 1, &list), 0);
	CHECK(manifest_match(&list, "a", 3, false));
	CHECK(!manifest_match(&list, "b", 4, true));
	CHECK_STR(manifest_missing(&list, &n)->path, "b");
	CHECK(manifest_missing(&list, &n)->is_old);
	CHECK_INT(n, 1);
}

TEST("names may hold newlines and spaces")
{
	static const char records[] = "1 new\nline and 2 spaces\0";
	cleanup_manifest struct manifest_list list;

	CHECK_INT(manifest_parse(records, sizeof(records) - 1, &list), 0);
	CHECK_STR(list.entries[0].path, "new\nline and 2 spaces");
}

TEST("an empty manifest is complete")
{
	cleanup_manifest struct manifest_list list;
	size_t n;

	CHECK_INT(manifest_parse("", 0, &list), 0);
	CHECK(!manifest_missing(&list, &n));
}

TEST("what is malformed is refused")
{
	static const struct {
		const char *text;
		size_t len;
	} wrong[] = {
		{ "3 a", 3 },
		{ "x a", 4 },
		{ "3a", 3 },
		{ "3 ", 3 },
		{ "-1 a", 5 },
		{ "", 1 },
		{ "99999999999999999999 a", 23 },
	};
	struct manifest_list list;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK_INT(manifest_parse(wrong[i].text, wrong[i].len, &list), -EBADMSG);
	}
}

TEST_MAIN
