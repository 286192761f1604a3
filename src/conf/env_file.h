/* Variables: looking them up in an environment, and the file of KEY=VALUE lines that
 * systemd calls EnvironmentFile and others .env. */
#pragma once

#include <stddef.h>

#include "util/buf.h"

/* The value of a variable; NULL when it is not set or empty. env is NULL-terminated and
 * may be NULL. Borrowed from env. */
const char *env_get(const char *const *env, const char *name);

/* What a file of variables holds, as an environment. All of it is in memory for
 * secrets. */
struct env_file {
	char *text; /* secret_alloc() */
	const char *
		*lines; /* "KEY=VALUE" in text, NULL-terminated; the last of two wins */
};

/* Reads such a file: lines of KEY=VALUE ("export " may stand before it), of comments (#
 * or
 * ;) or empty; a value stands bare without spaces around it, in single quotes as it is,
 * or in double quotes with a backslash before \ " $ and `.
 *
 * It must be a regular file of root or this user without access for anybody else. What
 * is wrong is appended to problems: a line each, "PATH:LINE: found X; expected Y",
 * never a value. 0, -EINVAL (then problems has lines), -ENOMEM. */
int env_file_read(const char *path, struct env_file *file, struct buf *problems);
void env_file_fini(struct env_file *file);
