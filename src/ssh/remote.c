/* A host's thread makes the connection when the first call comes, and then does nothing
 * but turns of the mux. While it connects no call runs, so connecting may wait, as long
 * as remote_free() can end the wait.
 *
 * After a failed attempt every call that waits is given back at once, with what went
 * wrong: who called knows better than we whether, and when, to try again. For the time
 * of the back-off new calls get the same answer without an attempt, unless they insist.
 */
#include "ssh/remote.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ssh/call.h"
#include "ssh/connect.h"
#include "ssh/mux.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

enum {
	BACKOFF_MAX_S = 15, /* a host that is back is found again within this */
	BACKOFF_LOCKED_OUT_MS =
		5000, /* at least, after a refused key or a bad host key */
};

struct remote {
	const struct remote_config *config;
	pthread_t thread;
	struct waiter waiter;
	struct link_counters counters;

	pthread_mutex_t lock;
	struct call_queue submitted; /* under lock */
	struct remote_health health; /* under lock; its bytes are in counters */

	/* The thread's own. */
	struct call_queue queue;
	struct connector connector;
	struct mux mux;
	unsigned failures;	 /* to connect, in a row */
	int64_t retry_ms;	 /* the end of the back-off */
	enum remote_fault fault; /* of the last attempt ... */
	struct err error;	 /* ... and its sentence */
};

static void init_libssh2_once(void)
{
	(void)libssh2_init(0);
}

static void init_libssh2(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT; /* one library, one process */

	(void)pthread_once(&once, init_libssh2_once);
}

static void take_submitted(struct remote *r)
{
	struct call_queue bad, fresh;
	struct err e = ERR_INIT;

	call_queue_init(&bad);
	call_queue_init(&fresh);
	(void)pthread_mutex_lock(&r->lock);
	call_queue_move(&fresh, &r->submitted);
	(void)pthread_mutex_unlock(&r->lock);
	for (struct remote_call *call; (call = call_queue_pop(&fresh));) {
		if (call_check(call, &e) < 0) {
			call_finish(call, REMOTE_PROTOCOL, &e);
		} else {
			call_queue_push(&r->queue, call);
		}
	}
}

static void set_health(struct remote *r, bool connected, enum remote_fault fault,
		       const char *text)
{
	struct remote_health *h = &r->health;

	(void)pthread_mutex_lock(&r->lock);
	if (h->connected != connected) {
		h->since_ms = clock_ms();
	}
	h->connects += connected && !h->connected ? 1 : 0;
	h->connected = connected;
	h->fault = fault;
	(void)snprintf(h->text, sizeof(h->text), "%s", text);
	(void)pthread_mutex_unlock(&r->lock);
}

/* 2^n seconds, at most a minute, times 0.5 to 1, lest all hosts be tried at once after
 * an outage. */
static int64_t backoff_ms(unsigned failures, enum remote_fault fault)
{
	int64_t max_ms = (failures < 6 ? 1 << failures : BACKOFF_MAX_S) * (int64_t)1000;
	uint32_t dice = UINT32_MAX;
	int64_t wait_ms;

	if (max_ms > BACKOFF_MAX_S * (int64_t)1000) {
		max_ms = BACKOFF_MAX_S * (int64_t)1000;
	}
	(void)!getrandom(&dice, sizeof(dice), GRND_NONBLOCK);
	wait_ms = max_ms / 2 + (int64_t)(((uint64_t)max_ms / 2 * dice) >> 32);
	if ((fault == REMOTE_AUTH || fault == REMOTE_HOST_KEY) &&
	    wait_ms < BACKOFF_LOCKED_OUT_MS) {
		wait_ms = BACKOFF_LOCKED_OUT_MS;
	}
	return wait_ms;
}

static void note_failure(struct remote *r, enum remote_fault fault, const struct err *e)
{
	r->failures++;
	r->retry_ms = clock_ms() + backoff_ms(r->failures, fault);
	r->fault = fault;
	r->error = *e;
	set_health(r, false, fault, e->text);
	log_debug("host %s: %s", r->config->name, e->text); /* the calls carry it */
	take_submitted(r);
	call_finish_all(&r->queue, fault, e);
}

static void attempt(struct remote *r)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	int result = connector_run(&r->connector, &r->mux.link, &text, &e);

	if (result == -ECANCELED) {
		return;
	}
	if (result != 0) {
		note_failure(
			r, result > 0 ? (enum remote_fault)result : REMOTE_UNREACHABLE,
			&e);
		return;
	}
	mux_begin(&r->mux, r->config->max_channels, r->config->keepalive_ms);
	set_health(r, true, REMOTE_OK, buf_text(&text));
	log_info("host %s: %s", r->config->name, buf_text(&text));
}

static void describe_loss(const struct remote *r, struct err *e)
{
	const struct link *l = &r->mux.link;

	if (l->error == -ETIMEDOUT && !*l->farewell) {
		(void)err_set(e, -ECONNRESET,
			      "the connection to %s was lost: nothing heard for %lld s",
			      r->config->name,
			      (long long)(clock_ms() - l->last_in_ms) / 1000);
		return;
	}
	(void)err_set(e, -ECONNRESET, "the connection to %s was lost: %s",
		      r->config->name, link_reason(l));
}

/* A connection that never carried a channel is as good as none: without the back-off a
 * host that lets us in and hangs up would be called again and again. */
static void lose(struct remote *r)
{
	bool was_of_use = r->mux.opened > 0;
	struct err e = ERR_INIT;

	describe_loss(r, &e);
	mux_end(&r->mux, &r->queue, REMOTE_LOST, &e);
	if (was_of_use) {
		set_health(r, false, REMOTE_LOST, e.text);
		log_info("host %s: %s", r->config->name, e.text);
	} else {
		note_failure(r, REMOTE_UNREACHABLE, &e);
	}
}

static void renew(struct remote *r)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, -ECONNRESET, "the connection to %s is made anew",
		      r->config->name);
	mux_end(&r->mux, &r->queue, REMOTE_LOST, &e);
	set_health(r, false, REMOTE_OK, e.text);
}

/* sshd may allow less than was configured. */
static void note_sessions(struct remote *r)
{
	if (r->health.sessions != r->mux.limit) { /* written by this thread alone */
		(void)pthread_mutex_lock(&r->lock);
		r->health.sessions = r->mux.limit;
		(void)pthread_mutex_unlock(&r->lock);
	}
}

static void serve(struct remote *r)
{
	struct mux *m = &r->mux;
	bool moved = mux_turn(m, &r->queue);

	note_sessions(r);
	if (m->opened > 0) {
		r->failures = 0;
	}
	if (m->link.error) {
		lose(r);
	} else if (mux_is_worn_out(m)) {
		renew(r);
	} else if (!moved) {
		(void)link_wait(&m->link, &r->waiter, mux_deadline_ms(m));
	}
}

static bool somebody_insists(const struct remote *r)
{
	for (const struct remote_call *c = r->queue.first; c; c = c->next) {
		if (c->new_connection) {
			return true;
		}
	}
	return false;
}

static void step(struct remote *r)
{
	take_submitted(r);
	if (link_is_open(&r->mux.link)) {
		serve(r);
	} else if (!r->queue.first) {
		(void)waiter_poll(&r->waiter, NULL, 0, WAITER_FOREVER);
	} else if (clock_ms() < r->retry_ms && !somebody_insists(r)) {
		call_finish_all(&r->queue, r->fault, &r->error);
	} else {
		attempt(r);
	}
}

static void cancel_all(struct remote *r)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, -ECANCELED, "the connection to %s is being closed",
		      r->config->name);
	if (link_is_open(&r->mux.link)) {
		mux_end(&r->mux, &r->queue, REMOTE_CANCELLED, &e);
	}
	do {
		call_finish_all(&r->queue, REMOTE_CANCELLED, &e);
		take_submitted(r); /* those that done() submitted just now */
	} while (r->queue.first);
}

static void *remote_main(void *arg)
{
	struct remote *r = arg;

	while (!r->waiter.stopped) {
		step(r);
	}
	take_submitted(r);
	cancel_all(r);
	return NULL;
}

static int start_thread(struct remote *r)
{
	sigset_t all, old;
	char name[16];
	int result;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are main's */
	result = pthread_create(&r->thread, NULL, remote_main, r);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (result == 0) {
		(void)snprintf(name, sizeof(name), "ssh %.10s", r->config->name);
		(void)pthread_setname_np(r->thread, name);
	}
	return -result;
}

static struct remote *free_remote(struct remote *r)
{
	dial_fini(&r->connector.dial);
	waiter_fini(&r->waiter);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

int remote_new(const struct remote_config *config, struct remote **ret_remote,
	       struct err *e)
{
	struct remote *r = calloc(1, sizeof(*r));
	int result;

	if (!r) {
		return err_set(e, -ENOMEM, "no memory for the host %s", config->name);
	}
	init_libssh2();
	r->config = config;
	(void)pthread_mutex_init(&r->lock, NULL);
	call_queue_init(&r->submitted);
	call_queue_init(&r->queue);
	r->connector = (struct connector){ .config = config,
					   .counters = &r->counters,
					   .dial = { .config = config,
						     .waiter = &r->waiter } };
	r->health.since_ms = clock_ms();
	(void)snprintf(r->health.text, sizeof(r->health.text), "not connected yet");
	result = waiter_init(&r->waiter);
	if (result == 0) {
		result = start_thread(r);
	}
	if (result < 0) {
		(void)free_remote(r);
		return err_set(e, result, "cannot start the thread for the host %s: %s",
			       config->name, strerror(-result));
	}
	*ret_remote = r;
	return 0;
}

void remote_stop(struct remote *r)
{
	waiter_stop(&r->waiter);
}

struct remote *remote_free(struct remote *r)
{
	if (!r) {
		return NULL;
	}
	waiter_stop(&r->waiter);
	(void)pthread_join(r->thread, NULL);
	return free_remote(r);
}

void remote_submit(struct remote *r, struct remote_call *call)
{
	call->fault = REMOTE_OK;
	(void)pthread_mutex_lock(&r->lock);
	call_queue_push(&r->submitted, call);
	(void)pthread_mutex_unlock(&r->lock);
	waiter_wake(&r->waiter);
}

void remote_get_health(struct remote *r, struct remote_health *ret_health)
{
	(void)pthread_mutex_lock(&r->lock);
	*ret_health = r->health;
	(void)pthread_mutex_unlock(&r->lock);
	ret_health->bytes_in = r->counters.in;
	ret_health->bytes_out = r->counters.out;
}

static int open_remote(void *world, const struct remote_config *config,
		       struct remote **ret_remote, struct err *e)
{
	(void)world;
	return remote_new(config, ret_remote, e);
}

const struct remote_ops remote_over_ssh = {
	.open = open_remote,
	.stop = remote_stop,
	.free = remote_free,
	.submit = remote_submit,
	.get_health = remote_get_health,
};
