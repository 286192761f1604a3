#include "job/json.h"

#include <ctype.h>
#include <string.h>

#include "job/show.h"

const char *json_kind_text(enum json_kind kind)
{
	static const char *const texts[] = {
		[JSON_NULL] = "null",	     [JSON_BOOL] = "a boolean",
		[JSON_INT] = "a number",     [JSON_REAL] = "a number",
		[JSON_STRING] = "a string",  [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return texts[kind];
}

void json_position(const char *text, size_t at, size_t *ret_line, size_t *ret_column)
{
	const char *line = text, *end = text + at, *newline;

	*ret_line = 1;
	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		line = newline + 1;
		(*ret_line)++;
	}
	*ret_column = (size_t)(end - line) + 1;
}

/* May the key be written with a dot? */
static bool is_identifier(const char *key)
{
	if (!isalpha((unsigned char)key[0]) && key[0] != '_') {
		return false;
	}
	while (isalnum((unsigned char)*key) || *key == '_') {
		key++;
	}
	return *key == '\0';
}

static void add_step(const struct json_doc *doc, const struct json_mark *mark,
		     struct buf *out)
{
	const char *key = json_doc_key(doc, mark);
	char shown[SHOW_MAX];

	if (mark->key == JSON_NO_KEY) {
		(void)buf_printf(out, "[%zu]", mark->place);
	} else if (is_identifier(key) && strlen(key) < SHOW_MAX) {
		(void)buf_printf(out, ".%s", key);
	} else {
		show_text(key, strlen(key), shown);
		(void)buf_printf(out, "[%s]", shown);
	}
}

int json_doc_add_path(const struct json_doc *doc, const struct json_mark *mark,
		      struct buf *out)
{
	size_t depth = 0;

	(void)buf_add_char(out, '$');
	if (!mark) {
		return out->error;
	}
	for (const struct json_mark *m = mark; m != doc->marks;
	     m = &doc->marks[m->parent]) {
		depth++;
	}
	for (; depth > 0; depth--) {
		const struct json_mark *m = mark;

		for (size_t i = 1; i < depth; i++) {
			m = &doc->marks[m->parent];
		}
		add_step(doc, m, out);
	}
	return out->error;
}

int json_doc_add_place(const struct json_doc *doc, const struct json_mark *mark,
		       size_t at, struct buf *out)
{
	size_t line, column;

	json_position(doc->text, at, &line, &column);
	(void)buf_printf(out, "%s:%zu:%zu: ", doc->name, line, column);
	return json_doc_add_path(doc, mark, out);
}
