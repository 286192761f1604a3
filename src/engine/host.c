/* A GPU host: from nothing to ready, and what to say while it does not answer.
 *
 * Silence decides nothing about a job that may run: its host's trouble is shown beside
 * the state (`unreachable_since`), and the job waits. A job of which the host knows
 * nothing yet may fail, at once for what will not pass by itself, after
 * connect_patience for the rest.
 *
 * A host whose disk is full is in trouble, but not silent. What frees its disk is the
 * end of the jobs that it has: these go on, and new ones wait. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/log.h"

enum {
	PROBE_TIMEOUT_MS = 30000,
	BOOT_TIMEOUT_MS = 60000,
	REPLY_MAX = 1 << 20, /* with what a login shell says before */
	RETRY_MS = 1000,
	RETRY_DOWN_MS = 5000,
	SKEW_TOLD_S = 60,      /* worth a line in the log */
	SKEW_REFUSED_S = 600,  /* S3 refuses signatures from 900 s on */
	DOWN_AFTER_MS = 30000, /* after this long the tries become rarer */
};

static const struct {
	enum job_reason reason;
	bool is_permanent; /* trying again helps only after somebody did something */
} faults[] = {
	[REMOTE_OK] = { REASON_NONE, false },
	[REMOTE_UNRESOLVED] = { REASON_HOST_UNKNOWN, true },
	[REMOTE_REFUSED] = { REASON_HOST_REFUSED, false },
	[REMOTE_UNREACHABLE] = { REASON_HOST_UNREACHABLE, false },
	[REMOTE_HOST_KEY] = { REASON_HOST_KEY, true },
	[REMOTE_AUTH] = { REASON_HOST_AUTH, true },
	[REMOTE_IDENTITY] = { REASON_HOST_AUTH, true },
	[REMOTE_PROTOCOL] = { REASON_HOST_UNFIT, true },
	[REMOTE_LOST] = { REASON_HOST_UNREACHABLE, false },
	[REMOTE_TIMEOUT] = { REASON_HOST_UNREACHABLE, false },
	[REMOTE_ABORTED] = { REASON_HOST_UNFIT, false },
	[REMOTE_CANCELLED] = { REASON_HOST_UNREACHABLE, false },
};

enum job_reason host_fault_reason(enum remote_fault fault)
{
	return faults[fault].reason;
}

bool host_fault_is_permanent(enum remote_fault fault)
{
	return faults[fault].is_permanent;
}

int host_init(struct engine *e, struct host *host, const struct conf_host *conf,
	      struct err *err)
{
	const struct conf *c = e->conf;

	host->engine = e;
	host->conf = conf;
	host->remote_config = (struct remote_config){
		.name = conf->name,
		.address = conf->address,
		.port = conf->port,
		.user = conf->user,
		.identities = (const char *const *)c->ssh.identity,
		.passphrase = c->secrets.ssh_passphrase,
		.use_agent = c->ssh.agent,
		.known_hosts = c->ssh.known_hosts,
		.accept_new = c->ssh.host_key == CONF_HOST_KEY_ACCEPT_NEW,
		.connect_timeout_ms = (int)c->ssh.connect_timeout_ms,
		.auth_timeout_ms = (int)c->ssh.auth_timeout_ms,
		.keepalive_ms = (int)c->ssh.keepalive_ms,
		.max_channels = (int)c->ssh.max_channels,
	};
	return e->ports.ssh->open(e->ports.ssh->world, &host->remote_config,
				  &host->remote, err);
}

void host_fini(struct host *host)
{
	if (host->remote) {
		host->remote = host->engine->ports.ssh->free(host->remote);
	}
	free(host->cli_path);
	host->cli_path = NULL;
	host_free_tools(host);
}

struct host *host_find(struct engine *e, const char *name)
{
	for (size_t i = 0; name && i < e->n_hosts; i++) {
		if (streq(e->hosts[i].conf->name, name)) {
			return &e->hosts[i];
		}
	}
	return NULL;
}

/* --- trouble --------------------------------------------------------------------- */

bool host_answers(const struct host *host)
{
	return host->state == HOST_READY || host->is_full;
}

void host_clear_trouble(struct engine *e, const struct host *host, struct job *job)
{
	const struct job_record *r = job_get(job);

	if (host->is_full && r->attempt.n == 0) {
		return; /* it waits for room there */
	}
	if (job->host == host && r->error && !job->run->is_refused &&
	    !job_state_is_final(r->state) &&
	    streq(job_reason_class(r->reason), "host")) {
		(void)job_trouble(e, job, REASON_NONE, NULL);
	}
}

void host_answered(struct engine *e, struct host *host)
{
	struct job *job;

	if (host->trouble_ms && !host->is_full) {
		log_info("host %s answers again", host->conf->name);
	}
	if (!host->is_full) {
		host->fault = REMOTE_OK;
		host->trouble_ms = 0;
		host->trouble[0] = '\0';
	}
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		host_clear_trouble(e, host, job);
		if (job->host == host) {
			limit_note_silence(job, false);
		}
		if (job->host == host && job_get(job)->unreachable_ms) {
			struct job_record *r = job_edit(e, job);

			if (r) {
				r->unreachable_ms = 0;
				(void)job_event(e, job, "reachable",
						"host %s answers again",
						host->conf->name);
			}
		}
	}
}

static void show_unreachable(struct engine *e, struct host *host, struct job *job)
{
	struct job_record *r;

	if (job->host != host || !job_get(job)->attempt.is_claimed ||
	    job_get(job)->unreachable_ms || job_state_is_final(job_get(job)->state)) {
		return;
	}
	r = job_edit(e, job);
	if (r) {
		r->unreachable_ms = host->trouble_ms;
		(void)job_event(e, job, "unreachable", "%s; the job goes on there",
				host->trouble);
	}
}

void host_failed(struct engine *e, struct host *host, enum remote_fault fault,
		 const char *text)
{
	bool is_full = host->is_full && fault == REMOTE_ABORTED;
	struct job *job;

	if (!host->trouble_ms || is_full != host->is_full) {
		host->trouble_ms = clock_wall_ms();
		log_warning("host %s: %s", host->conf->name, text);
	}
	host->is_full = is_full;
	FAILPOINT("host.failed");
	host->failed_at = clock_ms();
	if (host->state == HOST_READY) {
		host->state = HOST_NEW; /* it is probed before anything else is sent */
	}
	host->fault = fault;
	host->reason = host_fault_reason(fault);
	(void)snprintf(host->trouble, sizeof(host->trouble), "%s", text);
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (job->host == host && !is_full) {
			show_unreachable(e, host, job);
			limit_note_silence(job, true);
		}
		if (job->host == host && !job->run->is_busy) {
			job_wake(e, job);
		}
	}
}

void host_doubt(struct engine *e, struct host *host)
{
	struct job *job;

	if (!host_answers(host)) {
		return; /* it is being asked already */
	}
	host->is_full = false;
	if (host->state == HOST_READY) {
		host->state = HOST_NEW;
	}
	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (job->host == host && !job->run->is_busy) {
			job_wake(e, job);
		}
	}
}

/* The host was reached but is not fit; the sentence goes to the jobs that wait for it.
 */
static void host_unfit(struct engine *e, struct host *host, enum job_reason reason,
		       const char *text)
{
	host_failed(e, host, REMOTE_PROTOCOL, text);
	host->reason = reason;
}

/* is_new: only those that wait for it; the others' own waits stay. */
static void wake_jobs(struct engine *e, struct host *host, bool is_new)
{
	struct job *job;

	TAILQ_FOREACH(job, &e->running, run_link)
	{
		if (job->host == host && !job->run->is_busy &&
		    (!is_new || job_get(job)->attempt.n == 0)) {
			job->run->wake_at = 0;
			job_wake(e, job);
		}
	}
}

void host_wake_jobs(struct engine *e, struct host *host)
{
	wake_jobs(e, host, false);
}

static void retry_later(struct host *host)
{
	int64_t down_ms = host->trouble_ms ? clock_wall_ms() - host->trouble_ms : 0;

	host->wake_at =
		clock_ms() + (down_ms > DOWN_AFTER_MS ? RETRY_DOWN_MS : RETRY_MS);
}

/* --- probe and boot -------------------------------------------------------------- */

struct remote_call *host_call(struct engine *e, struct host *host, const char *verb,
			      int64_t timeout_ms,
			      void (*handle)(struct engine *, struct host *,
					     struct job *, struct call_reply *))
{
	struct call_spec spec = {
		.host = host,
		.verb = verb,
		.args = "",
		.timeout_ms = timeout_ms,
		.output_max = REPLY_MAX,
		.is_probe = true,
		.handle = handle,
	};

	return call_queue(e, &spec);
}

void host_note_store(struct host *host, const struct frame_item *item)
{
	char id[sizeof(host->storeid)];

	frame_item_text(item, id, sizeof(id));
	if (streq(id, host->storeid)) {
		return;
	}
	if (host->storeid[0]) {
		log_warning("host %s: its store is another one now (%s, was %s)",
			    host->conf->name, id, host->storeid);
	}
	(void)snprintf(host->storeid, sizeof(host->storeid), "%s", id);
	host_forget_tools(host, false); /* what was found may be gone with it */
}

void host_set_s3_trouble(struct host *host, enum job_reason reason, const char *text)
{
	(void)snprintf(host->s3_trouble, sizeof(host->s3_trouble), "%s", text);
	host->s3_reason = reason;
	host->s3_failed_at = clock_ms();
}

void host_clear_s3_trouble(struct host *host)
{
	host->s3_trouble[0] = '\0';
	host->s3_reason = REASON_NONE;
}

bool host_may_sign(const struct host *host)
{
	return llabs(host->skew_s) <= SKEW_REFUSED_S;
}

/* Which of the two clocks is wrong cannot be told from here. */
static void explain_skew(const struct host *host, int64_t theirs_s, char *ret_text,
			 size_t size)
{
	char theirs[CLOCK_TEXT_MAX], ours[CLOCK_TEXT_MAX];

	clock_format(theirs_s * 1000, theirs);
	clock_format(clock_wall_ms(), ours);
	(void)snprintf(ret_text, size,
		       "host %s: its clock says %s, that of this machine %s, which is "
		       "%lld s apart; S3 refuses what is signed more than 900 s off: "
		       "set both clocks, by NTP at best",
		       host->conf->name, theirs, ours, (long long)llabs(host->skew_s));
}

/* The way of the answer is in the difference too: some seconds mean nothing. */
void host_note_clock(struct host *host, const struct frame_item *item)
{
	int64_t before_s = host->skew_s, theirs_s;
	char text[512];

	frame_item_text(item, text, sizeof(text));
	theirs_s = strtoll(text, NULL, 10);
	host->skew_s = theirs_s - clock_wall_ms() / 1000;
	explain_skew(host, theirs_s, text, sizeof(text));
	if (llabs(host->skew_s) > SKEW_TOLD_S &&
	    llabs(host->skew_s - before_s) > SKEW_TOLD_S) {
		log_warning("%s", text);
	}
	if (!host_may_sign(host)) {
		host_set_s3_trouble(host, REASON_HOST_CLOCK, text);
	} else if (host->s3_reason == REASON_HOST_CLOCK) {
		host_clear_s3_trouble(host);
		log_info("host %s: its clock is near enough to ours again",
			 host->conf->name);
	}
}

static void note_free(struct host *host, const struct frame_item *item)
{
	char text[32], *end;
	long long kb;

	frame_item_text(item, text, sizeof(text));
	kb = strtoll(text, &end, 10);
	if (end != text && kb >= 0 && kb < INT64_MAX / 1024) {
		host->free_bytes = kb * 1024;
		host->cache_bytes = host->cache_all_bytes = 0;
		host->free_at = clock_ms();
	}
}

static void note_cache(struct host *host, const struct frame_item *item)
{
	long long kb = 0, all_kb = 0;
	char text[64];

	frame_item_text(item, text, sizeof(text));
	if (sscanf(text, "%lld %lld", &kb, &all_kb) == 2 && kb >= 0 && all_kb >= kb &&
	    all_kb < INT64_MAX / 1024 / 2) {
		host->cache_bytes = kb * 1024;
		host->cache_all_bytes = all_kb * 1024;
	}
}

void host_note_disk(struct host *host, const struct frame_item *item)
{
	if (frame_item_is(item, "free_kb")) {
		note_free(host, item);
	} else if (frame_item_is(item, "cache_kb")) {
		note_cache(host, item);
	}
}

static void send_boot(struct engine *e, struct host *host);

static void probe_failed(struct engine *e, struct host *host, struct call_reply *reply,
			 bool was_full)
{
	char text[ERR_TEXT_MAX];

	host->state = HOST_NEW;
	if (was_full && !host->is_full) {
		host->trouble_ms = 0; /* it is another one now */
	}
	if (reply->fault == REMOTE_OK && !reply->has_frame && !host->boot_tried) {
		host->boot_tried = true;
		send_boot(e, host);
		return;
	} else if (reply->fault == REMOTE_OK && !reply->has_frame) {
		(void)snprintf(text, sizeof(text),
			       "host %s: the agent does not run there; the login shell "
			       "said: %.200s",
			       host->conf->name,
			       reply->noise[0] ? reply->noise : "(nothing)");
		host_unfit(e, host, REASON_HOST_UNFIT, text);
	} else if (reply_is(reply, "EDISK")) { /* there may be room soon */
		(void)snprintf(
			text, sizeof(text),
			"host %s: %s: its disk is full or read-only", host->conf->name,
			reply->text[0] ? reply->text : "cannot write in ~/.jobfs/bin");
		host_failed(e, host, REMOTE_ABORTED, text);
		if (host->is_full) { /* so it is silent no more */
			host_answered(e, host);
		}
	} else if (reply->fault == REMOTE_OK || reply->fault == REMOTE_ABORTED) {
		(void)snprintf(text, sizeof(text), "host %s: %s", host->conf->name,
			       reply->text[0] ? reply->text : reply->frame.code);
		host_unfit(e, host, REASON_HOST_UNFIT, text);
	}
	host->boot_tried = false;
	retry_later(host);
	wake_jobs(e, host, was_full && host->is_full);
}

/* Without room it says little, but which store it has: what it knows of jobs counts. */
static void read_probe(struct host *host, struct call_reply *reply)
{
	struct frame_item item;

	while (frame_next(&reply->frame, &item)) {
		if (frame_item_is(&item, "storeid")) {
			host_note_store(host, &item);
			host->is_full = reply_is(reply, "EDISK");
		} else if (frame_item_is(&item, "curl")) {
			char version[32];

			frame_item_text(&item, version, sizeof(version));
			urls_note_curl(host, version);
		} else if (frame_item_is(&item, "now")) {
			host_note_clock(host, &item);
		} else {
			host_note_disk(host, &item);
		}
	}
}

static void handle_probe(struct engine *e, struct host *host, struct job *job,
			 struct call_reply *reply)
{
	bool was_full = host->is_full;

	(void)job;
	host->is_full = false;
	if (reply->has_frame) {
		read_probe(host, reply);
	}
	if (!reply_is(reply, "OK")) {
		probe_failed(e, host, reply, was_full);
		return;
	}
	host_forget_tools(host, true); /* perhaps somebody installed it */
	host_answered(e, host);
	FAILPOINT("host.ready");
	host->state = HOST_READY;
	host->boot_tried = host->is_watched = false;
	host->watch_at = 0;
	log_info("host %s is ready", host->conf->name);
	host_wake_jobs(e, host);
}

void host_send_probe(struct engine *e, struct host *host)
{
	struct remote_call *call =
		host_call(e, host, "probe", PROBE_TIMEOUT_MS, handle_probe);

	if (call) {
		/* what only a person can mend was perhaps mended: ask, do not wait */
		call->new_connection = host_fault_is_permanent(host->fault);
		host->state = HOST_PROBING;
	}
}

static void handle_boot(struct engine *e, struct host *host, struct job *job,
			struct call_reply *reply)
{
	(void)job;
	if (reply_is(reply, "OK")) {
		host_send_probe(e, host);
		return;
	}
	probe_failed(e, host, reply, false);
}

/* The one command that cannot use the agent. Plain enough for csh and fish: everything
 * is inside one pair of single quotes. The name is the hash, so a cut stream is no
 * agent. */
static char *boot_command(const char *nonce)
{
	const char *hash = agent_hash();
	char *command;

	if (asprintf(&command,
		     "exec /bin/sh -c 'umask 077; b=.jobfs/bin; t=$b/%s.tmp; c=EDISK; "
		     "mkdir -p $b && cat >$t && set -- $(sha256sum <$t) && "
		     "case $1 in %s*) mv -f $t $b/%s && c=OK;; *) c=ETRUNC;; esac; "
		     "rm -f $t; echo @@%s BEGIN; echo @@%s END $c'",
		     nonce, hash, hash, nonce, nonce) < 0) {
		return NULL;
	}
	return command;
}

static void send_boot(struct engine *e, struct host *host)
{
	struct remote_call *call =
		host_call(e, host, "boot", BOOT_TIMEOUT_MS, handle_boot);
	size_t len;
	const char *text = agent_text(&len);
	char *command;

	if (!call) {
		return;
	}
	command = boot_command(call_nonce(call));
	if (command) {
		free(call->command);
		call->command = command;
	}
	(void)buf_add(&call->input, text, len);
	host->state = HOST_BOOTING;
}

void host_prepare(struct engine *e, struct host *host)
{
	if (host->state == HOST_NEW && host->wake_at <= clock_ms()) {
		host_send_probe(e, host);
	}
}
