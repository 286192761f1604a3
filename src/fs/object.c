#include "fs/object.h"

#include <errno.h>
#include <stdlib.h>

enum { NAME_BYTES_MAX = 255 };

void object_fini(struct object *o)
{
	o->record = job_record_unref(o->record);
	o->attempt_record = job_record_unref(o->attempt_record);
}

/* --- by number ------------------------------------------------------------------- */

bool object_exists(const struct object *o)
{
	struct draft *draft;

	if (o->node->content == CONTENT_SPEC && o->record->spec_size < 0) {
		draft = draft_find(&o->fs->drafts, o->record->id);
		(void)draft_unref(draft);
		return draft != NULL;
	}
	return !node_may_go(o->node) ||
	       node_exists(o->node, o->attempt_record ? o->attempt_record : o->record);
}

/* The current attempt is in the job's own record, the others only on disk. */
static int adopt_attempt(struct object *o, int n)
{
	o->attempt = n;
	if (o->record->attempt.n == n) {
		o->attempt_record = job_record_ref(o->record);
		return 0;
	}
	return store_get_attempt(o->fs->store, o->record->id, n, &o->attempt_record);
}

static int get_row(struct object *o, const struct ino_parts *p)
{
	o->node = node_get(p->row);
	if (!o->node || o->node->scope != p->scope) {
		return -ESTALE;
	}
	if (p->scope == INO_HOST) {
		o->host = conf_find_number(o->fs->conf, (uint32_t)p->id);
		return o->host < o->fs->conf->n_hosts ? 0 : -ESTALE;
	}
	if (p->scope == INO_JOB || p->scope == INO_ATTEMPT) {
		o->record = engine_get_job(o->fs->engine, p->id);
		if (!o->record ||
		    (p->attempt > 0 && adopt_attempt(o, p->attempt) < 0)) {
			return -ENOENT;
		}
		return object_exists(o) ? 0 : -ESTALE;
	}
	return 0;
}

/* Takes the row of a file, and finds the job that it belongs to. */
static int adopt_file(struct object *o, const struct store_file *file)
{
	o->file = *file;
	o->node = node_get(file->is_dir ? NODE_USER_DIR : NODE_USER_FILE);
	if (!o->record) {
		o->record = engine_get_job(o->fs->engine, file->job);
	}
	return o->record ? 0 : -ENOENT;
}

void object_consumed(struct fs *fs, int64_t file)
{
	struct memory_head *head = fs->memory->head;

	head->consumed[head->n_consumed++ % MEMORY_CONSUMED_MAX] = file;
}

static bool was_consumed(const struct fs *fs, int64_t file)
{
	for (int i = 0; i < MEMORY_CONSUMED_MAX; i++) {
		if (fs->memory->head->consumed[i] == file) {
			return true;
		}
	}
	return false;
}

static int get_file(struct object *o, int64_t id)
{
	struct store_file file;
	int r = store_get_file(o->fs->store, id, &file);

	if (r == -ENOENT && was_consumed(o->fs, id)) {
		return -ESTALE;
	}
	return r < 0 ? r : adopt_file(o, &file);
}

int object_get(struct fs *fs, uint64_t ino, struct object *ret)
{
	struct object o = { .fs = fs, .ino = ino };
	struct ino_parts p;
	int r = ino_parse(ino, &p);

	if (r == 0) {
		r = p.scope == INO_FILE ? get_file(&o, p.id) : get_row(&o, &p);
	}
	if (r < 0) {
		object_fini(&o);
		return r;
	}
	*ret = o;
	return 0;
}

int object_get_open(struct fs *fs, uint64_t ino, struct object *ret)
{
	cleanup_handle struct handle *h = NULL;
	struct object o = { .fs = fs, .ino = ino };
	struct ino_parts p;
	int r = object_get(fs, ino, ret);

	if ((r != -ENOENT && r != -ESTALE) || ino_parse(ino, &p) < 0 ||
	    p.scope != INO_FILE) {
		return r;
	}
	h = handle_find_file(&fs->handles, p.id);
	if (!h) {
		return r;
	}
	r = adopt_file(&o, &h->file);
	if (r == 0) {
		*ret = o;
	}
	return r;
}

/* --- by name --------------------------------------------------------------------- */

uint64_t object_row_ino(const struct object *dir, const struct node *node)
{
	struct ino_parts of = { .attempt = dir->attempt };

	if (node->scope == INO_HOST) {
		of.id = conf_host_number(&dir->fs->conf->hosts[dir->host]);
	} else if (dir->record) {
		of.id = dir->record->id;
	}
	return node_ino(node, &of);
}

struct object object_of_row(const struct object *dir, const struct node *node)
{
	return (struct object){ .fs = dir->fs,
				.node = node,
				.ino = object_row_ino(dir, node),
				.host = dir->host,
				.attempt = dir->attempt,
				.attempt_record = job_record_ref(dir->attempt_record),
				.record = job_record_ref(dir->record) };
}

int object_of_attempt(const struct object *dir, int n, struct object *ret)
{
	struct object o = { .fs = dir->fs,
			    .node = node_get(NODE_ATTEMPT),
			    .record = job_record_ref(dir->record) };
	int r = adopt_attempt(&o, n);

	if (r < 0) {
		object_fini(&o);
		return r;
	}
	o.ino = ino_attempt(o.record->id, n, NODE_ATTEMPT);
	*ret = o;
	return 0;
}

/* Takes the reference. */
struct object object_of_job(struct fs *fs, struct job_record *record)
{
	return (struct object){ .fs = fs,
				.node = node_get(NODE_JOB),
				.ino = ino_job(record->id, NODE_JOB),
				.record = record };
}

/* Takes the reference. */
struct object object_of_link(const struct object *dir, struct job_record *record)
{
	const struct node *node = node_get(NODE_LINK + (unsigned)dir->node->state);

	return (struct object){ .fs = dir->fs,
				.node = node,
				.ino = ino_job(record->id, node->id),
				.record = record };
}

struct object object_of_host(struct fs *fs, size_t host)
{
	return (struct object){
		.fs = fs,
		.node = node_get(NODE_HOST),
		.ino = ino_host(conf_host_number(&fs->conf->hosts[host]), NODE_HOST),
		.host = host
	};
}

struct object object_of_file(const struct object *dir, const struct store_file *file)
{
	struct object o = { .fs = dir->fs,
			    .ino = ino_file(file->id),
			    .record = job_record_ref(dir->record) };

	(void)adopt_file(&o, file);
	return o;
}

static int find_job(const struct object *dir, const char *name, struct object *ret)
{
	struct job_record *record = engine_find_job(dir->fs->engine, name);

	if (!record) {
		return -ENOENT;
	}
	*ret = object_of_job(dir->fs, record);
	return 0;
}

static int find_link(const struct object *dir, const char *name, struct object *ret)
{
	struct job_record *record = engine_find_job(dir->fs->engine, name);

	if (!record || record->state != dir->node->state) {
		(void)job_record_unref(record);
		return -ENOENT;
	}
	*ret = object_of_link(dir, record);
	return 0;
}

static int find_host(const struct object *dir, const char *name, struct object *ret)
{
	const struct conf *conf = dir->fs->conf;

	for (size_t i = 0; i < conf->n_hosts; i++) {
		if (streq(conf->hosts[i].name, name)) {
			*ret = object_of_host(dir->fs, i);
			return 0;
		}
	}
	return -ENOENT;
}

static int find_attempt(const struct object *dir, const char *name, struct object *ret)
{
	char *end;
	long n = strtol(name, &end, 10);

	/* one name for each: not "01" or "+1" */
	if (name[0] < '1' || name[0] > '9' || *end || n > dir->record->n_attempts) {
		return -ENOENT;
	}
	return object_of_attempt(dir, (int)n, ret);
}

static int find_file(const struct object *dir, const char *name, struct object *ret)
{
	struct store_file file;
	int r = -ENOENT;

	if (dir->record->has_files) {
		r = store_find_file(dir->fs->store, dir->record->id,
				    object_as_parent(dir), name, &file);
	}
	if (r < 0) {
		return r;
	}
	*ret = object_of_file(dir, &file);
	return 0;
}

int object_find(const struct object *dir, const char *name, struct object *ret)
{
	const struct node *node;

	if (dir->node->content != CONTENT_DIR) {
		return -ENOTDIR;
	}
	if (strlen(name) > NAME_BYTES_MAX) {
		return -ENAMETOOLONG;
	}
	node = object_is_user(dir) ? NULL : node_find(dir->node->id, name);
	if (node) {
		struct object o = object_of_row(dir, node);

		if (!object_exists(&o)) {
			object_fini(&o);
			return -ENOENT;
		}
		*ret = o;
		return 0;
	}
	switch (dir->node->more) {
	case MORE_JOBS:
		return find_job(dir, name, ret);
	case MORE_HOSTS:
		return find_host(dir, name, ret);
	case MORE_FILES:
		return find_file(dir, name, ret);
	case MORE_ATTEMPTS:
		return find_attempt(dir, name, ret);
	case MORE_LINKS:
		return find_link(dir, name, ret);
	case MORE_NONE:
		break;
	}
	return -ENOENT;
}

int64_t object_as_parent(const struct object *dir)
{
	if (object_is_user(dir)) {
		return dir->file.id;
	}
	return dir->node->id == NODE_FILES ? FILE_PARENT_FILES : FILE_PARENT_JOB;
}

/* Most jobs have none, and then nothing is asked of the database. */
int object_list_files(const struct object *dir, int64_t after,
		      int (*each)(void *arg, const struct store_file *file), void *arg)
{
	if (!dir->record->has_files) {
		return 0;
	}
	return store_list_files(dir->fs->store, dir->record->id, object_as_parent(dir),
				after, each, arg);
}

static int note_child(void *arg, const struct store_file *file)
{
	(void)file;
	*(bool *)arg = true;
	return 1;
}

int object_has_files(const struct object *dir)
{
	bool has_files = false;
	int r = object_list_files(dir, 0, note_child, &has_files);

	return r < 0 ? r : has_files;
}
