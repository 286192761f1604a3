/* For the tests of specs: what is refused, with the exact lines that a user reads, and
 * what is accepted. */
#pragma once

#include <errno.h>

#include "job/spec.h"
#include "test.h"
#include "util/buf.h"
#include "util/mem.h"

static inline int host_gpus(const void *arg, const char *host)
{
	(void)arg;
	return streq(host, "gpu-a") ? 8 : 2;
}

static const char *const host_names[] = { "gpu-a", "gpu-b", "big", "c1", "c2",
					  "c3",	   "c4",    "c5",  "c6", NULL };
static const struct spec_context spec_context = {
	.default_bucket = "models",
	.host_names = host_names,
	.host_gpus = host_gpus,
	.max_gpus = 8,
};
static const struct spec_context bare_context = { .default_bucket = NULL };

static inline void refused_with(const struct spec_context *with, const char *text,
				const char *lines)
{
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	CHECK_INT(spec_parse(text, strlen(text), with, &spec, &e), -EINVAL);
	CHECK_STR(e.text, lines);
	CHECK(!spec);
	CHECK_INT(spec_shape(text, strlen(text)), SPEC_COMPLETE);
}

static inline void refused(const char *text, const char *lines)
{
	refused_with(&spec_context, text, lines);
}

static inline struct spec *accepted_with(const struct spec_context *with,
					 const char *text)
{
	struct spec *spec = NULL;
	struct err e = ERR_INIT;

	CHECK_STR((spec_parse(text, strlen(text), with, &spec, &e), e.text), "");
	CHECK(spec);
	CHECK_INT(spec_shape(text, strlen(text)), SPEC_COMPLETE);
	return spec;
}

static inline struct spec *accepted(const char *text)
{
	return accepted_with(&spec_context, text);
}

/* Members that follow "run", in line 2. */
struct members {
	const char *text;
	const char *line; /* behind "spec.json:2:" */
};

static inline void all_refused(const struct members *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_buf struct buf text = BUF_INIT, line = BUF_INIT;

		(void)buf_printf(&text, "{ \"run\": \"true\",\n%s }\n", rows[i].text);
		(void)buf_printf(&line, "spec.json:2:%s", rows[i].line);
		CHECK(!text.error && !line.error);
		refused(text.data, line.data);
	}
}
#define ALL_REFUSED(rows) all_refused((rows), ARRAY_SIZE(rows))

static inline void all_accepted(const char *const *members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_buf struct buf text = BUF_INIT;

		CHECK(buf_printf(&text, "{ \"run\": \"true\",\n%s }\n", members[i]) ==
		      0);
		(void)spec_free(accepted(text.data));
	}
}
#define ALL_ACCEPTED(members) all_accepted((members), ARRAY_SIZE(members))

static inline void add_many(struct buf *out, size_t n, char c)
{
	for (size_t i = 0; i < n; i++) {
		(void)buf_add_char(out, c);
	}
}
