#include "job/path.h"

#include <errno.h>
#include <string.h>

#include "job/show.h"
#include "util/mem.h"

/* What was expected instead of the part of len bytes; NULL when it is right. */
static const char *part_flaw(const char *part, size_t len)
{
	if (len == 0) {
		return "a path without empty parts (no \"//\", no \"/\" at the end)";
	}
	if (part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.'))) {
		return "a path without \".\" and \"..\" parts";
	}
	if (len > PATH_NAME_LEN_MAX) {
		return "no name between slashes longer than 255 bytes";
	}
	return NULL;
}

static const char *path_flaw(const char *path)
{
	const char *part = path;

	if (path[0] == '/') {
		return "a path without \"/\" in front, it is below the job's directory";
	}
	if (strlen(path) > PATH_LEN_MAX) {
		return "a path of at most 1024 bytes";
	}
	while (true) {
		size_t len = strcspn(part, "/");
		const char *flaw = part_flaw(part, len);

		if (flaw || part[len] == '\0') {
			return flaw;
		}
		part += len + 1;
	}
}

int path_check(const char *path, struct err *e)
{
	const char *flaw = path_flaw(path);
	char shown[SHOW_MAX];

	if (!flaw) {
		return 0;
	}
	show_text(path, strlen(path), shown);
	return err_set(e, -EINVAL, "found %s; expected %s", shown, flaw);
}

bool path_is_within(const char *path, const char *base)
{
	size_t len = strlen(base);

	return strncmp(path, base, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool path_overlaps(const char *a, const char *b)
{
	return path_is_within(a, b) || path_is_within(b, a);
}

/* A byte's place in the order: the end of a path, then the slash, then the others. */
static int rank(char c)
{
	return c == '/' ? 1 : (unsigned char)c == 0 ? 0 : (unsigned char)c + 1;
}

int path_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}
