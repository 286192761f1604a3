#include "job/json.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "job/json_marks.h"

static int out_of_memory(const struct json_doc *doc, struct err *e)
{
	return err_set(e, -ENOMEM, "%s could not be read: out of memory", doc->name);
}

static const enum json_type types[] = {
	[JSON_NULL] = json_type_null,	  [JSON_BOOL] = json_type_boolean,
	[JSON_INT] = json_type_int,	  [JSON_REAL] = json_type_double,
	[JSON_STRING] = json_type_string, [JSON_ARRAY] = json_type_array,
	[JSON_OBJECT] = json_type_object,
};

/* Gives each mark its value. Returns the first mark for which json-c has no value of
 * that kind, NULL when all agree. */
static const struct json_mark *attach_values(struct json_doc *doc)
{
	doc->marks[0].value = doc->root;
	if (json_object_get_type(doc->root) != json_type_object) {
		return doc->marks;
	}
	for (size_t i = 1; i < doc->n_marks; i++) {
		struct json_mark *mark = &doc->marks[i];
		struct json_object *parent = doc->marks[mark->parent].value;

		if (mark->key == JSON_NO_KEY) {
			mark->value = json_object_array_get_idx(parent, mark->place);
		} else {
			mark->value =
				json_object_object_get(parent, json_doc_key(doc, mark));
		}
		if (json_object_get_type(mark->value) != types[mark->kind]) {
			return mark;
		}
	}
	return NULL;
}

static void free_tokener(struct json_tokener *const *tokener)
{
	if (*tokener) {
		json_tokener_free(*tokener);
	}
}

/* json-c 0.16 does not always say that it ran out of memory: then a value is missing or
 * null. The two readers agree about everything else, which the fuzz target holds, so a
 * difference is reported as that. */
static int read_tree(struct json_doc *doc, struct err *e)
{
	cleanup_buf struct buf place = BUF_INIT;
	const struct json_mark *top = doc->marks, *other;
	__attribute__((cleanup(free_tokener))) struct json_tokener *tokener =
		json_tokener_new_ex((int)doc->depth_max + 1);

	if (!tokener) {
		return out_of_memory(doc, e);
	}
	json_tokener_set_flags(tokener,
			       JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	doc->root = json_tokener_parse_ex(tokener, doc->text + top->at,
					  (int)(top->end - top->at));
	other = attach_values(doc);
	if (!other) {
		return 0;
	}
	(void)json_doc_add_place(doc, other, other->at, &place);
	return err_set(e, -ENOMEM, "%s: could not be stored: out of memory",
		       buf_text(&place));
}

int json_doc_read(struct json_doc *doc, struct err *e)
{
	int result;

	assert(doc->len <= INT_MAX && doc->depth_max < INT_MAX);
	result = json_marks_read(doc, e);
	if (result == -ENOMEM) {
		return out_of_memory(doc, e);
	}
	return result < 0 ? result : read_tree(doc, e);
}

void json_doc_fini(struct json_doc *doc)
{
	if (doc->root) {
		(void)json_object_put(doc->root);
	}
	free(doc->marks);
	buf_fini(&doc->keys);
	doc->root = NULL;
	doc->marks = NULL;
	doc->n_marks = 0;
	doc->capacity = 0;
}

const struct json_mark *json_doc_first(const struct json_doc *doc,
				       const struct json_mark *parent)
{
	return parent->n > 0 ? &doc->marks[parent - doc->marks + 1] : NULL;
}

const struct json_mark *json_doc_next(const struct json_doc *doc,
				      const struct json_mark *mark)
{
	const struct json_mark *parent = &doc->marks[mark->parent];

	return mark->place + 1 < parent->n ? &doc->marks[mark->next] : NULL;
}

const char *json_doc_key(const struct json_doc *doc, const struct json_mark *mark)
{
	return mark->key == JSON_NO_KEY ? "" : doc->keys.data + mark->key;
}

const struct json_mark *json_doc_member(const struct json_doc *doc,
					const struct json_mark *object, const char *key)
{
	json_doc_each(doc, object, mark)
	{
		if (streq(json_doc_key(doc, mark), key)) {
			return mark;
		}
	}
	return NULL;
}
