/* What /proc says of the process behind a request. Reading it never waits. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The process of a thread; 0 when it cannot be known (another pid namespace, gone). */
pid_t caller_process(pid_t thread);
/* Is the thread inside mkdir(2)? False too when that is hidden from us (the daemon is not
 * root and Yama is on). */
bool caller_is_in_mkdir(pid_t thread);
