/* metrics: files of the job whose lines become metrics.jsonl. */
#include "job/spec_read.h"

static void check_paths(struct spec_reader *r, const struct json_mark *mark)
{
	if (!mark || mark->kind != JSON_ARRAY) {
		return;
	}
	json_doc_each(&r->doc, mark, element)
	{
		if (element->kind == JSON_STRING) {
			(void)spec_check_path(r, element,
					      json_object_get_string(element->value));
		}
	}
}

void spec_read_metrics(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "metrics"), *files = NULL;

	if (spec_keys(r, mark, SPEC_SCOPE_METRICS,
		      "an object such as {\"files\": [\"output/metrics.jsonl\"]}")) {
		files = spec_member(r, mark, "files");
		if (!files) {
			spec_problem(r, mark,
				     "no \"files\"; expected {\"files\": [\"PATH\"]}");
		}
	}
	r->spec->metrics = spec_texts(r, files, SPEC_TEXT_PLAIN,
				      "a path below the job's directory");
	check_paths(r, files);
}
