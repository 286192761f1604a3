/* The configuration for people: what is in force, and what there is. */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "util/mem.h"

enum { HELP_COLUMNS = 78 };

/* ---- what is in force ---- */

static void add_secret(const char *name, const char *secret, const char *end,
		       struct buf *out)
{
	(void)buf_printf(out, "    \"%s\": %s%s\n", name, secret ? "\"(set)\"" : "null",
			 end);
}

static void add_secrets(const struct conf_secrets *s, struct buf *out)
{
	(void)buf_add_str(out, "  \"x-secrets\": {\n");
	add_secret("AWS_ACCESS_KEY_ID", s->access_key, ",", out);
	add_secret("AWS_SECRET_ACCESS_KEY", s->secret_key, ",", out);
	add_secret("AWS_SESSION_TOKEN", s->session_token, ",", out);
	add_secret("JOBFS_SSH_PASSPHRASE", s->ssh_passphrase, "", out);
	(void)buf_add_str(out, "  }\n");
}

static void add_host(const struct conf_host *host, struct buf *out)
{
	const struct option *o;
	const char *between = "";
	size_t len;

	(void)buf_add_str(out, "    ");
	(void)buf_add_json_str(out, host->name);
	(void)buf_add_str(out, ": {");
	for (size_t i = 0; (o = option_at(i)); i++) {
		if (!option_is_of_host(o)) {
			continue;
		}
		(void)buf_printf(out, "%s\n      \"%s\": ", between,
				 option_key(o, OPTION_HOST_PREFIX, &len));
		(void)option_add_value(o, host, out);
		between = ",";
	}
	(void)buf_add_str(out, "\n    }");
}

static void add_hosts(const struct conf *conf, struct buf *out)
{
	(void)buf_add_str(out, "  \"hosts\": {");
	for (size_t i = 0; i < conf->n_hosts; i++) {
		(void)buf_add_str(out, i > 0 ? ",\n" : "\n");
		add_host(&conf->hosts[i], out);
	}
	(void)buf_add_str(out, conf->n_hosts > 0 ? "\n  },\n" : "},\n");
}

/* Is o the last row of those in its object? */
static bool is_last(size_t row, const char *section, size_t len)
{
	const struct option *next = option_at(row + 1);

	return !next || strncmp(next->name, section, len) != 0 ||
	       next->name[len] != '.';
}

/* One option on a line; its object begins before the first and ends after the last. */
static void add_option(const struct conf *conf, size_t row, bool *is_open,
		       struct buf *out)
{
	const struct option *o = option_at(row);
	size_t len = strcspn(o->name, ".");

	if (!o->name[len]) {
		(void)buf_printf(out, "  \"%s\": ", o->name);
		(void)option_add_value(o, conf, out);
		(void)buf_add_str(out, ",\n");
		return;
	}
	if (!*is_open) {
		(void)buf_printf(out, "  \"%.*s\": {\n", (int)len, o->name);
	}
	(void)buf_printf(out, "    \"%s\": ", o->name + len + 1);
	(void)option_add_value(o, conf, out);
	*is_open = !is_last(row, o->name, len);
	(void)buf_add_str(out, *is_open ? ",\n" : "\n  },\n");
}

int conf_render(const struct conf *conf, struct buf *out)
{
	bool is_open = false;

	(void)buf_add_str(out, "{\n  \"x-file\": ");
	if (conf->config_file) {
		(void)buf_add_json_str(out, conf->config_file);
	} else {
		(void)buf_add_str(out, "null");
	}
	(void)buf_add_str(out, ",\n");
	for (size_t row = 0; option_at(row); row++) {
		if (!option_is_of_host(option_at(row))) {
			add_option(conf, row, &is_open, out);
		}
	}
	add_hosts(conf, out);
	add_secrets(&conf->secrets, out);
	return buf_add_str(out, "}\n");
}

/* ---- what there is ---- */

/* Breaks text at spaces into lines with indent in front. */
static void add_wrapped(const char *text, const char *indent, struct buf *out)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > 0 && column + 1 + word > HELP_COLUMNS) {
			(void)buf_add_char(out, '\n');
			column = 0;
		}
		(void)buf_add_str(out, column == 0 ? indent : " ");
		column += column == 0 ? strlen(indent) : 1;
		(void)buf_add(out, text, word);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	(void)buf_add_char(out, '\n');
}

/* "hosts.*.port" as "hosts.NAME.port". */
static void add_name(const struct option *o, struct buf *out)
{
	if (option_is_of_host(o)) {
		(void)buf_printf(out, "hosts.NAME.%s",
				 o->name + strlen(OPTION_HOST_PREFIX));
	} else {
		(void)buf_add_str(out, o->name);
	}
}

static void add_help(const struct option *o, struct buf *out)
{
	cleanup_buf struct buf head = BUF_INIT;
	cleanup_buf struct buf body = BUF_INIT;
	const char *note = o->default_note ? o->default_note : o->default_text;

	add_name(o, &head);
	(void)buf_add_str(&head, " (");
	(void)option_add_type(o, &head);
	(void)buf_add_str(&head, ")");
	(void)buf_printf(&body, "%s Default: %s.", o->help, note ? note : "none");
	for (size_t i = 0; o->env && o->env[i]; i++) {
		(void)buf_printf(&body, "%s%s", i == 0 ? " Environment: " : ", ",
				 o->env[i]);
	}
	(void)buf_add_str(&body, o->env ? "." : "");
	add_wrapped(buf_text(&head), "  ", out);
	add_wrapped(buf_text(&body), "      ", out);
	out->error = out->error ? out->error : head.error;
	out->error = out->error ? out->error : body.error;
}

int conf_render_help(struct buf *out)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		(void)buf_add_str(out, i > 0 ? "\n" : "");
		add_help(o, out);
	}
	return out->error;
}
