#include "job/json_marks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "job/json_token.h"

/* What the reader looks for next. */
enum want {
	WANT_DOCUMENT,	    /* the { of the top-level object */
	WANT_FIRST_KEY,	    /* or } */
	WANT_KEY,	    /* there was a comma */
	WANT_COLON,	    /* and then the value */
	WANT_FIRST_ELEMENT, /* or ] */
	WANT_ELEMENT,	    /* there was a comma */
	WANT_COMMA,	    /* or the end of the container */
	WANT_END,	    /* of the text */
};

struct reader {
	struct json_doc *doc;
	struct json_text text;
	enum want want;
	size_t at;
	size_t here;  /* mark of the innermost open container */
	size_t named; /* mark whose path a message names */
	size_t depth; /* open containers */
};

static struct json_mark *mark_at(const struct reader *r, size_t number)
{
	return &r->doc->marks[number];
}

/* The next byte; NUL at the end, which is no byte that a step looks for. */
static char peek(const struct reader *r)
{
	if (r->at == r->text.len) {
		return '\0';
	}
	return r->text.data[r->at];
}

/* Puts the place in front of what a token function said; at is the byte that is wrong.
 */
static int placed(const struct reader *r, int code, struct err *e)
{
	cleanup_buf struct buf place = BUF_INIT;

	if (json_doc_add_place(r->doc, r->doc->n_marks ? mark_at(r, r->named) : NULL,
			       r->at, &place) < 0) {
		return -ENOMEM;
	}
	return err_prefix(e, code, "%s", buf_text(&place));
}

/* ---- marks ---- */

static int push_mark(struct reader *r, size_t key)
{
	struct json_doc *doc = r->doc;
	struct json_mark *mark;

	if (doc->n_marks == doc->capacity) {
		size_t capacity = doc->capacity ? doc->capacity * 2 : 64;
		struct json_mark *marks =
			reallocarray(doc->marks, capacity, sizeof(*marks));

		if (!marks) {
			return -ENOMEM;
		}
		doc->marks = marks;
		doc->capacity = capacity;
	}
	mark = mark_at(r, doc->n_marks);
	*mark = (struct json_mark){
		.at = r->at, .end = r->at, .key_at = r->at, .key = key
	};
	mark->parent = r->here;
	mark->next = doc->n_marks + 1;
	if (doc->n_marks > 0) {
		mark->place = mark_at(r, r->here)->n++;
	}
	r->named = doc->n_marks++;
	return 0;
}

/* A member or an element begins: is there room for it? */
static int check_room(struct reader *r, struct err *e)
{
	size_t max = r->doc->members_max;

	if (mark_at(r, r->here)->n < max) {
		return 0;
	}
	r->named = r->here;
	err_set(e, -EINVAL, "found more than %zu values; expected at most %zu", max,
		max);
	return placed(r, -EINVAL, e);
}

/* ---- equal keys ---- */

struct keyed {
	const char *key;
	size_t number; /* of its mark */
};

static int compare_keyed(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->number > y->number) - (x->number < y->number);
}

static int refuse_duplicate(struct reader *r, size_t number, size_t first,
			    struct err *e)
{
	size_t line, column;

	r->named = number;
	r->at = mark_at(r, number)->key_at;
	json_position(r->text.data, mark_at(r, first)->key_at, &line, &column);
	err_set(e, -EINVAL,
		"duplicate key, it is in line %zu, column %zu already; expected each "
		"key once",
		line, column);
	return placed(r, -EINVAL, e);
}

/* Refuses the object if it has a key twice; of several the one that stands first. */
static int check_keys(struct reader *r, size_t object, struct err *e)
{
	size_t n = mark_at(r, object)->n, i = 0, duplicate = 0, first = 0;
	cleanup_free struct keyed *keys = calloc(n + 1, sizeof(*keys));

	if (!keys) {
		return -ENOMEM;
	}
	json_doc_each(r->doc, mark_at(r, object), mark)
	{
		keys[i++] = (struct keyed){ json_doc_key(r->doc, mark),
					    (size_t)(mark - r->doc->marks) };
	}
	qsort(keys, n, sizeof(*keys), compare_keyed);
	for (i = 1; i < n; i++) {
		if (streq(keys[i].key, keys[i - 1].key) &&
		    (!duplicate || keys[i].number < duplicate)) {
			duplicate = keys[i].number;
			first = keys[i - 1].number;
		}
	}
	return duplicate ? refuse_duplicate(r, duplicate, first, e) : 0;
}

/* ---- the steps: each reads one token and says what comes next ---- */

static int unexpected(const struct reader *r, const char *expected, struct err *e)
{
	(void)json_token_unexpected(&r->text, r->at, expected, e);
	return placed(r, -EINVAL, e);
}

static int open_container(struct reader *r, enum json_kind kind, struct err *e)
{
	if (r->depth == r->doc->depth_max) {
		err_set(e, -EINVAL, "found nesting level %zu; expected at most %zu",
			r->depth + 1, r->doc->depth_max);
		return placed(r, -EINVAL, e);
	}
	r->depth++;
	r->here = r->named;
	mark_at(r, r->here)->kind = kind;
	r->at++;
	r->want = kind == JSON_OBJECT ? WANT_FIRST_KEY : WANT_FIRST_ELEMENT;
	return 0;
}

static int close_container(struct reader *r, struct err *e)
{
	struct json_mark *mark = mark_at(r, r->here);

	r->at++;
	mark->end = r->at;
	mark->next = r->doc->n_marks;
	if (mark->kind == JSON_OBJECT) {
		int result = check_keys(r, r->here, e);

		if (result < 0) {
			return result;
		}
	}
	r->depth--;
	r->named = r->here;
	r->here = mark->parent;
	r->want = r->depth == 0 ? WANT_END : WANT_COMMA;
	return 0;
}

/* A value that holds no others. */
static int read_scalar(struct reader *r, struct err *e)
{
	struct json_mark *mark = mark_at(r, r->named);
	char c = peek(r);
	int result;

	if (c == '"') {
		mark->kind = JSON_STRING;
		result = json_token_string(&r->text, &r->at, e);
	} else if (json_token_is_one_of(c, "0123456789+-.")) {
		result = json_token_number(&r->text, &r->at, &mark->kind, e);
	} else {
		result = json_token_word(&r->text, &r->at, &mark->kind, e);
	}
	if (result < 0) {
		return placed(r, result, e);
	}
	mark->end = r->at;
	r->want = WANT_COMMA;
	return 0;
}

static int read_value(struct reader *r, struct err *e)
{
	mark_at(r, r->named)->at = r->at;
	if (r->at == r->text.len) {
		return unexpected(r, "a value", e);
	}
	switch (peek(r)) {
	case '{':
		return open_container(r, JSON_OBJECT, e);
	case '[':
		return open_container(r, JSON_ARRAY, e);
	default:
		return read_scalar(r, e);
	}
}

static int read_document(struct reader *r, struct err *e)
{
	if (r->text.len >= 3 && memcmp(r->text.data, "\xef\xbb\xbf", 3) == 0) {
		err_set(e, -EINVAL,
			"found a byte order mark (EF BB BF); expected \"{\" (save the "
			"file as "
			"UTF-8 without BOM)");
		return placed(r, -EINVAL, e);
	}
	if (peek(r) != '{') {
		return unexpected(r, "\"{\"", e);
	}
	return push_mark(r, JSON_NO_KEY) < 0 ? -ENOMEM : read_value(r, e);
}

static int read_key(struct reader *r, struct err *e)
{
	size_t start = r->at, key = r->doc->keys.len;
	int result;

	if (peek(r) != '"') {
		return unexpected(r,
				  r->want == WANT_FIRST_KEY
					  ? "a key in double quotes, or \"}\""
					  : "a key in double quotes after the comma",
				  e);
	}
	result = check_room(r, e);
	if (result < 0) {
		return result;
	}
	result = json_token_string(&r->text, &r->at, e);
	if (result < 0) {
		return placed(r, result, e);
	}
	(void)json_token_decode(r->text.data + start, &r->doc->keys);
	if (buf_add_char(&r->doc->keys, '\0') < 0) {
		return -ENOMEM;
	}
	if (push_mark(r, key) < 0) {
		return -ENOMEM;
	}
	mark_at(r, r->named)->key_at = start;
	r->want = WANT_COLON;
	return 0;
}

static int read_member_value(struct reader *r, struct err *e)
{
	if (peek(r) != ':') {
		return unexpected(r, "\":\" and a value", e);
	}
	r->at++;
	json_token_skip_space(&r->text, &r->at);
	return read_value(r, e);
}

static int read_element(struct reader *r, struct err *e)
{
	int result = check_room(r, e);

	if (result < 0) {
		return result;
	}
	if (push_mark(r, JSON_NO_KEY) < 0) {
		return -ENOMEM;
	}
	if (peek(r) == ']') {
		return unexpected(r, "a value after the comma", e);
	}
	return read_value(r, e);
}

/* Behind a value: a comma or the end of the container. */
static int read_comma(struct reader *r, struct err *e)
{
	const struct json_mark *here = mark_at(r, r->here);
	bool is_object = here->kind == JSON_OBJECT;
	char c = peek(r);
	size_t line, column;
	char expected[96];

	if (c == ',') {
		r->at++;
		r->named = r->here;
		r->want = is_object ? WANT_KEY : WANT_ELEMENT;
		return 0;
	}
	if (c == (is_object ? '}' : ']')) {
		return close_container(r, e);
	}
	json_position(r->text.data, here->at, &line, &column);
	(void)snprintf(expected, sizeof(expected),
		       "\",\", or \"%s\" for the \"%s\" in line %zu, column %zu",
		       is_object ? "}" : "]", is_object ? "{" : "[", line, column);
	return unexpected(r, expected, e);
}

static int read_step(struct reader *r, struct err *e)
{
	char c = peek(r);

	switch (r->want) {
	case WANT_DOCUMENT:
		return read_document(r, e);
	case WANT_FIRST_KEY:
		return c == '}' ? close_container(r, e) : read_key(r, e);
	case WANT_KEY:
		return read_key(r, e);
	case WANT_COLON:
		return read_member_value(r, e);
	case WANT_FIRST_ELEMENT:
		return c == ']' ? close_container(r, e) : read_element(r, e);
	case WANT_ELEMENT:
		return read_element(r, e);
	case WANT_COMMA:
		return read_comma(r, e);
	case WANT_END:
		return unexpected(r, "end of text after the document", e);
	}
	return -EINVAL;
}

int json_marks_read(struct json_doc *doc, struct err *e)
{
	struct reader r = { .doc = doc, .text = { doc->text, doc->len } };
	int result = 0;

	while (result == 0) {
		json_token_skip_space(&r.text, &r.at);
		if (r.want == WANT_END && r.at == r.text.len) {
			return 0;
		}
		result = read_step(&r, e);
	}
	return result;
}
