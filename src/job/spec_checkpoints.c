/* checkpoints: files that go to S3 while the program runs, and come back. */
#include <string.h>

#include "job/path.h"
#include "job/show.h"
#include "job/spec_read.h"
#include "util/mem.h"

static const char default_path[] = "checkpoints";

enum {
	INTERVAL_MS = 10 * 60000,
	SETTLE_MS = 30000,
};

/* What is in one of them would go up twice, or would be there twice. */
static void check_apart(struct spec_reader *r, const struct json_mark *mark)
{
	const char *path = r->spec->checkpoints.path, *output = r->spec->output_path;
	char shown[SHOW_MAX], shown_output[SHOW_MAX];

	if (!path || !output || !path_overlaps(path, output)) {
		return;
	}
	show_text(path, strlen(path), shown);
	show_text(output, strlen(output), shown_output);
	spec_problem(r, mark,
		     "found %s; expected a directory apart from %s, the output "
		     "directory",
		     shown, shown_output);
}

static void check_places(struct spec_reader *r, const struct json_mark *mark)
{
	const struct spec *spec = r->spec;
	const struct spec_checkpoints *c = &spec->checkpoints;

	if (c->bucket && c->prefix && spec->destination_bucket &&
	    spec->destination_prefix && streq(c->bucket, spec->destination_bucket) &&
	    streq(c->prefix, spec->destination_prefix)) {
		spec_problem(r, mark,
			     "the outputs go there too; expected a destination of its "
			     "own");
	}
}

void spec_read_checkpoints(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "checkpoints");
	const struct json_mark *destination =
		spec_find_destination(r, mark, SPEC_SCOPE_CHECKPOINTS);
	const struct json_mark *path = spec_member(r, mark, "path");
	const struct json_mark *resume = spec_member(r, mark, "resume");
	struct spec_checkpoints *c = &r->spec->checkpoints;

	if (!mark) {
		return;
	}
	r->spec->has_checkpoints = true;
	c->interval_ms = INTERVAL_MS;
	c->settle_ms = SETTLE_MS;
	c->resume = true;
	spec_read_destination(r, destination, &c->bucket, &c->prefix);
	c->path = spec_read_directory(r, path, default_path);
	check_apart(r, path ? path : mark);
	if (destination) {
		check_places(r, destination);
	}
	spec_read_duration(r, spec_member(r, mark, "interval"), false, &c->interval_ms);
	spec_read_duration(r, spec_member(r, mark, "settle"), true, &c->settle_ms);
	if (spec_is(r, resume, JSON_BOOL, "true or false")) {
		c->resume = json_object_get_boolean(resume->value);
	}
}
