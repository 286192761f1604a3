/* More than a thousand wrong specs, generated: a full spec that is right is made wrong
 * at one place in one way, and the one line that a user then reads is known before.
 *
 * The spec is a table with a row a line. A mutation changes a row's line (or what is
 * around it) and says which line, column, path and words are expected. */
#include "job/spec.h"

#include <errno.h>

#include "test.h"

enum { ROWS_MAX = 64, DEPTH_MAX = 8, WRONG_MIN = 1000 };

/* accepts: the kinds of values that are right there (see kinds), for containers too. */
static const struct {
	const char *key;   /* NULL: an element, a closing bracket or the document */
	const char *value; /* { and [ open, } and ] close */
	const char *accepts;
	bool is_free; /* of an object: its keys are the user's */
} source[] = {
	{ NULL, "{", "o", false },
	{ "version", "1", "i", false },
	{ "labels", "{", "o", true },
	{ "team", "\"vision\"", "s", false },
	{ "ticket", "\"T-7\"", "s", false },
	{ NULL, "}", "", false },
	{ "resources", "{", "o", false },
	{ "host", "\"gpu-a\"", "s", false },
	{ "gpus", "2", "i", false },
	{ NULL, "}", "", false },
	{ "inputs", "{", "o", true },
	{ "train", "{", "so", false },
	{ "source", "\"s3://bkt/ds/train.csv\"", "s", false },
	{ "path", "\"data/\"", "s", false },
	{ NULL, "}", "", false },
	{ "eval", "\"s3://bkt/ds/eval/\"", "so", false },
	{ "config", "\"configs/run.yaml\"", "so", false },
	{ NULL, "}", "", false },
	{ "script", "\"train.sh\"", "s", false },
	{ "args", "[", "a", false },
	{ NULL, "\"--epochs\"", "s", false },
	{ NULL, "\"3\"", "s", false },
	{ NULL, "]", "", false },
	{ "setup", "\"pip install x\\n\"", "s", false },
	{ "image", "\"pytorch/pytorch:2.4.0\"", "s", false },
	{ "env", "{", "o", true },
	{ "EPOCHS", "\"3\"", "s", false },
	{ "TEXT", "\"a\\tb\"", "s", false },
	{ NULL, "}", "", false },
	{ "outputs", "{", "so", false },
	{ "path", "\"out\"", "s", false },
	{ "destination", "\"runs/{job}/\"", "s", false },
	{ "exclude", "[", "a", false },
	{ NULL, "\"*.log\"", "s", false },
	{ NULL, "\"tmp/**\"", "s", false },
	{ NULL, "]", "", false },
	{ NULL, "}", "", false },
	{ "s3", "{", "o", false },
	{ "region", "\"ap-south-1\"", "s", false },
	{ "endpoint_url", "\"https://minio.example:9000\"", "s", false },
	{ "credentials", "\"env\"", "s", false },
	{ "engine", "\"auto\"", "s", false },
	{ NULL, "}", "", false },
	{ "timeouts", "{", "o", false },
	{ "run", "\"2h\"", "sir", false },
	{ NULL, "}", "", false },
	{ NULL, "}", "", false },
};

enum { N_ROWS = ARRAY_SIZE(source) };

/* What follows from the table; line numbers are row numbers + 1. */
struct row {
	char path[64];	 /* of the value; of a closing bracket: of what it closes */
	char follow[64]; /* path that is named after a comma behind this row */
	size_t parent;	 /* row of the container */
	size_t close;	 /* of a container: row of its bracket; else itself */
	size_t value_at; /* column of the value */
	bool is_last;	 /* no comma follows */
};

static struct row rows[ROWS_MAX];

static bool is_open(size_t i)
{
	return strchr("{[", source[i].value[0]);
}

static bool is_close(size_t i)
{
	return strchr("}]", source[i].value[0]);
}

static bool is_scalar(size_t i)
{
	return !is_open(i) && !is_close(i);
}

/* n: how many elements the parent has before this row. */
static void name_row(size_t i, size_t parent, size_t n)
{
	struct row *row = &rows[i];
	const char *base = rows[parent].path;

	row->parent = parent;
	row->close = i;
	row->value_at = source[i].key ? strlen(source[i].key) + 5 : 1;
	if (i == 0) {
		(void)snprintf(row->path, sizeof(row->path), "$");
	} else if (source[i].key) {
		(void)snprintf(row->path, sizeof(row->path), "%.40s.%s", base,
			       source[i].key);
	} else {
		(void)snprintf(row->path, sizeof(row->path), "%.40s[%zu]", base, n);
	}
	(void)snprintf(row->follow, sizeof(row->follow), "%.40s", base);
	if (source[parent].value[0] == '[') {
		(void)snprintf(row->follow, sizeof(row->follow), "%.40s[%zu]", base,
			       n + 1);
	}
}

static void make_rows(void)
{
	size_t open[DEPTH_MAX] = { 0 }, n[DEPTH_MAX] = { 0 }, depth = 0;

	for (size_t i = 0; i < N_ROWS; i++) {
		if (is_close(i)) {
			rows[i] = rows[open[depth]];
			rows[open[depth]].close = i;
			depth -= depth > 0;
			continue;
		}
		name_row(i, open[depth], n[depth]);
		n[depth]++;
		if (is_open(i)) {
			depth += i > 0;
			open[depth] = i;
			n[depth] = 0;
		}
	}
	for (size_t i = 0; i < N_ROWS; i++) {
		rows[i].is_last = i + 1 == N_ROWS || is_close(i + 1);
	}
}

/* ---- one wrong spec ---- */

static struct {
	struct buf text;
	struct buf expected; /* how the one line begins */
	size_t count;
} wrong;

static int host_gpus(const void *arg, const char *host)
{
	(void)arg;
	return streq(host, "gpu-a") ? 8 : 2;
}

static void parse_wrong(void)
{
	static const char *const host_names[] = { "gpu-a", "gpu-b", NULL };
	static const struct spec_context context = { .default_bucket = "models",
						     .host_names = host_names,
						     .host_gpus = host_gpus,
						     .max_gpus = 8 };
	struct spec *spec = NULL;
	struct err e = ERR_INIT;
	int result =
		spec_parse(buf_text(&wrong.text), wrong.text.len, &context, &spec, &e);

	if (wrong.expected.len == 0) {
		CHECK_STR(e.text, "");
		CHECK_INT(result, 0);
		spec = spec_free(spec);
		return;
	}
	if (result != -EINVAL || !has_prefix(e.text, buf_text(&wrong.expected)) ||
	    strchr(e.text, '\n')) {
		printf("# of:\n%s\n# expected: %s\n# have: %s\n", buf_text(&wrong.text),
		       buf_text(&wrong.expected), e.text);
	}
	CHECK_INT(result, -EINVAL);
	CHECK(has_prefix(e.text, buf_text(&wrong.expected)));
	CHECK(!strchr(e.text, '\n'));
}

static void finish(void)
{
	CHECK(!wrong.text.error && !wrong.expected.error);
	parse_wrong();
	buf_truncate(&wrong.text, 0);
	buf_truncate(&wrong.expected, 0);
	wrong.count++;
}

static void expect(size_t line, size_t column, const char *path, const char *what)
{
	(void)buf_printf(&wrong.expected, "spec.json:%zu:%zu: %s: %s", line, column,
			 path, what);
}

static void add_line(size_t i, const char *value)
{
	if (source[i].key && !is_close(i)) {
		(void)buf_printf(&wrong.text, "\"%s\": ", source[i].key);
	}
	(void)buf_printf(&wrong.text, "%s%s\n", value,
			 rows[i].is_last || is_open(i) ? "" : ",");
}

static void add_lines(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		add_line(i, source[i].value);
	}
}

/* The spec with another value in row i, whatever was in it. */
static void replace_value(size_t i, const char *value)
{
	bool is_last = rows[rows[i].close].is_last;

	add_lines(0, i);
	if (source[i].key) {
		(void)buf_printf(&wrong.text, "\"%s\": ", source[i].key);
	}
	(void)buf_printf(&wrong.text, "%s%s\n", value, is_last ? "" : ",");
	add_lines(rows[i].close + 1, N_ROWS);
}

/* The spec with another line i, comma and all. */
static void replace_line(size_t i, const char *line)
{
	add_lines(0, i);
	(void)buf_printf(&wrong.text, "%s\n", line);
	add_lines(i + 1, N_ROWS);
}

TEST("the spec that is made wrong is right")
{
	make_rows();
	add_lines(0, N_ROWS);
	finish();
	wrong.count = 0;
}

/* ---- values ---- */

TEST("a value of another kind")
{
	static const struct {
		char letter;
		const char *value, *what;
	} kinds[] = {
		{ 'n', "null", "found null; expected " },
		{ 'b', "true", "found a boolean; expected " },
		{ 'i', "7", "found a number; expected " },
		{ 'r', "1.5", "found a number; expected " },
		{ 's', "\"text\"", "found a string; expected " },
		{ 'a', "[]", "found an array; expected " },
		{ 'o', "{}", "found an object; expected " },
	};

	for (size_t i = 1; i < N_ROWS; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(kinds) && !is_close(i); k++) {
			if (strchr(source[i].accepts, kinds[k].letter)) {
				continue;
			}
			replace_value(i, kinds[k].value);
			expect(i + 1, rows[i].value_at, rows[i].path, kinds[k].what);
			finish();
		}
	}
}

TEST("a value that is no JSON")
{
	static const struct {
		const char *value;
		size_t at; /* of the byte that is wrong, in value */
		const char *what;
	} flaws[] = {
		{ "'x'", 0, "found a single quote; expected a value" },
		{ "NaN", 0, "found the word \"NaN\"; expected a number" },
		{ "Infinity", 0, "found the word \"Infinity\"; expected a number" },
		{ "-Infinity", 0,
		  "found the number \"-Infinity\"; expected a finite number" },
		{ "True", 0, "found the word \"True\"; expected true" },
		{ "None", 0, "found the word \"None\"; expected null" },
		{ "word", 0, "found the word \"word\"; expected a value (text stands" },
		{ "007", 0,
		  "found the number \"007\"; expected a number without leading" },
		{ "+1", 0, "found the number \"+1\"; expected a number that begins" },
		{ ".5", 0, "found the number \".5\"; expected a number that begins" },
		{ "1.", 0, "found the number \"1.\"; expected a digit after" },
		{ "0x10", 0, "found the number \"0x10\"; expected a decimal number" },
		{ "99999999999999999999", 0,
		  "found the number \"99999999999999999999\"; expected an integer" },
		{ "1e999", 0, "found the number \"1e999\"; expected a number below" },
		{ "\"a\tb\"", 2, "found a tab inside a string; expected \\t" },
		{ "\"a\x01\"", 2,
		  "found the control character U+0001 inside a string" },
		{ "\"ab\n\"", 3,
		  "found the end of the line inside a string; expected a closing" },
		{ "\"a\\x41\"", 2, "found a backslash before \"x\"; expected one of" },
		{ "\"\\u12\"", 1, "found \"12\\\"" },
		{ "\"ab\\u0000\"", 3, "found \\u0000; expected text without NUL" },
		{ "\"\\ud800\"", 1, "found \\ud800, which is half a character" },
		{ "\"\\udfff\"", 1, "found \\udfff, which is half a character" },
		{ "\"\xff\"", 1, "found the byte 0xff, which is not UTF-8" },
		{ "\"a\xc3\"", 2, "found the byte 0xc3, which is not UTF-8" },
		{ "/* why */ 1", 0, "found a comment; expected a value" },
		{ "# why", 0, "found a comment; expected a value" },
		{ "@", 0, "found \"@\"; expected a value" },
		{ ")", 0, "found \")\"; expected a value" },
		{ ":", 0, "found \":\"; expected a value" },
		{ "\"a\" \"b\"", 4, "found a string; expected \",\"" },
		{ "1 2", 2, "found the number \"2\"; expected \",\"" },
		{ "1 // one", 2, "found a comment; expected \",\"" },
		{ "1;", 1, "found \";\"; expected \",\"" },
		{ "{\"a\" 1}", 5, NULL },
	};

	for (size_t i = 1; i < N_ROWS; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(flaws) && is_scalar(i); k++) {
			char path[96];

			replace_value(i, flaws[k].value);
			(void)snprintf(path, sizeof(path), "%s%s", rows[i].path,
				       flaws[k].what ? "" : ".a");
			expect(i + 1, rows[i].value_at + flaws[k].at, path,
			       flaws[k].what ? flaws[k].what
					     : "found the number \"1\"; expected");
			finish();
		}
	}
}

TEST("a value that is missing")
{
	for (size_t i = 1; i < N_ROWS; i++) {
		if (!is_scalar(i)) {
			continue;
		}
		replace_value(i, "");
		if (rows[i].is_last) {
			expect(i + 2, 1, rows[i].path,
			       source[i + 1].value[0] == '}'
				       ? "found \"}\"; expected a value"
				       : "found \"]\"; expected a value");
		} else {
			expect(i + 1, rows[i].value_at, rows[i].path,
			       "found \",\"; expected a value");
		}
		finish();
	}
}

TEST("a value that is out of range")
{
	static const struct {
		const char *path, *value, *what;
	} flaws[] = {
		{ "$.version", "0", "found version 0; expected 1" },
		{ "$.version", "2", "found version 2; expected 1" },
		{ "$.labels.team", "\"a\\nb\"", "found the control character U+000A" },
		{ "$.resources.host", "\"gpu-x\"",
		  "found the host \"gpu-x\"; expected a" },
		{ "$.resources.host", "\"\"",
		  "found the host \"\"; expected a configured" },
		{ "$.resources.gpus", "-1",
		  "found -1; expected a whole number of GPUs" },
		{ "$.resources.gpus", "9",
		  "found 9; expected at most 8, which the host" },
		{ "$.inputs.train.source", "\"\"",
		  "found an empty string; expected an S3" },
		{ "$.inputs.train.source", "\"s3://\"",
		  "found the bucket \"\"; expected" },
		{ "$.inputs.train.source", "\"s3://b!d/k\"",
		  "found the bucket \"b!d\"" },
		{ "$.inputs.train.source", "\"ftp://h/k\"",
		  "found an address with \"ftp://\"" },
		{ "$.inputs.train.source", "\"/k\"",
		  "found the local path \"/k\"; expected" },
		{ "$.inputs.train.source", "\"s3://bkt//k\"",
		  "found two slashes behind" },
		{ "$.inputs.train.source", "\"s3://bkt/..\"",
		  "found a key that ends in \"..\"" },
		{ "$.inputs.train.path", "\"\"",
		  "found an empty string; expected a path" },
		{ "$.inputs.train.path", "\"/x\"",
		  "found \"/x\"; expected a path without" },
		{ "$.inputs.train.path", "\"a/../x\"",
		  "found \"a/../x\"; expected a path" },
		{ "$.inputs.train.path", "\"a//x\"",
		  "found \"a//x\"; expected a path" },
		{ "$.inputs.train.path", "\"files/x\"",
		  "it lands in \"files/x\"; expected" },
		{ "$.inputs.train.path", "\"out/\"",
		  "it lands in \"out/train.csv\"; expected" },
		{ "$.inputs.eval", "\"s3://x&/y/\"",
		  "found the bucket \"x&\"; expected" },
		{ "$.inputs.config", "\"~/run.yaml\"",
		  "found the local path \"~/run.yaml\"" },
		{ "$.script", "\"\"", "found an empty string; expected the name" },
		{ "$.script", "\"/bin/sh\"",
		  "found \"/bin/sh\"; expected a path without" },
		{ "$.script", "\"a/./b\"", "found \"a/./b\"; expected a path without" },
		{ "$.image", "\"\"", "found an empty string; expected the name" },
		{ "$.image", "\"--rm\"", "found \"--rm\"; expected the name of a" },
		{ "$.outputs.path", "\"files\"",
		  "found \"files\"; expected a directory" },
		{ "$.outputs.path", "\"../out\"", "found \"../out\"; expected a path" },
		{ "$.outputs.destination", "\"s3://b!/k\"",
		  "found the bucket \"b!\"; expected" },
		{ "$.outputs.destination", "\"runs/{x}\"",
		  "found \"{x}\"; expected {job}" },
		{ "$.outputs.exclude[0]", "\"\"",
		  "found an empty string; expected a pattern" },
		{ "$.s3.region", "\"\"", "found an empty string; expected a region" },
		{ "$.s3.region", "\"eu west\"",
		  "found \"eu west\"; expected a region" },
		{ "$.s3.endpoint_url", "\"h:9000\"", "found no http:// or https://" },
		{ "$.s3.endpoint_url", "\"http://u:p@h\"",
		  "found a user name in the address" },
		{ "$.s3.credentials", "\"ENV\"",
		  "found another word; expected \"env\"" },
		{ "$.s3.engine", "\"s5cmd\"",
		  "\"s5cmd\" is not supported; expected \"auto\"" },
		{ "$.timeouts.run", "0", "found 0; expected more than 0" },
		{ "$.timeouts.run", "\"367d\"",
		  "found \"367d\"; expected more than 0" },
		{ "$.timeouts.run", "\"2 h\"", "found \"2 h\"; expected seconds, or" },
	};

	for (size_t k = 0; k < ARRAY_SIZE(flaws); k++) {
		size_t i = 1;

		while (is_close(i) || !streq(rows[i].path, flaws[k].path)) {
			CHECK(++i < N_ROWS);
		}
		replace_value(i, flaws[k].value);
		expect(i + 1, rows[i].value_at, rows[i].path, flaws[k].what);
		finish();
	}
}

/* ---- keys ---- */

TEST("a key that is there twice")
{
	for (size_t i = 1; i < N_ROWS; i++) {
		if (!source[i].key || !is_scalar(i)) {
			continue;
		}
		add_lines(0, i);
		(void)buf_printf(&wrong.text, "\"%s\": %s,\n", source[i].key,
				 source[i].value);
		add_lines(i, N_ROWS);
		expect(i + 2, 1, rows[i].path, "duplicate key, it is in line ");
		finish();
	}
}

TEST("a key that is unknown, or for a later version")
{
	static const char *const names[][2] = {
		{ "zzzzzzzz", "unknown key \"zzzzzzzz\"; expected one of: " },
		{ "array", NULL }, /* is only known at the top */
	};

	for (size_t i = 1; i < N_ROWS; i++) {
		size_t parent = rows[i].parent;

		for (size_t k = 0; k < ARRAY_SIZE(names) && source[i].key; k++) {
			char path[96];

			if (source[parent].is_free) {
				continue;
			}
			add_lines(0, i);
			(void)buf_printf(&wrong.text, "\"%s\": 1,\n", names[k][0]);
			add_lines(i, N_ROWS);
			(void)snprintf(path, sizeof(path), "%s.%s", rows[parent].path,
				       names[k][0]);
			expect(i + 1, 1, path,
			       names[k][1]   ? names[k][1]
			       : parent == 0 ? "\"array\" is not supported yet"
					     : "unknown key \"array\"; ");
			finish();
		}
	}
}

TEST("a key that is no JSON")
{
	static const struct {
		const char *format;
		size_t at; /* column */
		const char *what;
	} flaws[] = {
		{ "%s: %s", 1, "found the word " },
		{ "'%s': %s", 1,
		  "found a single quote; expected a key in double quotes" },
		{ "\"\xff%s\": %s", 2, "found the byte 0xff, which is not UTF-8" },
		{ "\"\\q%s\": %s", 2, "found a backslash before \"q\"" },
		{ "/**/\"%s\": %s", 1, "found a comment; expected a key" },
		{ ",\"%s\": %s", 1, "found \",\"; expected a key" },
		{ "7, \"%s\": %s", 1, "found the number \"7\"; expected a key" },
	};

	for (size_t i = 1; i < N_ROWS; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(flaws) && source[i].key; k++) {
			cleanup_buf struct buf line = BUF_INIT;

			(void)buf_printf(&line, flaws[k].format, source[i].key,
					 source[i].value);
			(void)buf_add_str(&line,
					  rows[i].is_last || is_open(i) ? "" : ",");
			replace_line(i, buf_text(&line));
			expect(i + 1, flaws[k].at, rows[rows[i].parent].path,
			       flaws[k].what);
			finish();
		}
	}
}

TEST("a colon that is missing or something else")
{
	static const char *const colons[][2] = {
		{ " ", "found " },
		{ "= ", "found \"=\"; expected \":\"" },
		{ ", ", "found \",\"; expected \":\"" },
		{ "=> ", "found \"=\"; expected \":\"" },
	};

	for (size_t i = 1; i < N_ROWS; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(colons) && source[i].key; k++) {
			cleanup_buf struct buf line = BUF_INIT;

			(void)buf_printf(&line, "\"%s\"%s%s,", source[i].key,
					 colons[k][0], source[i].value);
			replace_line(i, buf_text(&line));
			expect(i + 1, strlen(source[i].key) + (k == 0 ? 4 : 3),
			       rows[i].path, colons[k][1]);
			finish();
		}
	}
}

/* ---- commas, brackets, and the whole ---- */

TEST("a comma that is missing")
{
	for (size_t i = 1; i + 1 < N_ROWS; i++) {
		cleanup_buf struct buf line = BUF_INIT;

		if (rows[i].is_last || is_open(i)) {
			continue;
		}
		if (source[i].key && !is_close(i)) {
			(void)buf_printf(&line, "\"%s\": ", source[i].key);
		}
		(void)buf_add_str(&line, source[i].value);
		replace_line(i, buf_text(&line));
		expect(i + 2, 1, rows[i].path, "found a string; expected \",\"");
		finish();
	}
}

TEST("a comma that is one too many")
{
	for (size_t i = 1; i + 1 < N_ROWS; i++) {
		cleanup_buf struct buf value = BUF_INIT;

		if (!rows[i].is_last || is_open(i)) {
			continue;
		}
		(void)buf_printf(&value, "%s,", source[i].value);
		add_lines(0, i);
		add_line(i, buf_text(&value));
		add_lines(i + 1, N_ROWS);
		expect(i + 2, 1, rows[i].follow,
		       source[i + 1].value[0] == '}' ? "found \"}\"; expected a key"
						     : "found \"]\"; expected a value");
		finish();
	}
}

TEST("a bracket of the other kind")
{
	for (size_t i = 1; i < N_ROWS; i++) {
		bool is_object = source[i].value[0] == '}';

		if (!is_close(i)) {
			continue;
		}
		replace_line(i, is_object ? "]," : "},");
		expect(i + 1, 1, rows[i - 1].path,
		       is_object ? "found \"]\"; expected \",\", or \"}\""
				 : "found \"}\"; expected \",\", or \"]\"");
		finish();
	}
}

TEST("a text that ends after any of its lines")
{
	for (size_t i = 0; i + 1 < N_ROWS; i++) {
		char path[96];

		add_lines(0, i + 1);
		(void)snprintf(path, sizeof(path), "%s%s",
			       is_open(i) || rows[i].is_last ? rows[i].path
							     : rows[i].follow,
			       source[i].value[0] == '[' ? "[0]" : "");
		expect(i + 2, 1, path, "found end of text; expected ");
		finish();
	}
}

TEST("something in front of the document or behind it")
{
	static const char *const front[][2] = {
		{ "\xef\xbb\xbf",
		  "found a byte order mark (EF BB BF); expected \"{\"" },
		{ "x", "found the word \"x\"; expected \"{\"" },
		{ "[", "found \"[\"; expected \"{\"" },
		{ "// spec", "found a comment; expected \"{\"" },
		{ "\x1b", "found the control character U+001B; expected \"{\"" },
	};
	static const char *const behind[][2] = {
		{ "{}", "found \"{\"; expected end of text" },
		{ "}", "found \"}\"; expected end of text" },
		{ ",", "found \",\"; expected end of text" },
		{ "# end", "found a comment; expected end of text" },
		{ "\xfe",
		  "found the byte 0xfe, which is not UTF-8; expected end of text" },
	};

	for (size_t k = 0; k < ARRAY_SIZE(front); k++) {
		(void)buf_add_str(&wrong.text, front[k][0]);
		add_lines(0, N_ROWS);
		expect(1, 1, "$", front[k][1]);
		finish();
	}
	for (size_t k = 0; k < ARRAY_SIZE(behind); k++) {
		add_lines(0, N_ROWS);
		(void)buf_add_str(&wrong.text, behind[k][0]);
		expect(N_ROWS + 1, 1, "$", behind[k][1]);
		finish();
	}
}

TEST("there were more than a thousand")
{
	printf("# %zu wrong specs\n", wrong.count);
	CHECK(wrong.count >= WRONG_MIN);
	buf_fini(&wrong.text);
	buf_fini(&wrong.expected);
}

TEST_MAIN
