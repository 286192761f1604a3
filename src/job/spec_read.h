/* How the parts of a spec are read: what they share. For spec*.c only.
 *
 * A reader's functions note what is wrong and go on, so that one run tells everything.
 * A value that is wrong is left out of the spec, and the rules that need it are
 * skipped; no spec with a problem ever leaves spec_parse(). -ENOMEM sticks in the same
 * way, as it does in struct buf. Every function takes a NULL mark for "not there". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "job/json.h"
#include "job/problems.h"
#include "job/spec.h"

struct spec_reader {
	struct json_doc doc;
	const struct spec_context *context;
	struct spec *spec;
	struct problems problems;
	int error; /* -ENOMEM; sticks */
};

/* Objects whose keys are fixed. */
enum spec_scope {
	SPEC_SCOPE_TOP,
	SPEC_SCOPE_RESOURCES,
	SPEC_SCOPE_INPUT,
	SPEC_SCOPE_OUTPUTS,
	SPEC_SCOPE_S3,
	SPEC_SCOPE_TIMEOUTS,
	SPEC_SCOPE_RETRY,
	SPEC_SCOPE_METRICS,
	SPEC_SCOPE_CHECKPOINTS,
};

enum spec_text_rule { /* may be ORed */
		      SPEC_TEXT_ANY = 0,
		      SPEC_TEXT_PLAIN = 1,    /* no control characters */
		      SPEC_TEXT_FILLED = 2,   /* not empty */
		      SPEC_TEXT_ARGUMENT = 4, /* fits into an argument of execve(2) */
};

enum {
	SPEC_ARGUMENT_MAX = (128 << 10) - 1
}; /* bytes: MAX_ARG_STRLEN without its NUL */

/* Notes a problem of the value, or of its key. */
#define spec_problem(reader, mark, ...)                                                \
	problems_add(&(reader)->problems, (mark), (mark)->at, __VA_ARGS__)
#define spec_key_problem(reader, mark, ...)                                            \
	problems_add(&(reader)->problems, (mark), (mark)->key_at, __VA_ARGS__)

/* spec_value.c */

/* NULL when it is not there. */
const struct json_mark *spec_member(const struct spec_reader *r,
				    const struct json_mark *object, const char *key);
/* "found a number; expected EXPECTED" */
void spec_wrong_kind(struct spec_reader *r, const struct json_mark *mark,
		     const char *expected);
/* Is it there and of that kind? If it is another, that is a problem. */
bool spec_is(struct spec_reader *r, const struct json_mark *mark, enum json_kind kind,
	     const char *expected);
/* Borrowed from the document; NULL when it is not there or wrong. */
const char *spec_text(struct spec_reader *r, const struct json_mark *mark,
		      unsigned rules, const char *expected);
/* The caller's; an array, NULL-terminated, even when mark is NULL. NULL on no memory.
 */
char **spec_texts(struct spec_reader *r, const struct json_mark *mark, unsigned rules,
		  const char *expected);
/* The caller's; NULL for NULL and on no memory. */
char *spec_copy(struct spec_reader *r, const char *text);
char *spec_copy_len(struct spec_reader *r, const char *text, size_t len);
/* The caller's, zeroed; NULL on no memory. */
void *spec_alloc(struct spec_reader *r, size_t n, size_t size);
/* Is that a path_check() path? If not, that is a problem of mark. */
bool spec_check_path(struct spec_reader *r, const struct json_mark *mark,
		     const char *path);

/* spec_keys.c */

/* Is it there and an object? Notes all of its keys that it should not have. */
bool spec_keys(struct spec_reader *r, const struct json_mark *mark,
	       enum spec_scope scope, const char *expected);

/* The parts; top is the document. */
void spec_read_resources(struct spec_reader *r, const struct json_mark *top);
void spec_read_inputs(struct spec_reader *r, const struct json_mark *top);
void spec_read_outputs(struct spec_reader *r, const struct json_mark *top);
void spec_read_program(struct spec_reader *r, const struct json_mark *top);
void spec_read_labels(struct spec_reader *r, const struct json_mark *top);
void spec_read_env(struct spec_reader *r, const struct json_mark *top);
void spec_read_s3(struct spec_reader *r, const struct json_mark *top);
void spec_read_timeouts(struct spec_reader *r, const struct json_mark *top);
void spec_read_retry(struct spec_reader *r, const struct json_mark *top);
void spec_read_checkpoints(struct spec_reader *r, const struct json_mark *top);
void spec_read_metrics(struct spec_reader *r, const struct json_mark *top);
void spec_read_schedule(struct spec_reader *r, const struct json_mark *top);

/* spec_outputs.c: the mark of the destination of what is a string or an object of that
 * scope; NULL when it is not there or wrong. */
const struct json_mark *spec_find_destination(struct spec_reader *r,
					      const struct json_mark *mark,
					      enum spec_scope scope);
/* An S3 prefix with {job} and {id}; it ends in /, or is empty. Both are
 * the caller's, and left alone when it is not there or wrong. */
void spec_read_destination(struct spec_reader *r, const struct json_mark *mark,
			   char **ret_bucket, char **ret_prefix);
/* A directory of the program's below the job's, without a slash at its end; NULL: it is
 * wrong. */
char *spec_read_directory(struct spec_reader *r, const struct json_mark *mark,
			  const char *otherwise);

/* spec_timeouts.c: "90s" or a number of seconds. *ret_ms is left alone when it is not
 * there or wrong. */
void spec_read_duration(struct spec_reader *r, const struct json_mark *mark,
			bool may_be_zero, int64_t *ret_ms);
