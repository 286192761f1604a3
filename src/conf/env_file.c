#include "conf/env_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/mem.h"
#include "util/secret.h"

enum { FILE_LEN_MAX = 64 << 10, LINES_MAX = 1024 };

const char *env_get(const char *const *env, const char *name)
{
	size_t len = strlen(name);
	const char *value = NULL;

	for (; env && *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
			value = *env + len + 1;
		}
	}
	return value && *value ? value : NULL;
}

/* ---- the file ---- */

static int complain(struct buf *problems, const char *path, const char *what)
{
	int r = buf_printf(problems, "%s: %s\n", path, what);

	return r < 0 ? r : -EINVAL;
}

static int check_file(int fd, const char *path, off_t *ret_size, struct buf *problems)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return complain(problems, path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode)) {
		return complain(
			problems, path,
			"found something else than a file; expected a regular file");
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		(void)buf_printf(
			problems,
			"%s: found the owner with uid %u; expected root or uid %u\n",
			path, (unsigned)st.st_uid, (unsigned)geteuid());
		return problems->error ? problems->error : -EINVAL;
	}
	if (st.st_mode & 077) {
		(void)buf_printf(
			problems,
			"%s: found mode %04o; expected no access for group and "
			"others: chmod 600 %s\n",
			path, (unsigned)st.st_mode & 07777, path);
		return problems->error ? problems->error : -EINVAL;
	}
	if (st.st_size > FILE_LEN_MAX) {
		return complain(problems, path,
				"found more than 64 KiB; expected less");
	}
	*ret_size = st.st_size;
	return 0;
}

/* Never through a buffer that grows: realloc(3) would leave copies behind. */
static int read_text(const char *path, char **ret_text, struct buf *problems)
{
	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_secret char *text = NULL;
	off_t size = 0, len = 0;
	ssize_t n;
	int r;

	if (fd < 0) {
		return complain(problems, path, strerror(errno));
	}
	r = check_file(fd, path, &size, problems);
	if (r < 0) {
		return r;
	}
	text = secret_alloc((size_t)size + 1);
	if (!text) {
		return -ENOMEM;
	}
	while (len < size && (n = read(fd, text + len, (size_t)(size - len))) != 0) {
		if (n < 0 && errno != EINTR) {
			return complain(problems, path, strerror(errno));
		}
		len += n > 0 ? n : 0;
	}
	if (strlen(text) < (size_t)len) {
		return complain(problems, path, "found a NUL byte; expected text");
	}
	*ret_text = steal_ptr(&text);
	return 0;
}

/* ---- lines ---- */

static char *skip_blanks(char *p)
{
	return p + strspn(p, " \t\r");
}

static void strip_end(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(" \t\r", text[len - 1])) {
		text[--len] = '\0';
	}
}

/* Takes the quotes off in place. Returns what is wrong, NULL when nothing is. */
static const char *unquote(char *value)
{
	char quote = *value, *in = value + 1, *out = value;

	for (; *in && *in != quote; in++) {
		if (quote == '"' && *in == '\\' && in[1] && strchr("\\\"$`", in[1])) {
			in++;
		}
		*out++ = *in;
	}
	if (!*in) {
		return "found a quote that is not closed; expected the same quote in "
		       "this line";
	}
	if (*skip_blanks(in + 1)) {
		return "found text behind the closing quote; expected the end of the "
		       "line";
	}
	*out = '\0';
	return NULL;
}

static const char *strip_value(char *value)
{
	if (*value == '"' || *value == '\'') {
		return unquote(value);
	}
	if (strchr(value, '\\')) {
		return "found a backslash outside of quotes; expected the value in "
		       "single "
		       "quotes";
	}
	strip_end(value);
	return NULL;
}

/* Makes "KEY=VALUE" of a line, in place; *ret is NULL for a comment. */
static const char *parse_line(char *line, char **ret)
{
	char *key = skip_blanks(line), *end, *value;

	*ret = NULL;
	if (!*key || *key == '#' || *key == ';') {
		return NULL;
	}
	if (has_prefix(key, "export ")) {
		key = skip_blanks(key + strlen("export "));
	}
	for (end = key; isalnum((unsigned char)*end) || *end == '_'; end++) {
	}
	if (end == key || isdigit((unsigned char)*key) || *end != '=') {
		return "found no NAME= at the beginning; expected NAME=VALUE";
	}
	*ret = key;
	value = skip_blanks(end + 1);
	memmove(end + 1, value, strlen(value) + 1);
	return strip_value(end + 1);
}

static int parse(const char *path, struct env_file *file, struct buf *problems)
{
	size_t n = 0, number = 0;
	char *next = file->text, *line;
	int result = 0;

	while ((line = strsep(&next, "\n"))) {
		const char *flaw;
		char *variable;

		number++;
		flaw = parse_line(line, &variable);
		if (!flaw && variable && n == LINES_MAX) {
			flaw = "found too many variables; expected at most 1024";
		}
		if (flaw) {
			(void)buf_printf(problems, "%s:%zu: %s\n", path, number, flaw);
			result = -EINVAL;
		} else if (variable) {
			file->lines[n++] = variable;
		}
	}
	return problems->error ? problems->error : result;
}

int env_file_read(const char *path, struct env_file *file, struct buf *problems)
{
	int r = read_text(path, &file->text, problems);

	if (r < 0) {
		return r;
	}
	file->lines = calloc(LINES_MAX + 1, sizeof(*file->lines));
	return file->lines ? parse(path, file, problems) : -ENOMEM;
}

void env_file_fini(struct env_file *file)
{
	file->text = secret_free(file->text);
	free(file->lines);
	file->lines = NULL;
}
