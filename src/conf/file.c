/* The configuration file: JSON with comments. Its objects follow the names of the
 * options: "s3.region" stands in {"s3": {"region": ...}}, and those of each host in
 * hosts.NAME. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/comment.h"
#include "conf/loader.h"
#include "job/show.h"
#include "util/mem.h"

enum {
	FILE_LEN_MAX = 4 << 20, /* bytes */
	DEPTH_MAX = 16,
	MEMBERS_MAX = 10000,
	HOST_NAME_LEN_MAX = 64, /* bytes */
};

#define problem(l, mark, ...)                                                          \
	problems_add(&(l)->problems, (mark), (mark)->at, __VA_ARGS__)
#define key_problem(l, mark, ...)                                                      \
	problems_add(&(l)->problems, (mark), (mark)->key_at, __VA_ARGS__)

static void wrong_kind(struct conf_loader *l, const struct json_mark *mark,
		       const char *expected)
{
	problem(l, mark, "found %s; expected %s", json_kind_text(mark->kind), expected);
}

/* ---- values ---- */

static bool kind_fits(const struct option *o, enum json_kind kind)
{
	switch (o->type) {
	case OPTION_STRING:
	case OPTION_PATH:
	case OPTION_WORD:
		return kind == JSON_STRING;
	case OPTION_PATHS:
		return kind == JSON_ARRAY;
	case OPTION_BOOL:
		return kind == JSON_BOOL;
	case OPTION_INT:
		return kind == JSON_INT;
	case OPTION_DURATION:
	case OPTION_SIZE:
		return kind == JSON_INT || kind == JSON_STRING;
	case OPTION_LABELS:
		return kind == JSON_OBJECT;
	}
	return false;
}

/* A boolean, an integer or a string as --set would have it; the text is borrowed from
 * number or the document. */
static const char *scalar_text(const struct json_mark *mark, char number[static 32])
{
	if (mark->kind == JSON_STRING) {
		return json_object_get_string(mark->value);
	}
	if (mark->kind == JSON_BOOL) {
		return json_object_get_boolean(mark->value) ? "true" : "false";
	}
	(void)snprintf(number, 32, "%" PRId64, json_object_get_int64(mark->value));
	return number;
}

static void note_mismatch(struct conf_loader *l, const struct option *o,
			  const struct json_mark *mark, const char *text)
{
	cleanup_buf struct buf why = BUF_INIT;

	if (mark->kind == JSON_STRING) {
		(void)conf_loader_mismatch(o, text, &why);
	} else {
		(void)buf_printf(&why, "found %s; expected ", text);
		(void)option_add_expected(o, &why);
	}
	problem(l, mark, "%s", buf_text(&why));
}

static void read_scalar(struct conf_loader *l, const struct option *o,
			const struct json_mark *mark, void *base)
{
	char number[32];
	const char *text = scalar_text(mark, number);
	int r = option_set(o, text, l->home, base);

	if (r == -EINVAL) {
		note_mismatch(l, o, mark, text);
	} else if (r < 0) {
		l->error = r;
	}
}

/* "key=value" of a member, or the text of an element; false when it was refused. */
static bool item_text(struct conf_loader *l, const struct option *o,
		      const struct json_mark *mark, struct buf *out)
{
	const char *key = json_doc_key(&l->doc, mark);

	if (mark->kind != JSON_STRING) {
		wrong_kind(l, mark, "a string");
		return false;
	}
	if (o->type == OPTION_LABELS) {
		if (!*key || strchr(key, '=')) {
			key_problem(l, mark,
				    "found a label without a name or with \"=\" in it; "
				    "expected a name");
			return false;
		}
		(void)buf_printf(out, "%s=", key);
	}
	(void)buf_add_str(out, json_object_get_string(mark->value));
	return true;
}

static void read_list(struct conf_loader *l, const struct option *o,
		      const struct json_mark *list, void *base)
{
	l->error = option_make_empty(o, base) < 0 ? -ENOMEM : l->error;
	json_doc_each(&l->doc, list, mark)
	{
		cleanup_buf struct buf text = BUF_INIT;
		int r;

		if (!item_text(l, o, mark, &text)) {
			continue;
		}
		r = text.error ? text.error
			       : option_add_item(o, buf_text(&text), l->home, base);
		if (r == -EINVAL) {
			problem(l, mark, "found a %s; expected %s",
				o->type == OPTION_PATHS ? "relative path"
							: "control character",
				o->type == OPTION_PATHS
					? "an absolute path, or one that begins with ~/"
					: "text");
		} else if (r < 0) {
			l->error = r;
		}
	}
}

static void read_value(struct conf_loader *l, const struct option *o,
		       const struct json_mark *mark, void *base)
{
	cleanup_buf struct buf expected = BUF_INIT;

	if (mark->kind == JSON_NULL) {
		return; /* the default */
	}
	if (!kind_fits(o, mark->kind)) {
		(void)option_add_expected(o, &expected);
		wrong_kind(l, mark, buf_text(&expected));
	} else if (mark->kind == JSON_ARRAY || mark->kind == JSON_OBJECT) {
		read_list(l, o, mark, base);
	} else {
		read_scalar(l, o, mark, base);
	}
}

/* ---- keys ---- */

/* The option of a key below prefix, or any of those in the object of that key. */
static const struct option *find_key(const char *prefix, const char *key)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		size_t len;
		const char *name = option_key(o, prefix, &len);

		if (name && strlen(key) == len && memcmp(name, key, len) == 0) {
			return o;
		}
	}
	return NULL;
}

static void list_keys(const char *prefix, struct buf *out)
{
	const char *last = "";
	size_t last_len = 0;
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		size_t len;
		const char *name = option_key(o, prefix, &len);

		if (!name || (len == last_len && memcmp(name, last, len) == 0)) {
			continue; /* rows of one object stand together */
		}
		(void)buf_printf(out, "%s%.*s", out->len > 0 ? ", " : "", (int)len,
				 name);
		last = name;
		last_len = len;
	}
}

static bool is_secret_key(const char *key)
{
	static const char *const words[] = { "secret", "access_key", "token",
					     "password", "passphrase" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasestr(key, words[i])) {
			return true;
		}
	}
	return false;
}

static void unknown_key(struct conf_loader *l, const struct json_mark *mark,
			const char *prefix)
{
	cleanup_buf struct buf known = BUF_INIT;
	const char *key = json_doc_key(&l->doc, mark);
	char name[CONF_NAME_MAX], shown[SHOW_MAX];

	show_text(key, strlen(key), shown);
	if (is_secret_key(key)) {
		key_problem(l, mark,
			    "unknown key %s; expected no secrets here: they are taken "
			    "from the "
			    "environment or from s3.environment_file",
			    shown);
	} else if (conf_nearest_key(prefix, key, name)) {
		key_problem(l, mark, "unknown key %s; did you mean \"%s\"?", shown,
			    name);
	} else {
		list_keys(prefix, &known);
		key_problem(l, mark, "unknown key %s; expected one of: %s", shown,
			    buf_text(&known));
	}
}

/* Keys of the user's own. */
static bool is_extension(const char *key)
{
	return has_prefix(key, "x-");
}

/* An object that holds options only. */
static void read_options(struct conf_loader *l, const struct json_mark *object,
			 const char *prefix, void *base)
{
	if (object->kind != JSON_OBJECT) {
		wrong_kind(l, object, "an object");
		return;
	}
	json_doc_each(&l->doc, object, mark)
	{
		const char *key = json_doc_key(&l->doc, mark);
		const struct option *o = find_key(prefix, key);

		if (o) {
			read_value(l, o, mark, base);
		} else if (!is_extension(key)) {
			unknown_key(l, mark, prefix);
		}
	}
}

/* ---- hosts ---- */

static bool is_host_name(const char *name)
{
	if (!isalnum((unsigned char)name[0]) || strlen(name) > HOST_NAME_LEN_MAX) {
		return false;
	}
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name)) {
			return false;
		}
	}
	return true;
}

static void set_host_defaults(struct conf_loader *l, struct conf_host *host)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		if (option_is_of_host(o)) {
			conf_loader_set_default(l, o, host);
		}
	}
}

/* Those that depend on the other values. */
static void fill_host(struct conf_loader *l, struct conf_host *host,
		      const struct json_mark *mark)
{
	if (!host->address) {
		host->address = strdup(host->name);
	}
	if (!host->user && l->user) {
		host->user = strdup(l->user);
	} else if (!host->user) {
		problem(l, mark,
			"found no user, and the environment names none (USER); "
			"expected a member \"user\"");
		return;
	}
	if (!host->address || !host->user) {
		l->error = -ENOMEM;
	}
}

static void read_host(struct conf_loader *l, const struct json_mark *mark,
		      struct conf_host *host)
{
	const char *name = json_doc_key(&l->doc, mark);
	char shown[SHOW_MAX];

	if (!is_host_name(name)) {
		show_text(name, strlen(name), shown);
		key_problem(
			l, mark,
			"found the host name %s; expected 1 to %d letters, digits, "
			"\".\", "
			"\"_\" and \"-\", of which the first is a letter or a digit",
			shown, HOST_NAME_LEN_MAX);
	}
	host->name = strdup(name);
	if (!host->name) {
		l->error = -ENOMEM;
		return;
	}
	set_host_defaults(l, host);
	read_options(l, mark, OPTION_HOST_PREFIX, host);
	fill_host(l, host, mark);
}

static void read_hosts(struct conf_loader *l, const struct json_mark *hosts)
{
	struct conf *conf = l->conf;

	if (hosts->kind != JSON_OBJECT) {
		wrong_kind(l, hosts, "an object with a member for each host");
		return;
	}
	conf->hosts = calloc(hosts->n + 1, sizeof(*conf->hosts));
	if (!conf->hosts) {
		l->error = -ENOMEM;
		return;
	}
	json_doc_each(&l->doc, hosts, mark)
	{
		read_host(l, mark, &conf->hosts[conf->n_hosts++]);
	}
}

/* ---- the file ---- */

static void read_member(struct conf_loader *l, const struct json_mark *mark)
{
	const char *key = json_doc_key(&l->doc, mark);
	const struct option *o = find_key("", key);
	char prefix[CONF_NAME_MAX];

	if (is_extension(key)) {
		return;
	}
	if (!o) {
		unknown_key(l, mark, "");
	} else if (option_is_of_host(o)) {
		read_hosts(l, mark);
	} else if (streq(o->name, key)) {
		read_value(l, o, mark, l->conf);
	} else {
		(void)snprintf(prefix, sizeof(prefix), "%s.", key);
		read_options(l, mark, prefix, l->conf);
	}
}

static int read_text(struct conf_loader *l, const char *file)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		return -errno;
	}
	l->text.max = FILE_LEN_MAX;
	for (;;) {
		char *room = buf_reserve(&l->text, 4096);
		ssize_t n;

		if (!room) {
			return l->text.error;
		}
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : 0;
		}
		l->text.len += (size_t)n;
	}
}

static bool read_document(struct conf_loader *l, const char *file)
{
	struct err e = ERR_INIT;
	size_t line, column;
	size_t open_comment = comment_blank(l->text.data, l->text.len);

	if (open_comment < l->text.len) {
		json_position(l->text.data, open_comment, &line, &column);
		conf_loader_problem(
			l, "%s:%zu:%zu: found a comment without an end; expected */",
			file, line, column);
		return false;
	}
	l->doc = (struct json_doc){ .name = file,
				    .text = l->text.data,
				    .len = l->text.len,
				    .depth_max = DEPTH_MAX,
				    .members_max = MEMBERS_MAX };
	if (json_doc_read(&l->doc, &e) < 0) {
		conf_loader_problem(l, "%s", e.text);
		return false;
	}
	return true;
}

void conf_read_file(struct conf_loader *l, const char *file)
{
	int r = read_text(l, file);

	if (r < 0) {
		conf_loader_problem(l, "%s: %s", file,
				    r == -EFBIG ? "found more than 4 MiB; expected less"
						: strerror(-r));
		l->code = r == -EFBIG ? -EINVAL : r;
		return;
	}
	if (!read_document(l, file)) {
		return;
	}
	json_doc_each(&l->doc, l->doc.marks, mark)
	{
		read_member(l, mark);
	}
}
