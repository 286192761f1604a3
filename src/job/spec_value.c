#include "job/spec_read.h"

#include <errno.h>
#include <string.h>

#include "job/path.h"
#include "job/show.h"
#include "util/mem.h"

const struct json_mark *spec_member(const struct spec_reader *r,
				    const struct json_mark *object, const char *key)
{
	return object && object->kind == JSON_OBJECT
		       ? json_doc_member(&r->doc, object, key)
		       : NULL;
}

void spec_wrong_kind(struct spec_reader *r, const struct json_mark *mark,
		     const char *expected)
{
	bool is_null_member = mark->kind == JSON_NULL && mark->key != JSON_NO_KEY;

	spec_problem(r, mark, "found %s; expected %s%s", json_kind_text(mark->kind),
		     expected, is_null_member ? " (or leave the key out)" : "");
}

bool spec_is(struct spec_reader *r, const struct json_mark *mark, enum json_kind kind,
	     const char *expected)
{
	if (!mark) {
		return false;
	}
	if (mark->kind != kind) {
		spec_wrong_kind(r, mark, expected);
		return false;
	}
	return true;
}

/* Notes the first control character of text, when there is one. */
static bool has_control(struct spec_reader *r, const struct json_mark *mark,
			const char *text)
{
	size_t left = strlen(text);

	for (; left > 0; text++, left--) {
		size_t n = show_control_len(text, left);

		if (n > 0) {
			spec_problem(
				r, mark,
				"found the control character U+%04X; expected one line "
				"of plain text",
				(unsigned char)text[n - 1]);
			return true;
		}
	}
	return false;
}

const char *spec_text(struct spec_reader *r, const struct json_mark *mark,
		      unsigned rules, const char *expected)
{
	const char *text;

	if (!spec_is(r, mark, JSON_STRING, expected)) {
		return NULL;
	}
	text = json_object_get_string(mark->value);
	if ((rules & SPEC_TEXT_FILLED) && text[0] == '\0') {
		spec_problem(r, mark, "found an empty string; expected %s", expected);
		return NULL;
	}
	if ((rules & SPEC_TEXT_ARGUMENT) && strlen(text) > SPEC_ARGUMENT_MAX) {
		spec_problem(
			r, mark,
			"found a string of %zu bytes; expected at most %d, what the "
			"kernel passes to a program",
			strlen(text), SPEC_ARGUMENT_MAX);
		return NULL;
	}
	if ((rules & SPEC_TEXT_PLAIN) && has_control(r, mark, text)) {
		return NULL;
	}
	return text;
}

char **spec_texts(struct spec_reader *r, const struct json_mark *mark, unsigned rules,
		  const char *expected)
{
	size_t n = 0, n_max = mark ? mark->n : 0;
	char **texts;

	if (mark && !spec_is(r, mark, JSON_ARRAY, "an array of strings")) {
		n_max = 0;
	}
	texts = spec_alloc(r, n_max + 1, sizeof(*texts));
	if (!texts || n_max == 0) {
		return texts;
	}
	json_doc_each(&r->doc, mark, element)
	{
		texts[n] = spec_copy(r, spec_text(r, element, rules, expected));
		n += texts[n] != NULL;
	}
	return texts;
}

char *spec_copy(struct spec_reader *r, const char *text)
{
	return text ? spec_copy_len(r, text, strlen(text)) : NULL;
}

char *spec_copy_len(struct spec_reader *r, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy) {
		r->error = -ENOMEM;
	}
	return copy;
}

void *spec_alloc(struct spec_reader *r, size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory) {
		r->error = -ENOMEM;
	}
	return memory;
}

bool spec_check_path(struct spec_reader *r, const struct json_mark *mark,
		     const char *path)
{
	struct err e = ERR_INIT;

	if (path_check(path, &e) < 0) {
		spec_problem(r, mark, "%s", e.text);
		return false;
	}
	return true;
}
