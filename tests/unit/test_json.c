#include "job/json.h"

#include <errno.h>

#include "job/show.h"
#include "test.h"

enum { DEPTH_MAX = 4, MEMBERS_MAX = 5 };

/* A text that may hold NUL bytes. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static struct json_doc new_doc(const char *text, size_t len)
{
	return (struct json_doc){ .name = "a.json",
				  .text = text,
				  .len = len,
				  .depth_max = DEPTH_MAX,
				  .members_max = MEMBERS_MAX };
}

/* A copy without a NUL behind it, so that a sanitizer sees one read too many. */
static char *exact_copy(const char *text, size_t len)
{
	char *copy = malloc(len + (len == 0));

	CHECK(copy);
	memcpy(copy, text, len);
	return copy;
}

static void refused_bytes(const char *text, size_t len, const char *line)
{
	cleanup_free char *copy = exact_copy(text, len);
	cleanup_json_doc struct json_doc doc = new_doc(copy, len);
	struct err e = ERR_INIT;

	CHECK_INT(json_doc_read(&doc, &e), -EINVAL);
	CHECK_INT(e.code, -EINVAL);
	CHECK_STR(e.text, line);
}

static void refused(const char *text, const char *line)
{
	refused_bytes(text, strlen(text), line);
}

static void add_mark(const struct json_doc *doc, const struct json_mark *mark,
		     struct buf *out)
{
	(void)json_doc_add_place(doc, mark, mark->at, out);
	(void)buf_printf(out, " key@%zu end %zu n %zu = %s\n", mark->key_at, mark->end,
			 mark->n,
			 json_object_to_json_string_ext(
				 mark->value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void accepted(const char *text, const char *marks)
{
	cleanup_free char *copy = exact_copy(text, strlen(text));
	cleanup_json_doc struct json_doc doc = new_doc(copy, strlen(text));
	cleanup_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(json_doc_read(&doc, &e), 0);
	for (size_t i = 0; i < doc.n_marks; i++) {
		add_mark(&doc, &doc.marks[i], &out);
	}
	CHECK_STR(buf_text(&out), marks);
}

TEST("every value has its place, its path and json-c's value")
{
	accepted("{}", "a.json:1:1: $ key@0 end 2 n 0 = {}\n");
	accepted(" \n\t{ \"a\" :\r\n[ 1, \"x\" ] }\n",
		 "a.json:2:2: $ key@3 end 24 n 1 = {\"a\":[1,\"x\"]}\n"
		 "a.json:3:1: $.a key@5 end 22 n 2 = [1,\"x\"]\n"
		 "a.json:3:3: $.a[0] key@14 end 15 n 0 = 1\n"
		 "a.json:3:6: $.a[1] key@17 end 20 n 0 = \"x\"\n");
	accepted("{\"n\":null,\"t\":true,\"f\":false,\"r\":-0.5e+2,\"i\":-7}",
		 "a.json:1:1: $ key@0 end 48 n 5 = "
		 "{\"n\":null,\"t\":true,\"f\":false,\"r\":-0.5e+2,\"i\":-7}\n"
		 "a.json:1:6: $.n key@1 end 9 n 0 = null\n"
		 "a.json:1:15: $.t key@10 end 18 n 0 = true\n"
		 "a.json:1:24: $.f key@19 end 28 n 0 = false\n"
		 "a.json:1:34: $.r key@29 end 40 n 0 = -0.5e+2\n"
		 "a.json:1:46: $.i key@41 end 47 n 0 = -7\n");
}

TEST("the limits of 64 bits are inside of them")
{
	accepted("{\"a\":[9223372036854775807,-9223372036854775808]}",
		 "a.json:1:1: $ key@0 end 48 n 1 = "
		 "{\"a\":[9223372036854775807,-9223372036854775808]}\n"
		 "a.json:1:6: $.a key@1 end 47 n 2 = "
		 "[9223372036854775807,-9223372036854775808]\n"
		 "a.json:1:7: $.a[0] key@6 end 25 n 0 = 9223372036854775807\n"
		 "a.json:1:27: $.a[1] key@26 end 46 n 0 = -9223372036854775808\n");
}

TEST("keys are compared and shown as they are meant, not as they are written")
{
	accepted("{\"\\u0061\\ud83d\\ude00\\n\\\"\\u00e4\\u20ac\":1}",
		 "a.json:1:1: $ key@0 end 40 n 1 = "
		 "{\"a\xf0\x9f\x98\x80\\n\\\"\xc3\xa4\xe2\x82\xac\":1}\n"
		 "a.json:1:39: $[\"a\xf0\x9f\x98\x80\\n\\\"\xc3\xa4\xe2\x82\xac\"] "
		 "key@1 end 39 n 0 = 1\n");
	accepted(
		"{\"\":{\"a-b\":{\"_1\":{\"1a\":0}}}}",
		"a.json:1:1: $ key@0 end 28 n 1 = "
		"{\"\":{\"a-b\":{\"_1\":{\"1a\":0}}}}\n"
		"a.json:1:5: $[\"\"] key@1 end 27 n 1 = {\"a-b\":{\"_1\":{\"1a\":0}}}\n"
		"a.json:1:12: $[\"\"][\"a-b\"] key@5 end 26 n 1 = {\"_1\":{\"1a\":0}}\n"
		"a.json:1:18: $[\"\"][\"a-b\"]._1 key@12 end 25 n 1 = {\"1a\":0}\n"
		"a.json:1:24: $[\"\"][\"a-b\"]._1[\"1a\"] key@18 end 24 n 0 = 0\n");
}

TEST("members are found by key and walked in order")
{
	const char *text = "{\"a\":{\"x\":[1,[2]]},\"b\":[],\"c\":3}";
	cleanup_json_doc struct json_doc doc = new_doc(text, strlen(text));
	cleanup_buf struct buf order = BUF_INIT;
	const struct json_mark *top;

	CHECK_INT(json_doc_read(&doc, NULL), 0);
	top = doc.marks;
	json_doc_each(&doc, top, member)
	{
		(void)buf_printf(&order, "%s ", json_doc_key(&doc, member));
	}
	CHECK_STR(buf_text(&order), "a b c ");
	CHECK_INT(json_object_get_int64(json_doc_member(&doc, top, "c")->value), 3);
	CHECK(!json_doc_member(&doc, top, "x"));
	CHECK(!json_doc_first(&doc, json_doc_member(&doc, top, "b")));
	CHECK_STR(json_doc_key(&doc, top), "");
}

/* RELIABILITY 2.8: what json-c lets pass even with STRICT and VALIDATE_UTF8. */
TEST("what json-c tolerates is refused")
{
	refused("{\"a\":1,\n \"a\":2}", "a.json:2:2: $.a: duplicate key, it is in line "
					"1, column 2 already; expected "
					"each key once");
	refused("{'a':1}", "a.json:1:2: $: found a single quote; expected a key in "
			   "double quotes, or "
			   "\"}\" (JSON has only double quotes)");
	refused("{\"a\":'x'}",
		"a.json:1:6: $.a: found a single quote; expected a value "
		"(JSON has only double quotes)");
	refused("{\"a\":NaN}",
		"a.json:1:6: $.a: found the word \"NaN\"; expected a number "
		"(JSON has no NaN)");
	refused("{\"a\":99999999999999999999999}",
		"a.json:1:6: $.a: found the number \"99999999999999999999999\"; "
		"expected an "
		"integer of at most 64 bits");
	refused("{\"a\":\"x\ny\"}",
		"a.json:1:8: $.a: found the end of the line inside a string; expected "
		"a "
		"closing quote (a line break in a string is written \\n)");
	refused("{\"a\":\"\\ud800\"}", "a.json:1:7: $.a: found \\ud800, which is half "
				       "a character; expected a pair "
				       "such as \\ud83d\\ude00");
	refused("{\"a\":\"x\\u0000y\"}",
		"a.json:1:8: $.a: found \\u0000; expected text "
		"without NUL characters");
	refused("{\"a\":\"\xff\"}",
		"a.json:1:7: $.a: found the byte 0xff, which is not "
		"UTF-8; expected text in UTF-8");
	refused("{} x",
		"a.json:1:4: $: found the word \"x\"; expected end of text after the "
		"document");
	refused("{}{}",
		"a.json:1:3: $: found \"{\"; expected end of text after the document");
	refused("{\"a\":1 /* x */}", "a.json:1:8: $.a: found a comment; expected "
				     "\",\", or \"}\" for the \"{\" in "
				     "line 1, column 1 (JSON has no comments)");
	refused("{\"a\":1,}",
		"a.json:1:8: $: found \"}\"; expected a key in double quotes "
		"after the comma");
	refused("{\"a\":007}",
		"a.json:1:6: $.a: found the number \"007\"; expected a number "
		"without leading zeros");
	refused("{\"a\":[[[[1]]]]}",
		"a.json:1:9: $.a[0][0][0]: found nesting level 5; expected at most 4");
	refused("5", "a.json:1:1: $: found the number \"5\"; expected \"{\"");
	refused("{\"a\":[1",
		"a.json:1:8: $.a[0]: found end of text; expected \",\", or \"]\" "
		"for the \"[\" in line 1, column 6");
}

TEST("the top-level value is an object")
{
	refused("", "a.json:1:1: $: found end of text; expected \"{\"");
	refused(" \n ", "a.json:2:2: $: found end of text; expected \"{\"");
	refused("[]", "a.json:1:1: $: found \"[\"; expected \"{\"");
	refused("\"{}\"", "a.json:1:1: $: found a string; expected \"{\"");
	refused("null", "a.json:1:1: $: found the word \"null\"; expected \"{\"");
	refused("\xef\xbb\xbf{}", "a.json:1:1: $: found a byte order mark (EF BB BF); "
				  "expected \"{\" (save the "
				  "file as UTF-8 without BOM)");
}

TEST("a text that ends too early says what is open")
{
	refused("{",
		"a.json:1:2: $: found end of text; expected a key in double quotes, or "
		"\"}\"");
	refused("{\"a",
		"a.json:1:4: $: found end of text; expected the closing quote of the "
		"string that begins in line 1, column 2");
	refused("{\"a\"",
		"a.json:1:5: $.a: found end of text; expected \":\" and a value");
	refused("{\"a\":", "a.json:1:6: $.a: found end of text; expected a value");
	refused("{\"a\":\"x\\",
		"a.json:1:9: $.a: found end of text; expected the closing "
		"quote of the string that begins in line 1, column 6");
	refused("{\"a\":1",
		"a.json:1:7: $.a: found end of text; expected \",\", or \"}\" for "
		"the \"{\" in line 1, column 1");
	refused("{\"a\":1,",
		"a.json:1:8: $: found end of text; expected a key in double "
		"quotes after the comma");
	refused("{\"a\":[", "a.json:1:7: $.a[0]: found end of text; expected a value");
	refused("{\"a\":[1,",
		"a.json:1:9: $.a[1]: found end of text; expected a value");
	refused("{\"a\":\"\\u12",
		"a.json:1:7: $.a: found \"12\" after \\u; expected four hex "
		"digits");
}

TEST("marks in the wrong place are named")
{
	refused("{\"a\":}", "a.json:1:6: $.a: found \"}\"; expected a value");
	refused("{\"a\":,}", "a.json:1:6: $.a: found \",\"; expected a value");
	refused("{,}", "a.json:1:2: $: found \",\"; expected a key in double quotes, "
		       "or \"}\"");
	refused("{\"a\" 1}",
		"a.json:1:6: $.a: found the number \"1\"; expected \":\" and a "
		"value");
	refused("{\"a\"=1}",
		"a.json:1:5: $.a: found \"=\"; expected \":\" and a value");
	refused("{\"a\":1 \"b\":2}",
		"a.json:1:8: $.a: found a string; expected \",\", or "
		"\"}\" for the \"{\" in line 1, column 1");
	refused("{\"a\":[1 2]}",
		"a.json:1:9: $.a[0]: found the number \"2\"; expected \",\", "
		"or \"]\" for the \"[\" in line 1, column 6");
	refused("{\"a\":[1}",
		"a.json:1:8: $.a[0]: found \"}\"; expected \",\", or \"]\" for "
		"the \"[\" in line 1, column 6");
	refused("{\"a\":1]",
		"a.json:1:7: $.a: found \"]\"; expected \",\", or \"}\" for the "
		"\"{\" in line 1, column 1");
	refused("{\"a\":[1,]}",
		"a.json:1:9: $.a[1]: found \"]\"; expected a value after the comma");
	refused("{\"a\":[,]}", "a.json:1:7: $.a[0]: found \",\"; expected a value");
	refused("{a:1}",
		"a.json:1:2: $: found the word \"a\"; expected a key in double "
		"quotes, or \"}\"");
	refused("{1:1}",
		"a.json:1:2: $: found the number \"1\"; expected a key in double "
		"quotes, or \"}\"");
	refused("{\"a\":1}}",
		"a.json:1:8: $: found \"}\"; expected end of text after the "
		"document");
	refused("{# x\n}",
		"a.json:1:2: $: found a comment; expected a key in double quotes, "
		"or \"}\" (JSON has no comments)");
	refused("{\"a\":// x\n1}", "a.json:1:6: $.a: found a comment; expected a value "
				   "(JSON has no comments)");
	refused("{\"a\":/}", "a.json:1:6: $.a: found \"/\"; expected a value");
	refused("{\"a\":\xc3\xa4}",
		"a.json:1:6: $.a: found \"\xc3\xa4\"; expected a value");
}

TEST("words of other languages are translated")
{
	refused("{\"a\":True}", "a.json:1:6: $.a: found the word \"True\"; expected "
				"true in small letters");
	refused("{\"a\":FALSE}", "a.json:1:6: $.a: found the word \"FALSE\"; expected "
				 "false in small letters");
	refused("{\"a\":Null}", "a.json:1:6: $.a: found the word \"Null\"; expected "
				"null in small letters");
	refused("{\"a\":None}",
		"a.json:1:6: $.a: found the word \"None\"; expected null");
	refused("{\"a\":undefined}",
		"a.json:1:6: $.a: found the word \"undefined\"; expected null");
	refused("{\"a\":yes}",
		"a.json:1:6: $.a: found the word \"yes\"; expected true");
	refused("{\"a\":Infinity}",
		"a.json:1:6: $.a: found the word \"Infinity\"; expected a "
		"number (JSON has no infinity)");
	refused("{\"a\":nulls}",
		"a.json:1:6: $.a: found the word \"nulls\"; expected a value "
		"(text stands in double quotes)");
	refused("{\"a\":s3://b/k}",
		"a.json:1:6: $.a: found the word \"s3\"; expected a value "
		"(text stands in double quotes)");
}

TEST("numbers are those of JSON")
{
	refused("{\"a\":-Infinity}", "a.json:1:6: $.a: found the number \"-Infinity\"; "
				     "expected a finite number in digits");
	refused("{\"a\":+1}",
		"a.json:1:6: $.a: found the number \"+1\"; expected a number "
		"that begins with a digit or -");
	refused("{\"a\":.5}",
		"a.json:1:6: $.a: found the number \".5\"; expected a number "
		"that begins with a digit or -");
	refused("{\"a\":-}",
		"a.json:1:6: $.a: found the number \"-\"; expected a number that "
		"begins with a digit or -");
	refused("{\"a\":1.}",
		"a.json:1:6: $.a: found the number \"1.\"; expected a digit "
		"after the decimal point");
	refused("{\"a\":1e}",
		"a.json:1:6: $.a: found the number \"1e\"; expected a digit in "
		"the exponent");
	refused("{\"a\":1e+}",
		"a.json:1:6: $.a: found the number \"1e+\"; expected a digit "
		"in the exponent");
	refused("{\"a\":0x10}",
		"a.json:1:6: $.a: found the number \"0x10\"; expected a "
		"decimal number (text and units stand in double quotes)");
	refused("{\"a\":10m}",
		"a.json:1:6: $.a: found the number \"10m\"; expected a decimal "
		"number (text and units stand in double quotes)");
	refused("{\"a\":1.2.3}",
		"a.json:1:6: $.a: found the number \"1.2.3\"; expected a "
		"decimal number (text and units stand in double quotes)");
	refused("{\"a\":1e999}",
		"a.json:1:6: $.a: found the number \"1e999\"; expected a "
		"number below 1.8e308");
	refused("{\"a\":9223372036854775808}", "a.json:1:6: $.a: found the number "
					       "\"9223372036854775808\"; expected an "
					       "integer of at most 64 bits");
	refused("{\"a\":-9223372036854775809}", "a.json:1:6: $.a: found the number "
						"\"-9223372036854775809\"; expected an "
						"integer of at most 64 bits");
	refused("{\"a\":0."
		"00000000000000000000000000000000000000000000000000000000000000001}",
		"a.json:1:6: $.a: found the number "
		"\"0."
		"00000000000000000000000000000000000000000000000000000000000000001\"; "
		"expected a number of at most 64 characters");
}

TEST("strings are those of JSON, in UTF-8 and without NUL")
{
	refused("{\"a\":\"\\x41\"}", "a.json:1:7: $.a: found a backslash before \"x\"; "
				     "expected one of \\\" \\\\ "
				     "\\/ \\b \\f \\n \\r \\t \\uXXXX");
	refused("{\"a\":\"\\u12g4\"}",
		"a.json:1:7: $.a: found \"12g4\" after \\u; expected "
		"four hex digits");
	refused("{\"a\":\"\\udc00\"}", "a.json:1:7: $.a: found \\udc00, which is half "
				       "a character; expected a pair "
				       "such as \\ud83d\\ude00");
	refused("{\"a\":\"\\ud800\\u0041\"}", "a.json:1:7: $.a: found \\ud800, which "
					      "is half a character; expected a pair "
					      "such as \\ud83d\\ude00");
	refused("{\"a\":\"\\ud800\\n12345\"}", "a.json:1:7: $.a: found \\ud800, which "
					       "is half a character; expected a pair "
					       "such as \\ud83d\\ude00");
	refused("{\"a\":\"\t\"}",
		"a.json:1:7: $.a: found a tab inside a string; expected \\t");
	refused("{\"a\":\"\r\n\"}", "a.json:1:7: $.a: found a carriage return inside a "
				    "string; expected a closing "
				    "quote (in a string it is written \\r)");
	refused("{\"a\":\"\x1b[2J\"}",
		"a.json:1:7: $.a: found the control character U+001B inside a string; "
		"expected \\u001b");
	refused_bytes(BYTES("{\"a\":\"\0\"}"),
		      "a.json:1:7: $.a: found a NUL byte inside a "
		      "string; expected text");
	refused("{\"a\":\"\xc0\xaf\"}",
		"a.json:1:7: $.a: found the byte 0xc0, which is not "
		"UTF-8; expected text in UTF-8");
	refused("{\"a\":\"\xed\xa0\x80\"}",
		"a.json:1:7: $.a: found the byte 0xed, which is "
		"not UTF-8; expected text in UTF-8");
	refused("{\"a\":\"\xe2\x82",
		"a.json:1:7: $.a: found the byte 0xe2, which is not "
		"UTF-8; expected text in UTF-8");
	refused("{\"\xff\":1}",
		"a.json:1:3: $: found the byte 0xff, which is not UTF-8; "
		"expected text in UTF-8");
}

TEST("bytes between values are named, harmlessly")
{
	refused_bytes(BYTES("{\0}"),
		      "a.json:1:2: $: found a NUL byte; expected a key in "
		      "double quotes, or \"}\"");
	refused_bytes(BYTES("{}\0"),
		      "a.json:1:3: $: found a NUL byte; expected end of text "
		      "after the document");
	refused("{\x1b}",
		"a.json:1:2: $: found the control character U+001B; expected a key "
		"in double quotes, or \"}\"");
	refused("{\xc2\x9b}",
		"a.json:1:2: $: found the control character U+009B; expected a "
		"key in double quotes, or \"}\"");
	refused("{\xfe}",
		"a.json:1:2: $: found the byte 0xfe, which is not UTF-8; expected a "
		"key in double quotes, or \"}\"");
	refused("{\v}",
		"a.json:1:2: $: found the control character U+000B; expected a key in "
		"double quotes, or \"}\"");
}

TEST("of several equal keys the first that repeats one is reported")
{
	refused("{\"b\":1,\"a\":1,\"a\":2,\"b\":2,\"a\":3}",
		"a.json:1:14: $.a: duplicate key, it is in line 1, column 8 already; "
		"expected each key once");
	refused("{\"x\":{\"\\u0061\":1,\n\"a\":2}}",
		"a.json:2:1: $.x.a: duplicate key, it is in line 1, column 7 already; "
		"expected each key once");
	refused("{\"\":1,\"\":2}",
		"a.json:1:7: $[\"\"]: duplicate key, it is in line 1, "
		"column 2 already; expected each key once");
}

TEST("arrays and objects have a limit of values")
{
	refused("{\"a\":[0,1,2,3,4,5]}",
		"a.json:1:17: $.a: found more than 5 values; expected at most 5");
	refused("{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5}",
		"a.json:1:32: $: found more than 5 values; expected at most 5");
}

TEST("a message is harmless and short whatever the text holds")
{
	refused("{\"\\u001b]0;x\\u0007\\u202e\xc2\x9b\\u007f\":}",
		"a.json:1:35: $[\"\\u001b]0;x\\u0007\\u202e\\u009b\\u007f\"]: found "
		"\"}\"; "
		"expected a value");
	refused("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":}",
		"a.json:1:127: "
		"$[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa...\"]: found \"}\"; expected a value");
}

TEST("the place counts lines and bytes from 1")
{
	size_t line, column;

	json_position("ab\n\n\xc3\xa4x", 0, &line, &column);
	CHECK(line == 1 && column == 1);
	json_position("ab\n\n\xc3\xa4x", 2, &line, &column);
	CHECK(line == 1 && column == 3);
	json_position("ab\n\n\xc3\xa4x", 3, &line, &column);
	CHECK(line == 2 && column == 1);
	json_position("ab\n\n\xc3\xa4x", 6, &line, &column);
	CHECK(line == 3 && column == 3);
}

TEST("foreign text is shown quoted, cut and harmless")
{
	char shown[SHOW_MAX], name[80];

	show_text("", 0, shown);
	CHECK_STR(shown, "\"\"");
	show_text("a\"\\\xff\xc3", 5, shown);
	CHECK_STR(shown, "\"a\\\"\\\\\\xff\\xc3\"");
	show_text("\n\t\r\x1b\x7f\0", 6, shown);
	CHECK_STR(shown, "\"\\n\\t\\u000d\\u001b\\u007f\\u0000\"");
	show_text("\xc2\x85\xd8\x9c\xe2\x80\x8f\xe2\x81\xa6", 10, shown);
	CHECK_STR(shown, "\"\\u0085\\u061c\\u200f\\u2066\"");
	memset(name, 'n', sizeof(name));
	show_text(name, sizeof(name), shown);
	CHECK_INT(strlen(shown), SHOW_MAX - 1);
	CHECK(has_suffix(shown, "n...\""));
	name[sizeof(name) - 1] = '\0';
	CHECK(show_distance(name, "n") > 1000);
}

TEST("names are near when few letters differ")
{
	CHECK_INT(show_distance("inputs", "inputs"), 0);
	CHECK_INT(show_distance("INPUTS", "inputs"), 0);
	CHECK_INT(show_distance("input", "inputs"), 1);
	CHECK_INT(show_distance("inptus", "inputs"), 1);
	CHECK_INT(show_distance("", "run"), 3);
	CHECK_INT(show_distance("kitten", "sitting"), 3);
}

TEST_MAIN
