/* Messages with file descriptors in them, over sockets of AF_UNIX. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum { FDPASS_MAX = 4 }; /* in one message */

/* One message of len > 0 bytes with n descriptors, which stay the caller's. Does not
 * wait. 0 or negative errno. */
int fdpass_send(int socket, const void *data, size_t len, const int *fds, size_t n);
/* One message of up to len bytes; waits for it. The descriptors in it, at most n, are
 * the caller's (O_CLOEXEC); those that are missing are -1. Bytes, 0: the other side has
 * ended, or negative errno. */
ssize_t fdpass_receive(int socket, void *data, size_t len, int *ret_fds, size_t n);
