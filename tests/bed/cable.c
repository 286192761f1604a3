/*
 * cable: a patch cable with delay, jitter, loss, rate and cut, between two TAP devices
 * that it makes in one network namespace (for kernels without sch_netem).
 *
 *	cable NETNS TAP_A TAP_B FIFO
 *
 * Prints "ready" once the devices are there. FIFO takes lines of NAME=VALUE, any of
 *
 *	delay_ms, jitter_ms	one way, both ways alike; frames are never reordered
 *	loss			probability, 0 to 1
 *	rate_kbit		0: no limit
 *	drop			1: all from A to B, 2: all from B to A, 3: both
 *
 * Each direction is a queue of frames with the time at which they are due.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S   1000000000u
#define QUEUE_MAX  20000   /* frames; more are dropped, as a switch would */
#define READ_BATCH 64	   /* frames read before the other direction has its turn */
#define RETRY_NS   100000u /* when the device takes no more */

enum param { DELAY_MS, JITTER_MS, LOSS, RATE_KBIT, DROP, PARAM_COUNT };

static const char *const param_names[PARAM_COUNT] = {
	[DELAY_MS] = "delay_ms",   [JITTER_MS] = "jitter_ms", [LOSS] = "loss",
	[RATE_KBIT] = "rate_kbit", [DROP] = "drop",
};

struct frame {
	struct frame *next;
	uint64_t due_ns;
	size_t size;
	unsigned char bytes[];
};

struct direction {
	int in, out;
	int drop_bit;
	struct frame *head, **tail;
	size_t queued;
	uint64_t link_free_ns; /* when the last bit of the last frame has left */
	uint64_t last_due_ns;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int tap_open(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		fail("/dev/net/tun");
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		fail(name);
	return fd;
}

/* When a frame of `size` bytes that came in at `t` is due: by rate, delay, jitter. */
static uint64_t due_at(struct direction *d, const double *param, uint64_t t,
		       size_t size)
{
	uint64_t due = t;

	if (param[RATE_KBIT] > 0) {
		if (d->link_free_ns < t)
			d->link_free_ns = t;
		d->link_free_ns += (uint64_t)((double)size * 8e6 / param[RATE_KBIT]);
		due = d->link_free_ns;
	}
	due += (uint64_t)((param[DELAY_MS] + drand48() * param[JITTER_MS]) * 1e6);
	if (due < d->last_due_ns)
		due = d->last_due_ns;
	d->last_due_ns = due;
	return due;
}

static void frames_take(struct direction *d, const double *param)
{
	unsigned char buf[65536];

	for (int i = 0; i < READ_BATCH; i++) {
		ssize_t n = read(d->in, buf, sizeof(buf));
		struct frame *f;

		if (n <= 0)
			return;
		if (((int)param[DROP] & d->drop_bit) || d->queued >= QUEUE_MAX ||
		    drand48() < param[LOSS])
			continue;
		f = malloc(sizeof(*f) + (size_t)n);
		if (!f)
			continue;
		f->next = NULL;
		f->due_ns = due_at(d, param, now_ns(), (size_t)n);
		f->size = (size_t)n;
		memcpy(f->bytes, buf, f->size);
		*d->tail = f;
		d->tail = &f->next;
		d->queued++;
	}
}

/* Sends what is due; returns when the next frame is, UINT64_MAX if there is none. */
static uint64_t frames_send(struct direction *d)
{
	uint64_t t = now_ns();

	while (d->head && d->head->due_ns <= t) {
		struct frame *f = d->head;

		if (write(d->out, f->bytes, f->size) < 0 && errno == EAGAIN)
			return t + RETRY_NS;
		d->head = f->next;
		if (!d->head)
			d->tail = &d->head;
		d->queued--;
		free(f);
	}
	return d->head ? d->head->due_ns : UINT64_MAX;
}

static void param_set(double *param, const char *word)
{
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		size_t n = strlen(param_names[i]);

		if (strncmp(word, param_names[i], n) == 0 && word[n] == '=') {
			param[i] = strtod(word + n + 1, NULL);
			return;
		}
	}
	(void)fprintf(stderr, "cable: unknown setting %s\n", word);
}

static void params_read(int fifo, double *param)
{
	char buf[512], *word, *rest = buf;
	ssize_t n = read(fifo, buf, sizeof(buf) - 1);

	if (n <= 0)
		return;
	buf[n] = '\0';
	while ((word = strsep(&rest, " \n")))
		if (*word)
			param_set(param, word);
}

static int wait_for_work(struct pollfd *fds, nfds_t count, uint64_t until_ns)
{
	uint64_t t = now_ns(), gap = until_ns > t ? until_ns - t : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(gap / NS_PER_S),
		.tv_nsec = (long)(gap % NS_PER_S),
	};

	return ppoll(fds, count, until_ns == UINT64_MAX ? NULL : &ts, NULL);
}

static int namespace_enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}

int main(int argc, char **argv)
{
	double param[PARAM_COUNT] = { 0 };
	int a, b, fifo;

	if (argc != 5) {
		(void)fputs("usage: cable NETNS TAP_A TAP_B FIFO\n", stderr);
		return 2;
	}
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	if (namespace_enter(argv[1]) < 0)
		fail(argv[1]);
	a = tap_open(argv[2]);
	b = tap_open(argv[3]);
	fifo = open(argv[4], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fifo < 0)
		fail(argv[4]);

	struct direction ab = { .in = a, .out = b, .drop_bit = 1, .tail = &ab.head };
	struct direction ba = { .in = b, .out = a, .drop_bit = 2, .tail = &ba.head };
	struct pollfd fds[] = { { a, POLLIN, 0 },
				{ b, POLLIN, 0 },
				{ fifo, POLLIN, 0 } };

	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		uint64_t next_ab = frames_send(&ab), next_ba = frames_send(&ba);

		if (wait_for_work(fds, 3, next_ab < next_ba ? next_ab : next_ba) < 0) {
			if (errno != EINTR)
				fail("ppoll");
			continue;
		}
		if (fds[0].revents)
			frames_take(&ab, param);
		if (fds[1].revents)
			frames_take(&ba, param);
		if (fds[2].revents)
			params_read(fifo, param);
	}
}
