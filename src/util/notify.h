/* What systemd wants to know of a service of Type=notify, without libsystemd: datagrams
 * to the socket that NOTIFY_SOCKET names, see sd_notify(3). */
#pragma once

/* Sends lines such as "READY=1" or "STOPPING=1\nSTATUS=...". 1: sent; 0: nobody asked
 * for it; negative errno. Any thread. */
int notify_send(const char *lines);
