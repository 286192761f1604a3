#include "engine/plan.h"

void plan_var(struct buf *plan, const char *name, const char *value)
{
	(void)buf_printf(plan, "%s=", name);
	(void)buf_add_sh_quoted(plan, value ? value : "");
	(void)buf_add_char(plan, '\n');
}

void plan_file(struct buf *plan, const struct plan_file *file)
{
	(void)buf_add_str(plan, file->is_dir ? "dir " : "file ");
	(void)buf_add_sh_quoted(plan, file->path);
	(void)buf_printf(plan, " %o", (unsigned)file->mode);
	if (!file->is_dir) {
		(void)buf_printf(plan, " %20lld %lld", (long long)file->offset,
				 (long long)file->size);
	}
	(void)buf_add_char(plan, '\n');
}

static void plan_words(struct buf *plan, const char *word, const char *first,
		       const char *const *rest)
{
	(void)buf_add_str(plan, word);
	if (first) {
		(void)buf_add_char(plan, ' ');
		(void)buf_add_sh_quoted(plan, first);
	}
	for (; rest && *rest; rest++) {
		(void)buf_add_char(plan, ' ');
		(void)buf_add_sh_quoted(plan, *rest);
	}
	(void)buf_add_char(plan, '\n');
}

static void plan_inputs(const struct spec *spec, struct buf *plan)
{
	for (size_t i = 0; i < spec->n_inputs; i++) {
		const struct spec_input *in = &spec->inputs[i];
		cleanup_buf struct buf uri = BUF_INIT;

		(void)buf_printf(&uri, "s3://%s/%s", in->bucket, in->key);
		plan_words(plan, "input", in->variable,
			   (const char *[]){ in->is_prefix ? "prefix" : "object",
					     buf_text(&uri), in->path, NULL });
	}
}

static void plan_program(const struct spec *spec, struct buf *plan)
{
	switch (spec->program) {
	case SPEC_SCRIPT:
		plan_words(plan, "script", spec->script,
			   (const char *const *)spec->args);
		break;
	case SPEC_SHELL:
		plan_words(plan, "shell", spec->script,
			   (const char *const *)spec->args);
		break;
	case SPEC_ARGV:
		plan_words(plan, "argv", NULL, (const char *const *)spec->argv);
		break;
	}
}

void plan_spec(struct buf *plan, const struct spec *spec)
{
	(void)buf_add_str(plan, "}\nplan_inputs() {\n:\n");
	plan_inputs(spec, plan);
	(void)buf_add_str(plan, "}\nplan_excludes() {\n:\n");
	for (char **pattern = spec->exclude; pattern && *pattern; pattern++) {
		plan_words(plan, "exclude", *pattern, NULL);
	}
	(void)buf_add_str(plan, "}\nplan_metrics() {\n:\n");
	for (char **pattern = spec->metrics; pattern && *pattern; pattern++) {
		plan_words(plan, "metric", *pattern, NULL);
	}
	(void)buf_add_str(plan, "}\nplan_env() {\n:\n");
	for (size_t i = 0; i < spec->n_env; i++) {
		plan_words(plan, "setenv", spec->env[i].name,
			   (const char *[]){ spec->env[i].value, NULL });
	}
	(void)buf_add_str(plan, "}\nplan_setup() {\n:\n");
	if (spec->setup) {
		plan_words(plan, "setup", spec->setup, NULL);
	}
	(void)buf_add_str(plan, "}\nplan_program() {\n");
	plan_program(spec, plan);
	(void)buf_add_str(plan, "}\n");
}
