/* Transitions and the timeline. Every change of state goes through job_transition(). */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/utf8.h"

int job_append(struct engine *e, struct job *job, enum job_stream stream,
	       const char *data, size_t len)
{
	struct job_record *r = job_edit(e, job);
	struct err err = ERR_INIT;
	int error;

	if (!r) {
		return -ENOMEM;
	}
	error = engine_write(e);
	if (error == 0) {
		error = store_append(e->store, r->id, stream, r->stream_size[stream],
				     data, len, &err);
		if (error < 0) {
			engine_fail_turn(e, error, &err);
		}
	}
	if (error < 0) {
		return error;
	}
	r->stream_size[stream] += (int64_t)len;
	r->written_ms[stream] = clock_wall_ms();
	return 0;
}

struct event_line {
	const char *job; /* name; NULL in the job's own timeline */
	int64_t seq;
	const char *type;
	const struct job_record *record;
	const char *message;
};

static void render_event(const struct event_line *line, struct buf *out)
{
	const struct job_record *r = line->record;
	char now[CLOCK_TEXT_MAX];

	clock_format(clock_wall_ms(), now);
	(void)buf_printf(out, "{\"ts\":\"%s\",\"seq\":%lld,", now,
			 (long long)line->seq);
	if (line->job) {
		(void)buf_add_str(out, "\"job\":");
		(void)buf_add_json_str(out, line->job);
		(void)buf_add_str(out, ",");
	}
	(void)buf_printf(out, "\"type\":\"%s\",\"state\":\"%s\",\"attempt\":%d",
			 line->type, job_state_name(r->state), r->attempt.n);
	if (r->attempt.host) {
		(void)buf_add_str(out, ",\"host\":");
		(void)buf_add_json_str(out, r->attempt.host);
	}
	if (r->reason != REASON_NONE) {
		(void)buf_printf(out, ",\"reason\":\"%s\",\"class\":\"%s\"",
				 job_reason_name(r->reason),
				 job_reason_class(r->reason));
	}
	if (line->message[0]) {
		(void)buf_add_str(out, ",\"message\":");
		(void)buf_add_json_str(out, line->message);
	}
	(void)buf_add_str(out, "}\n");
}

/* The line of `.jobfs/events.jsonl`, which is the stream of job 0. Those of a turn are
 * written as one. */
static int add_daemon_event(struct engine *e, const char *type,
			    const struct job_record *r, const char *message)
{
	e->n_daemon_events++;
	render_event(&(struct event_line){ .job = r->name,
					   .seq = e->daemon_event_seq +
						  (int64_t)e->n_daemon_events,
					   .type = type,
					   .record = r,
					   .message = message },
		     &e->daemon_events);
	if (e->daemon_events.error) {
		engine_fail_turn(e, e->daemon_events.error, NULL);
	}
	return e->daemon_events.error;
}

void daemon_events_put(struct engine *e)
{
	const struct buf *lines = &e->daemon_events;
	struct err err = ERR_INIT;
	int r;

	if (e->turn_error < 0 || lines->len == 0) {
		return;
	}
	r = store_append(e->store, 0, STREAM_EVENTS, e->daemon_events_size, lines->data,
			 lines->len, &err);
	if (r < 0) {
		engine_fail_turn(e, r, &err);
	}
}

void daemon_events_keep(struct engine *e, bool is_committed)
{
	if (is_committed) {
		e->daemon_events_size += (int64_t)e->daemon_events.len;
		e->daemon_event_seq += (int64_t)e->n_daemon_events;
	}
	buf_truncate(&e->daemon_events, 0);
	e->daemon_events.error = 0;
	e->n_daemon_events = 0;
}

static int add_event(struct engine *e, struct job *job, const char *type,
		     const char *message)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct job_record *r = job_edit(e, job);
	int error;

	if (!r) {
		return -ENOMEM;
	}
	r->event_seq++;
	render_event(&(struct event_line){ .seq = r->event_seq,
					   .type = type,
					   .record = r,
					   .message = message },
		     &line);
	if (line.error) {
		engine_fail_turn(e, line.error, NULL);
		return line.error;
	}
	error = job_append(e, job, STREAM_EVENTS, line.data, line.len);
	return error < 0 ? error : add_daemon_event(e, type, r, message);
}

int job_event(struct engine *e, struct job *job, const char *type, const char *format,
	      ...)
{
	char message[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return add_event(e, job, type, message);
}

static void set_times(struct job_record *r, enum job_state state, int64_t now)
{
	r->changed_ms = now;
	if (state == JOB_QUEUED && r->submitted_ms == 0) {
		r->submitted_ms = now;
	}
	if (state == JOB_RUNNING && r->started_ms == 0) {
		r->started_ms = now;
	}
	if (job_state_is_final(state)) {
		r->ended_ms = now;
		r->unreachable_ms = 0;
	}
}

int job_transition(struct engine *e, struct job *job, enum job_state state,
		   enum job_reason reason, const char *format, ...)
{
	struct job_record *r = job_edit(e, job);
	char message[ERR_TEXT_MAX];
	va_list args;
	int64_t now = clock_wall_ms();

	if (!r) {
		return -ENOMEM;
	}
	assert(job_state_may_follow(r->state, state));
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	utf8_clean(message); /* names and words of a host may be anything */
	/* a clock that was set back must not make mtime(status) repeat itself */
	set_times(r, state, now > r->changed_ms ? now : r->changed_ms + 1);
	r->state = state;
	r->reason = reason;
	if (job_set_text(&r->message, message) < 0 ||
	    job_set_text(&r->error, state == JOB_FAILED ? message : NULL) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return -ENOMEM;
	}
	log_info("job %s (%s): %s%s%s%s%s", r->name, r->key, job_state_name(state),
		 reason ? " " : "", job_reason_name(reason), message[0] ? ": " : "",
		 message);
	if (state == JOB_QUEUED) {
		schedule_enqueue(e, job);
	} else {
		schedule_dequeue(e, job);
	}
	if (job->run) {
		limit_follow(job);
		run_follow(e, job);
	}
	return add_event(e, job, "state", message);
}

int job_trouble(struct engine *e, struct job *job, enum job_reason reason,
		const char *text)
{
	const struct job_record *now = job_get(job);
	struct job_record *r;

	if (now->reason == reason &&
	    streq(now->message ? now->message : "", text ? text : "")) {
		return 0;
	}
	r = job_edit(e, job);
	if (!r || job_set_text(&r->message, text ? text : "") < 0 ||
	    job_set_text(&r->error, text) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return -ENOMEM;
	}
	r->reason = reason;
	return text ? add_event(e, job, "trouble", text) : 0;
}
