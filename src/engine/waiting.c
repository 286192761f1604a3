/* Why a queued job is not on a host: in its reason and message, and so in the queue.
 *
 * The problem. The reason is another one for all jobs that could run on a host when
 * that is drained or falls silent, and there may be 100,000 of them: telling all at
 * once would keep everybody else waiting, and asking for each in every turn whether its
 * reason still holds would make every turn slow.
 *
 * The rule. What a reason depends on is a job's own spec and a few facts of the hosts.
 * The facts have a number, which grows when one of them changes; each job remembers the
 * number at which it was told. A job that comes into the queue is told in its turn.
 * When the number has grown, the jobs of the queue are told again from the first on,
 * TOLD_AT_ONCE a turn with a rest in between; until then they show what was true
 * before. With the same facts nothing is looked at. */
#include <errno.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"

enum { TOLD_AT_ONCE = 512, REST_MS = 50, RETRY_MS = 1000, TROUBLE_SHOWN = 500 };

/* --- why ------------------------------------------------------------------------- */

struct candidates { /* for one job */
	size_t n, n_drained, n_troubled;
	const struct host *first;    /* of all */
	const struct host *troubled; /* the first that does not work */
};

static struct candidates find_candidates(const struct engine *e, const struct run *run)
{
	struct candidates c = { .n = 0 };

	for (size_t i = 0; i < e->n_hosts; i++) {
		const struct host *host = &e->hosts[i];

		if (!schedule_is_candidate(host, run->spec)) {
			continue;
		}
		c.n++;
		c.first = c.first ? c.first : host;
		if (host->is_drained) {
			c.n_drained++;
		} else if (schedule_is_in_trouble(host, run)) {
			c.n_troubled++;
			c.troubled = c.troubled ? c.troubled : host;
		}
	}
	return c;
}

static void add_slot(const struct spec *spec, struct buf *out)
{
	(void)buf_add_str(out, "waits for a slot");
	if (spec->host) {
		(void)buf_printf(out, " on %s", spec->host);
	}
	if (spec->gpus > 0) {
		(void)buf_printf(out, " with %d free GPU%s", spec->gpus,
				 spec->gpus == 1 ? "" : "s");
	}
}

static enum job_reason explain_drained(const struct candidates *c, struct buf *out)
{
	if (c->n == 1) {
		(void)buf_printf(out, "host %s is drained: it takes no new jobs",
				 c->first->conf->name);
	} else {
		(void)buf_printf(out, "all %zu hosts that it could run on are drained",
				 c->n);
	}
	return REASON_HOST_DRAINED;
}

static enum job_reason explain_trouble(const struct engine *e, const struct run *run,
				       const struct candidates *c, struct buf *out)
{
	const struct host *host = c->troubled;
	enum job_reason reason = host->s3_reason;
	const char *why = tool_trouble(host, urls_engine_asked(e, run->spec), &reason);

	why = why ? why : host->s3_trouble;
	if (host->trouble_ms != 0) { /* it is silent */
		why = host->trouble;
		reason = host->reason;
	}

	if (c->n_troubled > 1) {
		(void)buf_printf(out,
				 "none of the %zu hosts that it could run on works; ",
				 c->n_troubled);
	}
	(void)buf_printf(out, "%.*s", TROUBLE_SHOWN, why);
	return reason;
}

static enum job_reason explain(const struct engine *e, const struct run *run,
			       struct buf *out)
{
	struct candidates c = find_candidates(e, run);

	if (c.n > 0 && c.n == c.n_drained) {
		return explain_drained(&c, out);
	}
	if (c.n > 0 && c.n == c.n_drained + c.n_troubled) {
		return explain_trouble(e, run, &c, out);
	}
	add_slot(run->spec, out);
	if (c.n == 0) {
		(void)buf_add_str(out, ", but no host of the configuration has that");
	}
	return REASON_WAITING_FOR_SLOT;
}

/* --- telling --------------------------------------------------------------------- */

static void tell(struct engine *e, struct job *job)
{
	cleanup_buf struct buf text = BUF_INIT;
	enum job_reason reason = explain(e, job->run, &text);
	const struct job_record *now = job_get(job);
	struct job_record *r;

	job->run->told_facts = e->waiting.facts;
	if (now->reason == reason &&
	    streq(now->message ? now->message : "", buf_text(&text))) {
		return;
	}
	r = text.error ? NULL : job_edit(e, job);
	if (!r || job_set_text(&r->message, buf_text(&text)) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	r->reason = reason;
}

void waiting_show(struct engine *e, struct job *job)
{
	if (job_get(job)->reason == REASON_NONE) {
		tell(e, job);
	}
}

/* --- when it changes ------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t value)
{
	return (h ^ value) * UINT64_C(0x100000001b3); /* FNV-1a, by words */
}

static uint64_t hash_facts(const struct engine *e)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < e->n_hosts; i++) {
		const struct host *host = &e->hosts[i];

		h = mix(h, host->is_drained);
		h = mix(h, host->has_curl);
		h = mix(h, (uint64_t)host_absent_tools(host));
		h = mix(h, host->trouble_ms ? (uint64_t)host->reason : REASON_NONE);
		h = mix(h,
			host->s3_trouble[0] ? (uint64_t)host->s3_reason : REASON_NONE);
	}
	return h;
}

void waiting_look(struct engine *e)
{
	uint64_t hash = hash_facts(e);

	if (hash != e->waiting.hash || e->waiting.facts == 0) {
		e->waiting.hash = hash;
		e->waiting.facts++;
		e->waiting.again_at = 0;
		e->waiting.is_behind = true;
	}
}

static bool is_to_be_told(const struct engine *e, const struct job *job)
{
	return job->run && job->run->told_facts != e->waiting.facts &&
	       !job->run->waits_for_files && job->run->retry_at == 0;
}

void waiting_tell(struct engine *e)
{
	struct job *job;
	int n = 0;

	if (!e->waiting.is_behind || e->waiting.again_at > clock_ms()) {
		return;
	}
	TAILQ_FOREACH(job, &e->queue, queue_link)
	{
		if (!is_to_be_told(e, job)) {
			continue;
		}
		if (n++ == TOLD_AT_ONCE) {
			e->waiting.again_at = clock_ms() + REST_MS;
			return;
		}
		tell(e, job);
	}
	e->waiting.is_behind = false;
}

void waiting_renew(struct engine *e)
{
	e->waiting.is_behind = true;
	e->waiting.facts++;
	e->waiting.again_at = clock_ms() + RETRY_MS;
}

int64_t waiting_deadline(const struct engine *e, int64_t at)
{
	return e->waiting.is_behind ? clock_earlier(at, e->waiting.again_at) : at;
}
