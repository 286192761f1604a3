#include "job/spec_read.h"

#include <limits.h>
#include <string.h>

#include "job/show.h"
#include "util/mem.h"

/* Every key of DESIGN section 2; those that this version cannot do yet are refused by
 * name, so that nobody believes that they had an effect. */
enum support { NOT_YET, SUPPORTED };

/* clang-format off */
static const struct {
	const char *name;
	enum spec_scope scope;
	enum support support;
} keys[] = {
	{ "version",       SPEC_SCOPE_TOP,        SUPPORTED },
	{ "labels",        SPEC_SCOPE_TOP,        SUPPORTED },
	{ "resources",     SPEC_SCOPE_TOP,        SUPPORTED },
	{ "inputs",        SPEC_SCOPE_TOP,        SUPPORTED },
	{ "script",        SPEC_SCOPE_TOP,        SUPPORTED },
	{ "run",           SPEC_SCOPE_TOP,        SUPPORTED },
	{ "args",          SPEC_SCOPE_TOP,        SUPPORTED },
	{ "setup",         SPEC_SCOPE_TOP,        SUPPORTED },
	{ "image",         SPEC_SCOPE_TOP,        SUPPORTED },
	{ "env",           SPEC_SCOPE_TOP,        SUPPORTED },
	{ "outputs",       SPEC_SCOPE_TOP,        SUPPORTED },
	{ "s3",            SPEC_SCOPE_TOP,        SUPPORTED },
	{ "timeouts",      SPEC_SCOPE_TOP,        SUPPORTED },
	{ "priority",      SPEC_SCOPE_TOP,        SUPPORTED },
	{ "hold",          SPEC_SCOPE_TOP,        SUPPORTED },
	{ "dry_run",       SPEC_SCOPE_TOP,        SUPPORTED },
	{ "depends_on",    SPEC_SCOPE_TOP,        NOT_YET },
	{ "array",         SPEC_SCOPE_TOP,        NOT_YET },
	{ "docker_args",   SPEC_SCOPE_TOP,        NOT_YET },
	{ "secrets",       SPEC_SCOPE_TOP,        NOT_YET },
	{ "checkpoints",   SPEC_SCOPE_TOP,        SUPPORTED },
	{ "metrics",       SPEC_SCOPE_TOP,        SUPPORTED },
	{ "retry",         SPEC_SCOPE_TOP,        SUPPORTED },
	{ "notify",        SPEC_SCOPE_TOP,        NOT_YET },
	{ "ttl",           SPEC_SCOPE_TOP,        NOT_YET },

	{ "host",          SPEC_SCOPE_RESOURCES,  SUPPORTED },
	{ "gpus",          SPEC_SCOPE_RESOURCES,  SUPPORTED },
	{ "pool",          SPEC_SCOPE_RESOURCES,  NOT_YET },
	{ "gpu_type",      SPEC_SCOPE_RESOURCES,  NOT_YET },

	{ "source",        SPEC_SCOPE_INPUT,      SUPPORTED },
	{ "path",          SPEC_SCOPE_INPUT,      SUPPORTED },
	{ "cache",         SPEC_SCOPE_INPUT,      SUPPORTED },
	{ "required",      SPEC_SCOPE_INPUT,      NOT_YET },
	{ "checksum",      SPEC_SCOPE_INPUT,      NOT_YET },

	{ "path",          SPEC_SCOPE_OUTPUTS,    SUPPORTED },
	{ "destination",   SPEC_SCOPE_OUTPUTS,    SUPPORTED },
	{ "exclude",       SPEC_SCOPE_OUTPUTS,    SUPPORTED },
	{ "when",          SPEC_SCOPE_OUTPUTS,    NOT_YET },
	{ "sync_interval", SPEC_SCOPE_OUTPUTS,    NOT_YET },

	{ "path",          SPEC_SCOPE_CHECKPOINTS, SUPPORTED },
	{ "destination",   SPEC_SCOPE_CHECKPOINTS, SUPPORTED },
	{ "interval",      SPEC_SCOPE_CHECKPOINTS, SUPPORTED },
	{ "settle",        SPEC_SCOPE_CHECKPOINTS, SUPPORTED },
	{ "resume",        SPEC_SCOPE_CHECKPOINTS, SUPPORTED },

	{ "region",        SPEC_SCOPE_S3,         SUPPORTED },
	{ "endpoint_url",  SPEC_SCOPE_S3,         SUPPORTED },
	{ "credentials",   SPEC_SCOPE_S3,         SUPPORTED },
	{ "engine",        SPEC_SCOPE_S3,         SUPPORTED },

	{ "run",           SPEC_SCOPE_TIMEOUTS,   SUPPORTED },
	{ "queue",         SPEC_SCOPE_TIMEOUTS,   SUPPORTED },
	{ "prepare",       SPEC_SCOPE_TIMEOUTS,   SUPPORTED },
	{ "download",      SPEC_SCOPE_TIMEOUTS,   SUPPORTED },
	{ "upload",        SPEC_SCOPE_TIMEOUTS,   SUPPORTED },
	{ "stop_grace",    SPEC_SCOPE_TIMEOUTS,   SUPPORTED },
	{ "unreachable",   SPEC_SCOPE_TIMEOUTS,   SUPPORTED },

	{ "max_attempts",  SPEC_SCOPE_RETRY,      SUPPORTED },
	{ "on",            SPEC_SCOPE_RETRY,      SUPPORTED },
	{ "exit_codes",    SPEC_SCOPE_RETRY,      SUPPORTED },
	{ "backoff",       SPEC_SCOPE_RETRY,      SUPPORTED },

	{ "files",         SPEC_SCOPE_METRICS,    SUPPORTED },
};
/* clang-format on */

/* The row of the known key that was probably meant; ARRAY_SIZE(keys) when none is near.
 */
static size_t nearest(const char *key, enum spec_scope scope)
{
	size_t best = ARRAY_SIZE(keys);
	int distance = strlen(key) < 5 ? 2 : 3; /* that much is too far */

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int d = keys[i].scope == scope ? show_distance(key, keys[i].name)
					       : INT_MAX;

		if (d < distance) {
			distance = d;
			best = i;
		}
	}
	return best;
}

static void unknown_key(struct spec_reader *r, const struct json_mark *mark,
			enum spec_scope scope)
{
	const char *key = json_doc_key(&r->doc, mark);
	cleanup_buf struct buf known = BUF_INIT;
	char shown[SHOW_MAX];
	size_t meant;

	if (!problems_would_show(&r->problems, mark->key_at)) {
		spec_key_problem(r, mark, "unknown key");
		return;
	}
	show_text(key, strlen(key), shown);
	meant = nearest(key, scope);
	if (meant < ARRAY_SIZE(keys)) {
		spec_key_problem(r, mark, "unknown key %s; did you mean \"%s\"%s?",
				 shown, keys[meant].name,
				 keys[meant].support == NOT_YET
					 ? " (which is not supported yet)"
					 : "");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].scope == scope && keys[i].support == SUPPORTED) {
			(void)buf_printf(&known, "%s%s", known.len ? ", " : "",
					 keys[i].name);
		}
	}
	spec_key_problem(r, mark, "unknown key %s; expected one of: %s", shown,
			 buf_text(&known));
}

static void check_key(struct spec_reader *r, const struct json_mark *mark,
		      enum spec_scope scope)
{
	const char *key = json_doc_key(&r->doc, mark);

	if (has_prefix(key, "x-")) {
		return; /* the user's own */
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].scope != scope || !streq(keys[i].name, key)) {
			continue;
		}
		if (keys[i].support == NOT_YET) {
			spec_key_problem(r, mark,
					 "\"%s\" is not supported yet; expected a spec "
					 "without it",
					 key);
		}
		return;
	}
	unknown_key(r, mark, scope);
}

bool spec_keys(struct spec_reader *r, const struct json_mark *mark,
	       enum spec_scope scope, const char *expected)
{
	if (!spec_is(r, mark, JSON_OBJECT, expected)) {
		return false;
	}
	json_doc_each(&r->doc, mark, member)
	{
		check_key(r, member, scope);
	}
	return true;
}
