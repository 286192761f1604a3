/* One verb of the remote agent: the command line out, the frame back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/random.h"

struct call {
	struct event event;
	struct remote_call remote;
	struct engine *engine;
	struct call_spec spec;
	char nonce[FRAME_NONCE_LEN + 1];
	ssize_t (*read_more)(void *arg, char *data, size_t len);
	void *reader;
	void (*release)(void *reader);
	int64_t sent_us;
	STAILQ_ENTRY(call) link;
};

static struct call *call_of(struct remote_call *remote)
{
	return remote->arg;
}

static void call_free(struct call *call)
{
	if (call->release) {
		call->release(call->reader);
	}
	free(call->remote.command);
	if (call->remote.input_is_secret) {
		buf_wipe(&call->remote.input);
	}
	buf_fini(&call->remote.input);
	buf_fini(&call->remote.output);
	buf_fini(&call->remote.trouble);
	free(call);
}

/* The sentence of the agent, if it sent one. */
static void find_message(struct frame frame, char *ret_text, size_t size)
{
	struct frame_item item;

	ret_text[0] = '\0';
	while (frame_next(&frame, &item)) {
		if (frame_item_is(&item, "message")) {
			frame_item_text(&item, ret_text, size);
		}
	}
}

static struct job *find_job(struct engine *e, const struct call_spec *spec)
{
	struct job *job = spec->job ? table_get(e, spec->job) : NULL;

	if (!job || !job->run || job->run->id != spec->run) {
		return NULL;
	}
	job->run->is_busy = false;
	return job;
}

static void call_handle(struct engine *e, struct event *event)
{
	struct call *call = (struct call *)event;
	struct remote_call *remote = &call->remote;
	struct call_reply reply = { .fault = remote->fault,
				    .text = remote->error.text,
				    .subject = call->spec.subject };
	char message[ERR_TEXT_MAX] = "";
	struct job *job = find_job(e, &call->spec);

	if (reply.fault == REMOTE_OK) {
		reply.text = message;
		reply.noise = buf_text(remote->output.len ? &remote->output
							  : &remote->trouble);
		reply.has_frame = frame_open(remote->output.data, remote->output.len,
					     call->nonce, &reply.frame) == 0;
		if (reply.has_frame) {
			find_message(reply.frame, message, sizeof(message));
		}
		if (reply.has_frame && !call->spec.is_probe) {
			host_answered(e, call->spec.host);
		}
	} else if (reply.fault != REMOTE_CANCELLED && reply.fault != REMOTE_ABORTED) {
		host_failed(e, call->spec.host, reply.fault, reply.text);
	}
	FAILPOINT_OF("call.answered", call->spec.verb);
	call->spec.handle(e, call->spec.host, job, &reply);
	FAILPOINT_OF("call.handled", call->spec.verb);
	if (job && job->run && reply.has_frame) {
		host_clear_trouble(e, call->spec.host, job);
	}
	if (job && job->run) {
		job_wake(e, job);
	}
	call_free(call);
}

static void call_drop_event(struct event *event)
{
	call_free((struct call *)event);
}

/* In the host's thread. */
static void call_done(struct remote_call *remote)
{
	struct call *call = call_of(remote);
	struct engine_stats *stats = &call->engine->stats;

	meter_add(&stats->calls, meter_clock_us() - call->sent_us);
	stats->failed_calls += remote->fault != REMOTE_OK;
	call->event.handle = call_handle;
	call->event.drop = call_drop_event;
	if (engine_post(call->engine, &call->event) < 0) {
		call_free(call); /* the engine is gone; the next daemon asks again */
	}
}

struct remote_call *call_queue(struct engine *e, const struct call_spec *spec)
{
	struct call *call = calloc(1, sizeof(*call));
	struct remote_call *remote;

	if (!call) {
		return NULL;
	}
	if (random_hex(call->nonce, FRAME_NONCE_LEN) < 0) {
		free(call);
		return NULL;
	}
	call->engine = e;
	call->spec = *spec;
	remote = &call->remote;
	if (asprintf(&remote->command, "exec /bin/sh .jobfs/bin/%s %s %s%s%s",
		     agent_hash(), spec->verb, call->nonce, spec->args[0] ? " " : "",
		     spec->args) < 0) {
		free(call);
		return NULL;
	}
	remote->timeout_ms = spec->timeout_ms;
	remote->output_max = spec->output_max;
	remote->done = call_done;
	remote->arg = call;
	STAILQ_INSERT_TAIL(&e->out.calls, call, link);
	FAILPOINT_OF("call.queued", spec->verb);
	return remote;
}

static ssize_t read_more(void *arg, char *data, size_t len)
{
	struct call *call = arg;

	return call->read_more(call->reader, data, len);
}

void call_set_reader(struct remote_call *remote,
		     ssize_t (*more)(void *arg, char *data, size_t len), void *arg,
		     void (*release)(void *arg))
{
	struct call *call = call_of(remote);

	call->read_more = more;
	call->reader = arg;
	call->release = release;
	remote->read_more = read_more;
}

const char *call_nonce(const struct remote_call *remote)
{
	return ((const struct call *)remote->arg)->nonce;
}

struct call *call_pop(struct engine *e)
{
	struct call *call = STAILQ_FIRST(&e->out.calls);

	if (call) {
		STAILQ_REMOVE_HEAD(&e->out.calls, link);
	}
	return call;
}

void call_send(struct engine *e, struct call *call)
{
	FAILPOINT_OF("call.send", call->spec.verb);
	call->sent_us = meter_clock_us();
	e->ports.ssh->submit(call->spec.host->remote, &call->remote);
}

/* The turn in which it was thought of was undone: nobody waits for it any more. */
void call_drop(struct engine *e, struct call *call)
{
	struct call_reply reply = { .fault = REMOTE_CANCELLED,
				    .text = "",
				    .subject = call->spec.subject };
	struct job *job = call->spec.job ? table_get(e, call->spec.job) : NULL;

	if (job && job->run) {
		job->run->is_busy = false;
		job->run->wake_at = clock_ms(); /* nobody else wakes it */
	} else if (!call->spec.job) {
		call->spec.handle(e, call->spec.host, NULL, &reply);
	}
	call_free(call);
}

bool reply_is(const struct call_reply *reply, const char *code)
{
	return reply->has_frame && streq(reply->frame.code, code);
}

void reply_read_program(struct call_reply *reply, struct reply_program *ret_program)
{
	struct reply_program *p = ret_program;
	struct frame_item item;

	*p = (struct reply_program){ .path = "" };
	while (frame_next(&reply->frame, &item)) {
		if (frame_item_is(&item, "path")) {
			frame_item_text(&item, p->path, sizeof(p->path));
		} else if (frame_item_is(&item, "version")) {
			frame_item_text(&item, p->version, sizeof(p->version));
		}
	}
}

int call_add_secrets(struct remote_call *remote,
		     const struct s3_credentials *credentials, int64_t life_s)
{
	const struct s3_credentials *c = credentials;
	struct buf *b = &remote->input;
	size_t size = 256;

	size += c->access_key ? strlen(c->access_key) : 0;
	size += c->secret_key ? strlen(c->secret_key) : 0;
	size += c->session_token ? strlen(c->session_token) : 0;
	remote->input_is_secret = true;
	if (!buf_reserve(b, size)) { /* at once: growing would leave copies behind */
		return -ENOMEM;
	}
	if (c->access_key && c->secret_key) {
		(void)buf_add_str(b, "AK ");
		(void)buf_add_str(b, c->access_key);
		(void)buf_add_str(b, "\nSK ");
		(void)buf_add_str(b, c->secret_key);
		(void)buf_add_str(b, "\n");
	}
	if (c->session_token) {
		(void)buf_add_str(b, "ST ");
		(void)buf_add_str(b, c->session_token);
		(void)buf_add_str(b, "\n");
	}
	if (life_s > 0) {
		(void)buf_printf(b, "XP %lld\n", (long long)life_s);
	}
	(void)buf_add_str(b, "END ");
	(void)buf_add_str(b, call_nonce(remote));
	return buf_add_str(b, "\n");
}
