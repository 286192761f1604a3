#include "conf/conf.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/env_file.h"
#include "conf/loader.h"
#include "job/show.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/secret.h"

_Static_assert((int)CONF_LOG_ERROR == (int)LOG_LEVEL_ERROR &&
		       (int)CONF_LOG_DEBUG == (int)LOG_LEVEL_DEBUG,
	       "main sets the log's level by the number of the option's");

/* ---- what the sources share ---- */

void conf_loader_problem(struct conf_loader *l, const char *format, ...)
{
	cleanup_free char *line = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&line, format, args);
	va_end(args);
	if (n < 0) {
		line = NULL;
		l->error = -ENOMEM;
		return;
	}
	l->n_others++;
	if (buf_printf(&l->others, "%s\n", line) < 0) {
		l->error = -ENOMEM;
	}
}

/* Addresses with a user name may hold a password too: they are not shown. */
int conf_loader_mismatch(const struct option *o, const char *text, struct buf *out)
{
	char shown[SHOW_MAX];

	show_text(text, strlen(text), shown);
	(void)buf_printf(out, "found %s; expected ",
			 strchr(text, '@') ? "a text with \"@\" in it" : shown);
	return option_add_expected(o, out);
}

void conf_loader_set(struct conf_loader *l, const struct option *o, const char *text,
		     enum conf_rank rank, const char *where)
{
	size_t row = (size_t)(o - option_at(0));
	cleanup_buf struct buf why = BUF_INIT;
	int r;

	if (rank < l->ranks[row]) {
		return;
	}
	r = option_set(o, text, l->home, l->conf);
	if (r == -EINVAL) {
		(void)conf_loader_mismatch(o, text, &why);
		conf_loader_problem(l, "%s: %s", where, buf_text(&why));
	} else if (r < 0) {
		l->error = r;
	}
	l->ranks[row] = rank;
}

void conf_loader_set_default(struct conf_loader *l, const struct option *o, void *base)
{
	int r = 0;

	if (o->default_text) {
		r = option_set(o, o->default_text, l->home, base);
	} else if (o->type == OPTION_LABELS) {
		r = option_make_empty(o, base);
	}

	/* Without a home directory there are no files in it. */
	if (r < 0 && (r != -EINVAL || l->home)) {
		l->error = r;
	}
}

/* ---- defaults ---- */

static void set_defaults(struct conf_loader *l)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		if (!option_is_of_host(o)) {
			conf_loader_set_default(l, o, l->conf);
		}
	}
}

/* Only those that are there: a missing key that somebody named is an error of the
 * connection, and says so. */
static void set_default_identity(struct conf_loader *l)
{
	static const char *const files[] = { "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa",
					     "~/.ssh/id_rsa" };
	const struct option *o = option_find("ssh.identity");
	char **list;
	int r = option_make_empty(o, l->conf);

	for (size_t i = 0; r == 0 && l->home && i < ARRAY_SIZE(files); i++) {
		r = option_add_item(o, files[i], l->home, l->conf);
	}
	if (r < 0) {
		l->error = r;
		return;
	}
	list = l->conf->ssh.identity;
	for (char **in = list; *in; in++) {
		if (access(*in, F_OK) == 0) {
			*list++ = *in;
		} else {
			free(*in);
		}
	}
	*list = NULL;
}

static void set_default_state_dir(struct conf_loader *l)
{
	const char *state = env_get(l->env, "XDG_STATE_HOME");
	cleanup_buf struct buf path = BUF_INIT;

	if (geteuid() == 0) {
		(void)buf_add_str(&path, "/var/lib/jobfs");
	} else if (state && state[0] == '/') {
		(void)buf_printf(&path, "%s/jobfs", state);
	} else if (l->home) {
		(void)buf_printf(&path, "%s/.local/state/jobfs", l->home);
	} else {
		conf_loader_problem(
			l, "state_dir: found no home directory for the default; "
			   "expected --set state_dir=PATH");
		return;
	}
	l->conf->state_dir = buf_steal(&path);
	if (!l->conf->state_dir) {
		l->error = -ENOMEM;
	}
}

/* ---- loading ---- */

static char *copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* Who runs the daemon, by the environment, else by the user database. Not knowing is no
 * error before somebody needs it. */
static void find_user(struct conf_loader *l)
{
	const char *home = env_get(l->env, "HOME"), *user = env_get(l->env, "USER");
	char text[4096];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) == 0 && found) {
		home = home ? home : entry.pw_dir;
		user = user ? user : entry.pw_name;
	}
	l->home = home && home[0] == '/' ? copy_text(home) : NULL;
	l->user = copy_text(user);
}

static void read_setting(struct conf_loader *l, const char *setting)
{
	const char *equals = strchr(setting, '=');
	cleanup_free char *name =
		equals ? strndup(setting, (size_t)(equals - setting)) : NULL;
	cleanup_buf struct buf where = BUF_INIT;
	const struct option *o = name ? option_find(name) : NULL;
	const char *meant;
	char shown[SHOW_MAX];

	if (o && !option_is_of_host(o)) {
		(void)buf_printf(&where, "--set %s", name);
		conf_loader_set(l, o, equals + 1, CONF_RANK_COMMAND_LINE,
				buf_text(&where));
		return;
	}
	show_text(name ? name : setting, strlen(name ? name : setting), shown);
	meant = name ? conf_nearest_option(name) : NULL;
	if (!name) {
		conf_loader_problem(l, "--set: found %s; expected NAME=VALUE", shown);
	} else if (has_prefix(name, "hosts.")) {
		conf_loader_problem(
			l,
			"--set: found %s; expected hosts in the configuration "
			"file only",
			shown);
	} else if (meant) {
		conf_loader_problem(l, "--set: unknown option %s; did you mean \"%s\"?",
				    shown, meant);
	} else {
		conf_loader_problem(
			l,
			"--set: unknown option %s; expected one of those that "
			"jobfs --help lists",
			shown);
	}
}

/* Puts what was noted into e: the problems of the file, then the others, as many whole
 * lines as fit. */
static int report(struct conf_loader *l, struct err *e)
{
	struct err of_file = ERR_INIT;
	char more[64];
	cleanup_buf struct buf all = BUF_INIT;
	int r = problems_report(&l->problems, &l->doc, &of_file);

	if (r == -ENOMEM || l->error) {
		return err_set(e, -ENOMEM,
			       "the configuration could not be read: out of memory");
	}
	if (r == 0 && l->n_others == 0) {
		return 0;
	}
	if (r < 0) {
		(void)buf_printf(&all, "%s\n", of_file.text);
	}
	for (char *next = l->others.data, *line; next && *next; l->n_others--) {
		line = strsep(&next, "\n");
		if (all.len + strlen(line) + sizeof(more) > ERR_TEXT_MAX) {
			break;
		}
		(void)buf_printf(&all, "%s\n", line);
	}
	if (l->n_others > 0) {
		(void)buf_printf(&all, "(and %zu more)\n", l->n_others);
	}
	buf_truncate(&all, all.len > 0 ? all.len - 1 : 0);
	return err_set(e, l->code ? l->code : -EINVAL, "%s", buf_text(&all));
}

static void read_all(struct conf_loader *l, const char *file, const char *const *set)
{
	find_user(l);
	set_defaults(l);
	if (file) {
		conf_read_file(l, file);
		l->conf->config_file = realpath(file, NULL);
	}
	for (; set && *set; set++) {
		read_setting(l, *set);
	}
	conf_read_environment(l);
	if (l->conf->s3.credentials && streq(l->conf->s3.credentials, "sts") &&
	    !l->conf->s3.sts_role_arn) {
		conf_loader_problem(l, "s3.credentials: found \"sts\" without "
				       "s3.sts_role_arn; expected the role too");
	}
	if (!l->conf->state_dir) {
		set_default_state_dir(l);
	}
	if (!l->conf->ssh.identity) {
		set_default_identity(l);
	}
}

static void loader_fini(struct conf_loader *l)
{
	(void)conf_free(l->conf);
	free(l->home);
	free(l->user);
	problems_fini(&l->problems);
	json_doc_fini(&l->doc);
	buf_fini(&l->text);
	buf_fini(&l->others);
}

int conf_load(const char *file, const char *const *env, const char *const *set,
	      struct conf **ret_conf, struct err *e)
{
	__attribute__((cleanup(loader_fini))) struct conf_loader l = { .env = env };
	int r;

	l.conf = calloc(1, sizeof(*l.conf));
	if (!l.conf) {
		return err_set(e, -ENOMEM, "out of memory");
	}
	read_all(&l, file, set);
	r = report(&l, e);
	if (r < 0) {
		return r;
	}
	*ret_conf = steal_ptr(&l.conf);
	return 0;
}

/* ---- the rest ---- */

static void free_options(void *base, bool of_host)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		if (option_is_of_host(o) == of_host) {
			option_clear(o, base);
		}
	}
}

struct conf *conf_free(struct conf *conf)
{
	if (!conf) {
		return NULL;
	}
	for (size_t i = 0; i < conf->n_hosts; i++) {
		free(conf->hosts[i].name);
		free_options(&conf->hosts[i], true);
	}
	free(conf->hosts);
	free_options(conf, false);
	free(conf->config_file);
	(void)secret_free(conf->secrets.access_key);
	(void)secret_free(conf->secrets.secret_key);
	(void)secret_free(conf->secrets.session_token);
	(void)secret_free(conf->secrets.ssh_passphrase);
	free(conf);
	return NULL;
}

void conf_freep(struct conf **conf)
{
	*conf = conf_free(*conf);
}

int conf_lock_secrets(const struct conf *conf)
{
	char *const all[] = { conf->secrets.access_key, conf->secrets.secret_key,
			      conf->secrets.session_token,
			      conf->secrets.ssh_passphrase };
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int r = secret_lock(all[i]);

		result = result < 0 ? result : r;
	}
	return result;
}

const struct conf_host *conf_find_host(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_hosts; i++) {
		if (streq(conf->hosts[i].name, name)) {
			return &conf->hosts[i];
		}
	}
	return NULL;
}

uint32_t conf_host_number(const struct conf_host *host)
{
	return (uint32_t)hash_text(host->name);
}

size_t conf_find_number(const struct conf *conf, uint32_t number)
{
	size_t i = 0;

	while (i < conf->n_hosts && conf_host_number(&conf->hosts[i]) != number) {
		i++;
	}
	return i;
}

/* Where the configuration is looked for when nobody says. */
static int default_file(const char *const *env, struct buf *path)
{
	const char *config = env_get(env, "XDG_CONFIG_HOME"),
		   *home = env_get(env, "HOME");

	if (geteuid() == 0) {
		return buf_add_str(path, "/etc/jobfs/config.json");
	}
	if (config && config[0] == '/') {
		return buf_printf(path, "%s/jobfs/config.json", config);
	}
	return home ? buf_printf(path, "%s/.config/jobfs/config.json", home) : 0;
}

int conf_find_file(const char *const *env, char **ret_file)
{
	const char *named = env_get(env, "JOBFS_CONFIG");
	cleanup_buf struct buf path = BUF_INIT;
	char *file;
	int r = named ? buf_add_str(&path, named) : default_file(env, &path);

	if (r < 0) {
		return r;
	}
	if (!named && (path.len == 0 || access(path.data, F_OK) < 0)) {
		return 0;
	}
	file = buf_steal(&path);
	if (!file) {
		return -ENOMEM;
	}
	*ret_file = file;
	return 0;
}
