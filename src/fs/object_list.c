/* What a directory holds, in an order that stays while it changes. */
#include <stdio.h>

#include "fs/object.h"

/* Cookies: 1 ".", 2 "..", then rows, then what the directory holds by ids. */
enum {
	COOKIE_SELF = 1,
	COOKIE_PARENT = 2,
	COOKIE_ROWS = 2,
	COOKIE_IDS = 512,
	JOBS_AT_ONCE = 64,
};

struct listing {
	const struct object *dir;
	object_each_fn *each;
	void *arg;
	int stop;
};

/* Takes over the object. */
static int tell(struct listing *l, const char *name, uint64_t cookie, struct object *o)
{
	struct object_entry entry = { .name = name, .cookie = cookie, .object = o };

	l->stop = l->each(l->arg, &entry);
	object_fini(o);
	return l->stop;
}

uint64_t object_parent_ino(const struct object *dir)
{
	if (!object_is_user(dir)) {
		const struct node *parent = node_get(dir->node->parent);

		return parent ? object_row_ino(dir, parent) : dir->ino;
	}
	if (dir->file.parent == FILE_PARENT_FILES) {
		return ino_job(dir->file.job, NODE_FILES);
	}
	return dir->file.parent == FILE_PARENT_JOB ? ino_job(dir->file.job, NODE_JOB)
						   : ino_file(dir->file.parent);
}

static void list_dots(struct listing *l, uint64_t after)
{
	struct object o = *l->dir;

	o.record = o.attempt_record = NULL;
	if (after < COOKIE_SELF) {
		if (tell(l, ".", COOKIE_SELF, &o)) {
			return;
		}
	}
	if (after < COOKIE_PARENT) {
		o.ino = object_parent_ino(l->dir);
		(void)tell(l, "..", COOKIE_PARENT, &o);
	}
}

static void list_rows(struct listing *l, uint64_t after)
{
	enum node_id parent = l->dir->node->id;
	const struct node *node;

	if (object_is_user(l->dir) || after >= COOKIE_IDS) {
		return;
	}
	node = node_next(parent,
			 after > COOKIE_ROWS ? (unsigned)after - COOKIE_ROWS : 0);
	for (; node && !l->stop; node = node_next(parent, node->id)) {
		struct object o = object_of_row(l->dir, node);

		if (!node->is_unlisted && object_exists(&o)) {
			(void)tell(l, node->name, COOKIE_ROWS + node->id, &o);
		} else {
			object_fini(&o);
		}
	}
}

/* Takes over the reference; after the listing was stopped only that. */
static void tell_job(struct listing *l, struct job_record *record)
{
	struct object o = l->dir->node->more == MORE_LINKS
				  ? object_of_link(l->dir, record)
				  : object_of_job(l->dir->fs, record);

	if (l->stop) {
		object_fini(&o);
		return;
	}
	(void)tell(l, record->name, COOKIE_IDS + (uint64_t)record->id, &o);
}

/* The next of the root, or of those in one state. */
static size_t next_jobs(const struct listing *l, int64_t after,
			struct job_record **ret_jobs)
{
	struct engine *engine = l->dir->fs->engine;
	const struct node *node = l->dir->node;

	return node->more == MORE_LINKS
		       ? engine_list_state(engine, node->state, after, ret_jobs,
					   JOBS_AT_ONCE)
		       : engine_list_jobs(engine, after, ret_jobs, JOBS_AT_ONCE);
}

static void list_jobs(struct listing *l, int64_t after)
{
	struct job_record *jobs[JOBS_AT_ONCE];
	size_t n;

	do {
		n = next_jobs(l, after, jobs);
		after = n > 0 ? jobs[n - 1]->id : after;
		for (size_t i = 0; i < n; i++) {
			tell_job(l, jobs[i]);
		}
	} while (n == JOBS_AT_ONCE && !l->stop);
}

static void list_hosts(struct listing *l, int64_t after)
{
	const struct conf *conf = l->dir->fs->conf;

	for (size_t i = (size_t)after; i < conf->n_hosts && !l->stop; i++) {
		struct object o = object_of_host(l->dir->fs, i);

		(void)tell(l, conf->hosts[i].name, COOKIE_IDS + i + 1, &o);
	}
}

static void list_attempts(struct listing *l, int64_t after)
{
	for (int64_t n = after + 1; n <= l->dir->record->n_attempts && !l->stop; n++) {
		struct object o;
		char name[16];

		if (object_of_attempt(l->dir, (int)n, &o) == 0) {
			(void)snprintf(name, sizeof(name), "%d", (int)n);
			(void)tell(l, name, COOKIE_IDS + (uint64_t)n, &o);
		}
	}
}

static int list_one_file(void *arg, const struct store_file *file)
{
	struct listing *l = arg;
	struct object o = object_of_file(l->dir, file);

	return tell(l, file->name, COOKIE_IDS + (uint64_t)file->id, &o);
}

int object_list(const struct object *dir, uint64_t after, object_each_fn *each,
		void *arg)
{
	struct listing l = { .dir = dir, .each = each, .arg = arg };
	int64_t id = after > COOKIE_IDS ? (int64_t)(after - COOKIE_IDS) : 0;

	list_dots(&l, after);
	if (!l.stop) {
		list_rows(&l, after);
	}
	if (l.stop) {
		return 0;
	}
	switch (dir->node->more) {
	case MORE_JOBS:
	case MORE_LINKS:
		list_jobs(&l, id);
		break;
	case MORE_HOSTS:
		list_hosts(&l, id);
		break;
	case MORE_FILES:
		return object_list_files(dir, id, list_one_file, &l);
	case MORE_ATTEMPTS:
		list_attempts(&l, id);
		break;
	case MORE_NONE:
		break;
	}
	return 0;
}
