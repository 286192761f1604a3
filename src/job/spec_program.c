/* What runs: script or run, args, setup, image. */
#include "job/spec_read.h"

#include <string.h>

#include "job/show.h"
#include "util/mem.h"

static void read_script(struct spec_reader *r, const struct json_mark *mark)
{
	const char *path = spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
				     "the name of a file below the job's files/");

	r->spec->program = SPEC_SCRIPT;
	if (path && spec_check_path(r, mark, path)) {
		r->spec->script = spec_copy(r, path);
	}
}

static void read_shell(struct spec_reader *r, const struct json_mark *mark)
{
	const char *text = spec_text(r, mark, SPEC_TEXT_FILLED, "commands for sh -e");

	r->spec->program = SPEC_SHELL;
	if (text && text[strspn(text, " \t\r\n")] == '\0') {
		spec_problem(r, mark,
			     "found only white space; expected commands for sh -e");
		return;
	}
	r->spec->script = spec_copy(r, text);
}

static void read_argv(struct spec_reader *r, const struct json_mark *mark)
{
	r->spec->program = SPEC_ARGV;
	r->spec->argv = spec_texts(r, mark, SPEC_TEXT_ARGUMENT, "a string");
	if (mark->n == 0) {
		spec_problem(
			r, mark,
			"found an empty array; expected a program and its arguments");
	} else if (r->spec->argv && r->spec->argv[0] && r->spec->argv[0][0] == '\0') {
		spec_problem(r, json_doc_first(&r->doc, mark),
			     "found an empty string; expected the program to run");
	}
}

static void read_run(struct spec_reader *r, const struct json_mark *mark)
{
	if (mark->kind == JSON_STRING) {
		read_shell(r, mark);
	} else if (mark->kind == JSON_ARRAY) {
		read_argv(r, mark);
	} else {
		spec_wrong_kind(
			r, mark,
			"commands for sh -e in a string, or an array of a program and "
			"its arguments");
	}
}

static void read_args(struct spec_reader *r, const struct json_mark *mark,
		      const struct json_mark *run)
{
	r->spec->args = spec_texts(r, mark, SPEC_TEXT_ARGUMENT, "a string");
	if (mark && run && run->kind == JSON_ARRAY) {
		spec_key_problem(
			r, mark,
			"\"args\" beside a \"run\" that is an array; expected the "
			"arguments inside of \"run\"");
	}
}

/* It becomes an argument of docker: no white space, and nothing that is an option. */
static void read_image(struct spec_reader *r, const struct json_mark *mark)
{
	const char *image = spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
				      "the name of a container image");
	char shown[SHOW_MAX];

	if (!image) {
		return;
	}
	if (image[0] == '-' || strchr(image, ' ') || strlen(image) > 512) {
		show_text(image, strlen(image), shown);
		spec_problem(
			r, mark,
			"found %s; expected the name of a container image, such as "
			"\"pytorch/pytorch:2.4.0\"",
			shown);
		return;
	}
	r->spec->image = spec_copy(r, image);
}

void spec_read_program(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *script = spec_member(r, top, "script");
	const struct json_mark *run = spec_member(r, top, "run");
	const struct json_mark *setup = spec_member(r, top, "setup");
	const char *text = spec_text(r, setup, SPEC_TEXT_ANY, "commands for sh -e");

	if (script && run) {
		spec_key_problem(
			r, script->at > run->at ? script : run,
			"both \"script\" and \"run\"; expected one of the two");
	} else if (!script && !run) {
		spec_problem(r, top,
			     "neither \"script\" nor \"run\"; expected \"script\" (the "
			     "name of "
			     "a file below files/) or \"run\" (commands)");
	}
	if (script) {
		read_script(r, script);
	}
	if (run && !script) {
		read_run(r, run);
	}
	read_args(r, spec_member(r, top, "args"), run);
	r->spec->setup = text && text[0] ? spec_copy(r, text) : NULL;
	read_image(r, spec_member(r, top, "image"));
}
