/* What is sent to the host of one attempt: the plan (sh functions with every string of
 * the user in single quotes) and the contents of files/, one after another
 * (src/agent/PROTOCOL.md). It is put together in a worker's thread, since it reads all
 * files once for their digest; the same bytes are read again while they are sent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "engine/internal.h"
#include "engine/plan.h"
#include "s3/digest.h"
#include "util/failpoint.h"
#include "util/log.h"

enum { READ_SIZE = 256 << 10 };

struct payload_entry { /* a file or directory below files/, in the order of the plan */
	char *path;
	mode_t mode;
	bool is_dir;
	int64_t id;
	int64_t size;
};

struct payload {
	int files_fd; /* borrowed */
	struct buf head;
	struct payload_entry *entries;
	size_t n_entries, entries_capacity;
	int64_t size; /* of all */
	char digest[S3_DIGEST_HEX_SIZE];
	/* where reading stands */
	size_t at;
	int fd;
	int64_t left;
};

struct payload *payload_free(struct payload *p)
{
	if (p) {
		buf_fini(&p->head);
		closep(&p->fd);
		for (size_t i = 0; i < p->n_entries; i++) {
			free(p->entries[i].path);
		}
		free(p->entries);
		free(p);
	}
	return NULL;
}

int64_t payload_size(const struct payload *p)
{
	return p->size;
}

const char *payload_digest(const struct payload *p)
{
	return p->digest;
}

/* --- the task -------------------------------------------------------------------- */

struct payload_task {
	struct task task;
	struct store *store;
	struct spec *spec; /* borrowed from the run that asks */
	struct buf vars;   /* plan_vars */
	const struct buf *index; /* the same */
	struct payload *payload;
	struct err error;
};

struct walk {
	struct payload_task *task;
	const char *path; /* of the directory, below files/, with a slash at its end */
	int error;
};

static int add_entry(struct payload *p, const struct payload_entry *entry)
{
	if (p->n_entries == p->entries_capacity) {
		size_t capacity = p->entries_capacity ? p->entries_capacity * 2 : 16;
		struct payload_entry *entries =
			realloc(p->entries, capacity * sizeof(*entries));

		if (!entries) {
			return -ENOMEM;
		}
		p->entries = entries;
		p->entries_capacity = capacity;
	}
	p->entries[p->n_entries++] = *entry;
	return 0;
}

static int walk_entry(void *arg, const struct store_file *file)
{
	struct walk *w = arg;
	struct payload_entry entry = { .mode = file->mode & 0777,
				       .is_dir = file->is_dir,
				       .id = file->id };
	struct payload *p = w->task->payload;
	char name[32];
	struct stat st;

	if (asprintf(&entry.path, "%s%s", w->path, file->name) < 0) {
		w->error = -ENOMEM;
		return 1;
	}
	(void)snprintf(name, sizeof(name), "%lld", (long long)file->id);
	if (!file->is_dir && fstatat(p->files_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		w->error = err_set(&w->task->error, -errno, "files/%s: %s", entry.path,
				   strerror(errno));
	} else {
		entry.size = file->is_dir ? 0 : st.st_size;
		w->error = add_entry(p, &entry);
	}
	if (w->error < 0) {
		free(entry.path);
	}
	return w->error < 0;
}

static int walk_dir(struct payload_task *t, int64_t parent, const char *path)
{
	struct walk w = { .task = t, .path = path };
	int r = store_list_files(t->store, t->task.job, parent, 0, walk_entry, &w);

	return r < 0 ? r : w.error;
}

/* Breadth first: the list itself says which directories are still to be walked, and a
 * directory comes before what is in it. */
static int walk_files(struct payload_task *t)
{
	struct payload *p = t->payload;
	int r = walk_dir(t, FILE_PARENT_FILES, "");

	for (size_t i = 0; i < p->n_entries && r == 0; i++) {
		cleanup_free char *below = NULL;

		if (!p->entries[i].is_dir) {
			continue;
		}
		if (asprintf(&below, "%s/", p->entries[i].path) < 0) {
			below = NULL;
			return -ENOMEM;
		}
		r = walk_dir(t, p->entries[i].id, below);
	}
	return r;
}

/* base: where the contents begin. */
static void plan_files(const struct payload *p, int64_t base, struct buf *plan)
{
	int64_t offset = base;

	for (size_t i = 0; i < p->n_entries; i++) {
		const struct payload_entry *entry = &p->entries[i];
		struct plan_file file = { .path = entry->path,
					  .mode = entry->mode,
					  .is_dir = entry->is_dir,
					  .offset = offset,
					  .size = entry->size };

		plan_file(plan, &file);
		offset += entry->size;
	}
}

/* base: where the index begins, and then the contents. */
static int make_plan(const struct payload_task *t, int64_t base, struct buf *plan)
{
	int64_t index_len = (int64_t)t->index->len;

	buf_truncate(plan, 0);
	(void)buf_add(plan, t->vars.data, t->vars.len);
	(void)buf_add_str(plan, "plan_files() {\n:\n");
	if (index_len > 0) {
		(void)buf_printf(plan, "index %20lld %lld\n", (long long)base,
				 (long long)index_len);
	}
	plan_files(t->payload, base + index_len, plan);
	plan_spec(plan, t->spec);
	return plan->error;
}

static int make_head(struct payload_task *t)
{
	struct buf *head = &t->payload->head;
	cleanup_buf struct buf plan = BUF_INIT;
	int64_t base;

	if (make_plan(t, 0, &plan) < 0) {
		return plan.error;
	}
	(void)buf_printf(head, "jobfs 1 %zu\n", plan.len);
	base = (int64_t)(head->len + plan.len);
	if (make_plan(t, base, &plan) < 0) {
		return plan.error;
	}
	t->payload->size = base + (int64_t)t->index->len;
	for (size_t i = 0; i < t->payload->n_entries; i++) {
		t->payload->size += t->payload->entries[i].size;
	}
	(void)buf_add(head, plan.data, plan.len);
	return buf_add(head, t->index->data, t->index->len);
}

/* --- reading the contents -------------------------------------------------------- */

static int open_next(struct payload *p)
{
	char name[32];

	while (p->at < p->n_entries &&
	       (p->entries[p->at].is_dir || !p->entries[p->at].size)) {
		p->at++;
	}
	if (p->at == p->n_entries) {
		return 0;
	}
	(void)snprintf(name, sizeof(name), "%lld", (long long)p->entries[p->at].id);
	p->fd = openat(p->files_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p->fd < 0) {
		return -errno;
	}
	p->left = p->entries[p->at++].size;
	return 1;
}

/* As remote_call.read_more: bytes, 0 at the end, negative errno. */
static ssize_t payload_read(void *arg, char *data, size_t len)
{
	struct payload *p = arg;
	ssize_t n;

	if (p->fd < 0) {
		int r = open_next(p);

		if (r <= 0) {
			return r;
		}
	}
	n = read(p->fd, data, (int64_t)len < p->left ? len : (size_t)p->left);
	if (n <= 0) {
		return n < 0 ? -errno : -EIO; /* shorter than it was: it was changed */
	}
	p->left -= n;
	if (p->left == 0) {
		(void)close(p->fd);
		p->fd = -1;
	}
	return n;
}

static void payload_rewind(struct payload *p)
{
	closep(&p->fd);
	p->fd = -1;
	p->at = 0;
	p->left = 0;
}

static int digest_contents(struct payload *p, struct s3_digest *digest)
{
	cleanup_free char *data = malloc(READ_SIZE);
	ssize_t n;

	if (!data) {
		return -ENOMEM;
	}
	while ((n = payload_read(p, data, READ_SIZE)) > 0) {
		int r = s3_digest_add(digest, data, (size_t)n);

		if (r < 0) {
			return r;
		}
	}
	payload_rewind(p);
	return (int)n;
}

static int digest_payload(struct payload *p)
{
	cleanup_s3_digest struct s3_digest *digest = NULL;
	int r = s3_digest_new(&digest);

	r = r < 0 ? r : s3_digest_add(digest, p->head.data, p->head.len);
	r = r < 0 ? r : digest_contents(p, digest);
	return r < 0 ? r : s3_digest_hex(digest, p->digest);
}

static void run_task(struct task *task, struct s3_client *s3)
{
	struct payload_task *t = (struct payload_task *)task;
	int r = walk_files(t);

	(void)s3;
	FAILPOINT("payload.walked");
	r = r < 0 ? r : make_head(t);
	r = r < 0 ? r : digest_payload(t->payload);
	if (r < 0 && t->error.code == 0) {
		(void)err_set(&t->error, r, "cannot read the job's files: %s",
			      strerror(-r));
	}
}

static void drop_task(struct event *event)
{
	struct payload_task *t = (struct payload_task *)event;

	(void)payload_free(t->payload);
	buf_fini(&t->vars);
	task_fini(&t->task);
	free(t);
}

static void handle_task(struct engine *e, struct event *event)
{
	struct payload_task *t = (struct payload_task *)event;
	struct job *job = task_job(e, &t->task);

	if (job && t->error.code < 0) {
		(void)job_step_failed(e, job, REASON_INTERNAL, 0, t->error.text);
	} else if (job) {
		job_step_done(job);
		(void)payload_free(job->run->payload);
		job->run->payload = steal_ptr(&t->payload);
	}
	drop_task(event);
}

static void plan_number(struct buf *plan, const char *name, int64_t value)
{
	(void)buf_printf(plan, "%s='%lld'\n", name, (long long)value);
}

/* What the cache on the host may take, and what of the inputs it knows nothing of. */
static void plan_cache(const struct engine *e, const struct run *run, struct buf *plan)
{
	int64_t other_bytes = run->input_bytes - run->cached_bytes;

	plan_number(plan, "CACHE_KB", e->conf->limits.cache_bytes / 1024);
	plan_number(plan, "ROOM_KB", (other_bytes + 1023) / 1024);
}

static void plan_seconds(struct buf *plan, const char *name, int64_t ms)
{
	plan_number(plan, name, (ms + 999) / 1000);
}

/* What the host compares with ETags; by TLS no byte changes on its way. */
const char *payload_verify_word(const struct engine *e, const struct s3_place *place)
{
	switch ((enum conf_verify)e->conf->s3.verify) {
	case CONF_VERIFY_ALWAYS:
		return "all";
	case CONF_VERIFY_NEVER:
		return "none";
	case CONF_VERIFY_AUTO:
		break;
	}
	return place->endpoint && strncasecmp(place->endpoint, "http://", 7) == 0
		       ? "all"
		       : "small";
}

/* What S3 said of the inputs that are one object. */
static void plan_sums(const struct run *run, struct buf *plan)
{
	(void)buf_add_str(plan, "plan_sums() {\n:\n");
	for (size_t i = 0; run->listed && i < run->spec->n_inputs; i++) {
		if (run->listed[i].etag[0] != '\0') {
			(void)buf_printf(plan, "sum %zu %lld %s\n", i,
					 (long long)run->listed[i].bytes,
					 run->listed[i].etag);
		}
	}
	(void)buf_add_str(plan, "}\n");
}

static void plan_checkpoints(const struct run *run, struct buf *plan)
{
	const struct spec_checkpoints *c = &run->spec->checkpoints;

	plan_var(plan, "CKPT", c->path);
	plan_var(plan, "CKPT_DEST", run->checkpoints);
	plan_seconds(plan, "CKPT_INTERVAL", c->interval_ms);
	plan_seconds(plan, "CKPT_SETTLE", c->settle_ms);
	plan_var(plan, "CKPT_RESUME", c->resume ? "1" : "");
}

static int plan_vars(struct engine *e, struct job *job, struct buf *plan)
{
	const struct job_record *r = job_get(job);
	const struct spec *spec = job->run->spec;
	enum spec_engine engine = urls_engine(e, job);
	struct s3_place place;

	if (engine == SPEC_ENGINE_AUTO) {
		engine = SPEC_ENGINE_AWS;
	}
	job->run->engine = engine;
	run_get_place(e, spec, "", &place);
	(void)buf_add_str(plan, "plan_vars() {\n");
	plan_var(plan, "JOB", r->name);
	plan_var(plan, "ID", r->key);
	plan_number(plan, "ATTEMPT", job_attempt_number(r));
	plan_var(plan, "ENGINE", spec_engine_word(engine));
	plan_var(plan, "AWS", job->host->cli_path);
	plan_var(plan, "TOOL", job->host->tools[engine].path);
	plan_var(plan, "ENDPOINT", place.endpoint);
	plan_var(plan, "REGION", place.region);
	plan_var(plan, "VERIFY", payload_verify_word(e, &place));
	plan_seconds(plan, "DOWNLOAD_LIMIT", spec->timeouts.download_ms);
	plan_seconds(plan, "RUN_LIMIT", spec->timeouts.run_ms);
	plan_seconds(plan, "UPLOAD_LIMIT", spec->timeouts.upload_ms);
	plan_seconds(plan, "GRACE", run_grace_ms(e, job->run));
	plan_number(plan, "LOG_HEAD", log_head_bytes(e->conf));
	plan_number(plan, "LOG_TAIL", log_tail_bytes(e->conf));
	plan_cache(e, job->run, plan);
	plan_var(plan, "GPUS", r->attempt.gpus);
	plan_var(plan, "IMAGE", spec->image);
	plan_var(plan, "OUTPUT", spec->output_path ? spec->output_path : "output");
	plan_var(plan, "DEST", job->run->destination);
	if (spec->has_checkpoints) {
		plan_checkpoints(job->run, plan);
	}
	(void)buf_add_str(plan, "}\n");
	plan_sums(job->run, plan);
	return plan->error;
}

void payload_prepare(struct engine *e, struct job *job)
{
	struct payload_task *t = calloc(1, sizeof(*t));
	struct payload *p = calloc(1, sizeof(*p));

	if (!t || !p || plan_vars(e, job, &t->vars) < 0) {
		free(p);
		free(t);
		engine_fail_turn(e, -ENOMEM, NULL);
		return;
	}
	p->fd = -1;
	p->files_fd = store_files_fd(e->store);
	t->task.event.handle = handle_task;
	t->task.run = run_task;
	t->store = e->store;
	t->task.event.drop = drop_task;
	t->spec = job->run->spec;
	t->index = &job->run->index;
	t->payload = p;
	task_queue(e, job, &t->task);
}

int payload_attach(struct payload *p, struct remote_call *remote)
{
	payload_rewind(p);
	call_set_reader(remote, payload_read, p, NULL);
	return buf_add(&remote->input, p->head.data, p->head.len);
}
