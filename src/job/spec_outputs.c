/* outputs: what is uploaded, and where it goes. */
#include "job/spec_read.h"

#include <errno.h>
#include <string.h>

#include "job/address.h"
#include "job/path.h"
#include "job/show.h"
#include "util/mem.h"

static const char default_path[] = "output";

/* Patterns for what is left out, unless the spec names its own. */
static const char *const default_exclude[] = { "*.log", "logs/**" };

/* The length of a "{word}" at text; 0 when there is none. */
static size_t placeholder_len(const char *text)
{
	const char *end = text[0] == '{' ? strchr(text, '}') : NULL;

	return end ? (size_t)(end - text) + 1 : 0;
}

static bool placeholder_is(const char *text, size_t len, const char *placeholder)
{
	return len == strlen(placeholder) && memcmp(text, placeholder, len) == 0;
}

static bool check_placeholders(struct spec_reader *r, const struct json_mark *mark,
			       const char *text)
{
	char shown[SHOW_MAX];

	for (; *text; text++) {
		size_t len = placeholder_len(text);

		if (len > 0 && !placeholder_is(text, len, "{job}") &&
		    !placeholder_is(text, len, "{id}")) {
			show_text(text, len, shown);
			spec_problem(r, mark, "found %s; expected {job} or {id}",
				     shown);
			return false;
		}
	}
	return true;
}

/* A destination's parts are names that people gave, so what is legal in S3 but is a
 * slip of the hand ("runs//x", "runs/../x") is refused. */
static bool check_parts(struct spec_reader *r, const struct json_mark *mark,
			const char *prefix)
{
	size_t len = strlen(prefix);
	cleanup_free char *path = spec_copy_len(
		r, prefix, len > 0 && prefix[len - 1] == '/' ? len - 1 : len);

	return !path || path[0] == '\0' || spec_check_path(r, mark, path);
}

void spec_read_destination(struct spec_reader *r, const struct json_mark *mark,
			   char **ret_bucket, char **ret_prefix)
{
	const char *text =
		spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
			  "an S3 prefix such as \"s3://BUCKET/runs/{job}/\"");
	cleanup_buf struct buf prefix = BUF_INIT;
	struct address address;
	struct err e = ERR_INIT;

	if (!mark || !text) {
		return;
	}
	if (address_parse(text, r->context->default_bucket, &address, &e) < 0) {
		spec_problem(r, mark, "%s", e.text);
		return;
	}
	if (!check_placeholders(r, mark, address.key) ||
	    !check_parts(r, mark, address.key)) {
		return;
	}
	(void)buf_add_str(&prefix, address.key);
	if (!address_is_prefix(&address)) {
		(void)buf_add_char(&prefix, '/');
	}
	*ret_bucket = spec_copy_len(r, address.bucket, address.bucket_len);
	*ret_prefix = buf_steal(&prefix);
	if (!*ret_prefix) {
		r->error = -ENOMEM;
	}
}

/* With a slash at its end or without. */
char *spec_read_directory(struct spec_reader *r, const struct json_mark *mark,
			  const char *otherwise)
{
	const char *text = spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
				     "a directory below the job's directory");
	cleanup_free char *path = spec_copy(r, text);
	size_t len = path ? strlen(path) : 0;

	if (!mark) {
		return spec_copy(r, otherwise);
	}
	if (len > 1 && path[len - 1] == '/') {
		path[len - 1] = '\0';
	}
	if (!path || !spec_check_path(r, mark, path)) {
		return NULL;
	}
	if (path_is_within(path, "files") || path_is_within(path, "inputs")) {
		char shown[SHOW_MAX];

		show_text(path, strlen(path), shown);
		spec_problem(
			r, mark,
			"found %s; expected a directory outside of files/ and inputs/",
			shown);
		return NULL;
	}
	return steal_ptr(&path);
}

static void read_exclude(struct spec_reader *r, const struct json_mark *mark)
{
	size_t n = ARRAY_SIZE(default_exclude);

	if (mark) {
		r->spec->exclude = spec_texts(r, mark,
					      SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED |
						      SPEC_TEXT_ARGUMENT,
					      "a pattern such as \"*.log\"");
		return;
	}
	r->spec->exclude = spec_alloc(r, n + 1, sizeof(*r->spec->exclude));
	for (size_t i = 0; r->spec->exclude && i < n; i++) {
		r->spec->exclude[i] = spec_copy(r, default_exclude[i]);
	}
}

const struct json_mark *spec_find_destination(struct spec_reader *r,
					      const struct json_mark *mark,
					      enum spec_scope scope)
{
	const struct json_mark *destination;

	if (!mark || mark->kind == JSON_STRING) {
		return mark;
	}
	if (!spec_keys(r, mark, scope,
		       "an S3 prefix, or an object with \"destination\"")) {
		return NULL;
	}
	destination = spec_member(r, mark, "destination");
	if (!destination) {
		spec_problem(r, mark,
			     "no \"destination\"; expected "
			     "{\"destination\": \"s3://BUCKET/PREFIX/\"}");
	}
	return destination;
}

void spec_read_outputs(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "outputs");

	r->spec->has_outputs = mark != NULL;
	spec_read_destination(r, spec_find_destination(r, mark, SPEC_SCOPE_OUTPUTS),
			      &r->spec->destination_bucket,
			      &r->spec->destination_prefix);
	r->spec->output_path =
		spec_read_directory(r, spec_member(r, mark, "path"), default_path);
	read_exclude(r, spec_member(r, mark, "exclude"));
}

/* ---- the destination of one job ---- */

int spec_expand_destination(const char *text, const char *job, const char *id,
			    struct buf *out)
{
	while (text && *text) {
		size_t len = placeholder_len(text);

		if (placeholder_is(text, len, "{job}")) {
			(void)buf_add_str(out, job);
		} else if (placeholder_is(text, len, "{id}")) {
			(void)buf_add_str(out, id);
		} else {
			(void)buf_add_char(out, *text);
			len = 1;
		}
		text += len;
	}
	return out->error;
}
