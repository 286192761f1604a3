/* What the daemon and jobfs-holder say to each other, over SOCK_SEQPACKET. The daemon
 * stays connected as long as it serves the mount: its end, whatever the cause, is the
 * end of the connection.
 *
 *     daemon: "take MOUNTPOINT"   takes over
 *             (and has the lock of the state directory, so nobody else has it now)
 *     holder: "mine" with the descriptors, in the order of enum holder_fd; or "other",
 *             with nothing: it holds another mount point
 *     daemon: "end"               the mount goes; answered by the holder's end
 *
 * A holder is started with what it holds at fixed numbers:
 *
 *     jobfs-holder MOUNTPOINT SECONDS
 *
 * SECONDS is how long it keeps the mount without a daemon. */
#pragma once

#define HOLDER_TAKE  "take "
#define HOLDER_MINE  "mine"
#define HOLDER_OTHER "other"
#define HOLDER_END   "end"

enum holder_fd { HOLDER_FUSE, HOLDER_MEMORY, HOLDER_FD_COUNT };

enum {
	HOLDER_FD_FIRST = 3,				    /* HOLDER_FUSE and so on */
	HOLDER_FD_LINK = HOLDER_FD_FIRST + HOLDER_FD_COUNT, /* to the daemon */
	HOLDER_FD_LISTEN, /* the socket that the next daemon finds */
	HOLDER_MESSAGE_MAX = 4096 + 16,
};
