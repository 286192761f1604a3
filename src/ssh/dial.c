#include "ssh/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/mem.h"

/* The delay of RFC 8305 ("Happy Eyeballs"): a dead address costs no more than this. */
enum { STAGGER_MS = 300 };

struct attempt {
	int fd;	   /* -1: not begun, or over */
	int error; /* why it is over, positive errno */
	struct dial_peer peer;
};

struct race {
	const struct dial *dial;
	const struct addrinfo *next;
	int64_t next_ms; /* when the next address is tried, at the latest */
	int64_t deadline_ms;
	struct attempt attempts[WAITER_FDS_MAX];
	size_t count;
};

static void addrinfo_freep(struct addrinfo **list)
{
	if (*list) {
		freeaddrinfo(*list);
	}
}
#define cleanup_addrinfo cleanup_(addrinfo_freep)

void dial_fini(struct dial *d)
{
	d->pending = resolver_unref(d->pending);
}

static struct dial_peer peer_of(const struct addrinfo *a)
{
	char host[64] = "?", port[16] = "?";
	struct dial_peer peer;

	(void)getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port,
			  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	(void)snprintf(peer.text, sizeof(peer.text),
		       a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return peer;
}

static void set_option(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* Without TCP_NODELAY an exec takes 40 ms more; with TCP_USER_TIMEOUT the kernel gives
 * up on unacknowledged bytes when we do, and not after 15 minutes. */
static void set_options(int fd, const struct remote_config *c)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (c->keepalive_ms > 0) {
		set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3 * c->keepalive_ms);
	}
}

static void attempt_start(struct race *r)
{
	const struct addrinfo *a = r->next;
	struct attempt *t = &r->attempts[r->count++];

	r->next = r->count < WAITER_FDS_MAX ? a->ai_next : NULL;
	r->next_ms = clock_ms() + STAGGER_MS;
	t->peer = peer_of(a);
	t->error = 0;
	t->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0) {
		t->error = errno;
		return;
	}
	set_options(t->fd, r->dial->config);
	if (connect(t->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
		t->error = errno;
		(void)close(steal_fd(&t->fd));
	}
}

/* 0: connected; 1: goes on, or is over. */
static int attempt_check(struct attempt *t)
{
	socklen_t len = sizeof(t->error);

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &t->error, &len) < 0) {
		t->error = errno;
	}
	if (t->error == 0) {
		return 0;
	}
	(void)close(steal_fd(&t->fd));
	return 1;
}

/* 0: an attempt is connected (ret_winner); 1: look again; -ETIMEDOUT, -ECANCELED. */
static int race_wait(struct race *r, struct attempt **ret_winner)
{
	struct pollfd fds[WAITER_FDS_MAX];
	int64_t until = r->deadline_ms;
	int result;

	for (size_t i = 0; i < r->count; i++) {
		fds[i] = (struct pollfd){ .fd = r->attempts[i].fd, .events = POLLOUT };
	}
	if (r->next && r->next_ms < until) {
		until = r->next_ms;
	}
	result = waiter_poll(r->dial->waiter, fds, r->count, until);
	if (result == -ETIMEDOUT && until < r->deadline_ms) {
		return 1;
	}
	if (result < 0) {
		return result;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (fds[i].fd >= 0 && fds[i].revents &&
		    attempt_check(&r->attempts[i]) == 0) {
			*ret_winner = &r->attempts[i];
			return 0;
		}
	}
	return 1;
}

static bool nothing_runs(const struct race *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->attempts[i].fd >= 0) {
			return false;
		}
	}
	return true;
}

static int race_run(struct race *r, struct attempt **ret_winner)
{
	int result = 1;

	while (result == 1) {
		if (r->next && (nothing_runs(r) || clock_ms() >= r->next_ms)) {
			attempt_start(r);
			continue;
		}
		if (nothing_runs(r)) {
			return -ECONNREFUSED;
		}
		result = race_wait(r, ret_winner);
	}
	return result;
}

static void race_fini(struct race *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->attempts[i].fd >= 0) {
			(void)close(steal_fd(&r->attempts[i].fd));
		}
	}
}

/* Says what became of every address; the fault is "refused" when one of them said so.
 */
static int race_report(const struct race *r, struct err *e)
{
	const struct remote_config *c = r->dial->config;
	cleanup_buf struct buf list = BUF_INIT;
	enum remote_fault fault = REMOTE_UNREACHABLE;

	for (size_t i = 0; i < r->count; i++) {
		const struct attempt *t = &r->attempts[i];

		(void)buf_printf(&list, "%s%s: ", i > 0 ? ", " : "", t->peer.text);
		if (t->error) {
			(void)buf_add_str(&list, strerror(t->error));
		} else {
			(void)buf_printf(&list, "no answer in %d s",
					 (c->connect_timeout_ms + 999) / 1000);
		}
		if (t->error == ECONNREFUSED) {
			fault = REMOTE_REFUSED;
		}
	}
	(void)err_set(e, fault == REMOTE_REFUSED ? -ECONNREFUSED : -EHOSTUNREACH,
		      "cannot connect to %s: %s", c->name, buf_text(&list));
	return (int)fault;
}

static int report_lookup(const struct remote_config *c, int failure, struct err *e)
{
	const char *why =
		failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure);

	if (failure == EAI_NONAME || failure == EAI_NODATA ||
	    failure == EAI_ADDRFAMILY) {
		(void)err_set(e, -ENOENT, "the address \"%s\" of %s does not exist: %s",
			      c->address, c->name, why);
		return REMOTE_UNRESOLVED;
	}
	(void)err_set(e, -EHOSTUNREACH, "cannot look up \"%s\" (host %s): %s",
		      c->address, c->name, why);
	return REMOTE_UNREACHABLE;
}

/* An address in figures needs no thread, and nothing of the resolver's. */
static struct addrinfo *parse_address(const struct remote_config *c)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char port[16];

	(void)snprintf(port, sizeof(port), "%d", c->port);
	return getaddrinfo(c->address, port, &hints, &list) == 0 ? list : NULL;
}

static int look_up(struct dial *d, int64_t deadline_ms, struct addrinfo **ret_list,
		   struct err *e)
{
	const struct remote_config *c = d->config;
	int failure = 0, result = 0;

	*ret_list = parse_address(c);
	if (*ret_list) {
		return 0;
	}
	if (!d->pending) {
		result = resolver_start(c->address, c->port, &d->pending);
		if (result < 0) {
			return err_set(e, result, "cannot look up \"%s\": %s",
				       c->address, strerror(-result));
		}
	}
	result = resolver_wait(d->pending, d->waiter, deadline_ms, ret_list, &failure);
	if (result == -ETIMEDOUT) {
		(void)err_set(e, -EHOSTUNREACH,
			      "cannot look up \"%s\" (host %s): no answer in %d s",
			      c->address, c->name,
			      (c->connect_timeout_ms + 999) / 1000);
		return REMOTE_UNREACHABLE;
	}
	if (result == RESOLVER_FAILED) {
		result = report_lookup(c, failure, e);
	}
	if (result >= 0) {
		d->pending = resolver_unref(d->pending);
	}
	return result;
}

int dial_connect(struct dial *d, int *ret_fd, struct dial_peer *ret_peer, struct err *e)
{
	cleanup_addrinfo struct addrinfo *list = NULL;
	struct attempt *winner = NULL;
	struct race race = { .dial = d };
	int result;

	race.deadline_ms = clock_ms() + d->config->connect_timeout_ms;
	result = look_up(d, race.deadline_ms, &list, e);
	if (result != 0) {
		return result;
	}
	race.next = list;
	result = race_run(&race, &winner);
	if (result == 0) {
		*ret_peer = winner->peer;
		*ret_fd = steal_fd(&winner->fd);
	} else if (result == -ETIMEDOUT || result == -ECONNREFUSED) {
		result = race_report(&race, e);
	} else {
		(void)err_set(e, result, "connecting to %s was given up: %s",
			      d->config->name, strerror(-result));
	}
	race_fini(&race);
	return result;
}
