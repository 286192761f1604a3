/* labels and env: objects of strings whose keys are the user's. */
#include "job/spec_read.h"

#include <ctype.h>
#include <string.h>

#include "job/show.h"
#include "util/mem.h"

enum { LABEL_LEN_MAX = 255 }; /* bytes of a name or a value */

struct pairs {
	struct spec_pair *list;
	size_t n;
};

/* Is the pair right? It notes what is not. value may be NULL: that was noted already.
 */
typedef bool pair_check(struct spec_reader *r, const struct json_mark *mark,
			const char *name, const char *value);

static struct pairs read_pairs(struct spec_reader *r, const struct json_mark *mark,
			       unsigned rules, pair_check *check)
{
	struct pairs pairs = { 0 };

	if (!spec_is(r, mark, JSON_OBJECT, "an object of strings")) {
		return pairs;
	}
	pairs.list = spec_alloc(r, mark->n + 1, sizeof(*pairs.list));
	if (!pairs.list) {
		return pairs;
	}
	json_doc_each(&r->doc, mark, member)
	{
		const char *name = json_doc_key(&r->doc, member);
		const char *value =
			spec_text(r, member, rules, "a string, in double quotes");
		bool is_right = check(r, member, name, value);

		if (is_right && value) {
			pairs.list[pairs.n].name = spec_copy(r, name);
			pairs.list[pairs.n++].value = spec_copy(r, value);
		}
	}
	return pairs;
}

/* ---- labels ---- */

static bool check_label(struct spec_reader *r, const struct json_mark *mark,
			const char *name, const char *value)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if (show_control_len(name + i, len - i) > 0) {
			spec_key_problem(
				r, mark,
				"found a control character in the name of a label; "
				"expected plain text");
			return false;
		}
	}
	if (len == 0 || len > LABEL_LEN_MAX) {
		spec_key_problem(
			r, mark,
			"found a name of %zu bytes; expected a label's name of 1 to "
			"%d bytes",
			len, LABEL_LEN_MAX);
		return false;
	}
	if (value && strlen(value) > LABEL_LEN_MAX) {
		spec_problem(r, mark, "found a value of %zu bytes; expected at most %d",
			     strlen(value), LABEL_LEN_MAX);
		return false;
	}
	return true;
}

void spec_read_labels(struct spec_reader *r, const struct json_mark *top)
{
	struct pairs pairs = read_pairs(r, spec_member(r, top, "labels"),
					SPEC_TEXT_PLAIN, check_label);

	r->spec->labels = pairs.list;
	r->spec->n_labels = pairs.n;
}

/* ---- env ---- */

#define WHY_JOBFS "(jobfs sets the variables that begin so); expected another name"
#define WHY_SECRET                                                                     \
	"(credentials do not belong into a spec); expected it in the daemon's "        \
	"environment"
#define WHY_SHELL                                                                      \
	"(it would change the shells that jobfs itself runs); expected it in the "     \
	"script"

/* Names that are refused; those that end in _ with all that begin so. */
static const struct {
	const char *name, *why;
} refused[] = {
	{ "JOB_", WHY_JOBFS },
	{ "JOBFS_", WHY_JOBFS },
	{ "AWS_ACCESS_KEY_ID", WHY_SECRET },
	{ "AWS_SECRET_ACCESS_KEY", WHY_SECRET },
	{ "AWS_SESSION_TOKEN", WHY_SECRET },
	{ "AWS_SECURITY_TOKEN", WHY_SECRET },
	{ "BASH_ENV", WHY_SHELL },
	{ "ENV", WHY_SHELL },
	{ "IFS", WHY_SHELL },
	{ "LD_PRELOAD", WHY_SHELL },
	{ "PS4", WHY_SHELL },
	{ "SHELLOPTS", WHY_SHELL },
};

/* NULL when the name may be used. */
static const char *why_refused(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (streq(name, refused[i].name) ||
		    (has_suffix(refused[i].name, "_") &&
		     has_prefix(name, refused[i].name))) {
			return refused[i].why;
		}
	}
	return NULL;
}

static bool is_variable(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_') {
		return false;
	}
	while (isalnum((unsigned char)*name) || *name == '_') {
		name++;
	}
	return *name == '\0';
}

static bool check_variable(struct spec_reader *r, const struct json_mark *mark,
			   const char *name, const char *value)
{
	const char *why = why_refused(name);
	char shown[SHOW_MAX];

	show_text(name, strlen(name), shown);
	if (!is_variable(name)) {
		spec_key_problem(
			r, mark,
			"found %s; expected the name of a variable: letters, digits "
			"and _, no digit first",
			shown);
		return false;
	}
	if (why) {
		spec_key_problem(r, mark, "found %s %s", shown, why);
		return false;
	}
	/* The kernel passes NAME=VALUE as one text. */
	if (value && strlen(name) + 1 + strlen(value) > SPEC_ARGUMENT_MAX) {
		spec_problem(
			r, mark,
			"found %zu bytes of name and value; expected at most %d, what "
			"the kernel passes to a program",
			strlen(name) + strlen(value), SPEC_ARGUMENT_MAX - 1);
		return false;
	}
	return true;
}

void spec_read_env(struct spec_reader *r, const struct json_mark *top)
{
	struct pairs pairs = read_pairs(r, spec_member(r, top, "env"), SPEC_TEXT_ANY,
					check_variable);

	r->spec->env = pairs.list;
	r->spec->n_env = pairs.n;
}
