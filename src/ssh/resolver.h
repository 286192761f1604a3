/* A look-up of a host name that somebody may stop waiting for: getaddrinfo() has no
 * deadline and cannot be cancelled, so that it runs in a detached thread of its own. */
#pragma once

#include <netdb.h>
#include <stdint.h>

#include "ssh/waiter.h"

struct resolver; /* shared by who waits and the thread that looks up */

int resolver_start(const char *host, int port, struct resolver **ret_resolver);
/* The waiter's share; NULL is fine. The look-up may go on for a while. */
struct resolver *resolver_unref(struct resolver *r);

/* 0 and the addresses (the caller's: freeaddrinfo), -ETIMEDOUT, -ECANCELED; or > 0 when
 * it failed: then ret_failure is the EAI_ value of getaddrinfo and errno is that of
 * EAI_SYSTEM. */
enum { RESOLVER_FAILED = 1 };
int resolver_wait(struct resolver *r, struct waiter *w, int64_t deadline_ms,
		  struct addrinfo **ret_list, int *ret_failure);
