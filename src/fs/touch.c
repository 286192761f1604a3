#include "fs/touch.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fs/ask.h"
#include "fs/object.h"
#include "helper/toucher.h"
#include "util/log.h"

/* --- the notifier's side --------------------------------------------------------- */

static int add_name(struct fs *fs, const struct ino_parts *p, const struct node *node,
		    struct buf *out)
{
	cleanup_record struct job_record *record = NULL;

	if (node->name) {
		return buf_add_str(out, node->name);
	}
	if (node->scope == INO_HOST) {
		size_t i = conf_find_number(fs->conf, (uint32_t)p->id);

		return i < fs->conf->n_hosts ? buf_add_str(out, fs->conf->hosts[i].name)
					     : -ENOENT;
	}
	if (node->scope == INO_ATTEMPT) {
		return buf_printf(out, "%d", p->attempt);
	}
	record = engine_get_job(fs->engine, p->id);
	return record ? buf_add_str(out, record->name) : -ENOENT;
}

/* From the root down: "job/status", ".jobfs/hosts/gpu-a/status". name: the last part,
 * NULL: the one that it has. */
static int add_path(struct fs *fs, const struct ino_parts *p, const struct node *node,
		    const char *name, struct buf *out)
{
	const struct node *parent = node_get(node->parent);
	int r = 0;

	if (parent && parent->id != NODE_ROOT) {
		r = add_path(fs, p, parent, NULL, out);
		r = r < 0 ? r : buf_add_char(out, '/');
	}
	if (r < 0) {
		return r;
	}
	return name ? buf_add_str(out, name) : add_name(fs, p, node, out);
}

static int get_path(struct fs *fs, uint64_t ino, const char *name, struct buf *out)
{
	struct ino_parts p;
	int r = ino_parse(ino, &p);
	const struct node *node = r < 0 ? NULL : node_get(p.row);

	return node ? add_path(fs, &p, node, name, out) : -ESTALE;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Of its own kind: the kernel would not take another one from us. */
static const struct node *node_of(uint64_t ino)
{
	struct ino_parts p;

	return ino_parse(ino, &p) < 0 ? NULL : node_get(p.row);
}

uint64_t touch_dir_of(uint64_t ino)
{
	struct ino_parts p;
	const struct node *node = ino_parse(ino, &p) < 0 ? NULL : node_get(p.row);
	const struct node *parent = node ? node_get(node->parent) : NULL;

	return parent ? node_ino(parent, &p) : ino;
}

/* In this order: what is created is then filled and closed. type: what it is for; 0:
 * whatever it is. */
static const struct {
	unsigned what;
	mode_t type;
	unsigned kind; /* ACT_... */
	enum toucher_verb verb;
} acts[] = {
	{ TELL_CREATE, S_IFREG, ACT_CREATE, TOUCHER_CREATE },
	{ TELL_CREATE, S_IFDIR, ACT_CREATE, TOUCHER_MAKE_DIR },
	{ TELL_CREATE, S_IFLNK, ACT_CREATE, TOUCHER_LINK },
	{ TELL_MODIFY, 0, ACT_MODIFY, TOUCHER_MODIFY },
	{ TELL_CLOSE, 0, ACT_OPEN, TOUCHER_CLOSE },
	{ TELL_DELETE, 0, ACT_DELETE, TOUCHER_DELETE },
};

/* What goes with one order: a name that is to be created is not there yet, and one that
 * is to be deleted still is, so these go alone. */
static const unsigned steps[] = { TELL_CREATE, TELL_MODIFY | TELL_CLOSE, TELL_DELETE };

/* 0: it was done or could not be, *ret_result says which. */
static int order(int socket, unsigned verbs, const char *path, int *ret_result)
{
	struct toucher_order order = { .verbs = verbs };
	struct toucher_reply reply;
	size_t len = strlen(path);
	ssize_t n;

	if (len >= sizeof(order.path)) {
		*ret_result = -ENAMETOOLONG;
		return 0;
	}
	memcpy(order.path, path, len);
	if (send(socket, &order, offsetof(struct toucher_order, path) + len,
		 MSG_NOSIGNAL) < 0) {
		return -errno;
	}
	do {
		n = recv(socket, &reply, sizeof(reply), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(reply)) {
		return -ENOTCONN;
	}
	*ret_result = reply.result;
	return 0;
}

static int run_step(struct fs *fs, int socket, const char *path, uint64_t ino,
		    unsigned what)
{
	mode_t type = node_of(ino)->mode & S_IFMT;
	unsigned kinds = 0, verbs = 0;
	int r, result;

	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		if ((what & acts[i].what) && (!acts[i].type || acts[i].type == type)) {
			kinds |= acts[i].kind;
			verbs |= 1U << acts[i].verb;
		}
	}
	if (verbs == 0) {
		return 0;
	}
	notifier_announce(fs->notifier, kinds, ino, last_part(path));
	r = order(socket, verbs, path, &result);
	if (r == 0 && result < 0) {
		log_debug("%s: cannot be told (%#x): %s", path, what,
			  strerror(-result));
	}
	return r;
}

static int run_steps(struct fs *fs, int socket, const char *path, uint64_t ino,
		     unsigned what)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++) {
		r = run_step(fs, socket, path, ino, what & steps[i]);
	}
	notifier_announce(fs->notifier, 0, 0, "");
	return r;
}

int touch(struct fs *fs, int socket, uint64_t ino, const char *name, unsigned what)
{
	cleanup_buf struct buf path = BUF_INIT;

	if (get_path(fs, ino, name, &path) < 0) {
		return 0;
	}
	return run_steps(fs, socket, buf_text(&path), ino, what);
}

/* --- the daemon's side ----------------------------------------------------------- */

bool touch_is_own(fuse_req_t req, struct act *ret_act)
{
	return notifier_is_asking(fs_of(req)->notifier, fuse_req_ctx(req)->pid,
				  ret_act);
}

/* Is it the name that the act is about? On the way to it there is one directory of that
 * kind; it may be of another job, which has the name now. */
static bool is_meant(const struct act *act, const struct object *dir, const char *name)
{
	struct ino_parts p;

	if (ino_parse(act->ino, &p) < 0 || (dir->record && dir->record->id != p.id)) {
		return false;
	}
	return node_get(p.row)->parent == dir->node->id && streq(name, act->name);
}

/* As if it were still there; the kernel forgets the attributes with the name. */
static void reply_gone(fuse_req_t req, uint64_t ino)
{
	struct fuse_entry_param entry = { .ino = ino, .generation = 1 };

	entry.attr.st_ino = ino;
	entry.attr.st_mode = node_of(ino)->mode;
	entry.attr.st_nlink = 1;
	known_add(&fs_of(req)->known, ino);
	(void)fuse_reply_entry(req, &entry);
}

/* What is to be created is not there yet, and what is to be deleted still is, as far as
 * the kernel is to know. No permissions: the thread may be of another user than the
 * job. */
int touch_lookup(fuse_req_t req, const struct act *act, uint64_t parent,
		 const char *name)
{
	cleanup_object struct object dir = OBJECT_INIT;
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs_of(req), parent, &dir);

	if (r < 0) {
		return r;
	}
	if (is_meant(act, &dir, name)) {
		if (act->kinds & ACT_CREATE) {
			return -ENOENT;
		}
		if (act->kinds & ACT_DELETE) {
			reply_gone(req, act->ino);
			return 0;
		}
	}
	r = object_find(&dir, name, &o);
	return r < 0 ? r : reply_entry(req, &o);
}

int touch_create(fuse_req_t req, const struct act *act, uint64_t parent,
		 const char *name)
{
	cleanup_object struct object dir = OBJECT_INIT;
	cleanup_object struct object o = OBJECT_INIT;
	int r = object_get(fs_of(req), parent, &dir);

	if (r == 0 && (!(act->kinds & ACT_CREATE) || !is_meant(act, &dir, name))) {
		r = -EPERM;
	}
	r = r < 0 ? r : object_find(&dir, name, &o); /* it may be gone again */
	return r < 0 ? r : reply_entry(req, &o);
}

int touch_delete(fuse_req_t req, const struct act *act, uint64_t parent,
		 const char *name)
{
	cleanup_object struct object dir = OBJECT_INIT;
	int r = object_get(fs_of(req), parent, &dir);

	if (r == 0 && (!(act->kinds & ACT_DELETE) || !is_meant(act, &dir, name))) {
		r = -EPERM;
	}
	if (r == 0) {
		(void)fuse_reply_err(req, 0);
	}
	return r;
}

int touch_setattr(fuse_req_t req, const struct act *act, uint64_t ino)
{
	cleanup_object struct object o = OBJECT_INIT;
	int r = (act->kinds & ACT_MODIFY) && act->ino == ino ? 0 : -EPERM;

	r = r < 0 ? r : object_get(fs_of(req), ino, &o);
	return r < 0 ? r : reply_attr(req, &o);
}

/* Without a handle: nothing will be written. keep_cache: who reads goes on. */
int touch_open(fuse_req_t req, const struct act *act, uint64_t ino,
	       struct fuse_file_info *fi)
{
	if (!(act->kinds & ACT_OPEN) || act->ino != ino) {
		return -EPERM;
	}
	fi->direct_io = 1;
	fi->keep_cache = 1;
	fi->noflush = 1;
	fi->fh = 0;
	(void)fuse_reply_open(req, fi);
	return 0;
}
