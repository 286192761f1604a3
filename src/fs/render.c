#include "fs/render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/json_out.h"
#include "job/quantity.h"
#include "util/clock.h"

enum {
	BAR_CELLS = 20,
	NAME_COLUMN_MAX = 24, /* names longer than this push their line to the right */
};

static const char *const transfer_words[] = {
	[TRANSFER_WAITING] = "waiting",
	[TRANSFER_RUNNING] = "running",
	[TRANSFER_DONE] = "done",
	[TRANSFER_FAILED] = "failed",
};

int render_line(const char *text, struct buf *out)
{
	if (!text) {
		return out->error;
	}
	(void)buf_add_str(out, text);
	return has_suffix(text, "\n") ? out->error : buf_add_char(out, '\n');
}

int render_link(const struct job_record *r, struct buf *out)
{
	(void)buf_add_str(out, "../../../");
	return buf_add_str(out, r->name);
}

int render_status(const struct job_record *r, struct buf *out)
{
	return render_line(job_state_name(r->state), out);
}

/* --- status.json ----------------------------------------------------------------- */

/* The indices "0,3" as numbers. */
static void add_gpus(struct json_out *j, const char *gpus)
{
	json_open(j, "gpus", '[');
	while (gpus && *gpus) {
		char *end;
		long index = strtol(gpus, &end, 10);

		if (end == gpus) {
			break;
		}
		json_int(j, NULL, index);
		gpus = *end == ',' ? end + 1 : end;
	}
	json_close(j, ']');
}

static void add_times(struct json_out *j, const struct job_record *r)
{
	json_open(j, "times", '{');
	json_time(j, "created", r->created_ms);
	json_time(j, "submitted", r->submitted_ms);
	json_time(j, "started", r->started_ms);
	json_time(j, "exited", r->exited_ms);
	json_time(j, "ended", r->ended_ms);
	json_time(j, "changed", r->changed_ms);
	json_close(j, '}');
}

static void add_bytes(struct json_out *j, const struct job_record *r)
{
	int64_t inputs = 0;

	for (size_t i = 0; i < r->n_transfers; i++) {
		if (!streq(r->transfers[i].name, "outputs")) {
			inputs += r->transfers[i].bytes;
		}
	}
	json_open(j, "bytes", '{');
	json_int(j, "log", r->stream_size[STREAM_LOG]);
	json_int(j, "inputs", inputs);
	json_int(j, "outputs", r->outputs_bytes);
	json_close(j, '}');
}

/* Seconds until it is done; -1: not known. */
static int64_t eta_of(const struct job_transfer *t)
{
	int64_t rate = job_transfer_rate(t);

	return t->state == TRANSFER_RUNNING && rate > 0 && t->total >= 0
		       ? (t->total - t->bytes + rate - 1) / rate
		       : -1;
}

static void add_speed(struct json_out *j, const struct job_transfer *t)
{
	int64_t eta = eta_of(t);

	json_int(j, "bytes_per_s", job_transfer_rate(t));
	if (eta >= 0) {
		json_int(j, "eta_s", eta);
	} else {
		json_null(j, "eta_s");
	}
}

static void add_transfers(struct json_out *j, const struct job_record *r)
{
	json_open(j, "transfers", '[');
	for (size_t i = 0; i < r->n_transfers; i++) {
		const struct job_transfer *t = &r->transfers[i];

		json_open(j, NULL, '{');
		json_str(j, "name", t->name);
		json_str(j, "uri", t->uri);
		json_str(j, "state", transfer_words[t->state]);
		json_int(j, "bytes", t->bytes);
		if (t->total >= 0) {
			json_int(j, "total", t->total);
		} else {
			json_null(j, "total");
		}
		json_int(j, "cached", t->cached);
		add_speed(j, t);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void add_checkpoint(struct json_out *j, const struct job_record *r)
{
	if (r->checkpoint_ms == 0) {
		json_null(j, "checkpoint");
		return;
	}
	json_open(j, "checkpoint", '{');
	json_time(j, "last", r->checkpoint_ms);
	json_int(j, "bytes", r->checkpoint_bytes);
	json_int(j, "count", r->checkpoint_count);
	json_str(j, "uri", r->checkpoint_uri);
	json_close(j, '}');
}

static void add_identity(struct json_out *j, const struct job_record *r)
{
	json_str(j, "name", r->name);
	json_str(j, "id", r->key);
	json_str(j, "state", job_state_name(r->state));
	json_str(j, "reason", r->reason ? job_reason_name(r->reason) : NULL);
	json_str(j, "class", r->reason ? job_reason_class(r->reason) : NULL);
	json_str(j, "message", r->message ? r->message : "");
}

static void add_exit_code(struct json_out *j, int code)
{
	if (code >= 0) {
		json_int(j, "exit_code", code);
	} else {
		json_null(j, "exit_code");
	}
}

static void add_place(struct json_out *j, const struct job_record *r,
		      size_t queue_position)
{
	json_int(j, "attempt", r->n_attempts);
	json_int(j, "priority", r->priority);
	json_str(j, "host", r->attempt.host);
	add_gpus(j, r->attempt.gpus);
	if (queue_position > 0) {
		json_int(j, "queue_position", (int64_t)queue_position);
	} else {
		json_null(j, "queue_position");
	}
	add_exit_code(j, r->exit_code);
	json_bool(j, "cancel_requested", r->cancel);
	json_time(j, "unreachable_since", r->unreachable_ms);
}

int render_status_json(const struct job_record *r, size_t queue_position,
		       struct buf *out)
{
	struct json_out j = { .out = out };

	json_open(&j, NULL, '{');
	add_identity(&j, r);
	add_place(&j, r, queue_position);
	json_open(&j, "owner", '{');
	json_int(&j, "uid", r->uid);
	json_int(&j, "gid", r->gid);
	json_close(&j, '}');
	add_times(&j, r);
	add_bytes(&j, r);
	json_str(&j, "outputs", r->outputs_uri);
	json_int(&j, "outputs_count", r->outputs_count);
	add_checkpoint(&j, r);
	add_transfers(&j, r);
	json_close(&j, '}');
	return buf_add_char(out, '\n');
}

/* While it is current, the job's record tells of it. */
int render_attempt_json(const struct job_record *r, struct buf *out)
{
	const struct job_attempt *a = &r->attempt;
	bool is_over = a->state != JOB_NEW;
	enum job_reason reason = is_over ? a->reason : r->reason;
	const char *message = is_over ? a->message : r->message;
	struct json_out j = { .out = out };

	json_open(&j, NULL, '{');
	json_int(&j, "attempt", a->n);
	json_str(&j, "state", job_state_name(is_over ? a->state : r->state));
	json_str(&j, "reason", reason ? job_reason_name(reason) : NULL);
	json_str(&j, "class", reason ? job_reason_class(reason) : NULL);
	json_str(&j, "message", message ? message : "");
	json_str(&j, "host", a->host);
	add_gpus(&j, a->gpus);
	add_exit_code(&j, job_attempt_exit_code(r));
	json_open(&j, "times", '{');
	json_time(&j, "started", is_over ? a->started_ms : r->started_ms);
	json_time(&j, "exited", is_over ? a->exited_ms : r->exited_ms);
	json_time(&j, "ended", a->ended_ms);
	json_close(&j, '}');
	add_transfers(&j, r);
	json_close(&j, '}');
	return buf_add_char(out, '\n');
}

/* --- progress -------------------------------------------------------------------- */

/* 0 to 100; 100 only when nothing is missing. */
static int percent_of(const struct job_transfer *t)
{
	if (t->bytes >= t->total) {
		return 100;
	}
	return (int)((double)t->bytes * 100 / (double)t->total);
}

static void add_bar(const struct job_transfer *t, struct buf *out)
{
	int percent = t->total >= 0 ? percent_of(t) : 0;
	int filled = percent * BAR_CELLS / 100;

	(void)buf_add_char(out, '[');
	for (int i = 0; i < BAR_CELLS; i++) {
		(void)buf_add_char(out, i < filled ? '#' : '.');
	}
	if (t->total >= 0) {
		(void)buf_printf(out, "] %3d%%  ", percent);
	} else {
		(void)buf_add_str(out, "]   ?   ");
	}
}

static void add_transfer(const struct job_transfer *t, int name_width, struct buf *out)
{
	(void)buf_printf(out, "%-*s ", name_width, t->name);
	add_bar(t, out);
	(void)size_print(t->bytes, out);
	if (t->total >= 0) {
		(void)buf_add_str(out, " of ");
		(void)size_print(t->total, out);
	}
	if (job_transfer_rate(t) > 0) {
		(void)buf_add_str(out, "  ");
		(void)size_print(job_transfer_rate(t), out);
		(void)buf_add_str(out, "/s");
	}
	if (eta_of(t) >= 0) {
		(void)buf_printf(out, "  %" PRId64 " s left", eta_of(t));
	}
	(void)buf_printf(out, "  %s", transfer_words[t->state]);
	if (t->cached > 0) {
		(void)buf_add_str(out, ", ");
		(void)size_print(t->cached, out);
		(void)buf_add_str(out, " from the cache");
	}
	(void)buf_add_char(out, '\n');
}

static void add_headline(const struct job_record *r, size_t queue_position,
			 struct buf *out)
{
	(void)buf_add_str(out, job_state_name(r->state));
	if (queue_position > 0) {
		(void)buf_printf(out, ", place %zu in the queue", queue_position);
	} else if (r->attempt.host && job_state_is_active(r->state)) {
		(void)buf_printf(out, " on %s", r->attempt.host);
	}
	if (r->message && r->message[0]) {
		(void)buf_printf(out, ": %s", r->message);
	}
	(void)buf_add_char(out, '\n');
}

static void add_unreachable(const struct job_record *r, struct buf *out)
{
	char when[CLOCK_TEXT_MAX];

	clock_format(r->unreachable_ms, when);
	(void)buf_printf(out, "host %s has not answered since %s%s\n",
			 r->attempt.host ? r->attempt.host : "?", when,
			 job_state_is_active(r->state) ? " (the job goes on there)"
						       : "");
}

static int name_column(const struct job_record *r)
{
	size_t width = 0;

	for (size_t i = 0; i < r->n_transfers; i++) {
		size_t n = strlen(r->transfers[i].name);

		width = n > width ? n : width;
	}
	return (int)(width < NAME_COLUMN_MAX ? width : NAME_COLUMN_MAX);
}

static void add_checkpoint_line(const struct job_record *r, struct buf *out)
{
	char when[CLOCK_TEXT_MAX];

	clock_format(r->checkpoint_ms, when);
	(void)buf_printf(out, "checkpoint of %s: %" PRId64 " files, ", when,
			 r->checkpoint_count);
	(void)size_print(r->checkpoint_bytes, out);
	(void)buf_add_char(out, '\n');
}

int render_progress(const struct job_record *r, size_t queue_position, struct buf *out)
{
	int width = name_column(r);

	add_headline(r, queue_position, out);
	if (r->unreachable_ms > 0) {
		add_unreachable(r, out);
	}
	for (size_t i = 0; i < r->n_transfers; i++) {
		add_transfer(&r->transfers[i], width, out);
	}
	if (r->checkpoint_ms > 0) {
		add_checkpoint_line(r, out);
	}
	return out->error;
}

/* --- hosts ----------------------------------------------------------------------- */

int render_host_status(const struct engine_host *host, struct buf *out)
{
	return render_line(host->status, out);
}

static void add_labels(struct json_out *j, char *const *labels)
{
	json_open(j, "labels", '{');
	for (; labels && *labels; labels++) {
		cleanup_buf struct buf key = BUF_INIT;
		const char *value = strchr(*labels, '=');

		if (value && buf_add(&key, *labels, (size_t)(value - *labels)) == 0) {
			json_str(j, buf_text(&key), value + 1);
		}
	}
	json_close(j, '}');
}

int render_host_status_json(const struct engine_host *host, struct buf *out)
{
	struct json_out j = { .out = out };

	json_open(&j, NULL, '{');
	json_str(&j, "name", host->conf->name);
	json_str(&j, "status", host->status);
	json_bool(&j, "drained", host->is_drained);
	json_str(&j, "message", host->text);
	json_str(&j, "address", host->conf->address);
	json_int(&j, "port", host->conf->port);
	json_str(&j, "user", host->conf->user);
	json_int(&j, "slots", host->conf->slots);
	json_int(&j, "slots_used", host->slots_used);
	json_int(&j, "gpus", host->conf->gpus);
	json_int(&j, "gpus_used", host->gpus_used);
	add_labels(&j, host->conf->labels);
	json_int(&j, "connects", host->connects);
	json_int(&j, "bytes_in", (int64_t)host->bytes_in);
	json_int(&j, "bytes_out", (int64_t)host->bytes_out);
	json_close(&j, '}');
	return buf_add_char(out, '\n');
}
