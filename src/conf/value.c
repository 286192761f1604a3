/* The values of options, by type: text in, struct member, JSON out. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/option.h"
#include "job/quantity.h"
#include "util/mem.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit duration_units[] = {
	{ "d", INT64_C(86400000) },
	{ "h", INT64_C(3600000) },
	{ "m", INT64_C(60000) },
	{ "s", 1000 },
	{ "ms", 1 },
};

static const struct unit size_units[] = {
	{ "TiB", INT64_C(1) << 40 },
	{ "GiB", INT64_C(1) << 30 },
	{ "MiB", INT64_C(1) << 20 },
	{ "KiB", INT64_C(1) << 10 },
	{ "", 1 },
};

static void *member(const struct option *o, void *base)
{
	return (char *)base + o->offset;
}

static const void *const_member(const struct option *o, const void *base)
{
	return (const char *)base + o->offset;
}

/* ---- lists ---- */

static void list_free(char **list)
{
	for (char **p = list; p && *p; p++) {
		free(*p);
	}
	free(list);
}

static void list_freep(char ***list)
{
	list_free(*list);
}

/* Takes over *item; *list is not NULL. */
static int list_add(char ***list, char **item)
{
	size_t n = 0;
	char **longer;

	while ((*list)[n]) {
		n++;
	}
	longer = realloc(*list, (n + 2) * sizeof(**list));
	if (!longer) {
		return -ENOMEM;
	}
	longer[n] = steal_ptr(item);
	longer[n + 1] = NULL;
	*list = longer;
	return 0;
}

/* ---- text in ---- */

static int expand_path(const char *text, const char *home, char **ret_path)
{
	cleanup_buf struct buf path = BUF_INIT;
	char *result;

	for (const char *p = text; *p; p++) {
		if (iscntrl((unsigned char)*p)) {
			return -EINVAL;
		}
	}
	if (text[0] == '~' && text[1] == '/' && home) {
		(void)buf_add_str(&path, home);
		text++;
	}
	(void)buf_add_str(&path, text);
	if (path.error || path.len == 0 || path.data[0] != '/') {
		return path.error ? path.error : -EINVAL;
	}
	result = buf_steal(&path);
	if (!result) {
		return -ENOMEM;
	}
	*ret_path = result;
	return 0;
}

static int replace_text(char **text, char *new_text)
{
	if (!new_text) {
		return -ENOMEM;
	}
	free(*text);
	*text = new_text;
	return 0;
}

static int set_string(const struct option *o, const char *text, char **ret)
{
	if (o->is_good && !o->is_good(text)) {
		return -EINVAL;
	}
	return replace_text(ret, strdup(text));
}

static int set_path(const char *text, const char *home, char **ret)
{
	char *path = NULL;
	int r = expand_path(text, home, &path);

	return r < 0 ? r : replace_text(ret, path);
}

/* Paths with colons between them; none for "". */
static int set_paths(const char *text, const char *home, char ***ret)
{
	__attribute__((cleanup(list_freep))) char **list = calloc(1, sizeof(*list));

	if (!list) {
		return -ENOMEM;
	}
	while (*text) {
		size_t len = strcspn(text, ":");
		cleanup_free char *item = strndup(text, len);
		cleanup_free char *path = NULL;
		int r = item ? expand_path(item, home, &path) : -ENOMEM;

		r = r < 0 ? r : list_add(&list, &path);
		if (r < 0) {
			return r;
		}
		text += len + (text[len] == ':');
	}
	list_free(*ret);
	*ret = steal_ptr(&list);
	return 0;
}

static int set_bool(const char *text, bool *ret)
{
	if (!streq(text, "true") && !streq(text, "false")) {
		return -EINVAL;
	}
	*ret = streq(text, "true");
	return 0;
}

static int set_number(const struct option *o, const char *text, int64_t *ret)
{
	int64_t value = 0;
	int r;

	if (o->type == OPTION_DURATION) {
		r = duration_parse(text, &value);
	} else if (o->type == OPTION_SIZE) {
		r = size_parse(text, &value);
	} else {
		/* Plain digits are bytes, and bytes are what an integer is too. */
		r = text[strspn(text, "0123456789")] ? -EINVAL
						     : size_parse(text, &value);
	}
	if (r < 0 || value < o->min || value > o->max) {
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

static int set_int(const struct option *o, const char *text, int *ret)
{
	int64_t value;
	int r = set_number(o, text, &value);

	if (r < 0) {
		return r;
	}
	*ret = (int)value; /* the table's ranges of integers are those of int */
	return 0;
}

static int set_word(const struct option *o, const char *text, int *ret)
{
	for (int i = 0; o->words[i]; i++) {
		if (streq(o->words[i], text)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

int option_set(const struct option *o, const char *text, const char *home, void *base)
{
	switch (o->type) {
	case OPTION_STRING:
		return set_string(o, text, member(o, base));
	case OPTION_PATH:
		return set_path(text, home, member(o, base));
	case OPTION_PATHS:
		return set_paths(text, home, member(o, base));
	case OPTION_BOOL:
		return set_bool(text, member(o, base));
	case OPTION_INT:
		return set_int(o, text, member(o, base));
	case OPTION_DURATION:
	case OPTION_SIZE:
		return set_number(o, text, member(o, base));
	case OPTION_WORD:
		return set_word(o, text, member(o, base));
	case OPTION_LABELS:
		break;
	}
	return -EINVAL;
}

static bool is_label(const char *text)
{
	size_t key = strcspn(text, "=");

	if (key == 0 || text[key] != '=') {
		return false;
	}
	for (const char *p = text; *p; p++) {
		if (iscntrl((unsigned char)*p)) {
			return false;
		}
	}
	return true;
}

int option_add_item(const struct option *o, const char *text, const char *home,
		    void *base)
{
	cleanup_free char *item = NULL;
	int r = 0;

	if (o->type == OPTION_PATHS) {
		r = expand_path(text, home, &item);
	} else if (is_label(text)) {
		item = strdup(text);
		r = item ? 0 : -ENOMEM;
	} else {
		r = -EINVAL;
	}
	return r < 0 ? r : list_add(member(o, base), &item);
}

int option_make_empty(const struct option *o, void *base)
{
	char ***list = member(o, base), **empty = calloc(1, sizeof(*empty));

	if (!empty) {
		return -ENOMEM;
	}
	list_free(*list);
	*list = empty;
	return 0;
}

void option_clear(const struct option *o, void *base)
{
	switch (o->type) {
	case OPTION_STRING:
	case OPTION_PATH: {
		char **text = member(o, base);

		free(*text);
		*text = NULL;
		return;
	}
	case OPTION_PATHS:
	case OPTION_LABELS: {
		char ***list = member(o, base);

		list_free(*list);
		*list = NULL;
		return;
	}
	case OPTION_BOOL:
	case OPTION_INT:
	case OPTION_DURATION:
	case OPTION_SIZE:
	case OPTION_WORD:
		return;
	}
}

/* ---- words about it ---- */

/* In the largest unit that divides it. */
static void add_quantity(int64_t value, const struct unit *units, size_t n,
			 struct buf *out)
{
	size_t i = 0;

	while (i < n - 1 &&
	       (value == 0 ? units[i].factor > 1000 : value % units[i].factor != 0)) {
		i++;
	}
	(void)buf_printf(out, "%" PRId64 "%s", value / units[i].factor, units[i].name);
}

static void add_number(const struct option *o, int64_t value, struct buf *out)
{
	if (o->type == OPTION_DURATION) {
		add_quantity(value, duration_units, ARRAY_SIZE(duration_units), out);
	} else if (o->type == OPTION_SIZE) {
		add_quantity(value, size_units, ARRAY_SIZE(size_units), out);
	} else {
		(void)buf_printf(out, "%" PRId64, value);
	}
}

static void add_range(const struct option *o, const char *between, struct buf *out)
{
	add_number(o, o->min, out);
	(void)buf_add_str(out, between);
	add_number(o, o->max, out);
}

static void add_words(const struct option *o, const char *quote, struct buf *out)
{
	for (size_t i = 0; o->words[i]; i++) {
		const char *between = o->words[i + 1] ? ", " : " or ";

		(void)buf_printf(out, "%s%s%s%s", i > 0 ? between : "", quote,
				 o->words[i], quote);
	}
}

int option_add_expected(const struct option *o, struct buf *out)
{
	switch (o->type) {
	case OPTION_STRING:
		return buf_add_str(out, o->expected ? o->expected : "a string");
	case OPTION_PATH:
		return buf_add_str(out, "an absolute path, or one that begins with ~/");
	case OPTION_PATHS:
		return buf_add_str(
			out, "a list of paths, each absolute or beginning with ~/");
	case OPTION_BOOL:
		return buf_add_str(out, "true or false");
	case OPTION_INT:
		(void)buf_add_str(out, "an integer from ");
		add_range(o, " to ", out);
		break;
	case OPTION_DURATION:
		(void)buf_add_str(out, "a duration from ");
		add_range(o, " to ", out);
		return buf_add_str(out, ", such as 90, \"90s\" or \"10m\"");
	case OPTION_SIZE:
		(void)buf_add_str(out, "a size from ");
		add_range(o, " to ", out);
		return buf_add_str(out, ", such as 4096 or \"64MiB\"");
	case OPTION_WORD:
		add_words(o, "\"", out);
		break;
	case OPTION_LABELS:
		return buf_add_str(out, "an object of strings");
	}
	return out->error;
}

int option_add_type(const struct option *o, struct buf *out)
{
	switch (o->type) {
	case OPTION_STRING:
		return buf_add_str(out, "string");
	case OPTION_PATH:
		return buf_add_str(out, "path");
	case OPTION_PATHS:
		return buf_add_str(out, "list of paths");
	case OPTION_BOOL:
		return buf_add_str(out, "true or false");
	case OPTION_INT:
		(void)buf_add_str(out, "integer, ");
		add_range(o, " to ", out);
		break;
	case OPTION_DURATION:
		(void)buf_add_str(out, "duration, ");
		add_range(o, " to ", out);
		break;
	case OPTION_SIZE:
		(void)buf_add_str(out, "size, ");
		add_range(o, " to ", out);
		break;
	case OPTION_WORD:
		add_words(o, "", out);
		break;
	case OPTION_LABELS:
		return buf_add_str(out, "object of strings");
	}
	return out->error;
}

/* ---- JSON out ---- */

static void add_text_or_null(const char *text, struct buf *out)
{
	if (text) {
		(void)buf_add_json_str(out, text);
	} else {
		(void)buf_add_str(out, "null");
	}
}

static void add_paths(char *const *list, struct buf *out)
{
	(void)buf_add_char(out, '[');
	for (size_t i = 0; list[i]; i++) {
		(void)buf_add_str(out, i > 0 ? ", " : "");
		(void)buf_add_json_str(out, list[i]);
	}
	(void)buf_add_char(out, ']');
}

static void add_labels(char *const *list, struct buf *out)
{
	(void)buf_add_str(out, "{");
	for (size_t i = 0; list[i]; i++) {
		const char *value = strchr(list[i], '=');
		cleanup_free char *key = strndup(list[i], (size_t)(value - list[i]));

		if (!key) {
			out->error = -ENOMEM;
			return;
		}
		(void)buf_add_str(out, i > 0 ? ", " : " ");
		(void)buf_add_json_str(out, key);
		(void)buf_add_str(out, ": ");
		(void)buf_add_json_str(out, value + 1);
	}
	(void)buf_add_str(out, list[0] ? " }" : "}");
}

static void add_quoted_number(const struct option *o, int64_t value, struct buf *out)
{
	(void)buf_add_char(out, '"');
	add_number(o, value, out);
	(void)buf_add_char(out, '"');
}

int option_add_value(const struct option *o, const void *base, struct buf *out)
{
	const void *m = const_member(o, base);

	switch (o->type) {
	case OPTION_STRING:
	case OPTION_PATH:
		add_text_or_null(*(char *const *)m, out);
		break;
	case OPTION_PATHS:
		add_paths(*(char **const *)m, out);
		break;
	case OPTION_LABELS:
		add_labels(*(char **const *)m, out);
		break;
	case OPTION_BOOL:
		return buf_add_str(out, *(const bool *)m ? "true" : "false");
	case OPTION_INT:
		return buf_printf(out, "%d", *(const int *)m);
	case OPTION_DURATION:
	case OPTION_SIZE:
		add_quoted_number(o, *(const int64_t *)m, out);
		break;
	case OPTION_WORD:
		return buf_add_json_str(out, o->words[*(const int *)m]);
	}
	return out->error;
}
