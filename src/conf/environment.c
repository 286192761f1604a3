/* What the configuration takes from variables: options, and all of its secrets. */
#include <errno.h>
#include <string.h>

#include "conf/env_file.h"
#include "conf/loader.h"
#include "util/mem.h"
#include "util/secret.h"

static const char access_key[] = "AWS_ACCESS_KEY_ID";
static const char secret_key[] = "AWS_SECRET_ACCESS_KEY";
static const char session_token[] = "AWS_SESSION_TOKEN";
static const char ssh_passphrase[] = "JOBFS_SSH_PASSPHRASE";

static const char *const secrets[] = { access_key, secret_key, session_token,
				       ssh_passphrase };

/* One environment, and its name in messages. */
struct source {
	const char *const *env;
	const char *name;
	enum conf_rank rank;
};

static void read_option(struct conf_loader *l, const struct source *source,
			const struct option *o)
{
	for (const char *const *name = o->env; name && *name; name++) {
		const char *value = env_get(source->env, *name);
		cleanup_buf struct buf where = BUF_INIT;

		if (value) {
			(void)buf_printf(&where, "%s: %s", source->name, *name);
			conf_loader_set(l, o, value, source->rank, buf_text(&where));
			return;
		}
	}
}

static void read_options(struct conf_loader *l, const struct source *source)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		read_option(l, source, o);
	}
}

/* The values travel in lines and HTTP headers. */
static bool is_plain(const char *value)
{
	for (; *value; value++) {
		if (*value <= ' ' || *value > '~') {
			return false;
		}
	}
	return true;
}

static void take_secret(struct conf_loader *l, const struct source *source,
			const char *name, char **ret)
{
	const char *value = env_get(source->env, name);

	if (!value) {
		return;
	}
	if (name != ssh_passphrase && !is_plain(value)) {
		conf_loader_problem(l,
				    "%s: %s: found a space, a control character or a "
				    "character that is not ASCII; expected none",
				    source->name, name);
		return;
	}
	*ret = secret_copy(value, strlen(value));
	if (!*ret) {
		l->error = -ENOMEM;
	}
}

static void check_pair(struct conf_loader *l, const struct source *source)
{
	const char *has_key = env_get(source->env, access_key);
	const char *has_secret = env_get(source->env, secret_key);

	if (!has_key != !has_secret) {
		conf_loader_problem(l, "%s: found %s without %s; expected both or none",
				    source->name, has_key ? access_key : secret_key,
				    has_key ? secret_key : access_key);
	} else if (!has_key && env_get(source->env, session_token)) {
		conf_loader_problem(l, "%s: found %s without %s; expected both or none",
				    source->name, session_token, access_key);
	}
}

static bool has_credentials(const struct source *source)
{
	return env_get(source->env, access_key) || env_get(source->env, secret_key) ||
	       env_get(source->env, session_token);
}

/* The three belong together: a token of one place makes the key of another invalid, so
 * all are taken from the first source that has one of them. */
static void read_secrets(struct conf_loader *l, const struct source *sources, size_t n)
{
	struct conf_secrets *s = &l->conf->secrets;

	for (size_t i = 0; i < n; i++) {
		if (has_credentials(&sources[i])) {
			check_pair(l, &sources[i]);
			take_secret(l, &sources[i], access_key, &s->access_key);
			take_secret(l, &sources[i], secret_key, &s->secret_key);
			take_secret(l, &sources[i], session_token, &s->session_token);
			break;
		}
	}
	for (size_t i = 0; i < n && !s->ssh_passphrase; i++) {
		take_secret(l, &sources[i], ssh_passphrase, &s->ssh_passphrase);
	}
}

static void read_env_file(struct conf_loader *l, struct env_file *file)
{
	cleanup_buf struct buf problems = BUF_INIT;
	int r = env_file_read(l->conf->s3.environment_file, file, &problems);

	if (r == -ENOMEM) {
		l->error = r;
	}
	for (char *next = problems.data, *line; next && *next;) {
		line = strsep(&next, "\n");
		conf_loader_problem(l, "%s", line);
	}
}

void conf_read_environment(struct conf_loader *l)
{
	__attribute__((cleanup(env_file_fini))) struct env_file file = { .text = NULL };
	struct source sources[2] = {
		{ l->env, "environment", CONF_RANK_ENVIRONMENT },
	};

	read_options(l, &sources[0]);
	if (l->conf->s3.environment_file) {
		read_env_file(l, &file);
	}
	sources[1] = (struct source){ file.lines, l->conf->s3.environment_file,
				      CONF_RANK_ENVIRONMENT_FILE };
	read_options(l, &sources[1]);
	read_secrets(l, sources, ARRAY_SIZE(sources));
}

/* In place: the kernel shows the bytes the process began with, and unsetenv(3) only
 * takes the pointer away. */
static void wipe_variable(const char *name)
{
	size_t len = strlen(name);

	for (char **variable = environ; variable && *variable; variable++) {
		if (has_prefix(*variable, name) && (*variable)[len] == '=') {
			explicit_bzero(*variable + len + 1,
				       strlen(*variable + len + 1));
		}
	}
	(void)unsetenv(name);
}

void conf_scrub_environment(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		wipe_variable(secrets[i]);
	}
}
