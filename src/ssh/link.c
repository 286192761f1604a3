/* libssh2 keeps one half-sent packet a session, and every other sending call fails with
 * LIBSSH2_ERROR_BAD_USE until the very same call has been repeated and has finished:
 * with many channels over one socket that cannot be kept apart (even reading sends,
 * when it widens a window). So our send callback always takes the whole packet: it goes
 * to the kernel from our own buffer. libssh2 then never sees a full socket, and
 * LIBSSH2_ERROR_EAGAIN means that something has to come in first.
 *
 * The receive callback gives out a bounded number of bytes a turn, because libssh2
 * reads on until nothing is left: without a bound a host that floods us with packets or
 * banner lines would keep us there, past every deadline. */
#include "ssh/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/mem.h"

enum {
	STREAM_NONE = 99
}; /* of a channel: there is none such, so nothing is taken from it */

static void *on_alloc(size_t size, void **abstract)
{
	struct link *l = *abstract;

	return pool_alloc(&l->pool, size);
}

static void *on_realloc(void *data, size_t size, void **abstract)
{
	struct link *l = *abstract;

	return pool_realloc(&l->pool, data, size);
}

static void on_free(void *data, void **abstract)
{
	struct link *l = *abstract;

	pool_free(&l->pool, data);
}

static ssize_t on_send(libssh2_socket_t fd, const void *data, size_t len, int flags,
		       void **abstract)
{
	struct link *l = *abstract;

	(void)fd;
	(void)flags;
	if (l->error) {
		return l->error;
	}
	if (buf_add(&l->out, data, len) < 0) {
		return l->error = l->out.error;
	}
	l->sends++;
	return (ssize_t)len;
}

static void note_received(struct link *l, const void *data, size_t len)
{
	l->last_in_ms = clock_ms();
	l->budget -= len;
	atomic_fetch_add_explicit(&l->counters->in, len, memory_order_relaxed);
	if (!l->greeting_is_over) {
		size_t room = LINK_GREETING_MAX - l->greeting.len;

		(void)buf_add(&l->greeting, data, len < room ? len : room);
	}
}

static ssize_t on_receive(libssh2_socket_t fd, void *data, size_t len, int flags,
			  void **abstract)
{
	struct link *l = *abstract;
	ssize_t n;

	(void)fd;
	(void)flags;
	if (l->error) {
		return l->error;
	}
	if (l->budget == 0 || l->is_dry) {
		return -EAGAIN; /* poll() will say that there is more */
	}
	n = recv(l->fd, data, len < l->budget ? len : l->budget, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		l->is_dry = true;
		return -EAGAIN;
	}
	if (n <= 0) {
		l->is_at_end = n == 0;
		l->error = n < 0 ? -errno : -ECONNRESET;
		return l->error;
	}
	note_received(l, data, (size_t)n);
	return n;
}

/* NOLINTNEXTLINE(readability-function-size): libssh2 wants seven */
static void on_disconnect(LIBSSH2_SESSION *session, int reason, const char *message,
			  int message_len, const char *language, int language_len,
			  void **abstract)
{
	struct link *l = *abstract;

	(void)session;
	(void)reason;
	(void)language;
	(void)language_len;
	l->error = l->error ? l->error : -ECONNRESET;
	for (int i = 0; message && i < message_len && i < LINK_FAREWELL_MAX - 1; i++) {
		char c = message[i];

		l->farewell[i] = (char)(c >= ' ' && c < 0x7f ? c : ' ');
		l->farewell[i + 1] = '\0';
	}
}

int link_open(struct link *l, int fd, struct link_counters *counters)
{
	*l = (struct link){ .fd = fd, .counters = counters, .last_in_ms = clock_ms() };
	link_refill(l);
	l->session = libssh2_session_init_ex(on_alloc, on_free, on_realloc, l);
	if (!l->session) {
		pool_fini(&l->pool);
		(void)close(steal_fd(&l->fd));
		return -ENOMEM;
	}
	libssh2_session_set_blocking(l->session, 0);
	(void)libssh2_session_callback_set(l->session, LIBSSH2_CALLBACK_SEND,
					   (void *)on_send);
	(void)libssh2_session_callback_set(l->session, LIBSSH2_CALLBACK_RECV,
					   (void *)on_receive);
	(void)libssh2_session_callback_set(l->session, LIBSSH2_CALLBACK_DISCONNECT,
					   (void *)on_disconnect);
	return 0;
}

void link_close(struct link *l)
{
	if (!l->session) {
		return;
	}
	if (!l->error) {
		(void)libssh2_session_disconnect(l->session, "bye");
		(void)link_flush(l);
	}
	/* The socket first: with a live one session_free() would wait for the answer to
	 * the closing of each channel, and sshd gives none while a command runs. */
	l->error = l->error ? l->error : -EPIPE;
	(void)close(steal_fd(&l->fd));
	(void)libssh2_session_free(l->session);
	l->session = NULL;
	pool_fini(&l->pool);
	buf_fini(&l->out);
	buf_fini(&l->greeting);
}

void link_refill(struct link *l)
{
	l->budget = l->greeting_is_over ? LINK_BUDGET : LINK_BUDGET_GREETING;
	l->is_dry = false;
}

int link_flush(struct link *l)
{
	while (!l->error && link_out_len(l) > 0) {
		ssize_t n = send(l->fd, l->out.data + l->out_sent, link_out_len(l),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			break;
		}
		if (n < 0) {
			return l->error = -errno;
		}
		l->out_sent += (size_t)n;
		atomic_fetch_add_explicit(&l->counters->out, (uint64_t)n,
					  memory_order_relaxed);
	}
	/* Moved to the front only when little is left, so that each byte moves once. */
	if (link_out_len(l) < l->out_sent) {
		buf_consume(&l->out, l->out_sent);
		l->out_sent = 0;
	}
	return l->error;
}

int link_wait(struct link *l, struct waiter *w, int64_t deadline_ms)
{
	short events = POLLIN;

	if (link_flush(l) < 0) {
		return 0; /* the next call of libssh2 reports it */
	}
	if (link_out_len(l) > 0) {
		events |= POLLOUT;
	}
	return waiter_poll_one(w, l->fd, events, deadline_ms);
}

const char *link_reason(const struct link *l)
{
	if (*l->farewell) {
		return l->farewell;
	}
	return l->is_at_end ? "the host closed the connection" : strerror(-l->error);
}

int link_check(struct link *l, int code)
{
	if (code < 0 && code != LIBSSH2_ERROR_EAGAIN && !l->error) {
		l->error = -EPROTO;
		(void)snprintf(l->farewell, sizeof(l->farewell), "libssh2: %s (%d)",
			       link_message(l), code);
	}
	return code;
}

int link_pump(struct link *l, LIBSSH2_CHANNEL *channel)
{
	char byte;

	return link_check(l,
			  (int)libssh2_channel_read_ex(channel, STREAM_NONE, &byte, 1));
}

const char *link_message(struct link *l)
{
	char *text = NULL;

	(void)libssh2_session_last_error(l->session, &text, NULL, 0);
	return text && *text ? text : "no reason given";
}
