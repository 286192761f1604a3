#include "job/spec.h"

#include <errno.h>
#include <string.h>

#include "job/spec_read.h"
#include "util/mem.h"

enum {
	VERSION = 1,	     /* of the document */
	MEMBERS_MAX = 10000, /* of one array or object */
};

static void free_texts(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++) {
		free(texts[i]);
	}
	free(texts);
}

static void free_pairs(struct spec_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
}

static void free_inputs(struct spec_input *inputs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(inputs[i].name);
		free(inputs[i].variable);
		free(inputs[i].bucket);
		free(inputs[i].key);
		free(inputs[i].path);
	}
	free(inputs);
}

struct spec *spec_free(struct spec *spec)
{
	if (!spec) {
		return NULL;
	}
	free_pairs(spec->labels, spec->n_labels);
	free(spec->host);
	free_inputs(spec->inputs, spec->n_inputs);
	free(spec->script);
	free_texts(spec->argv);
	free_texts(spec->args);
	free(spec->setup);
	free_pairs(spec->env, spec->n_env);
	free(spec->image);
	free(spec->output_path);
	free(spec->destination_bucket);
	free(spec->destination_prefix);
	free_texts(spec->exclude);
	free_texts(spec->metrics);
	free(spec->checkpoints.path);
	free(spec->checkpoints.bucket);
	free(spec->checkpoints.prefix);
	free(spec->s3_region);
	free(spec->s3_endpoint);
	free(spec);
	return NULL;
}

void spec_freep(struct spec **spec)
{
	*spec = spec_free(*spec);
}

static void read_version(struct spec_reader *r, const struct json_mark *mark)
{
	if (spec_is(r, mark, JSON_INT, "the integer 1") &&
	    json_object_get_int64(mark->value) != VERSION) {
		spec_problem(r, mark,
			     "found version %lld; expected 1, the only version known",
			     (long long)json_object_get_int64(mark->value));
	}
}

/* Outputs and checkpoints come before inputs: these must not land in their
 * directories. */
static void read_document(struct spec_reader *r)
{
	const struct json_mark *top = r->doc.marks;

	(void)spec_keys(r, top, SPEC_SCOPE_TOP, "an object");
	read_version(r, spec_member(r, top, "version"));
	spec_read_labels(r, top);
	spec_read_resources(r, top);
	spec_read_program(r, top);
	spec_read_env(r, top);
	spec_read_outputs(r, top);
	spec_read_checkpoints(r, top);
	spec_read_inputs(r, top);
	spec_read_s3(r, top);
	spec_read_timeouts(r, top);
	spec_read_metrics(r, top);
	spec_read_retry(r, top);
	spec_read_schedule(r, top);
}

static void reader_fini(struct spec_reader *r)
{
	problems_fini(&r->problems);
	json_doc_fini(&r->doc);
	r->spec = spec_free(r->spec);
}

int spec_parse(const char *text, size_t len, const struct spec_context *context,
	       struct spec **ret_spec, struct err *e)
{
	__attribute__((cleanup(reader_fini))) struct spec_reader r = {
		.doc = { .name = "spec.json",
			 .text = text,
			 .len = len,
			 .depth_max = SPEC_DEPTH_MAX,
			 .members_max = MEMBERS_MAX },
		.context = context,
	};
	int result;

	if (len > SPEC_SIZE_MAX) {
		return err_set(e, -EFBIG,
			       "spec.json:1:1: $: found %zu bytes; expected at most %d",
			       len, SPEC_SIZE_MAX);
	}
	result = json_doc_read(&r.doc, e);
	if (result < 0) {
		return result;
	}
	r.spec = spec_alloc(&r, 1, sizeof(*r.spec));
	if (r.spec) {
		read_document(&r);
	}
	result = r.error ? r.error : problems_report(&r.problems, &r.doc, e);
	if (result == -ENOMEM) {
		return err_set(e, -ENOMEM,
			       "spec.json could not be read: out of memory");
	}
	if (result == 0) {
		*ret_spec = steal_ptr(&r.spec);
	}
	return result;
}
