/* Before a GPU is held: are the inputs there, and can be written where outputs go? Each
 * of these is asked for by a task of its own, so that a job waits for the slowest of
 * them and not for their sum. Whoever ends last puts together what they found, still in
 * a worker's thread; the engine heeds its event alone. Some are under way at once, so
 * that workers are left for other jobs, and none is asked for behind one that failed.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/cache.h"
#include "engine/input_scan.h"
#include "job/address.h"
#include "util/failpoint.h"

enum {
	S3_CLOCKS_APART_S = 1, /* of the machines of one S3, at most */
	OBJECTS_MAX = 4 << 20, /* bytes kept for URLs; of more, they are made later */
	AT_ONCE = 4,	       /* checks of one job */
};

struct preflight;

struct check { /* of an input, or of where something goes */
	struct task task;
	struct preflight *all;
	struct inquiry q;
	int (*ask)(struct check *c, struct s3_client *s3);
	bool is_last;
	/* of an input */
	size_t i;
	struct input_listed listed;
	struct buf index;
	struct buf objects;
};

struct preflight {
	/* engine's thread only */
	int refs;	 /* one of each check that is under way */
	size_t n_queued; /* checks, from the first */
	bool is_abandoned;
	/* of all threads */
	atomic_size_t n_left;	   /* checks that have not ended */
	atomic_size_t first_bad;   /* n: none */
	atomic_size_t index_len;   /* of all checks */
	atomic_size_t objects_len; /* of all checks */
	atomic_bool lacks_objects; /* so that no URLs can be made */
	/* what is asked for */
	struct spec *spec;	 /* borrowed from the run that asks, as the next two */
	const char *destination; /* NULL: there are no outputs */
	const char *checkpoints; /* NULL: none */
	enum spec_engine engine;
	bool lists;		  /* shall the host have a list of all? */
	struct batch_order first; /* of URLs for the inputs */
	/* what was found */
	struct input_listed *listed;
	struct buf index; /* of those that may be cached, or that the host verifies */
	struct buf urls;  /* secret */
	int64_t outputs_since_s; /* see struct job_attempt */
	size_t n;
	struct check checks[];
};

/* The URLs that the job will want first can go with its launch. What came from the
 * cache is known on its host alone, so they are not made for such inputs; and a runner
 * that has them starts no keeper, which checkpoints need. */
static bool makes_urls(const struct preflight *all)
{
	const struct spec *spec = all->spec;

	if (all->engine != SPEC_ENGINE_PRESIGNED || spec->is_dry_run ||
	    spec->has_checkpoints) {
		return false;
	}
	for (size_t i = 0; i < spec->n_inputs; i++) {
		if (spec->inputs[i].is_cached && all->first.keeps) {
			return false;
		}
	}
	return true;
}

/* Frees what is too much for all of them together, whose length is `len`. */
static bool has_room(atomic_size_t *len, struct buf *buf, size_t max)
{
	size_t added = buf->len;

	if (atomic_fetch_add(len, added) + added <= max && !buf->error) {
		return true;
	}
	(void)atomic_fetch_sub(len, added);
	buf_fini(buf);
	return false;
}

static int check_input(struct check *c, struct s3_client *s3)
{
	struct preflight *all = c->all;
	const struct spec_input *in = &all->spec->inputs[c->i];
	struct input_scan scan = {
		.input = in,
		.i = c->i,
		.engine = all->engine,
		.objects = makes_urls(all) ? &c->objects : NULL,
		.index = all->lists || (in->is_cached && all->first.keeps) ? &c->index
									   : NULL,
	};
	int r;

	FAILPOINT("s3.input");
	r = input_scan(&scan, &c->q, s3);
	if (!has_room(&all->index_len, &c->index, CACHE_INDEX_MAX)) {
		scan.index = NULL;
	}
	if (!has_room(&all->objects_len, &c->objects, OBJECTS_MAX)) {
		atomic_store(&all->lacks_objects, true);
	}
	scan.listed.is_cached = scan.index && all->first.keeps;
	c->listed = scan.listed;
	return r;
}

static int note_object(void *arg, const struct s3_object *object)
{
	bool *is_there = arg;

	(void)object;
	*is_there = true;
	return 1;
}

/* Can the outputs be looked for where they are to go? Better said now than after days.
 * What is there already, from another attempt or another job, must not be taken for
 * them later: they will be younger than now. */
static int check_destination(struct check *c, struct s3_client *s3)
{
	struct s3_place place = c->q.place;
	bool is_there = false;
	int64_t now_s = 0;
	struct s3_listing listing = { .page_size = 1,
				      .each = note_object,
				      .arg = &is_there,
				      .ret_now_s = &now_s };
	cleanup_free char *bucket = address_split(c->all->destination, &listing.prefix);

	if (!bucket) {
		return err_set(&c->q.error, -ENOMEM, "no memory");
	}
	place.bucket = bucket;
	inquiry_list(&c->q, s3, &place, &listing);
	if (c->q.fault != S3_OK && c->q.fault != S3_STOPPED) {
		c->q.reason = inspect_reason(c->q.fault, REASON_UPLOAD_FAILED);
		return err_prefix(&c->q.error, -EIO, "outputs (%s)",
				  c->all->destination);
	}
	c->all->outputs_since_s = is_there && now_s > 0 ? now_s - S3_CLOCKS_APART_S : 0;
	return inquiry_try_write(&c->q, s3, c->all->destination, "outputs");
}

static int check_checkpoints(struct check *c, struct s3_client *s3)
{
	return inquiry_try_write(&c->q, s3, c->all->checkpoints, "checkpoints");
}

static void give_objects(struct batch *urls, const struct buf *objects)
{
	const char *p = objects->data, *end = p + objects->len;

	while (p < end) {
		struct s3_object object = { .size = strtoll(p, NULL, 10) };

		object.etag = p + strlen(p) + 1;
		object.key = object.etag + strlen(object.etag) + 1;
		p = object.key + strlen(object.key) + 1;
		batch_add_object(urls, &object);
	}
}

/* Without them all is as well: they are made when they are wanted. */
static void make_urls(struct preflight *all)
{
	struct err ignored = ERR_INIT;
	struct batch *urls;

	if (all->spec->n_inputs == 0 || !makes_urls(all) ||
	    atomic_load(&all->lacks_objects)) {
		return;
	}
	urls = batch_open(&all->first, &all->urls, &ignored);
	for (size_t i = 0; urls && i < all->spec->n_inputs; i++) {
		batch_input(urls, i);
		give_objects(urls, &all->checks[i].objects);
	}
	if (batch_close(urls) < 0) {
		buf_wipe(&all->urls);
	}
}

static void put_together(struct preflight *all)
{
	if (atomic_load(&all->first_bad) < all->n) {
		return;
	}
	for (size_t i = 0; i < all->spec->n_inputs; i++) {
		struct check *c = &all->checks[i];

		(void)buf_add(&all->index, c->index.data, c->index.len);
		all->listed[i] = c->listed;
	}
	make_urls(all);
}

static void note_bad(struct preflight *all, size_t i)
{
	size_t first = atomic_load(&all->first_bad);

	while (i < first && !atomic_compare_exchange_weak(&all->first_bad, &first, i)) {
	}
}

static void run_check(struct task *task, struct s3_client *s3)
{
	struct check *c = (struct check *)task;
	struct preflight *all = c->all;

	if (!s3) {
		(void)err_set(&c->q.error, -ENOMEM, "no memory");
	} else if (c->ask && c->i < atomic_load(&all->first_bad)) {
		(void)c->ask(c, s3);
	}
	if (c->q.error.code < 0) {
		note_bad(all, c->i);
	}
	c->is_last = atomic_fetch_sub(&all->n_left, 1) == 1;
	if (c->is_last) {
		put_together(all);
	}
}

/* One check less: they go together, since the last one looks at all. */
static void release(struct check *c)
{
	struct preflight *all = c->all;

	task_fini(&c->task);
	if (--all->refs > 0) {
		return;
	}
	for (size_t k = 0; k < all->n; k++) {
		buf_fini(&all->checks[k].index);
		buf_fini(&all->checks[k].objects);
	}
	free(all->listed);
	buf_fini(&all->index);
	buf_wipe(&all->urls);
	free(all);
}

/* Its turn failed: the job begins anew, and what the others say is nothing to it. */
static void drop_check(struct event *event)
{
	struct check *c = (struct check *)event;

	c->all->is_abandoned = true;
	release(c);
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

static void note_found(struct run *run, struct preflight *all)
{
	free(run->listed);
	run->listed = steal_ptr(&all->listed);
	run->inputs_checked = true;
	buf_fini(&run->index);
	run->index = all->index;
	all->index = (struct buf)BUF_INIT;
	urls_keep_first(run, &all->urls);
	count_bytes(run);
	run->outputs_since_s = all->outputs_since_s;
}

static void queue_next(struct engine *e, struct preflight *all, struct job *job)
{
	all->refs++;
	task_queue(e, job, &all->checks[all->n_queued++].task);
}

static void finish(struct engine *e, struct preflight *all, struct job *job)
{
	size_t bad = atomic_load(&all->first_bad);
	const struct inquiry *q;

	if (bad == all->n) {
		job_step_done(job);
		note_found(job->run, all);
		return;
	}
	q = &all->checks[bad].q;
	(void)job_step_failed(
		e, job, q->reason,
		s3_fault_may_pass(q->fault) ? e->conf->limits.s3_patience_ms : 0,
		q->error.text);
}

/* A job that is gone asks no more. */
static void handle_check(struct engine *e, struct event *event)
{
	struct check *c = (struct check *)event;
	struct preflight *all = c->all;
	struct job *job = NULL;

	if (!all->is_abandoned) {
		job = c->is_last ? task_job(e, &c->task) : task_asker(e, &c->task);
	}
	if (job && c->is_last) {
		finish(e, all, job);
	} else if (job && all->n_queued < all->n) {
		queue_next(e, all, job);
	}
	release(c);
}

static void add_check(struct engine *e, struct preflight *all,
		      int (*ask)(struct check *c, struct s3_client *s3))
{
	struct check *c = &all->checks[all->n];

	c->all = all;
	c->ask = ask;
	c->i = all->n++;
	c->objects.max = OBJECTS_MAX;
	inquiry_init(&c->q, e, all->spec);
	c->task.event.handle = handle_check;
	c->task.event.drop = drop_check;
	c->task.run = run_check;
}

static void add_checks(struct engine *e, struct preflight *all)
{
	for (size_t i = 0; i < all->spec->n_inputs; i++) {
		add_check(e, all, check_input); /* so they have its number */
	}
	if (all->spec->has_outputs) {
		add_check(e, all, check_destination);
	}
	if (all->spec->has_checkpoints) {
		add_check(e, all, check_checkpoints);
	}
	if (all->n == 0) {
		add_check(e, all, NULL);
	}
}

static struct preflight *preflight_new(struct engine *e, struct job *job)
{
	struct spec *spec = job->run->spec;
	size_t n_max = spec->n_inputs + 2;
	struct preflight *all =
		calloc(1, sizeof(*all) + n_max * sizeof(all->checks[0]));

	if (all) {
		all->listed = calloc(spec->n_inputs + 1, sizeof(*all->listed));
	}
	if (!all || !all->listed) {
		free(all);
		engine_fail_turn(e, -ENOMEM, NULL);
		return NULL;
	}
	all->spec = spec;
	all->destination = job->run->destination;
	all->checkpoints = job->run->checkpoints;
	all->engine = urls_engine_asked(e, spec);
	urls_order(e, job, &all->first);
	all->first.destination = NULL;
	all->lists = tool_is_named(all->engine) &&
		     streq(payload_verify_word(e, &all->first.place), "all");
	add_checks(e, all);
	return all;
}

void preflight(struct engine *e, struct job *job)
{
	struct preflight *all;

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
	all = preflight_new(e, job);
	if (!all) {
		return;
	}
	atomic_init(&all->n_left, all->n);
	atomic_init(&all->first_bad, all->n);
	while (all->n_queued < all->n && all->n_queued < AT_ONCE) {
		queue_next(e, all, job);
	}
}
