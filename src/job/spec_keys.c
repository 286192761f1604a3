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
	enum spec_scope scope;
	const char *name;
	enum support support;
} keys[] = {
	{ SPEC_SCOPE_TOP, "version",     SUPPORTED },
	{ SPEC_SCOPE_TOP, "labels",      SUPPORTED },
	{ SPEC_SCOPE_TOP, "resources",   SUPPORTED },
	{ SPEC_SCOPE_TOP, "inputs",      SUPPORTED },
	{ SPEC_SCOPE_TOP, "script",      SUPPORTED },
	{ SPEC_SCOPE_TOP, "run",         SUPPORTED },
	{ SPEC_SCOPE_TOP, "args",        SUPPORTED },
	{ SPEC_SCOPE_TOP, "setup",       SUPPORTED },
	{ SPEC_SCOPE_TOP, "image",       SUPPORTED },
	{ SPEC_SCOPE_TOP, "env",         SUPPORTED },
	{ SPEC_SCOPE_TOP, "outputs",     SUPPORTED },
	{ SPEC_SCOPE_TOP, "s3",          SUPPORTED },
	{ SPEC_SCOPE_TOP, "timeouts",    SUPPORTED },
	{ SPEC_SCOPE_TOP, "priority",    NOT_YET },
	{ SPEC_SCOPE_TOP, "hold",        NOT_YET },
	{ SPEC_SCOPE_TOP, "dry_run",     NOT_YET },
	{ SPEC_SCOPE_TOP, "depends_on",  NOT_YET },
	{ SPEC_SCOPE_TOP, "array",       NOT_YET },
	{ SPEC_SCOPE_TOP, "docker_args", NOT_YET },
	{ SPEC_SCOPE_TOP, "secrets",     NOT_YET },
	{ SPEC_SCOPE_TOP, "checkpoints", NOT_YET },
	{ SPEC_SCOPE_TOP, "metrics",     NOT_YET },
	{ SPEC_SCOPE_TOP, "retry",       NOT_YET },
	{ SPEC_SCOPE_TOP, "notify",      NOT_YET },
	{ SPEC_SCOPE_TOP, "ttl",         NOT_YET },

	{ SPEC_SCOPE_RESOURCES, "host",     SUPPORTED },
	{ SPEC_SCOPE_RESOURCES, "gpus",     SUPPORTED },
	{ SPEC_SCOPE_RESOURCES, "pool",     NOT_YET },
	{ SPEC_SCOPE_RESOURCES, "gpu_type", NOT_YET },

	{ SPEC_SCOPE_INPUT, "source",   SUPPORTED },
	{ SPEC_SCOPE_INPUT, "path",     SUPPORTED },
	{ SPEC_SCOPE_INPUT, "cache",    NOT_YET },
	{ SPEC_SCOPE_INPUT, "required", NOT_YET },
	{ SPEC_SCOPE_INPUT, "checksum", NOT_YET },

	{ SPEC_SCOPE_OUTPUTS, "path",          SUPPORTED },
	{ SPEC_SCOPE_OUTPUTS, "destination",   SUPPORTED },
	{ SPEC_SCOPE_OUTPUTS, "exclude",       SUPPORTED },
	{ SPEC_SCOPE_OUTPUTS, "when",          NOT_YET },
	{ SPEC_SCOPE_OUTPUTS, "sync_interval", NOT_YET },

	{ SPEC_SCOPE_S3, "region",       SUPPORTED },
	{ SPEC_SCOPE_S3, "endpoint_url", SUPPORTED },
	{ SPEC_SCOPE_S3, "credentials",  SUPPORTED },

	{ SPEC_SCOPE_TIMEOUTS, "run",         SUPPORTED },
	{ SPEC_SCOPE_TIMEOUTS, "queue",       NOT_YET },
	{ SPEC_SCOPE_TIMEOUTS, "prepare",     NOT_YET },
	{ SPEC_SCOPE_TIMEOUTS, "download",    NOT_YET },
	{ SPEC_SCOPE_TIMEOUTS, "upload",      NOT_YET },
	{ SPEC_SCOPE_TIMEOUTS, "stop_grace",  NOT_YET },
	{ SPEC_SCOPE_TIMEOUTS, "unreachable", NOT_YET },
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
