/* Temporary credentials for the host of a job: who has them can read the job's inputs
 * and write to its destination, for an hour, and do nothing else in S3. They are got
 * from STS in a worker's thread and taken to the host by the next call; from then on
 * only the host has them. When they run out there, or a phase begins for which they are
 * too old, it says so in a poll (src/agent/keys.sh) and gets others. The daemon's own
 * requests go on with its own credentials. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "job/address.h"
#include "s3/policy.h"
#include "util/clock.h"
#include "util/failpoint.h"

enum {
	RENEW_TIMEOUT_MS = 60000,
	REPLY_MAX = 1 << 20,
	RETRY_MS = 5000,
};

static const char no_role[] =
	"s3.credentials is sts, but the configuration has no s3.sts_role_arn: set it "
	"to the role that jobs get, and start jobfs again";

static const char urls_by_now[] =
	"the job began with credentials, of which its host wants new ones, but by now "
	"s3.credentials is presigned: set it to what it was and start jobfs again, or "
	"cancel the job";

static bool is_asked(const struct engine *e, const struct spec *spec)
{
	return spec->s3_is_sts || streq(e->conf->s3.credentials, "sts");
}

bool keys_are_used(const struct engine *e, const struct job *job)
{
	return is_asked(e, job->run->spec) && run_needs_s3(job->run) &&
	       urls_engine(e, job) != SPEC_ENGINE_PRESIGNED;
}

/* Those that have waited for long are not taken there any more. */
static bool are_fresh(const struct run *run)
{
	const struct s3_keys *keys = &run->keys.have;

	return keys->access_key &&
	       run->keys.until - clock_ms() > keys->life_s * 1000 / 2;
}

bool keys_are_missing(const struct engine *e, const struct job *job)
{
	return keys_are_used(e, job) && !are_fresh(job->run);
}

bool keys_are_due(const struct run *run)
{
	return run->keys.are_wanted && run->keys.retry_at <= clock_ms();
}

void keys_forget(struct run *run)
{
	s3_keys_fini(&run->keys.have);
	run->keys.until = 0;
}

/* --- what they may do ------------------------------------------------------------- */

enum { DESTINATIONS_MAX = 4 }; /* scopes of these */

struct scopes {
	struct s3_scope *all;
	size_t n;
	char *buckets[DESTINATIONS_MAX]; /* that the scopes borrow from */
	size_t n_buckets;
	struct buf kept;
};

static void scopes_fini(struct scopes *s)
{
	free(s->all);
	for (size_t i = 0; i < s->n_buckets; i++) {
		free(s->buckets[i]);
	}
	buf_fini(&s->kept);
}
#define cleanup_scopes cleanup_(scopes_fini)

static int add_uri(struct scopes *s, const char *uri, unsigned may)
{
	const char *key;
	char *bucket = address_split(uri, &key);

	if (!bucket) {
		return -ENOMEM;
	}
	s->buckets[s->n_buckets++] = bucket;
	s->all[s->n++] = (struct s3_scope){
		.bucket = bucket, .key = key, .is_prefix = true, .may = may
	};
	return 0;
}

/* What the agent does there: src/agent/keeper.sh, verify.sh, checkpoint.sh. */
static int add_checkpoints(struct scopes *s, const char *uri)
{
	int r = buf_printf(&s->kept, "%s.kept/", uri);

	r = r < 0 ? r : add_uri(s, uri, S3_MAY_WRITE | S3_MAY_LIST | S3_MAY_COPY);
	return r < 0 ? r : add_uri(s, buf_text(&s->kept), S3_MAY_DELETE);
}

static int scopes_init(struct scopes *s, const struct run *run)
{
	const struct spec *spec = run->spec;
	int r = 0;

	s->all = calloc(spec->n_inputs + DESTINATIONS_MAX, sizeof(*s->all));
	if (!s->all) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < spec->n_inputs; i++) {
		const struct spec_input *in = &spec->inputs[i];

		s->all[s->n++] = (struct s3_scope){ .bucket = in->bucket,
						    .key = in->key,
						    .is_prefix = in->is_prefix,
						    .may = S3_MAY_READ | S3_MAY_LIST };
	}
	if (run->destination) {
		r = add_uri(s, run->destination, S3_MAY_WRITE | S3_MAY_LIST);
	}
	return r < 0 || !run->checkpoints ? r : add_checkpoints(s, run->checkpoints);
}

/* https://s3.eu-west-1.amazonaws.com may be written out as the endpoint, too. */
static bool is_aws(const char *endpoint)
{
	return !endpoint || strstr(endpoint, ".amazonaws.com");
}

static int write_policy(const struct engine *e, const struct run *run, struct buf *out,
			struct err *err)
{
	cleanup_scopes struct scopes scopes = { .n = 0 };
	const char *arn = e->conf->s3.sts_role_arn + strlen("arn:");
	cleanup_free char *partition = strndup(arn, strcspn(arn, ":"));
	struct s3_place place;
	int r = partition ? scopes_init(&scopes, run) : -ENOMEM;

	if (r < 0) {
		return err_set(err, r, "no memory");
	}
	run_get_place(e, run->spec, NULL, &place);
	return s3_policy_write(&(struct s3_policy){ .scopes = scopes.all,
						    .n_scopes = scopes.n,
						    .partition = partition,
						    .has_kms = is_aws(place.endpoint) },
			       out, err);
}

void keys_check(const struct engine *e, const struct job *job, struct buf *why)
{
	cleanup_buf struct buf policy = BUF_INIT;
	struct err err = ERR_INIT;

	if (!keys_are_used(e, job)) {
		return;
	}
	if (!e->conf->s3.sts_role_arn) {
		(void)buf_add_str(
			why, "spec.json: $.s3.credentials: found \"sts\", for which "
			     "the daemon's configuration has no s3.sts_role_arn; "
			     "expected another one, or that option to be set");
	} else if (write_policy(e, job->run, &policy, &err) == -E2BIG) {
		(void)buf_printf(why,
				 "spec.json: $.inputs: no temporary credentials can be "
				 "made for the job: %s",
				 err.text);
	}
}

/* --- from STS --------------------------------------------------------------------- */

struct keys_task {
	struct task task;
	const struct s3_ops *s3;
	struct s3_role role;
	struct s3_credentials credentials;
	char session[ATTEMPT_NAME_MAX + 8];
	struct buf policy;
	struct s3_keys keys;
	enum s3_fault fault;
	struct err error;
};

static void task_free(struct keys_task *t)
{
	buf_fini(&t->policy);
	s3_keys_fini(&t->keys);
	task_fini(&t->task);
	free(t);
}

static void task_drop(struct event *event)
{
	task_free((struct keys_task *)event);
}

static void run_assume(struct task *task, struct s3_client *s3)
{
	struct keys_task *t = (struct keys_task *)task;

	t->fault = S3_UNREACHABLE;
	if (s3) {
		t->fault = t->s3->assume_role(s3, &t->role, &t->credentials, &t->keys,
					      &t->error);
	}
	FAILPOINT("sts.answered");
}

/* A host that waits may have a program that runs: it is polled meanwhile. */
static void keys_failed(struct engine *e, struct job *job, enum job_reason reason,
			int64_t patience_ms, const char *text)
{
	struct run *run = job->run;

	if (!run->keys.are_wanted) {
		(void)job_step_failed(e, job, reason, patience_ms, text);
		return;
	}
	run->keys.retry_at = clock_ms() + RETRY_MS;
	run->keys.is_told = true;
	(void)job_trouble(e, job, reason, text);
}

static void handle_assumed(struct engine *e, struct event *event)
{
	struct keys_task *t = (struct keys_task *)event;
	struct job *job = task_job(e, &t->task);

	if (job && t->fault == S3_OK) {
		job_step_done(job);
		keys_forget(job->run);
		job->run->keys.have = t->keys;
		job->run->keys.until = clock_ms() + t->keys.life_s * 1000;
		t->keys = (struct s3_keys){ .life_s = 0 };
	} else if (job) {
		keys_failed(e, job, inspect_reason(t->fault, REASON_NO_CREDENTIALS),
			    s3_fault_may_pass(t->fault) ? e->conf->limits.s3_patience_ms
							: 0,
			    t->error.text);
	}
	task_free(t);
}

struct s3_credentials keys_of_daemon(const struct engine *e)
{
	const struct conf_secrets *s = &e->conf->secrets;

	return (struct s3_credentials){ .access_key = s->access_key,
					.secret_key = s->secret_key,
					.session_token = s->session_token };
}

/* STS is where S3 is, unless that is the one of AWS. */
static void set_role(const struct engine *e, const struct job *job, struct keys_task *t)
{
	char name[ATTEMPT_NAME_MAX];
	struct s3_place place;

	run_get_place(e, job->run->spec, NULL, &place);
	attempt_name(job_get(job), name);
	(void)snprintf(t->session, sizeof(t->session), "jobfs-%s", name);
	t->role = (struct s3_role){
		.endpoint = is_aws(place.endpoint) ? NULL : place.endpoint,
		.region = place.region,
		.arn = e->conf->s3.sts_role_arn,
		.session = t->session,
		.policy = buf_text(&t->policy),
		.duration_s = (int)(e->conf->s3.sts_duration_ms / 1000),
	};
	if (e->conf->s3.sts_endpoint_url) {
		t->role.endpoint = e->conf->s3.sts_endpoint_url;
	}
}

void step_keys(struct engine *e, struct job *job)
{
	struct keys_task *t;
	struct err err = ERR_INIT;

	if (!e->conf->secrets.access_key || !e->conf->s3.sts_role_arn) {
		keys_failed(
			e, job, REASON_NO_CREDENTIALS, 0,
			e->conf->s3.sts_role_arn
				? "jobfs has no S3 credentials, with which it could "
				  "ask STS for the job's"
				: no_role);
		return;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	if (write_policy(e, job->run, &t->policy, &err) < 0) {
		keys_failed(e, job, REASON_NO_CREDENTIALS, 0, err.text);
		free(t);
		return;
	}
	t->s3 = e->ports.s3;
	t->credentials = keys_of_daemon(e);
	set_role(e, job, t);
	t->task.run = run_assume;
	t->task.event.handle = handle_assumed;
	t->task.event.drop = task_drop;
	task_queue(e, job, &t->task);
}

/* --- to the host ------------------------------------------------------------------ */

void keys_attach(struct engine *e, struct job *job, struct remote_call *call)
{
	const struct s3_keys *keys = &job->run->keys.have;
	struct s3_credentials credentials = keys_of_daemon(e);
	int64_t life_s = 0;

	if (urls_only(e, job->run->spec)) { /* by now: it began with others */
		credentials = (struct s3_credentials){ .access_key = NULL };
	} else if (keys_are_used(e, job)) { /* never the daemon's */
		credentials = (struct s3_credentials){
			.access_key = keys->access_key,
			.secret_key = keys->secret_key,
			.session_token = keys->session_token,
		};
		life_s = (job->run->keys.until - clock_ms()) / 1000;
		life_s = life_s > 0 ? life_s : 1; /* without it they hold for ever */
	}
	if (call_add_secrets(call, &credentials, life_s) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

static void handle_renew(struct engine *e, struct host *host, struct job *job,
			 struct call_reply *reply)
{
	if (!job || !reply_is(reply, "OK")) {
		if (job) {
			job->run->is_polled = false; /* is it still wanted? */
		}
		step_failed(e, host, job, "take new credentials for", reply);
		return;
	}
	job_step_done(job);
	keys_forget(job->run);
	job->run->keys.are_wanted = false;
	if (job->run->keys.is_told) {
		job->run->keys.is_told = false;
		(void)job_trouble(e, job, REASON_NONE, NULL);
	}
	job->run->poll_interval_ms = job->run->poll_at = 0;
	(void)job_event(e, job, "credentials", "%s got new ones", host->conf->name);
}

void step_renew(struct engine *e, struct job *job)
{
	struct call_spec spec = { .verb = "renew",
				  .timeout_ms = RENEW_TIMEOUT_MS,
				  .output_max = REPLY_MAX,
				  .handle = handle_renew };
	struct remote_call *call;

	if (urls_only(e, job->run->spec)) {
		keys_failed(e, job, REASON_NO_CREDENTIALS, 0, urls_by_now);
		return;
	}
	call = step_call(e, job, &spec, "");
	if (call) {
		keys_attach(e, job, call);
	}
}
