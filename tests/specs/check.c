/* Reads specs from stdin, each as "LENGTH\n" and its bytes, and writes in the same form
 * what spec_parse() says of each: nothing when it takes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/spec.h"
#include "util/mem.h"

static int host_gpus(const void *arg, const char *host)
{
	(void)arg;
	return streq(host, "gpu-a") ? 8 : 2;
}

static const char *const host_names[] = { "gpu-a", "gpu-b", NULL };
static const struct spec_context context = { .default_bucket = "models",
					     .host_names = host_names,
					     .host_gpus = host_gpus,
					     .max_gpus = 8 };

static int answer(const char *text, size_t len)
{
	cleanup_spec struct spec *spec = NULL;
	struct err e = ERR_INIT;
	int r = spec_parse(text, len, &context, &spec, &e);

	if ((r == 0) != (spec != NULL) || (r == 0) != (e.text[0] == '\0')) {
		return -EBADMSG;
	}
	return printf("%zu\n%s", strlen(e.text), e.text) < 0 ? -EIO : 0;
}

/* 1: there was one, 0: the end, or negative errno. */
static int answer_next(void)
{
	cleanup_free char *text = NULL;
	char line[32];
	size_t len;
	int r;

	if (!fgets(line, sizeof(line), stdin)) {
		return 0;
	}
	len = strtoul(line, NULL, 10);
	text = malloc(len + (len == 0)); /* no NUL behind it, so that ASan sees a byte
					    too many */
	if (!text) {
		return -ENOMEM;
	}
	if (fread(text, 1, len, stdin) != len) {
		return -EIO;
	}
	r = answer(text, len);
	return r < 0 ? r : 1;
}

int main(void)
{
	int r;

	while ((r = answer_next()) > 0) {
	}
	if (r < 0 || fflush(stdout) != 0) {
		(void)fprintf(stderr, "%s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
