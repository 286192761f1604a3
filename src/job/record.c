#include "job/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job/spec.h"

struct job_record *job_record_new(void)
{
	struct job_record *r = calloc(1, sizeof(*r));

	if (!r) {
		return NULL;
	}
	r->refs = 1;
	r->exit_code = r->attempt.exit_code = -1;
	r->spec_size = -1;
	r->priority = SPEC_PRIORITY_DEFAULT;
	return r;
}

static void transfers_free(struct job_transfer *transfers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(transfers[i].name);
		free(transfers[i].uri);
	}
	free(transfers);
}

static void attempt_free(struct job_attempt *a)
{
	free(a->host);
	free(a->gpus);
	free(a->storeid);
	free(a->engine);
	free(a->exit);
	free(a->end);
	free(a->timeout);
	free(a->message);
}

void job_attempt_reset(struct job_record *r)
{
	attempt_free(&r->attempt);
	r->attempt = (struct job_attempt){ .exit_code = -1 };
	transfers_free(r->transfers, r->n_transfers);
	r->transfers = NULL;
	r->n_transfers = 0;
	(void)job_set_text(&r->outputs_uri, NULL); /* those of another attempt */
	r->outputs_count = r->outputs_bytes = 0;
	r->exit_code = -1;
	r->started_ms = r->exited_ms = r->ended_ms = 0;
	r->unreachable_ms = 0;
	r->upload_again = false;
	(void)job_set_text(&r->signal, NULL); /* nor is it for another program */
}

int job_attempt_exit_code(const struct job_record *r)
{
	return r->attempt.state == JOB_NEW ? r->exit_code : r->attempt.exit_code;
}

int job_attempt_number(const struct job_record *r)
{
	return r->attempt.n > 0 ? r->attempt.n : r->n_attempts + 1;
}

struct job_record *job_record_ref(struct job_record *record)
{
	if (record) {
		record->refs++;
	}
	return record;
}

struct job_record *job_record_unref(struct job_record *record)
{
	if (!record || --record->refs > 0) {
		return NULL;
	}
	free(record->name);
	free(record->message);
	free(record->error);
	free(record->outputs_uri);
	free(record->checkpoint_uri);
	free(record->signal);
	attempt_free(&record->attempt);
	transfers_free(record->transfers, record->n_transfers);
	free(record);
	return NULL;
}

void job_record_unrefp(struct job_record **record)
{
	*record = job_record_unref(*record);
}

/* After a bitwise copy of its owner: the text becomes the copy's own. */
static int own_text(char **member)
{
	if (*member) {
		*member = strdup(*member);
		if (!*member) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int own_attempt(struct job_attempt *a)
{
	int error = 0;

	error += own_text(&a->host);
	error += own_text(&a->gpus);
	error += own_text(&a->storeid);
	error += own_text(&a->engine);
	error += own_text(&a->exit);
	error += own_text(&a->end);
	error += own_text(&a->timeout);
	error += own_text(&a->message);
	return error;
}

static int own_transfers(struct job_record *r, const struct job_record *from)
{
	r->transfers = NULL;
	r->n_transfers = 0;
	if (from->n_transfers == 0) {
		return 0;
	}
	r->transfers = calloc(from->n_transfers, sizeof(*r->transfers));
	if (!r->transfers) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < from->n_transfers; i++) {
		r->transfers[i] = from->transfers[i];
		r->n_transfers = i + 1;
		/* both always, so that a failure leaves no borrowed pointer */
		if (own_text(&r->transfers[i].name) + own_text(&r->transfers[i].uri) <
		    0) {
			return -ENOMEM;
		}
	}
	return 0;
}

struct job_record *job_record_copy(const struct job_record *record)
{
	struct job_record *r = malloc(sizeof(*r));
	int error = 0;

	if (!r) {
		return NULL;
	}
	memcpy(r, record, sizeof(*r));
	r->refs = 1;
	error += own_text(&r->name);
	error += own_text(&r->message);
	error += own_text(&r->error);
	error += own_text(&r->outputs_uri);
	error += own_text(&r->checkpoint_uri);
	error += own_text(&r->signal);
	error += own_attempt(&r->attempt);
	error += own_transfers(r, record);
	if (error < 0) {
		return job_record_unref(r);
	}
	return r;
}

int job_set_text(char **member, const char *text)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy) {
			return -ENOMEM;
		}
	}
	free(*member);
	*member = copy;
	return 0;
}

/* ---- transfers ---- */

enum { RATE_INTERVAL_MS = 400 }; /* shorter ones say little */

int64_t job_transfer_rate(const struct job_transfer *t)
{
	int64_t took = t->ended_ms - t->began_ms;

	if (t->ended_ms == 0) {
		return t->rate;
	}
	return took > 0 && t->began_ms > 0 ? (t->bytes - t->cached) * 1000 / took : 0;
}

static void note_rate(struct job_transfer *t, int64_t now_ms)
{
	int64_t took = now_ms - t->seen_ms, rate;

	if (took < RATE_INTERVAL_MS) {
		return;
	}
	rate = (t->bytes - t->seen_bytes) * 1000 / took;
	t->rate = t->rate > 0 ? (t->rate + rate) / 2 : rate;
	t->seen_ms = now_ms;
	t->seen_bytes = t->bytes;
}

void job_transfer_note(struct job_transfer *t, enum job_transfer_state state,
		       int64_t bytes, int64_t now_ms)
{
	bool begins = state != TRANSFER_WAITING &&
		      (t->began_ms == 0 || t->ended_ms > 0); /* once more */

	if (begins) {
		t->began_ms = t->seen_ms = now_ms;
		t->ended_ms = t->rate = t->seen_bytes = t->bytes = 0;
	}
	if (t->total >= 0 && bytes > t->total) {
		bytes = t->total;
	}
	t->state = state;
	t->bytes = bytes > t->bytes ? bytes : t->bytes;
	if (state == TRANSFER_RUNNING) {
		note_rate(t, now_ms);
	} else if (state != TRANSFER_WAITING) {
		t->ended_ms = now_ms;
	}
}
