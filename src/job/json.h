/* A JSON document with places: the strict reader in front of json-c, and the line,
 * column and path of every value that json-c made.
 *
 * Why both exist. json-c makes the tree: values, types, unescaped text. But it forgets
 * where a value stood, and even with STRICT and VALIDATE_UTF8 it takes what RFC 8259
 * forbids or leaves open: the last of two equal keys wins, single quotes, NaN, raw
 * control characters, \u0000 (its text is then shorter than its length says), half
 * surrogates, integers that it clamps; a text that ends too early is no error to it. So
 * a pass of our own reads the bytes first, refuses all of that with a sentence, and
 * leaves one mark a value, in the order of the document. Only what it let through
 * reaches json-c, and then each mark is given json-c's value: who walks the marks has
 * both, and never parses anything. If the two ever disagree about a value, the document
 * is refused, not guessed at. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/mem.h"

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT, /* fits int64_t */
	JSON_REAL,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

enum { JSON_NO_KEY = SIZE_MAX };

/* One value. Marks stand in the order of the document, a container before what it
 * holds. */
struct json_mark {
	size_t at;     /* of its first byte */
	size_t end;    /* behind its last byte */
	size_t key_at; /* of its key's opening quote; = at without a key */
	size_t key;    /* in doc->keys, or JSON_NO_KEY for elements and the document */
	size_t parent; /* number of the mark it is in; its own for the document */
	size_t next;   /* number of the first mark that is not inside of it */
	size_t place;  /* among its parent's values, from 0 */
	size_t n;      /* values in it */
	enum json_kind kind;
	struct json_object *value; /* borrowed from the document; NULL for null */
};

struct json_doc {
	/* Set by the caller: */
	const char *name; /* for messages: "spec.json" */
	const char *text; /* borrowed, need not end in NUL */
	size_t len;
	size_t depth_max;   /* containers around a value */
	size_t members_max; /* of one array or object */
	/* Made by json_doc_read: */
	struct json_mark *marks;
	size_t n_marks, capacity;
	struct buf keys; /* decoded, each with its NUL */
	struct json_object *root;
};

/* Reads a document whose top-level value is an object. -EINVAL: e->text is one line,
 * "NAME:LINE:COLUMN: $.path: found X; expected Y". -ENOMEM. The caller calls
 * json_doc_fini in any case. */
int json_doc_read(struct json_doc *doc, struct err *e);
void json_doc_fini(struct json_doc *doc);
#define cleanup_json_doc cleanup_(json_doc_fini)

/* The values of an object or array in their order: first, then next until NULL. */
const struct json_mark *json_doc_first(const struct json_doc *doc,
				       const struct json_mark *parent);
const struct json_mark *json_doc_next(const struct json_doc *doc,
				      const struct json_mark *mark);
#define json_doc_each(doc, parent, mark)                                               \
	for (const struct json_mark *mark = json_doc_first((doc), (parent)); (mark);   \
	     (mark) = json_doc_next((doc), (mark)))

/* The member of an object with that key, NULL when there is none. */
const struct json_mark *json_doc_member(const struct json_doc *doc,
					const struct json_mark *object,
					const char *key);
/* A member's key; "" for what has none. Borrowed from the document. */
const char *json_doc_key(const struct json_doc *doc, const struct json_mark *mark);

/* "an object", "a string", ... */
const char *json_kind_text(enum json_kind kind);

/* Both count from 1, columns in bytes. */
void json_position(const char *text, size_t at, size_t *ret_line, size_t *ret_column);
/* Append "$.inputs.train", "$.args[2]", "$.env[\"a b\"]"; and in front of that
 * "NAME:LINE:COLUMN: " of the byte at. Return out->error. */
int json_doc_add_path(const struct json_doc *doc, const struct json_mark *mark,
		      struct buf *out);
int json_doc_add_place(const struct json_doc *doc, const struct json_mark *mark,
		       size_t at, struct buf *out);
