/* The programs that work beside the daemon (src/helper): where they are, and how they
 * are started. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts one in a session of its own, without an environment; stderr is ours. fds[i]
 * becomes its descriptor 3 + i, and it has no others. argv[0] is its name. 0 or
 * negative errno. */
int helper_spawn(char *const *argv, const int *fds, size_t n_fds, pid_t *ret_pid);
/* Waits for its end; the exit code, -1: it was killed. */
int helper_wait(pid_t pid);
enum { HELPER_IS_LATE = -2 };
/* The same, but only for so long; then it is killed and HELPER_IS_LATE. It may live on
 * while it waits for a mount, and nobody waits for it. */
int helper_wait_ms(pid_t pid, int64_t limit_ms);
