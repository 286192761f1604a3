/* Attempts that their hosts have still to forget, although their job went on without
 * them: it was tried again, it was removed, or its host was given up. What may live is
 * ended first, so that a host that comes back after days runs nothing that nobody
 * waits for. The list is on disk; a host that does not answer is looked for now and
 * then, and asked as soon as it does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	VERB_TIMEOUT_MS = 60000,
	RETRY_MS = 60000,
	RETRY_HOST_MS = 15000, /* to find it */
	ENDING_MS = 2000, /* how long an end may take after the cancel was answered */
	REPLY_MAX = 1 << 20,
};

struct leftover {
	struct store_leftover row;
	bool is_busy;
	bool is_new;	 /* of this turn */
	bool is_over;	 /* in this turn */
	bool was_killed; /* its cancel was answered */
	bool waits_for_host;
	int64_t wake_at;
	TAILQ_ENTRY(leftover) link;
};

static int list_add(struct engine *e, const struct store_leftover *row, bool is_new)
{
	struct leftover *l = calloc(1, sizeof(*l));

	if (!l) {
		return -ENOMEM;
	}
	l->row = *row;
	l->is_new = is_new;
	TAILQ_INSERT_TAIL(&e->leftovers, l, link);
	return 0;
}

static void list_remove(struct engine *e, struct leftover *l)
{
	TAILQ_REMOVE(&e->leftovers, l, link);
	free(l);
}

static int load_one(void *arg, const struct store_leftover *row)
{
	return list_add(arg, row, false);
}

int leftovers_load(struct engine *e)
{
	return store_list_leftovers(e->store, load_one, e);
}

void leftovers_fini(struct engine *e)
{
	struct leftover *l;

	while ((l = TAILQ_FIRST(&e->leftovers))) {
		list_remove(e, l);
	}
}

void leftover_add(struct engine *e, const struct job *job)
{
	const struct job_record *r = job_get(job);
	struct store_leftover row = { .kill = r->attempt.end == NULL };
	struct err err = ERR_INIT;
	int error;

	if (r->attempt.n == 0 || r->attempt.is_acked || !r->attempt.host) {
		return;
	}
	attempt_name(r, row.attempt);
	(void)snprintf(row.host, sizeof(row.host), "%s", r->attempt.host);
	error = engine_write(e);
	error = error < 0 ? error : store_add_leftover(e->store, &row, &err);
	error = error < 0 ? error : list_add(e, &row, true);
	if (error < 0) {
		engine_fail_turn(e, error, err.code < 0 ? &err : NULL);
	}
}

/* --- asking the hosts ------------------------------------------------------------- */

static struct leftover *find(struct engine *e, const char *attempt)
{
	struct leftover *l;

	TAILQ_FOREACH(l, &e->leftovers, link)
	{
		if (streq(l->row.attempt, attempt)) {
			return l;
		}
	}
	return NULL;
}

static void forget(struct engine *e, struct leftover *l)
{
	struct err err = ERR_INIT;
	int r = engine_write(e);

	r = r < 0 ? r : store_delete_leftover(e->store, l->row.attempt, &err);
	if (r < 0) {
		engine_fail_turn(e, r, &err);
	}
	l->is_over = true;
}

static void try_later(struct engine *e, struct host *host, struct leftover *l,
		      const struct call_reply *reply)
{
	if (reply->fault == REMOTE_OK && !reply->has_frame) {
		host_doubt(e, host);
	}
	l->wake_at = clock_ms() + RETRY_MS;
}

/* Whose answer it is; NULL: it was forgotten meanwhile. */
static struct leftover *take_answer(struct engine *e, const struct call_reply *reply)
{
	struct leftover *l = find(e, reply->subject);

	if (l) {
		l->is_busy = false;
	}
	return l;
}

static void handle_kill(struct engine *e, struct host *host, struct job *none,
			struct call_reply *reply)
{
	struct leftover *l = take_answer(e, reply);

	(void)none;
	if (l && (reply_is(reply, "OK") || reply_is(reply, "VOIDED"))) {
		l->was_killed = true;
		l->wake_at = clock_ms() + ENDING_MS;
	} else if (l) {
		try_later(e, host, l, reply);
	}
}

static void handle_ack(struct engine *e, struct host *host, struct job *none,
		       struct call_reply *reply)
{
	struct leftover *l = take_answer(e, reply);

	(void)none;
	if (!l) {
		return;
	}
	/* no answer, no room, or it has not ended yet: later */
	if (!reply->has_frame || reply_is(reply, "EALIVE") ||
	    reply_is(reply, "EDISK")) {
		try_later(e, host, l, reply);
	} else {
		forget(e, l);
	}
}

static void ask(struct engine *e, struct host *host, struct leftover *l)
{
	bool kill = l->row.kill && !l->was_killed;
	char args[ATTEMPT_NAME_MAX + 16];
	struct call_spec spec = { .host = host,
				  .verb = kill ? "cancel" : "ack",
				  .args = args,
				  .timeout_ms = VERB_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = kill ? handle_kill : handle_ack };

	(void)snprintf(args, sizeof(args), "%s %s", l->row.attempt,
		       kill ? "0" : "force");
	(void)snprintf(spec.subject, sizeof(spec.subject), "%s", l->row.attempt);
	l->is_busy = call_queue(e, &spec) != NULL;
}

void leftovers_advance(struct engine *e)
{
	int64_t now = clock_ms();
	struct leftover *l;

	TAILQ_FOREACH(l, &e->leftovers, link)
	{
		struct host *host = host_find(e, l->row.host);
		bool is_ready = host && host_answers(host);
		bool is_due = l->wake_at <= now || (l->waits_for_host && is_ready);

		if (l->is_busy || l->is_new || l->is_over || !is_due) {
			continue;
		}
		l->waits_for_host = !is_ready;
		if (host && host->state != HOST_READY) {
			host_prepare(e, host);
		}
		if (is_ready) {
			ask(e, host, l);
			continue;
		}
		l->wake_at = now + RETRY_HOST_MS;
	}
}

int64_t leftovers_deadline(const struct engine *e, int64_t at)
{
	const struct leftover *l;

	TAILQ_FOREACH(l, &e->leftovers, link)
	{
		if (!l->is_busy) {
			at = clock_earlier(at, l->wake_at);
		}
	}
	return at;
}

void leftovers_keep(struct engine *e, bool is_committed)
{
	struct leftover *l, *next;

	for (l = TAILQ_FIRST(&e->leftovers); l; l = next) {
		next = TAILQ_NEXT(l, link);
		if (is_committed ? l->is_over : l->is_new) {
			list_remove(e, l);
			continue;
		}
		l->is_new = l->is_over = false;
	}
}
