/* inputs: what is fetched, and where it lands. */
#include "job/spec_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/address.h"
#include "job/path.h"
#include "job/show.h"
#include "util/mem.h"

enum { NAME_LEN_MAX = 64 };

/* An input and what of the document says where it lands. */
struct landing {
	const struct spec_input *input;
	const struct json_mark *named; /* "inputs".NAME */
	const struct json_mark *place; /* "path" if there is one, else the source */
};

/* ---- names ---- */

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len > NAME_LEN_MAX ||
	    (!isalpha((unsigned char)name[0]) && name[0] != '_')) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i])) {
			return false;
		}
	}
	return true;
}

static void read_name(struct spec_reader *r, const struct json_mark *mark,
		      struct spec_input *input)
{
	const char *name = json_doc_key(&r->doc, mark);
	char shown[SHOW_MAX];

	if (!is_name(name)) {
		show_text(name, strlen(name), shown);
		spec_key_problem(
			r, mark,
			"found %s; expected the name of an input: a letter or _, then "
			"letters, digits, \"_\", \".\", \"-\", at most %d",
			shown, NAME_LEN_MAX);
		return;
	}
	input->name = spec_copy(r, name);
	input->variable = spec_copy(r, name);
	for (char *c = input->variable; c && *c; c++) {
		*c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c)
						: '_';
	}
}

/* ---- sources and paths ---- */

static bool check_base_name(struct spec_reader *r, const struct json_mark *mark,
			    const struct address *address)
{
	const char *base = address_base_name(address);

	if (address_is_prefix(address) || (!streq(base, ".") && !streq(base, ".."))) {
		return true;
	}
	spec_problem(
		r, mark,
		"found a key that ends in \"%s\"; expected the key of an object, or a "
		"prefix that ends in /",
		base);
	return false;
}

static bool read_source(struct spec_reader *r, const struct json_mark *mark,
			struct spec_input *input, struct address *ret_address)
{
	const char *text = spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
				     "an S3 address such as \"s3://BUCKET/KEY\"");
	struct err e = ERR_INIT;

	if (!text) {
		return false;
	}
	if (address_parse(text, r->context->default_bucket, ret_address, &e) < 0) {
		spec_problem(r, mark, "%s", e.text);
		return false;
	}
	if (!check_base_name(r, mark, ret_address)) {
		return false;
	}
	input->is_prefix = address_is_prefix(ret_address);
	input->bucket = spec_copy_len(r, ret_address->bucket, ret_address->bucket_len);
	input->key = spec_copy(r, ret_address->key);
	return true;
}

/* Where an input lands that says path, or nothing (NULL). The caller's; NULL on no
 * memory. */
static char *landing_path(struct spec_reader *r, const struct spec_input *input,
			  const struct address *address, const char *path)
{
	const char *base = input->is_prefix ? "" : address_base_name(address);
	size_t len = path ? strlen(path) : 0;
	bool is_directory = len > 1 && path[len - 1] == '/';
	char *result;
	int n;

	if (!path) {
		n = asprintf(&result, "inputs/%s%s%s", input->name,
			     input->is_prefix ? "" : "/", base);
	} else if (input->is_prefix) {
		return spec_copy_len(r, path, is_directory ? len - 1 : len);
	} else {
		n = asprintf(&result, "%s%s", path, is_directory ? base : "");
	}
	if (n < 0) {
		r->error = -ENOMEM;
		return NULL;
	}
	return result;
}

/* directory: what goes up from there; NULL: there is none, or it is wrong itself. */
static bool check_apart(struct spec_reader *r, const struct json_mark *mark,
			const char *path, const char *directory, const char *what)
{
	char shown[SHOW_MAX], shown_directory[SHOW_MAX];

	if (!directory || !path_overlaps(path, directory)) {
		return true;
	}
	show_text(path, strlen(path), shown);
	show_text(directory, strlen(directory), shown_directory);
	spec_problem(r, mark,
		     "it lands in %s; expected a path apart from %s, the %s directory",
		     shown, shown_directory, what);
	return false;
}

/* The place must not be the job's own directories. */
static bool check_place(struct spec_reader *r, const struct json_mark *mark,
			const char *path)
{
	char shown[SHOW_MAX];

	if (!spec_check_path(r, mark, path)) {
		return false;
	}
	show_text(path, strlen(path), shown);
	if (path_is_within(path, "files")) {
		spec_problem(r, mark,
			     "it lands in %s; expected a path outside of files/, which "
			     "holds "
			     "your own files",
			     shown);
		return false;
	}
	return check_apart(r, mark, path, r->spec->output_path, "output") &&
	       check_apart(r, mark, path, r->spec->checkpoints.path, "checkpoint");
}

static void read_path(struct spec_reader *r, const struct landing *landing,
		      const char *path, const struct address *address,
		      struct spec_input *input)
{
	cleanup_free char *result = landing_path(r, input, address, path);

	if (result && check_place(r, landing->place, result)) {
		input->path = steal_ptr(&result);
	}
}

/* The mark of the source of an input, which is a string or an object; NULL when it is
 * wrong. */
static const struct json_mark *find_source(struct spec_reader *r,
					   const struct json_mark *mark)
{
	const struct json_mark *source;

	if (mark->kind == JSON_STRING) {
		return mark;
	}
	if (!spec_keys(r, mark, SPEC_SCOPE_INPUT,
		       "an S3 address such as \"s3://BUCKET/KEY\", or an object with "
		       "\"source\"")) {
		return NULL;
	}
	source = spec_member(r, mark, "source");
	if (!source) {
		spec_problem(
			r, mark,
			"no \"source\"; expected {\"source\": \"s3://BUCKET/KEY\"}");
	}
	return source;
}

static void read_input(struct spec_reader *r, const struct json_mark *mark,
		       struct spec_input *input, struct landing *ret_landing)
{
	const struct json_mark *source = find_source(r, mark);
	const struct json_mark *path_mark = spec_member(r, mark, "path");
	const struct json_mark *cache = spec_member(r, mark, "cache");
	const char *path = spec_text(r, path_mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
				     "a path below the job's directory");
	struct address address;

	*ret_landing = (struct landing){ input, mark, path_mark ? path_mark : source };
	read_name(r, mark, input);
	if (spec_is(r, cache, JSON_BOOL, "true or false")) {
		input->is_cached = json_object_get_boolean(cache->value);
	}
	if (!source || !read_source(r, source, input, &address)) {
		return;
	}
	if (path || (!path_mark && input->name)) {
		read_path(r, ret_landing, path, &address, input);
	}
}

/* ---- what one input does to another ----
 *
 * There may be 10,000 inputs: they are sorted, so that those that clash are neighbours.
 */

/* Those without come last; equal ones stay in the order of the document. */
static int compare_texts(const char *a, const char *b,
			 int (*compare)(const char *, const char *))
{
	if (!a || !b) {
		return !a - !b;
	}
	return compare(a, b);
}

static int compare_variables(const void *a, const void *b)
{
	const struct landing *x = a, *y = b;
	int order = compare_texts(x->input->variable, y->input->variable, strcmp);

	return order ? order : (x->named > y->named) - (x->named < y->named);
}

static int compare_paths(const void *a, const void *b)
{
	const struct landing *x = a, *y = b;
	int order = compare_texts(x->input->path, y->input->path, path_compare);

	return order ? order : (x->named > y->named) - (x->named < y->named);
}

/* Appends the JSON path of the other input. */
static const char *other_path(const struct spec_reader *r, const struct landing *other,
			      struct buf *out)
{
	(void)json_doc_add_path(&r->doc, other->named, out);
	return buf_text(out);
}

static void check_variables(struct spec_reader *r, struct landing *landings, size_t n)
{
	qsort(landings, n, sizeof(*landings), compare_variables);
	for (size_t i = 1; i < n && landings[i].input->variable; i++) {
		const char *variable = landings[i].input->variable;
		cleanup_buf struct buf other = BUF_INIT;

		if (streq(variable, landings[i - 1].input->variable)) {
			spec_key_problem(
				r, landings[i].named,
				"its variable would be JOB_INPUT_%s, as that of %s is; "
				"expected names that differ in letters or digits",
				variable, other_path(r, &landings[i - 1], &other));
		}
	}
}

/* Notes it when input lands where before, which sorts before it, does already. */
static bool check_clash(struct spec_reader *r, const struct landing *landing,
			const struct landing *before)
{
	cleanup_buf struct buf other = BUF_INIT;
	char shown[SHOW_MAX];

	if (!before || !path_is_within(landing->input->path, before->input->path)) {
		return false;
	}
	show_text(before->input->path, strlen(before->input->path), shown);
	if (streq(landing->input->path, before->input->path)) {
		spec_problem(
			r, landing->place,
			"it lands in %s, as %s does; expected a \"path\" of its own",
			shown, other_path(r, before, &other));
		return true;
	}
	if (before->input->is_prefix) {
		return false;
	}
	spec_problem(r, landing->place,
		     "it lands below %s, which is the file of %s; expected a \"path\" "
		     "of its "
		     "own",
		     shown, other_path(r, before, &other));
	return true;
}

static void check_clashes(struct spec_reader *r, struct landing *landings, size_t n)
{
	const struct landing *file = NULL; /* what follows may be below it */

	qsort(landings, n, sizeof(*landings), compare_paths);
	for (size_t i = 0; i < n && landings[i].input->path; i++) {
		if (check_clash(r, &landings[i], file) ||
		    (i > 0 && check_clash(r, &landings[i], &landings[i - 1]))) {
			continue;
		}
		if (!landings[i].input->is_prefix) {
			file = &landings[i];
		}
	}
}

void spec_read_inputs(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "inputs");
	cleanup_free struct landing *landings = NULL;
	struct spec_input *inputs;
	size_t n = 0;

	if (!spec_is(r, mark, JSON_OBJECT, "an object of names and S3 addresses")) {
		return;
	}
	inputs = spec_alloc(r, mark->n + 1, sizeof(*inputs));
	landings = spec_alloc(r, mark->n + 1, sizeof(*landings));
	r->spec->inputs = inputs;
	if (!inputs || !landings) {
		return;
	}
	json_doc_each(&r->doc, mark, member)
	{
		read_input(r, member, &inputs[n], &landings[n]);
		r->spec->n_inputs = ++n;
	}
	check_variables(r, landings, n);
	check_clashes(r, landings, n);
}
