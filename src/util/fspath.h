/* Paths: where they really lead, and directories that are made on the way. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The absolute path without symlinks, "." and ".."; what does not exist (yet) is kept
 * as it is written, behind the part that does. A mount whose daemon is dead (ENOTCONN)
 * counts as existing. The caller frees. -ENOENT (empty), -ENAMETOOLONG, -EACCES,
 * -ELOOP, ... */
int fspath_resolve(const char *path, char **ret_path);

/* Is path the directory dir or below it? Both as fspath_resolve() made them. */
bool fspath_is_below(const char *path, const char *dir);

/* Makes path and what is missing above it, each with mode. 0 when it is there already.
 * -ENOTDIR, -EACCES, ... */
int fspath_make_dirs(const char *path, mode_t mode);
