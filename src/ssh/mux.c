#include "ssh/mux.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"
#include "util/mem.h"

enum {
	ZOMBIES_MAX = 2,
	CLOSING_MS = 10000, /* a channel that closes for longer is a zombie as well */
	SETTLE_MS = 5,	    /* sshd frees a session's place a moment after closing it */
	RETRY_MS = 20,
	REFUSALS_MAX = 10,
	/* libssh2 keeps the answer to every keepalive for ever. */
	PINGS_MAX = 2000,
	KEEPALIVE_LIBSSH2_S = 2, /* its minimum; the real interval is ours */
};

void mux_begin(struct mux *m, int max_channels, int keepalive_ms)
{
	m->limit = max_channels > 0 ? max_channels : 1;
	m->keepalive_ms = keepalive_ms;
	m->execs = NULL;
	m->opening = NULL;
	m->is_opening = false;
	m->spare = m->pump = NULL;
	m->peak = 0;
	m->is_narrow = m->is_asked = false;
	m->opened = m->refusals = m->pings = 0;
	m->retry_ms = m->ping_ms = 0;
	libssh2_keepalive_config(m->link.session, 1, KEEPALIVE_LIBSSH2_S);
}

struct census {
	int all, live, zombies;
};

static struct census take_census(const struct mux *m)
{
	int64_t now = clock_ms();
	struct census c = { 0, 0, 0 };

	for (const struct exec *x = m->execs; x; x = x->next) {
		c.all++;
		if (x->call) {
			c.live++;
		} else if (x->state == EXEC_ZOMBIE ||
			   (x->state == EXEC_CLOSING &&
			    now - x->closing_ms > CLOSING_MS)) {
			c.zombies++;
		}
	}
	return c;
}

bool mux_is_worn_out(const struct mux *m)
{
	struct census c = take_census(m);

	if (c.live > 0 || m->opening) {
		return false;
	}
	return c.zombies > ZOMBIES_MAX || c.zombies >= m->limit || m->pings > PINGS_MAX;
}

/* A connection half full of zombies takes no more calls, so that it can be replaced. */
static bool has_room(const struct mux *m)
{
	struct census c = take_census(m);

	if (c.zombies > ZOMBIES_MAX && c.zombies * 2 >= m->limit) {
		return false;
	}
	return c.all + (m->spare ? 1 : 0) < m->limit && clock_ms() >= m->retry_ms;
}

static void give_back(struct remote_call *call, enum remote_fault fault, int code,
		      const char *text)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, code, "%s", text);
	call_finish(call, fault, &e);
}

static void add_exec(struct mux *m, struct exec *x)
{
	struct exec **tail = &m->execs;

	while (*tail) {
		tail = &(*tail)->next;
	}
	x->next = NULL;
	*tail = x;
}

static void start_call(struct mux *m, LIBSSH2_CHANNEL *channel,
		       struct remote_call *call, int64_t deadline_ms)
{
	struct exec *x = exec_new(channel, call, deadline_ms);
	struct census c;

	if (!x) {
		m->spare = channel;
		give_back(call, REMOTE_ABORTED, -ENOMEM, "no memory to run a command");
		return;
	}
	add_exec(m, x);
	c = take_census(m);
	m->peak = c.all > m->peak ? c.all : m->peak;
}

/* sshd has no place for another session (MaxSessions): then as many as run now, or have
 * run at once before, are the limit. The latter because a session that has just ended
 * may still have had its place. */
static void note_refusal(struct mux *m, struct call_queue *queue)
{
	struct census c = take_census(m);
	struct remote_call *call = steal_ptr(&m->opening);

	m->is_narrow = true;
	m->retry_ms = clock_ms() + RETRY_MS;
	if (c.all > 0) {
		m->limit = c.all > m->peak ? c.all : m->peak;
	} else {
		m->refusals++;
		m->retry_ms += (int64_t)RETRY_MS * m->refusals;
	}
	if (call && m->refusals > REFUSALS_MAX) {
		m->refusals = 0;
		give_back(call, REMOTE_PROTOCOL, -EACCES,
			  "the host refuses to open a session (MaxSessions 0, or no "
			  "shell allowed)");
	} else if (call) {
		call_queue_push_front(queue, call);
	}
}

static void note_opened(struct mux *m, struct call_queue *queue,
			LIBSSH2_CHANNEL *channel)
{
	struct remote_call *call = steal_ptr(&m->opening);
	int64_t deadline_ms = m->opening_deadline_ms;

	m->opened++;
	m->refusals = 0;
	if (!call) {
		call = call_queue_pop(queue);
		deadline_ms = call ? clock_ms() + call->timeout_ms : 0;
	}
	if (call) {
		start_call(m, channel, call, deadline_ms);
	} else {
		m->spare = channel;
	}
}

/* True when a channel was opened, so that the next can be. */
static bool open_step(struct mux *m, struct call_queue *queue)
{
	LIBSSH2_CHANNEL *channel = libssh2_channel_open_session(m->link.session);
	int code;

	if (channel) {
		m->is_opening = false;
		note_opened(m, queue, channel);
		return true;
	}
	code = libssh2_session_last_errno(m->link.session);
	if (code == LIBSSH2_ERROR_EAGAIN) {
		return false;
	}
	m->is_opening = false;
	if (code == LIBSSH2_ERROR_CHANNEL_FAILURE) {
		note_refusal(m, queue);
		return false;
	}
	(void)link_check(&m->link, code < 0 ? code : LIBSSH2_ERROR_PROTO);
	if (m->opening) {
		call_queue_push_front(queue, steal_ptr(&m->opening));
	}
	return false;
}

static void use_spare(struct mux *m, struct remote_call *call)
{
	start_call(m, steal_ptr(&m->spare), call, clock_ms() + call->timeout_ms);
}

static void begin_opening(struct mux *m, struct remote_call *call)
{
	m->is_opening = true;
	m->opening = call;
	m->opening_deadline_ms = clock_ms() + call->timeout_ms;
}

static bool open_more(struct mux *m, struct call_queue *queue)
{
	bool moved = false, goes_on = true;

	while (goes_on && !m->link.error) {
		if (m->is_opening) {
			goes_on = open_step(m, queue);
			moved |= goes_on;
		} else if (queue->first && m->spare) {
			use_spare(m, call_queue_pop(queue));
			moved = true;
		} else if (queue->first && has_room(m)) {
			begin_opening(m, call_queue_pop(queue));
		} else {
			goes_on = false;
		}
	}
	return moved;
}

static void expire(struct mux *m)
{
	int64_t now = clock_ms();

	for (struct exec *x = m->execs; x; x = x->next) {
		if (x->call && now >= x->deadline_ms) {
			exec_expire(x);
		}
	}
	if (m->opening && now >= m->opening_deadline_ms) {
		give_back(steal_ptr(&m->opening), REMOTE_TIMEOUT, -ETIMEDOUT,
			  "the host did not open a session in time; nothing was run");
	}
}

/* Another begins the next turn: the room for what is sent is shared, first come. */
static void rotate(struct mux *m)
{
	struct exec *first = m->execs;

	if (first && first->next) {
		m->execs = first->next;
		add_exec(m, first);
	}
}

static bool turn_all(struct mux *m)
{
	bool moved = false;

	for (struct exec *x = m->execs; x && !m->link.error; x = x->next) {
		moved |= exec_turn(x, &m->link, m->scratch);
	}
	rotate(m);
	return moved;
}

static void keep_as_pump(struct mux *m, LIBSSH2_CHANNEL *channel)
{
	if (m->pump) {
		(void)libssh2_channel_free(m->pump);
	}
	m->pump = channel;
}

static void reap(struct mux *m)
{
	for (struct exec **at = &m->execs; *at;) {
		struct exec *x = *at;

		if (x->state != EXEC_CLOSED) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		if (m->is_narrow) {
			m->retry_ms = clock_ms() + SETTLE_MS;
		}
		keep_as_pump(m, x->channel);
		(void)exec_free(x);
	}
}

static int64_t next_ping_ms(const struct mux *m)
{
	int64_t since =
		m->link.last_in_ms > m->ping_ms ? m->link.last_in_ms : m->ping_ms;

	return since + m->keepalive_ms;
}

/* A keepalive that the host must answer; the kernel's ACK alone proves nothing of sshd.
 * The silence counts only when we did ask: libssh2 sends none while the wall clock, by
 * which it spaces them, is being set back. */
static void keep_alive(struct mux *m)
{
	int64_t now = clock_ms(), silence = now - m->link.last_in_ms;
	unsigned before = m->link.sends;
	int next_s = 0;

	if (m->keepalive_ms <= 0 || m->link.error) {
		return;
	}
	m->is_asked = m->is_asked && m->ping_ms >= m->link.last_in_ms;
	if (m->is_asked && silence > 3 * (int64_t)m->keepalive_ms) {
		m->link.error = -ETIMEDOUT;
		return;
	}
	if (now < next_ping_ms(m)) {
		return;
	}
	m->ping_ms = now;
	(void)link_check(&m->link, libssh2_keepalive_send(m->link.session, &next_s));
	if (m->link.sends != before) {
		m->is_asked = true;
		m->pings++;
	}
}

/* Somebody must read, or what the host says is not heard. */
static void pump(struct mux *m)
{
	LIBSSH2_CHANNEL *channel = m->spare ? m->spare : m->pump;

	if (!m->execs && !m->is_opening && channel) {
		(void)link_pump(&m->link, channel);
	}
}

bool mux_turn(struct mux *m, struct call_queue *queue)
{
	bool moved;

	link_refill(&m->link);
	expire(m);
	moved = open_more(m, queue);
	moved |= turn_all(m);
	reap(m);
	pump(m);
	keep_alive(m);
	(void)link_flush(&m->link);
	/* What came in may be for a channel that had its turn before. */
	return moved || m->link.budget < LINK_BUDGET;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t mux_deadline_ms(const struct mux *m)
{
	int64_t at = WAITER_FOREVER;

	if (m->keepalive_ms > 0) {
		at = earlier(at, next_ping_ms(m));
	}
	if (m->keepalive_ms > 0 && m->is_asked) {
		at = earlier(at, m->link.last_in_ms + 3 * (int64_t)m->keepalive_ms + 1);
	}
	if (m->opening) {
		at = earlier(at, m->opening_deadline_ms);
	}
	if (m->retry_ms > clock_ms()) {
		at = earlier(at, m->retry_ms);
	}
	for (const struct exec *x = m->execs; x; x = x->next) {
		if (x->call) {
			at = earlier(at, x->deadline_ms);
		} else if (x->state == EXEC_CLOSING &&
			   x->closing_ms + CLOSING_MS > clock_ms()) {
			at = earlier(at, x->closing_ms + CLOSING_MS + 1);
		}
	}
	return at;
}

void mux_end(struct mux *m, struct call_queue *queue, enum remote_fault fault,
	     const struct err *e)
{
	struct exec *all = steal_ptr(&m->execs);

	link_close(&m->link);
	m->spare = m->pump = NULL;
	m->is_opening = false;
	if (m->opening) {
		call_queue_push_front(queue, steal_ptr(&m->opening));
	}
	while (all) {
		struct exec *x = all;

		all = x->next;
		exec_finish(x, fault, e);
		(void)exec_free(x);
	}
}
