/* Waiting for descriptors with a deadline, while another thread may wake or end us. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WAITER_FDS_MAX = 8 };

#define WAITER_FOREVER INT64_MAX

struct waiter {
	int wake_fd;	      /* an eventfd */
	_Atomic bool stopped; /* for ever */
};

int waiter_init(struct waiter *w);
void waiter_fini(struct waiter *w);

/* From any thread. A wake is never lost: the next wait returns at once. */
void waiter_wake(struct waiter *w);
/* From any thread: this wait and every later one give -ECANCELED. */
void waiter_stop(struct waiter *w);

/* Until clock_ms() is deadline_ms. Returns 0 when a descriptor is ready or somebody
 * woke us (so the caller looks again at what it waits for), -ETIMEDOUT or -ECANCELED.
 */
int waiter_poll(struct waiter *w, struct pollfd *fds, size_t count,
		int64_t deadline_ms);
int waiter_poll_one(struct waiter *w, int fd, short events, int64_t deadline_ms);
