/* A job follows what its host says of it: claim, phase, exit, end, logs, transfers. */
#include "engine/news.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"

enum {
	INTERVAL_FIRST_MS = 20,	    /* after a launch and after a change of phase */
	INTERVAL_LOG_MS = 400,	    /* while a log grows */
	INTERVAL_TRANSFER_MS = 500, /* at most, for a progress that is true */
	INTERVAL_CUT_MS = 100,	    /* while it is too long to be kept whole */
};

/* --- transitions ----------------------------------------------------------------- */

static bool was_in(const struct job_record *r, enum job_state state)
{
	return r->state == state;
}

/* Walks through the states in order up to the target, so that the timeline is whole
 * even when a job was faster than the polls. */
static void walk_to(struct engine *e, struct job *job, enum job_state target)
{
	static const enum job_state order[] = { JOB_PREPARING, JOB_DOWNLOADING,
						JOB_RUNNING, JOB_UPLOADING };
	const struct spec *spec = job->run->spec;
	size_t at = 0;

	if (was_in(job_get(job), JOB_STOPPING)) {
		if (target == JOB_UPLOADING) {
			(void)job_transition(e, job, target, REASON_CANCELLED, "%s",
					     "");
		}
		return;
	}
	while (at < ARRAY_SIZE(order) && order[at] != job_get(job)->state) {
		at++;
	}
	while (at + 1 < ARRAY_SIZE(order) && order[at] != target) {
		enum job_state next = order[++at];

		if (next == JOB_DOWNLOADING && spec->n_inputs == 0 &&
		    !spec->has_checkpoints) {
			continue;
		}
		(void)job_transition(e, job, next, REASON_NONE, "%s", "");
	}
}

static void follow_phase(struct engine *e, struct job *job, const struct news *n)
{
	const struct spec *spec = job->run->spec;
	bool has_exit = n->exit[0] != '\0';

	if (streq(n->phase, "download")) {
		walk_to(e, job, JOB_DOWNLOADING);
	} else if (has_exit && (spec->has_outputs || spec->has_checkpoints)) {
		walk_to(e, job, JOB_UPLOADING);
	} else if (has_exit || streq(n->phase, "run")) {
		walk_to(e, job, JOB_RUNNING);
	}
	/* not at `exit`: what the program left behind is being ended then */
	if (job_get(job)->state == JOB_UPLOADING &&
	    (streq(n->phase, "upload") || streq(n->phase, "end") || n->end[0])) {
		schedule_release_gpus(job);
	}
}

static void note_exit(struct engine *e, struct job *job, const char *text)
{
	struct job_record *r;
	struct job_exit exit = job_exit_parse(text);

	if (job_get(job)->attempt.exit) {
		return;
	}
	r = job_edit(e, job);
	if (!r || job_set_text(&r->attempt.exit, text) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	r->exited_ms = clock_wall_ms();
	if (exit.kind == EXIT_CODE) {
		r->exit_code = exit.code;
	}
	(void)job_event(e, job, "exit", "%s", text);
}

static void note_end(struct engine *e, struct job *job, const char *text)
{
	struct job_record *r;

	if (job_get(job)->attempt.end) {
		return;
	}
	r = job_edit(e, job);
	if (!r || job_set_text(&r->attempt.end, text) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
}

static void note_timeout(struct engine *e, struct job *job, const char *phase)
{
	const char *known = job_get(job)->attempt.timeout;
	struct job_record *r;

	if (phase[0] == '\0' || (known && streq(known, phase))) {
		return;
	}
	r = job_edit(e, job);
	if (!r || job_set_text(&r->attempt.timeout, phase) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	(void)job_event(e, job, "timeout", "timeouts.%s was reached", phase);
}

/* "EPOCH BYTES COUNT ok|failed": the last checkpoint, and what became of the last try
 */
static void note_checkpoint(struct engine *e, struct job *job, const char *text)
{
	long long at_s, bytes, count;
	char word[8];
	struct job_record *r;
	bool failed;

	if (sscanf(text, "%lld %lld %lld %7s", &at_s, &bytes, &count, word) != 4) {
		return;
	}
	failed = streq(word, "failed");
	if (failed && !job->run->checkpoint_failed) {
		(void)job_event(e, job, "checkpoint",
				"failed: transfer.log says why");
	}
	job->run->checkpoint_failed = failed;
	if (at_s <= 0 || (at_s * 1000 == job_get(job)->checkpoint_ms &&
			  bytes == job_get(job)->checkpoint_bytes &&
			  count == job_get(job)->checkpoint_count)) {
		return;
	}
	r = job_edit(e, job);
	if (r) {
		r->checkpoint_ms = at_s * 1000;
		r->checkpoint_bytes = bytes;
		r->checkpoint_count = count;
		(void)job_event(e, job, "checkpoint",
				"%lld files, %lld bytes, are in %s", count, bytes,
				job->run->checkpoints);
	}
}

static void note_claim(struct engine *e, struct job *job, const struct news *n)
{
	struct job_record *r;

	job->run->is_void = n->is_void;
	if (!n->is_claimed || job_get(job)->attempt.is_claimed) {
		return;
	}
	r = job_edit(e, job);
	if (r) {
		r->attempt.is_claimed = true;
		(void)job_event(e, job, "claimed", "%s", n->claim);
	}
}

/* --- logs ------------------------------------------------------------------------ */

static bool take_log(struct engine *e, struct job *job, enum job_stream stream,
		     const struct frame_item *data)
{
	if (!data->is_data || data->value_len == 0) {
		return false;
	}
	return log_take(e, job, stream, data->value, data->value_len) == 0;
}

/* --- transfers ------------------------------------------------------------------- */

static enum job_transfer_state parse_transfer_state(const char *word)
{
	if (has_prefix(word, "run")) {
		return TRANSFER_RUNNING;
	}
	if (has_prefix(word, "ok")) {
		return TRANSFER_DONE;
	}
	return has_prefix(word, "fail") ? TRANSFER_FAILED : TRANSFER_WAITING;
}

void news_tell_transfer(struct engine *e, struct job *job, const struct job_transfer *t)
{
	char cached[64] = "";

	if (t->cached > 0) {
		(void)snprintf(cached, sizeof(cached), "; %lld from the cache",
			       (long long)t->cached);
	}
	(void)job_event(e, job, "transfer", "%s %s: %lld bytes in %.3f s, %.1f MB/s%s",
			t->name, t->state == TRANSFER_DONE ? "done" : "failed",
			(long long)t->bytes, (double)(t->ended_ms - t->began_ms) / 1000,
			(double)job_transfer_rate(t) / 1e6, cached);
}

/* "I STATE [RC] KB" */
static void note_transfer(struct engine *e, struct job *job,
			  const struct frame_item *item)
{
	const struct job_record *now = job_get(job);
	char text[128], index_text[16] = "", word[16] = "";
	enum job_transfer_state state;
	struct job_transfer *transfer;
	struct job_record *r;
	const char *kb;
	int64_t bytes;
	size_t index;

	frame_item_text(item, text, sizeof(text));
	if (sscanf(text, "%15s %15s", index_text, word) != 2) {
		return;
	}
	index = streq(index_text, "out") ? job->run->spec->n_inputs
					 : (size_t)strtoul(index_text, NULL, 10);
	if (index >= now->n_transfers) {
		return;
	}
	state = parse_transfer_state(word);
	kb = strrchr(text, ' ');
	if (state == now->transfers[index].state && state != TRANSFER_RUNNING) {
		return;
	}
	r = job_edit(e, job);
	if (!r) {
		return;
	}
	transfer = &r->transfers[index];
	bytes = kb ? strtoll(kb + 1, NULL, 10) * 1024 : 0; /* by du: whole blocks */
	if (state == TRANSFER_DONE && transfer->total >= 0) {
		bytes = transfer->total;
	}
	job_transfer_note(transfer, state, bytes, clock_wall_ms());
	/* of outputs it is said when S3 has them */
	if (state != TRANSFER_RUNNING && index < job->run->spec->n_inputs) {
		news_tell_transfer(e, job, transfer);
	}
}

/* "I OBJECTS KB" */
static void note_hits(struct engine *e, struct job *job, const struct frame_item *item)
{
	const struct job_record *now = job_get(job);
	long long index = 0, objects = 0, kb = 0, bytes, total;
	struct job_record *r;
	char text[128];

	frame_item_text(item, text, sizeof(text));
	if (sscanf(text, "%lld %lld %lld", &index, &objects, &kb) != 3 || index < 0 ||
	    (size_t)index >= now->n_transfers || kb < 0 || kb > INT64_MAX / 1024) {
		return;
	}
	total = now->transfers[index].total;
	bytes = total >= 0 && kb * 1024 > total ? total : kb * 1024;
	if (bytes != now->transfers[index].cached && (r = job_edit(e, job))) {
		r->transfers[index].cached = bytes;
	}
}

/* --- one attempt's news ---------------------------------------------------------- */

static enum job_alive parse_alive(const char *word)
{
	static const struct {
		const char *word;
		enum job_alive alive;
	} words[] = {
		{ "done", ALIVE_DEAD },	    { "1", ALIVE_RUNNER },
		{ "orphan", ALIVE_ORPHAN }, { "rebooted", ALIVE_REBOOTED },
		{ "0", ALIVE_DEAD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (streq(words[i].word, word)) {
			return words[i].alive;
		}
	}
	return ALIVE_UNKNOWN;
}

static void plan_next_poll(struct engine *e, struct job *job, bool changed, bool grew)
{
	enum job_state state = job_get(job)->state;
	bool moves = state == JOB_DOWNLOADING || state == JOB_UPLOADING;
	int64_t longest = e->conf->limits.poll_interval_ms;
	struct run *run = job->run;
	int64_t wait = run->poll_interval_ms;

	if (changed || wait == 0) {
		wait = INTERVAL_FIRST_MS;
	} else if (grew) {
		wait = INTERVAL_LOG_MS;
	} else if (moves && job->host->watch_is_out) {
		wait = wait * 4; /* for the progress: the end is told */
	} else {
		wait = wait * 3 / 2 + 1;
	}
	if (moves && longest > INTERVAL_TRANSFER_MS) {
		longest = INTERVAL_TRANSFER_MS;
	}
	run->poll_interval_ms = wait < longest ? wait : longest;
	/* a log that grows faster than anybody reads is fetched without haste */
	wait = run_has_logs(job) ? run->poll_interval_ms
	       : log_is_cut(job) ? INTERVAL_CUT_MS
				 : 0;
	run->poll_at = clock_ms() + wait;
}

/* The host forgot an attempt that it had claimed: nothing of it can be known any more.
 */
static void note_forgotten(struct job *job)
{
	if (job_get(job)->attempt.is_claimed) {
		log_error("job %s: host %s has lost the attempt's directory",
			  job_get(job)->name, job->host->conf->name);
		job->run->alive = ALIVE_DEAD;
		for (int i = 0; i < STREAM_OF_HOST_COUNT; i++) {
			job->run->logs[i].size = 0;
		}
	}
}

void news_apply(struct engine *e, struct job *job, const struct news *n)
{
	struct run *run = job->run;
	enum job_state before = job_get(job)->state;
	bool grew = false;

	run->is_polled = true;
	run->wants_poll = false;
	if (job_get(job)->attempt.is_claimed) {
		job_step_done(job); /* else the launch is what does not succeed */
	}
	if (n->is_none) {
		note_forgotten(job);
		return;
	}
	note_claim(e, job, n);
	if (run->is_void) {
		return;
	}
	run->cancel_noted |= n->cancel;
	urls_note_want(run, n->want);
	run->keys.are_wanted = n->keys[0] != '\0';
	run->alive = parse_alive(n->alive);
	for (int i = 0; i < STREAM_OF_HOST_COUNT; i++) {
		run->logs[i].size = n->size[i];
		run->logs[i].hole = n->hole[i];
		grew |= take_log(e, job, (enum job_stream)i, &n->data[i]);
	}
	note_timeout(e, job, n->timeout);
	note_checkpoint(e, job, n->checkpoint);
	follow_phase(e, job, n);
	if (n->exit[0]) {
		note_exit(e, job, n->exit);
	}
	if (n->end[0]) {
		note_end(e, job, n->end);
	}
	plan_next_poll(e, job, before != job_get(job)->state || n->end[0], grew);
}

static void read_claim(struct news *n, const struct frame_item *item)
{
	frame_item_text(item, n->claim, sizeof(n->claim));
	n->is_none = streq(n->claim, "none");
	n->is_void = has_prefix(n->claim, "void");
	n->is_claimed = has_prefix(n->claim, "run ");
}

/* A line with the size on the host comes first, then the block of new bytes. */
static void read_log(const struct frame_item *item, enum job_stream stream,
		     struct news *n)
{
	if (item->is_data) {
		n->data[stream] = *item;
	} else {
		n->size[stream] = frame_item_number(item);
	}
}

static const char *const stream_names[] = {
	[STREAM_LOG] = "log",
	[STREAM_TRANSFER] = "tlog",
	[STREAM_METRICS] = "metrics",
};

/* "log FROM TO" */
static void read_hole(const struct frame_item *item, struct news *n)
{
	char text[64], name[8];
	long long from, to;

	frame_item_text(item, text, sizeof(text));
	if (sscanf(text, "%7s %lld %lld", name, &from, &to) != 3 || from < 0) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(stream_names); i++) {
		if (streq(name, stream_names[i])) {
			n->hole[i] = (struct job_gap){ from, to };
		}
	}
}

void news_read(struct engine *e, struct job *job, struct news *n,
	       const struct frame_item *item)
{
	static const struct {
		const char *key;
		size_t offset, size;
	} texts[] = {
		{ "alive", offsetof(struct news, alive), sizeof(n->alive) },
		{ "phase", offsetof(struct news, phase), sizeof(n->phase) },
		{ "want", offsetof(struct news, want), sizeof(n->want) },
		{ "keys", offsetof(struct news, keys), sizeof(n->keys) },
		{ "checkpoint", offsetof(struct news, checkpoint),
		  sizeof(n->checkpoint) },
		{ "exit", offsetof(struct news, exit), sizeof(n->exit) },
		{ "end", offsetof(struct news, end), sizeof(n->end) },
		{ "timeout", offsetof(struct news, timeout), sizeof(n->timeout) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(stream_names); i++) {
		if (frame_item_is(item, stream_names[i])) {
			read_log(item, (enum job_stream)i, n);
			return;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (frame_item_is(item, texts[i].key)) {
			frame_item_text(item, (char *)n + texts[i].offset,
					texts[i].size);
			return;
		}
	}
	if (frame_item_is(item, "claim")) {
		read_claim(n, item);
	} else if (frame_item_is(item, "cancel")) {
		n->cancel = true;
	} else if (frame_item_is(item, "xfer")) {
		note_transfer(e, job, item);
	} else if (frame_item_is(item, "hits")) {
		note_hits(e, job, item);
	} else if (frame_item_is(item, "hole")) {
		read_hole(item, n);
	}
}
