#include "ssh/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/mem.h"

struct resolver {
	_Atomic int refs;
	int done_fd; /* an eventfd: readable once the four below are set */
	_Atomic bool done;
	int failure;
	int system_error;
	struct addrinfo *list;
	char *host;
	char port[16];
};

struct resolver *resolver_unref(struct resolver *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) > 1) {
		return NULL;
	}
	if (r->list) {
		freeaddrinfo(r->list);
	}
	if (r->done_fd >= 0) {
		(void)close(r->done_fd);
	}
	free(r->host);
	free(r);
	return NULL;
}

static void *resolver_main(void *arg)
{
	/* Not AI_ADDRCONFIG: it would hide ::1 on a host without another IPv6 address.
	 */
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICSERV };
	struct resolver *r = arg;

	r->failure = getaddrinfo(r->host, r->port, &hints, &r->list);
	r->system_error = errno;
	r->done = true;
	(void)eventfd_write(r->done_fd, 1);
	(void)resolver_unref(r);
	return NULL;
}

static int start_thread(struct resolver *r)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int result;

	(void)sigfillset(&all);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	result = pthread_create(&thread, &attr, resolver_main, r);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return -result;
}

int resolver_start(const char *host, int port, struct resolver **ret_resolver)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int result;

	if (!r) {
		return -ENOMEM;
	}
	r->refs = 2;
	r->host = strdup(host);
	r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)snprintf(r->port, sizeof(r->port), "%d", port);
	if (!r->host) {
		result = -ENOMEM;
	} else {
		result = r->done_fd < 0 ? -errno : start_thread(r);
	}
	if (result < 0) {
		r->refs = 1;
		(void)resolver_unref(r);
		return result;
	}
	*ret_resolver = r;
	return 0;
}

int resolver_wait(struct resolver *r, struct waiter *w, int64_t deadline_ms,
		  struct addrinfo **ret_list, int *ret_failure)
{
	while (!r->done) {
		int result = waiter_poll_one(w, r->done_fd, POLLIN, deadline_ms);

		if (result < 0) {
			return result;
		}
	}
	if (r->failure) {
		*ret_failure = r->failure;
		errno = r->system_error;
		return RESOLVER_FAILED;
	}
	*ret_list = steal_ptr(&r->list);
	return 0;
}
