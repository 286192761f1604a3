/* What systemd wants to know of a service of Type=notify, without libsystemd: datagrams
 * to the socket that NOTIFY_SOCKET names, see sd_notify(3). */
#pragma once

#include <stdint.h>

/* Sends lines such as "READY=1" or "STOPPING=1\nSTATUS=...". 1: sent; 0: nobody asked
 * for it; negative errno. Any thread. */
int notify_send(const char *lines);
/* The same with a descriptor, such as "FDSTORE=1\nFDNAME=...": the manager keeps a
 * duplicate of it. */
int notify_send_fd(const char *lines, int fd);
/* The descriptor of that name which the manager kept over the restart of the service
 * (LISTEN_FDS, LISTEN_FDNAMES), made O_CLOEXEC; -1: there is none. It is the caller's,
 * who asks once. */
int notify_take_fd(const char *name);
/* Within how many milliseconds WATCHDOG=1 must come, again and again, or else the
 * service manager ends this process (WATCHDOG_USEC, WATCHDOG_PID); 0: it does not. */
int64_t notify_watchdog_ms(void);
