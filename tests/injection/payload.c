/* Writes to stdout what the daemon would send to a host for a spec:
 *
 *     payload SPEC FILES JOB ATTEMPT AWS
 *
 * FILES is a list of "NAME\0CONTENT\0" for files/, in a file, directories end in a
 * slash and come first; ATTEMPT is the id of the attempt, AWS the path of the CLI. Exit
 * status 3: the spec is refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plan.h"
#include "util/mem.h"

enum { REFUSED = 3 };

static const char *const no_hosts[] = { NULL };
static const struct spec_context context = { .default_bucket = "b",
					     .host_names = no_hosts };

static int read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	char *room;

	if (!file) {
		return -errno;
	}
	while (!feof(file) && !ferror(file) && (room = buf_reserve(out, BUFSIZ))) {
		out->len += fread(room, 1, BUFSIZ, file);
		out->data[out->len] = '\0';
	}
	return fclose(file) < 0 ? -errno : out->error;
}

static void add_checkpoints(struct buf *plan, const struct spec *spec, char **argv)
{
	cleanup_buf struct buf destination = BUF_INIT;

	if (!spec->has_checkpoints) {
		return;
	}
	(void)buf_printf(&destination, "s3://%s/", spec->checkpoints.bucket);
	(void)spec_expand_destination(spec->checkpoints.prefix, argv[3], argv[4],
				      &destination);
	plan_var(plan, "CKPT", spec->checkpoints.path);
	plan_var(plan, "CKPT_DEST", buf_text(&destination));
	plan_var(plan, "CKPT_INTERVAL", "1000");
	plan_var(plan, "CKPT_SETTLE", "0");
	plan_var(plan, "CKPT_RESUME", spec->checkpoints.resume ? "1" : "");
}

static void add_vars(struct buf *plan, const struct spec *spec, char **argv)
{
	cleanup_buf struct buf destination = BUF_INIT;

	if (spec->has_outputs) {
		(void)buf_printf(&destination, "s3://%s/", spec->destination_bucket);
		(void)spec_expand_destination(spec->destination_prefix, argv[3],
					      argv[4], &destination);
	}
	(void)buf_add_str(plan, "plan_vars() {\n");
	plan_var(plan, "JOB", argv[3]);
	plan_var(plan, "ID", argv[4]);
	plan_var(plan, "ATTEMPT", "1");
	plan_var(plan, "AWS", argv[5]);
	plan_var(plan, "TOOL", "");
	plan_var(plan, "ENDPOINT", spec->s3_endpoint);
	plan_var(plan, "REGION", spec->s3_region);
	plan_var(plan, "DOWNLOAD_LIMIT", "0");
	plan_var(plan, "RUN_LIMIT", "0");
	plan_var(plan, "UPLOAD_LIMIT", "0");
	plan_var(plan, "GRACE", "1");
	plan_var(plan, "LOG_HEAD", "1000000");
	plan_var(plan, "LOG_TAIL", "1000000");
	plan_var(plan, "CACHE_KB", "1000000");
	plan_var(plan, "ROOM_KB", "1");
	plan_var(plan, "GPUS", "");
	plan_var(plan, "IMAGE", spec->image);
	plan_var(plan, "OUTPUT", spec->output_path);
	plan_var(plan, "DEST", buf_text(&destination));
	add_checkpoints(plan, spec, argv);
	(void)buf_add_str(plan, "}\n");
}

/* The rows of files, and their contents one after another. */
static void add_files(struct buf *plan, const struct buf *files, int64_t base,
		      struct buf *contents)
{
	(void)buf_add_str(plan, "plan_files() {\n:\n");
	for (size_t at = 0; at < files->len;) {
		char *name = files->data + at, *text = name + strlen(name) + 1;
		size_t len = strlen(name);
		bool is_dir = has_suffix(name, "/");
		cleanup_free char *path = strndup(name, len - is_dir);
		struct plan_file file = { .path = path ? path : "",
					  .mode = is_dir ? 0755 : 0644,
					  .is_dir = is_dir,
					  .offset = base + (int64_t)contents->len,
					  .size = (int64_t)strlen(text) };

		plan_file(plan, &file);
		(void)buf_add_str(contents, text);
		at += len + strlen(text) + 2;
	}
}

static int write_payload(const struct spec *spec, const struct buf *files, char **argv)
{
	cleanup_buf struct buf plan = BUF_INIT, contents = BUF_INIT, head = BUF_INIT;
	int64_t base = 0;

	for (int pass = 0; pass < 2; pass++) { /* the plan's length is known by then */
		buf_truncate(&plan, 0);
		buf_truncate(&contents, 0);
		buf_truncate(&head, 0);
		add_vars(&plan, spec, argv);
		add_files(&plan, files, base, &contents);
		plan_spec(&plan, spec);
		(void)buf_printf(&head, "jobfs 1 %zu\n", plan.len);
		base = (int64_t)(head.len + plan.len);
	}
	if (plan.error || contents.error || head.error) {
		return -ENOMEM;
	}
	(void)fwrite(buf_text(&head), 1, head.len, stdout);
	(void)fwrite(buf_text(&plan), 1, plan.len, stdout);
	(void)fwrite(buf_text(&contents), 1, contents.len, stdout);
	return fflush(stdout) == 0 ? 0 : -errno;
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf text = BUF_INIT, files = BUF_INIT;
	cleanup_spec struct spec *spec = NULL;
	struct err e = ERR_INIT;
	int r = argc == 6 ? read_file(argv[1], &text) : -EINVAL;

	r = r < 0 ? r : read_file(argv[2], &files);
	if (r == 0 && spec_parse(text.data, text.len, &context, &spec, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		return REFUSED;
	}
	r = r < 0 ? r : write_payload(spec, &files, argv);
	if (r < 0) {
		(void)fprintf(stderr, "payload: %s\n", strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
