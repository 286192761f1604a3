#include "ssh/waiter.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"

int waiter_init(struct waiter *w)
{
	w->stopped = false;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->wake_fd < 0 ? -errno : 0;
}

void waiter_fini(struct waiter *w)
{
	if (w->wake_fd >= 0) {
		(void)close(w->wake_fd);
	}
	w->wake_fd = -1;
}

void waiter_wake(struct waiter *w)
{
	(void)eventfd_write(w->wake_fd, 1);
}

void waiter_stop(struct waiter *w)
{
	w->stopped = true;
	waiter_wake(w);
}

static int remaining_ms(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms == WAITER_FOREVER) {
		return -1;
	}
	left = deadline_ms - clock_ms();
	if (left <= 0) {
		return 0;
	}
	return left > INT_MAX ? INT_MAX : (int)left;
}

int waiter_poll(struct waiter *w, struct pollfd *fds, size_t count, int64_t deadline_ms)
{
	struct pollfd all[WAITER_FDS_MAX + 1];
	int n, wait_ms = remaining_ms(deadline_ms);
	eventfd_t wakes;

	assert(count <= WAITER_FDS_MAX);
	for (size_t i = 0; i < count; i++) {
		all[i] = fds[i];
	}
	all[count] = (struct pollfd){ .fd = w->wake_fd, .events = POLLIN };
	/* A deadline that has passed counts even when there is something to read: else
	 * who sends without end could hold us for ever. */
	do {
		n = w->stopped || wait_ms == 0 ? 0 : poll(all, count + 1, wait_ms);
		wait_ms = remaining_ms(deadline_ms);
	} while (n < 0 && errno == EINTR);
	if (w->stopped) {
		return -ECANCELED;
	}
	if (n <= 0) {
		return n < 0 ? -errno : -ETIMEDOUT;
	}
	for (size_t i = 0; i < count; i++) {
		fds[i].revents = all[i].revents;
	}
	if (all[count].revents) {
		(void)eventfd_read(w->wake_fd, &wakes);
	}
	return 0;
}

int waiter_poll_one(struct waiter *w, int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return waiter_poll(w, &p, 1, deadline_ms);
}
