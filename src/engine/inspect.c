/* What only S3 can say, asked in a worker's thread: is every output there before the
 * job is called a success? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/inquiry.h"
#include "engine/news.h"
#include "job/address.h"
#include "job/manifest.h"
#include "util/clock.h"
#include "util/failpoint.h"

struct inspect_task {
	struct task task;
	struct inquiry q;
	int64_t outputs_since_s;    /* see struct job_attempt */
	const char *destination;    /* borrowed from the run */
	const struct buf *manifest; /* the same */
	struct batch_order uploads; /* in parts, to be completed first */
	struct buf lines;	    /* outputs.jsonl */
	int64_t count, total;
};

static void task_free(struct inspect_task *t)
{
	buf_fini(&t->lines);
	task_fini(&t->task);
	free(t);
}

static void task_drop(struct event *event)
{
	task_free((struct inspect_task *)event);
}

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
	t->q.reason = REASON_UPLOAD_FAILED;
	if (first) {
		return err_set(
			&t->q.error, -ENOENT,
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
	struct s3_place place = t->q.place;
	cleanup_free char *bucket = NULL;
	const char *prefix;
	int r;

	FAILPOINT("s3.outputs");
	bucket = address_split(t->destination, &prefix);
	place.bucket = bucket;
	scan.prefix_len = strlen(prefix);
	r = manifest_parse(buf_text(t->manifest), t->manifest->len, &scan.list);
	if (r < 0 || !bucket) {
		t->q.reason = REASON_INTERNAL;
		return err_set(&t->q.error, r < 0 ? r : -ENOMEM,
			       "the host's list of outputs is malformed");
	}
	if (t->uploads.begun->len > 0) {
		t->q.fault = batch_end_uploads(&t->uploads, s3, true, &t->q.error);
	}
	if (t->q.fault == S3_OK && scan.list.n > 0) {
		inquiry_list(&t->q, s3, &place,
			     &(struct s3_listing){ .prefix = prefix,
						   .page_size = S3_PAGE_MAX,
						   .each = match_object,
						   .arg = &scan });
	}
	if (t->q.fault != S3_OK && t->q.fault != S3_STOPPED) {
		t->q.reason = inspect_reason(t->q.fault, REASON_UPLOAD_FAILED);
		r = err_prefix(&t->q.error, -EIO, "cannot verify the outputs in %s",
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
		(void)err_set(&t->q.error, -ENOMEM, "no memory");
	} else if (check_outputs(t, s3) == 0) {
		(void)buf_printf(&t->lines,
				 "{\"complete\":true,\"count\":%lld,\"bytes\":%lld}\n",
				 (long long)t->count, (long long)t->total);
		(void)err_set(&t->q.error, t->lines.error,
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

	if (job && t->q.error.code == 0 && job->run->n_lost > 0) {
		char text[ERR_TEXT_MAX];

		(void)snprintf(
			text, sizeof(text),
			"%zu outputs could not be read and are not in %s, the first "
			"is: %s",
			job->run->n_lost, t->destination, job->run->lost);
		job_finish(e, job,
			   (struct job_verdict){ JOB_FAILED, REASON_UPLOAD_FAILED },
			   text);
	} else if (job && t->q.error.code == 0) {
		job_step_done(job);
		note_outputs(e, job, t);
		FAILPOINT("s3.outputs.noted");
	} else if (job && t->q.reason == REASON_UPLOAD_FAILED) {
		job_finish(e, job, (struct job_verdict){ JOB_FAILED, t->q.reason },
			   t->q.error.text);
	} else if (job) {
		/* the outputs may be there: nothing is said before S3 has said it */
		job->run->has_manifest &= t->q.reason != REASON_INTERNAL;
		(void)job_step_failed(e, job, t->q.reason, INT64_MAX, t->q.error.text);
	}
	task_free(t);
}

void inspect_outputs(struct engine *e, struct job *job)
{
	struct inspect_task *t = calloc(1, sizeof(*t));

	if (!t) {
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	inquiry_init(&t->q, e, job->run->spec);
	t->task.event.drop = task_drop;
	t->task.event.handle = handle_outputs;
	t->task.run = run_outputs;
	t->destination = job->run->destination;
	t->outputs_since_s = job_get(job)->attempt.outputs_since_s;
	t->manifest = &job->run->manifest;
	urls_order(e, job, &t->uploads);
	task_queue(e, job, &t->task);
}
