/* Any bytes as a spec. What must hold:
 *   refused   every line is "spec.json:LINE:COL: $...", inside of the text, and
 * harmless for a terminal accepted  the struct is whole, and its text is complete at
 * its last bracket, not before both      json-c and the strict reader agree (else:
 * -ENOMEM), nothing leaks
 *
 * With -DFUZZ_REPLAY it is an ordinary program that replays the files of the
 * directories given as arguments. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/address.h"
#include "job/path.h"
#include "job/problems.h"
#include "job/show.h"
#include "job/spec.h"
#include "replay.h"
#include "util/mem.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() that stays on whatever the build says. */
#define HOLDS(condition) holds((condition), __LINE__, #condition)

static void holds(bool condition, int line, const char *text)
{
	if (!condition) {
		(void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line,
			      text);
		abort();
	}
}

static int host_gpus(const void *arg, const char *host)
{
	(void)arg;
	return streq(host, "gpu-a") ? 8 : 2;
}

static const char *const host_names[] = { "gpu-a", "gpu-b", NULL };
static const struct spec_context contexts[] = {
	{ .default_bucket = "bucket",
	  .host_names = host_names,
	  .host_gpus = host_gpus,
	  .max_gpus = 8 },
	{ .default_bucket = NULL },
};

/* The number at *text, which moves behind it. */
static size_t number(const char **text)
{
	char *end;
	unsigned long value = strtoul(*text, &end, 10);

	HOLDS(end > *text);
	*text = end;
	return value;
}

/* The place of a line of an error is one of the text (its end counts as one). */
static void check_place(const char *line, const char *text, size_t len)
{
	const char *start = text, *end = text + len, *newline;
	size_t n, column;

	HOLDS(has_prefix(line, "spec.json:"));
	line += strlen("spec.json:");
	n = number(&line);
	HOLDS(*line++ == ':');
	column = number(&line);
	HOLDS(has_prefix(line, ": $"));
	HOLDS(n > 0 && column > 0);
	while (--n > 0) {
		newline = memchr(start, '\n', (size_t)(end - start));
		HOLDS(newline);
		start = newline + 1;
	}
	HOLDS(column - 1 <= (size_t)(end - start));
}

static void check_error(const struct err *e, const char *text, size_t len)
{
	size_t n = 0;

	HOLDS(e->text[0] && utf8_is_valid(e->text, strlen(e->text)));
	for (const char *line = e->text; *line;) {
		size_t line_len = strcspn(line, "\n");

		for (size_t i = 0; i < line_len; i++) {
			HOLDS(show_control_len(line + i, line_len - i) == 0);
		}
		if (has_prefix(line, "(and ")) {
			HOLDS(n > 0 && line[line_len] == '\0');
			return;
		}
		check_place(line, text, len);
		HOLDS(++n <= PROBLEMS_MAX);
		line += line_len + (line[line_len] == '\n');
	}
}

static void check_texts(char **texts)
{
	HOLDS(texts);
	for (; *texts; texts++) {
		HOLDS(utf8_is_valid(*texts, strlen(*texts)));
	}
}

static void check_inputs(const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_inputs; i++) {
		const struct spec_input *input = &spec->inputs[i];

		HOLDS(input->name && input->variable && input->bucket && input->key);
		HOLDS(input->path && path_check(input->path, NULL) == 0);
		HOLDS(!path_is_within(input->path, spec->output_path));
		HOLDS(input->is_prefix ==
		      (input->key[0] == '\0' || has_suffix(input->key, "/")));
	}
}

static void check_spec(const struct spec *spec)
{
	cleanup_buf struct buf out = BUF_INIT;

	check_inputs(spec);
	check_texts(spec->args);
	check_texts(spec->exclude);
	HOLDS(path_check(spec->output_path, NULL) == 0);
	HOLDS((spec->program == SPEC_ARGV) == (spec->argv != NULL));
	HOLDS((spec->program == SPEC_ARGV) == (spec->script == NULL));
	HOLDS(spec->gpus >= 0 && spec->timeouts.run_ms >= 0);
	HOLDS(spec->has_outputs == (spec->destination_prefix != NULL));
	HOLDS(spec->has_outputs == (spec->destination_bucket != NULL));
	HOLDS(spec_expand_destination(spec->destination_prefix, "{id}", "{job}",
				      &out) == 0);
	HOLDS(spec->has_checkpoints == (spec->checkpoints.prefix != NULL));
	HOLDS(!spec->has_checkpoints ||
	      (path_check(spec->checkpoints.path, NULL) == 0 &&
	       !path_is_within(spec->checkpoints.path, spec->output_path) &&
	       spec->checkpoints.interval_ms > 0 && spec->checkpoints.settle_ms >= 0));
	HOLDS(out.len == 0 || out.data[out.len - 1] == '/');
}

/* Complete at the last byte that is not white space, and not before it. */
static void check_shape(const char *text, size_t len)
{
	struct spec_scan scan = SPEC_SCAN_INIT;

	while (text[len - 1] != '}') {
		len--;
	}
	for (size_t i = 0; i + 1 < len; i++) {
		HOLDS(spec_scan_feed(&scan, &text[i], 1) == SPEC_INCOMPLETE);
	}
	HOLDS(spec_scan_feed(&scan, &text[len - 1], 1) == SPEC_COMPLETE);
}

static void check_text(const char *text, size_t len, const struct spec_context *context)
{
	cleanup_spec struct spec *spec = NULL;
	struct err e = ERR_INIT;
	int result = spec_parse(text, len, context, &spec, &e);

	if (result == 0) {
		HOLDS(spec && e.code == 0);
		check_spec(spec);
		check_shape(text, len);
		return;
	}
	HOLDS(result == (len > SPEC_SIZE_MAX ? -EFBIG : -EINVAL));
	HOLDS(!spec && e.code == result);
	check_error(&e, text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		check_text((const char *)data, size, &contexts[i]);
	}
	return 0;
}
