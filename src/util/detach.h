/* Going into the background: the parent stays until the child says how its start went,
 * so that the shell's next command finds the daemon working or a sentence why not. */
#pragma once

#include <sys/types.h>

#include "util/err.h"

/* Forks. In the child: 1, and *ret_fd is to be passed to one of the functions below. In
 * the parent, once the child has said it: 0 for ready, or a negative errno with the
 * child's sentence in e. A child that says nothing for timeout_ms is killed. */
int detach_fork(int timeout_ms, int *ret_fd, struct err *e);

/* Both close *fd (and leave -1). Once is enough: without an fd (-1) nothing happens. */
void detach_ready(int *fd);
void detach_failed(int *fd, const struct err *e);

/* In the child: a session of its own, / as its directory, nothing to read, nowhere to
 * print, and log_fd as stderr. 0 or negative errno. */
int detach_streams(int log_fd);
