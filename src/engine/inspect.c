/* What only S3 can say, asked in a worker's thread: are the inputs there before a GPU
 * is held, and is every output there before the job is called a success. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/cache.h"
#include "engine/internal.h"
#include "engine/news.h"
#include "job/address.h"
#include "job/manifest.h"
#include "job/path.h"
#include "util/clock.h"
#include "util/failpoint.h"
#include "util/log.h"

enum { S3_CLOCKS_APART_S = 1 }; /* of the machines of one S3, at most */

struct inspect_task {
	struct task task;
	const struct s3_ops *s3;
	struct engine_stats *stats;
	struct spec *spec; /* borrowed from the run that asks */
	struct s3_credentials credentials;
	struct s3_place place; /* without its bucket */
	enum s3_fault fault;
	enum job_reason reason;
	struct err error; /* code < 0: it did not go well */
	/* inputs */
	struct input_listed *listed;
	struct buf index; /* of those that may be cached, or that the host verifies */
	bool keeps;	  /* may any be cached? */
	bool lists;	  /* shall the host have all of them? */
	enum spec_engine engine;
	struct batch_order first; /* of URLs for the inputs ... */
	struct buf urls;	  /* ... and those; secret */
	int64_t outputs_since_s;  /* see struct job_attempt */
	/* outputs */
	const char *destination;    /* borrowed from the run */
	const char *checkpoints;    /* the same; NULL: none */
	const struct buf *manifest; /* the same */
	struct batch_order uploads; /* in parts, to be completed first */
	struct buf lines;	    /* outputs.jsonl */
	int64_t count, total;
};

enum job_reason inspect_reason(enum s3_fault fault, enum job_reason otherwise)
{
	switch (fault) {
	case S3_CREDENTIALS:
	case S3_SKEW:
		return REASON_BAD_CREDENTIALS;
	case S3_DENIED:
		return REASON_ACCESS_DENIED;
	case S3_UNREACHABLE:
	case S3_THROTTLED:
		return REASON_S3_UNREACHABLE;
	case S3_OK:
	case S3_STOPPED:
	case S3_NO_BUCKET:
	case S3_REDIRECT:
	case S3_REFUSED:
		break;
	}
	return otherwise;
}

static void task_free(struct inspect_task *t)
{
	free(t->listed);
	buf_fini(&t->index);
	buf_wipe(&t->urls);
	buf_fini(&t->lines);
	task_fini(&t->task);
	free(t);
}

static void task_drop(struct event *event)
{
	task_free((struct inspect_task *)event);
}

static struct inspect_task *task_new(struct engine *e, struct job *job)
{
	struct inspect_task *t = calloc(1, sizeof(*t));

	if (!t) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return NULL;
	}
	t->task.event.drop = task_drop;
	t->s3 = e->ports.s3;
	t->keeps = urls_may_cache(e, job->run->spec);
	t->engine = urls_engine_asked(e, job->run->spec);
	t->stats = &e->stats;
	t->spec = job->run->spec;
	t->credentials = keys_of_daemon(e);
	run_get_place(e, t->spec, NULL, &t->place);
	t->lists = tool_is_named(t->engine) &&
		   streq(payload_verify_word(e, &t->place), "all");
	return t;
}

/* --- inputs ---------------------------------------------------------------------- */

struct input_scan {
	const struct spec_input *input;
	const struct s3_place *place;
	size_t i;
	struct buf *index; /* NULL: it is not in one */
	size_t index_len;  /* before the input */
	struct input_listed listed;
	struct batch *urls; /* NULL: none are made */
	enum spec_engine engine;
	char bad_key[256]; /* one that cannot be a file there, "" for none */
	char why[512];
	/* see key_is_bad() */
	char path[PATH_LEN_MAX + 1];
	short open[PATH_LEN_MAX + 1];
	size_t n_open;
};

/* Notes a key that cannot become a file below the input's directory. Keys come in the
 * order of their bytes, so that what begins with another key comes somewhere behind it:
 * `open` is the chain of those that the present one begins with, as ends in `path`. */
static bool key_is_bad(struct input_scan *scan, const char *below)
{
	struct err e = ERR_INIT;
	const char *flaw;

	if (path_check(below, &e) < 0) {
		(void)snprintf(scan->why, sizeof(scan->why), "is no path (%s)", e.text);
		return true;
	}
	flaw = tool_refuses_key(scan->engine, below);
	if (flaw) {
		(void)snprintf(scan->why, sizeof(scan->why), "%s", flaw);
		return true;
	}
	while (scan->n_open > 0) {
		size_t len = scan->open[scan->n_open - 1];

		if (strncmp(scan->path, below, len) == 0) {
			break;
		}
		scan->n_open--;
	}
	for (size_t i = 0; i < scan->n_open; i++) {
		if (below[scan->open[i]] == '/') {
			(void)snprintf(scan->why, sizeof(scan->why),
				       "needs a directory where the object \"%.*s\" "
				       "is a file",
				       (int)scan->open[i], below);
			return true;
		}
	}
	(void)snprintf(scan->path, sizeof(scan->path), "%s", below);
	scan->open[scan->n_open++] = (short)strlen(below);
	return false;
}

static void note_etag(struct input_scan *scan, const char *etag)
{
	if (etag[strspn(etag, "0123456789abcdef-")] == '\0') {
		(void)snprintf(scan->listed.etag, sizeof(scan->listed.etag), "%s",
			       etag);
	}
}

static void count_object(struct input_scan *scan, const struct s3_object *object,
			 const char *below)
{
	scan->listed.count++;
	scan->listed.bytes += object->size;
	if (scan->index &&
	    !cache_index_add(scan->index, scan->i, scan->place, object, below)) {
		buf_truncate(scan->index, scan->index_len);
		scan->index = NULL;
	}
	if (scan->urls) {
		batch_add_object(scan->urls, object);
	}
}

static int scan_object(void *arg, const struct s3_object *object)
{
	struct input_scan *scan = arg;
	const char *below = object->key + strlen(scan->input->key);

	if (!scan->input->is_prefix) {
		/* the listing begins with the key itself, if it is there */
		if (streq(object->key, scan->input->key)) {
			count_object(scan, object, "");
			note_etag(scan, object->etag);
		}
		return 1;
	}
	if (*below && !has_suffix(below, "/") && key_is_bad(scan, below)) {
		(void)snprintf(scan->bad_key, sizeof(scan->bad_key), "%s", object->key);
		return 1;
	}
	if (*below && !has_suffix(below, "/")) { /* else it marks a directory */
		count_object(scan, object, below);
	}
	return 0;
}

/* Its end is t->fault, with t->error. */
static void list(struct inspect_task *t, struct s3_client *s3,
		 const struct s3_place *place, const struct s3_listing *listing)
{
	int64_t begun_us = meter_clock_us();

	t->fault = t->s3->list(s3, place, &t->credentials, listing, &t->error);
	meter_add(&t->stats->listings, meter_clock_us() - begun_us);
	t->stats->failed_listings += t->fault != S3_OK && t->fault != S3_STOPPED;
}

static int check_input(struct inspect_task *t, struct s3_client *s3, struct batch *urls,
		       size_t i)
{
	const struct spec_input *in = &t->spec->inputs[i];
	struct s3_place place = t->place;
	struct input_scan scan = {
		.input = in,
		.place = &place,
		.i = i,
		.engine = t->engine,
		.urls = urls,
		.index = t->lists || (in->is_cached && t->keeps) ? &t->index : NULL,
		.index_len = t->index.len,
	};
	struct s3_listing listing = {
		.prefix = in->key,
		.page_size = in->is_prefix ? S3_PAGE_MAX : 1,
		.each = scan_object,
		.arg = &scan,
	};
	const char *flaw;

	flaw = tool_refuses(t->engine, in);
	if (flaw) {
		t->reason = REASON_NO_SUCH_INPUT;
		return err_set(&t->error, -EINVAL, "input \"%s\" (s3://%s/%s) %s",
			       in->name, in->bucket, in->key, flaw);
	}
	place.bucket = in->bucket;
	if (urls) {
		batch_input(urls, i);
	}
	list(t, s3, &place, &listing);
	if (t->fault != S3_OK && t->fault != S3_STOPPED) {
		t->reason = inspect_reason(t->fault, REASON_NO_SUCH_INPUT);
		return err_prefix(&t->error, -EIO, "input \"%s\" (s3://%s/%s)",
				  in->name, in->bucket, in->key);
	}
	t->reason = REASON_NO_SUCH_INPUT;
	if (scan.bad_key[0]) {
		return err_set(&t->error, -EINVAL,
			       "input \"%s\": the key \"%s\" of bucket %s %s; "
			       "rename the object",
			       in->name, scan.bad_key, in->bucket, scan.why);
	}
	if (scan.listed.count == 0) {
		return err_set(
			&t->error, -ENOENT,
			in->is_prefix
				? "input \"%s\": there is no object below s3://%s/%s"
				: "input \"%s\": there is no object s3://%s/%s",
			in->name, in->bucket, in->key);
	}
	scan.listed.is_cached = scan.index && t->keeps;
	t->listed[i] = scan.listed;
	return err_set(&t->error, 0, "%s", "");
}

static int note_object(void *arg, const struct s3_object *object)
{
	bool *is_there = arg;

	(void)object;
	*is_there = true;
	return 1;
}

/* A name that no output has: it would be a hidden file of jobfs's own. */
static const char written_name[] = ".jobfs-may-write";

/* May that be written where it is to go? */
static int check_writing(struct inspect_task *t, struct s3_client *s3, const char *uri,
			 const char *what)
{
	cleanup_buf struct buf key = BUF_INIT;
	struct s3_place place = t->place;
	struct s3_object_name name = { .place = &place,
				       .credentials = &t->credentials };
	const char *prefix;
	cleanup_free char *bucket = address_split(uri, &prefix);

	if (!bucket || buf_printf(&key, "%s%s", prefix, written_name) < 0) {
		return err_set(&t->error, -ENOMEM, "no memory");
	}
	place.bucket = bucket;
	name.key = buf_text(&key);
	t->fault = t->s3->try_write(s3, &name, &t->error);
	if (t->fault != S3_OK) {
		t->reason = inspect_reason(t->fault, REASON_UPLOAD_FAILED);
		return err_prefix(&t->error, -EIO, "$.%s (%s)", what, uri);
	}
	return err_set(&t->error, 0, "%s", "");
}

/* Can the outputs be looked for where they are to go? Better said now than after days.
 * What is there already, from another attempt or another job, must not be taken for
 * them later: they will be younger than now. */
static int check_destination(struct inspect_task *t, struct s3_client *s3)
{
	struct s3_place place = t->place;
	bool is_there = false;
	int64_t now_s = 0;
	struct s3_listing listing = { .page_size = 1,
				      .each = note_object,
				      .arg = &is_there,
				      .ret_now_s = &now_s };
	cleanup_free char *bucket = address_split(t->destination, &listing.prefix);

	if (!bucket) {
		return err_set(&t->error, -ENOMEM, "no memory");
	}
	place.bucket = bucket;
	list(t, s3, &place, &listing);
	if (t->fault != S3_OK && t->fault != S3_STOPPED) {
		t->reason = inspect_reason(t->fault, REASON_UPLOAD_FAILED);
		return err_prefix(&t->error, -EIO, "outputs (%s)", t->destination);
	}
	t->outputs_since_s = is_there && now_s > 0 ? now_s - S3_CLOCKS_APART_S : 0;
	return check_writing(t, s3, t->destination, "outputs");
}

/* The URLs that the job will want first can go with its launch. What came from the
 * cache is known on its host alone, so they are not made for such inputs; and a runner
 * that has them starts no keeper, which checkpoints need. */
static struct batch *open_urls(struct inspect_task *t)
{
	if (t->engine != SPEC_ENGINE_PRESIGNED || t->spec->is_dry_run ||
	    t->spec->has_checkpoints) {
		return NULL;
	}
	for (size_t i = 0; i < t->spec->n_inputs; i++) {
		if (t->spec->inputs[i].is_cached && t->keeps) {
			return NULL;
		}
	}
	return batch_open(&t->first, &t->urls, &t->error);
}

static void run_inputs(struct task *task, struct s3_client *s3)
{
	struct inspect_task *t = (struct inspect_task *)task;
	struct batch *urls = NULL;
	int r = 0;

	t->listed = calloc(t->spec->n_inputs + 1, sizeof(*t->listed));
	if (!t->listed || !s3) {
		(void)err_set(&t->error, -ENOMEM, "no memory");
		return;
	}
	if (t->spec->n_inputs > 0) {
		urls = open_urls(t);
	}
	for (size_t i = 0; i < t->spec->n_inputs && r == 0; i++) {
		FAILPOINT("s3.input");
		r = check_input(t, s3, urls, i);
	}
	if (batch_close(urls) < 0) {
		buf_wipe(&t->urls); /* they are made when they are wanted */
	}
	if (r == 0 && t->spec->has_outputs) {
		r = check_destination(t, s3);
	}
	if (r == 0 && t->spec->has_checkpoints) {
		(void)check_writing(t, s3, t->checkpoints, "checkpoints");
	}
}

static void count_bytes(struct run *run)
{
	run->input_bytes = run->cached_bytes = 0;
	for (size_t i = 0; i < run->spec->n_inputs; i++) {
		const struct input_listed *listed = &run->listed[i];

		run->input_bytes += listed->bytes;
		run->cached_bytes += listed->is_cached ? listed->bytes : 0;
	}
}

static void handle_inputs(struct engine *e, struct event *event)
{
	struct inspect_task *t = (struct inspect_task *)event;
	struct job *job = task_job(e, &t->task);

	if (job && t->error.code < 0) {
		(void)job_step_failed(e, job, t->reason,
				      s3_fault_may_pass(t->fault)
					      ? e->conf->limits.s3_patience_ms
					      : 0,
				      t->error.text);
	} else if (job) {
		job_step_done(job);
		free(job->run->listed);
		job->run->listed = steal_ptr(&t->listed);
		job->run->inputs_checked = true;
		buf_fini(&job->run->index);
		job->run->index = t->index;
		t->index = (struct buf)BUF_INIT;
		urls_keep_first(job->run, &t->urls);
		count_bytes(job->run);
		job->run->outputs_since_s = t->outputs_since_s;
	}
	task_free(t);
}

void inspect_inputs(struct engine *e, struct job *job)
{
	struct inspect_task *t;

	if (!e->conf->secrets.access_key) {
		(void)job_step_failed(
			e, job, REASON_NO_CREDENTIALS, 0,
			"jobfs has no S3 credentials: set AWS_ACCESS_KEY_ID and "
			"AWS_SECRET_ACCESS_KEY in its environment or in "
			"s3.environment_file, and start it again");
		return;
	}
	if (!urls_may_checkpoint(e, job->run->spec)) { /* since it was accepted */
		(void)job_step_failed(e, job, REASON_NO_CREDENTIALS, 0,
				      "checkpoints are made by the AWS CLI or by "
				      "presigned URLs, but the configuration asks "
				      "for another engine");
		return;
	}
	t = task_new(e, job);
	if (t) {
		t->destination = job->run->destination;
		t->checkpoints = job->run->checkpoints;
		urls_order(e, job, &t->first);
		t->first.destination = NULL;
		t->task.event.handle = handle_inputs;
		t->task.run = run_inputs;
		task_queue(e, job, &t->task);
	}
}

/* --- outputs --------------------------------------------------------------------- */

struct output_scan {
	struct manifest_list list;
	struct inspect_task *task;
	size_t prefix_len;
};

static int match_object(void *arg, const struct s3_object *object)
{
	struct output_scan *scan = arg;
	struct buf *lines = &scan->task->lines;

	if (!manifest_match(&scan->list, object->key + scan->prefix_len, object->size,
			    object->modified_s > 0 &&
				    object->modified_s < scan->task->outputs_since_s)) {
		return 0;
	}
	(void)buf_add_str(lines, "{\"key\":");
	(void)buf_add_json_str(lines, object->key);
	(void)buf_printf(lines, ",\"size\":%lld,\"etag\":", (long long)object->size);
	(void)buf_add_json_str(lines, object->etag ? object->etag : "");
	(void)buf_add_str(lines, "}\n");
	return scan->list.next >= scan->list.n;
}

static int check_missing(struct inspect_task *t, const struct manifest_list *list)
{
	const struct manifest_entry *first;
	size_t n;

	first = manifest_missing(list, &n);
	t->reason = REASON_UPLOAD_FAILED;
	if (first) {
		return err_set(
			&t->error, -ENOENT,
			"%zu of %zu outputs are not in %s with the right size, the "
			"first is \"%s\" (%lld bytes%s)",
			n, list->n, t->destination, first->path, (long long)first->size,
			first->is_old ? "; what is there is older than this attempt"
				      : "");
	}
	t->count = (int64_t)list->n;
	t->total = list->bytes;
	return 0;
}

static int check_outputs(struct inspect_task *t, struct s3_client *s3)
{
	struct output_scan scan = { .task = t };
	struct s3_place place = t->place;
	cleanup_free char *bucket = NULL;
	const char *prefix;
	int r;

	FAILPOINT("s3.outputs");
	bucket = address_split(t->destination, &prefix);
	place.bucket = bucket;
	scan.prefix_len = strlen(prefix);
	r = manifest_parse(buf_text(t->manifest), t->manifest->len, &scan.list);
	if (r < 0 || !bucket) {
		t->reason = REASON_INTERNAL;
		return err_set(&t->error, r < 0 ? r : -ENOMEM,
			       "the host's list of outputs is malformed");
	}
	if (t->uploads.begun->len > 0) {
		t->fault = batch_end_uploads(&t->uploads, s3, true, &t->error);
	}
	if (t->fault == S3_OK && scan.list.n > 0) {
		list(t, s3, &place,
		     &(struct s3_listing){ .prefix = prefix,
					   .page_size = S3_PAGE_MAX,
					   .each = match_object,
					   .arg = &scan });
	}
	if (t->fault != S3_OK && t->fault != S3_STOPPED) {
		t->reason = inspect_reason(t->fault, REASON_UPLOAD_FAILED);
		r = err_prefix(&t->error, -EIO, "cannot verify the outputs in %s",
			       t->destination);
	} else {
		r = check_missing(t, &scan.list);
	}
	manifest_fini(&scan.list);
	return r;
}

static void run_outputs(struct task *task, struct s3_client *s3)
{
	struct inspect_task *t = (struct inspect_task *)task;

	if (!s3) {
		(void)err_set(&t->error, -ENOMEM, "no memory");
	} else if (check_outputs(t, s3) == 0) {
		(void)buf_printf(&t->lines,
				 "{\"complete\":true,\"count\":%lld,\"bytes\":%lld}\n",
				 (long long)t->count, (long long)t->total);
		(void)err_set(&t->error, t->lines.error,
			      "the list of outputs is too long");
	}
}

static void note_outputs(struct engine *e, struct job *job,
			 const struct inspect_task *t)
{
	struct job_record *r = job_edit(e, job);

	if (!r || job_append(e, job, STREAM_OUTPUTS, t->lines.data, t->lines.len) < 0) {
		return;
	}
	if (job_set_text(&r->outputs_uri, t->destination) < 0) {
		engine_fail_turn(e, -ENOMEM, NULL);
	}
	r->outputs_count = t->count;
	r->outputs_bytes = t->total;
	if (r->n_transfers > 0) {
		struct job_transfer *transfer = &r->transfers[r->n_transfers - 1];

		transfer->total = t->total;
		if (transfer->ended_ms == 0) { /* no poll has seen its end */
			job_transfer_note(transfer, TRANSFER_DONE, t->total,
					  clock_wall_ms());
		}
		transfer->state = TRANSFER_DONE;
		transfer->bytes = t->total;
		news_tell_transfer(e, job, transfer);
	}
	(void)job_event(e, job, "verified", "%lld outputs, %lld bytes, are in %s",
			(long long)t->count, (long long)t->total, t->destination);
}

static void handle_outputs(struct engine *e, struct event *event)
{
	struct inspect_task *t = (struct inspect_task *)event;
	struct job *job = task_job(e, &t->task);

	if (job && t->error.code == 0 && job->run->n_lost > 0) {
		char text[ERR_TEXT_MAX];

		(void)snprintf(
			text, sizeof(text),
			"%zu outputs could not be read and are not in %s, the first "
			"is: %s",
			job->run->n_lost, t->destination, job->run->lost);
		job_finish(e, job,
			   (struct job_verdict){ JOB_FAILED, REASON_UPLOAD_FAILED },
			   text);
	} else if (job && t->error.code == 0) {
		job_step_done(job);
		note_outputs(e, job, t);
		FAILPOINT("s3.outputs.noted");
	} else if (job && t->reason == REASON_UPLOAD_FAILED) {
		job_finish(e, job, (struct job_verdict){ JOB_FAILED, t->reason },
			   t->error.text);
	} else if (job) {
		/* the outputs may be there: nothing is said before S3 has said it */
		(void)job_step_failed(e, job, t->reason, INT64_MAX, t->error.text);
	}
	task_free(t);
}

void inspect_outputs(struct engine *e, struct job *job)
{
	struct inspect_task *t = task_new(e, job);

	if (!t) {
		return;
	}
	t->task.event.handle = handle_outputs;
	t->task.run = run_outputs;
	t->destination = job->run->destination;
	t->outputs_since_s = job_get(job)->attempt.outputs_since_s;
	t->manifest = &job->run->manifest;
	urls_order(e, job, &t->uploads);
	task_queue(e, job, &t->task);
}
