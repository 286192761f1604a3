/* What /proc says of the process behind a request. Only what the kernel itself keeps is
 * read: reading a process's memory (its arguments, say) could wait for that process. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum { CALLER_NAME_MAX = 32 };

/* The process of a thread; 0 when it cannot be known (another pid namespace, gone). */
pid_t caller_process(pid_t thread);
/* The name of its program, "" when it cannot be known. */
void caller_name(pid_t thread, char ret_name[static CALLER_NAME_MAX]);
/* Its supplementary groups, none when they cannot be known; the caller frees *ret_list.
 * (Not fuse_req_getgroups(): libfuse 3.14 searches a text there that no NUL ends.) */
size_t caller_groups(pid_t thread, gid_t **ret_list);
