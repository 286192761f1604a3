/* The programs that work beside the daemon (src/helper): where they are, and how they
 * are started. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Starts one in a session of its own, without an environment; stderr is ours. fds[i]
 * becomes its descriptor 3 + i, and it has no others. argv[0] is its name. 0 or
 * negative errno. */
int helper_spawn(char *const *argv, const int *fds, size_t n_fds, pid_t *ret_pid);
/* Waits for its end; the exit code, -1: it was killed. */
int helper_wait(pid_t pid);
