#include "fs/watch.h"

#include "fs/ask.h"
#include "fs/internal.h"
#include "fs/node.h"
#include "fs/notifier.h"
#include "fs/poll.h"
#include "util/fspath.h"

/* The engine's thread, as for all replies to the kernel. Forgetting attributes waits
 * for nothing, and has to come at once: who reads that the job has ended and then asks
 * for the size of `log` must get the last one. What can wait goes to the notifier. */
static void tell(struct fs *fs, uint64_t ino, unsigned what)
{
	unsigned events = 0;

	if (what & (NODE_TEXT | NODE_VANISHED)) {
		poll_wake(fs, ino);
	}
	if (!known_has(&fs->known, ino)) {
		return;
	}
	if ((what & NODE_ATTR) && known_has_row(&fs->known, ino)) {
		(void)fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
	}
	events |= what & NODE_TEXT ? TELL_MODIFY : 0;
	events |= what & NODE_CLOSED ? TELL_CLOSE : 0;
	events |= what & NODE_APPEARED ? TELL_CREATE : 0;
	events |= what & NODE_VANISHED ? TELL_DELETE : 0;
	if (events) {
		notifier_tell(fs->notifier, ino, events);
	}
}

static bool is_in_queue(const struct job_record *record)
{
	return record && (record->state == JOB_QUEUED || record->state == JOB_HELD);
}

static void tell_rows(struct fs *fs, const struct job_record *before,
		      const struct job_record *after)
{
	const struct node *node = node_get(NODE_JOB);
	uint64_t dir = ino_job(after->id, node->id);
	unsigned all = 0;

	tell(fs, dir, node_compare(node, before, after));
	for (node = node_next(NODE_JOB, 0); node;
	     node = node_next(NODE_JOB, node->id)) {
		unsigned what = node_compare(node, before, after);

		if (what) {
			tell(fs, ino_job(after->id, node->id), what);
		}
		all |= what;
	}
	/* its listing too, for who has it open and reads it from the start again */
	if ((all & (NODE_APPEARED | NODE_VANISHED)) && known_has_row(&fs->known, dir)) {
		(void)fuse_lowlevel_notify_inval_inode(fs->session, dir, 0, 0);
	}
}

/* What has changed with it, at the most. */
static unsigned all_of(const struct node *node, const struct job_record *record)
{
	unsigned what = NODE_ATTR | (node->exists ? NODE_APPEARED : 0);

	if (node->content == CONTENT_TEXT) {
		what |= NODE_TEXT | NODE_CLOSED;
	} else if (node->content == CONTENT_STREAM) {
		what |= NODE_TEXT;
		what |= job_state_is_final(record->state) ? NODE_CLOSED : 0;
	}
	return what;
}

static void tell_link(struct fs *fs, const struct job_record *record, unsigned what)
{
	unsigned state = (unsigned)record->state;
	uint64_t dir = ino_top(NODE_STATE + state);

	if (known_has(&fs->known, dir)) {
		notifier_tell_name(fs->notifier, dir, record->name,
				   ino_job(record->id, NODE_LINK + state), what);
	}
}

/* The job's link in by-state goes from one directory, or name, to another. */
static void tell_links(struct fs *fs, const struct job_record *before,
		       const struct job_record *after)
{
	if (before && after && before->state == after->state &&
	    streq(before->name, after->name)) {
		return;
	}
	if (before) {
		tell_link(fs, before, TELL_DELETE);
	}
	if (after) {
		tell_link(fs, after, TELL_CREATE);
	}
}

/* Those from the first one on. */
static void tell_attempts(struct fs *fs, const struct job_record *record, int first)
{
	if (!known_has(&fs->known, ino_job(record->id, NODE_ATTEMPTS))) {
		return;
	}
	for (int n = first; n <= record->n_attempts; n++) {
		notifier_tell(fs->notifier, ino_attempt(record->id, n, NODE_ATTEMPT),
			      TELL_CREATE);
	}
}

/* Whoever polls a file of a job that was removed: it hangs up. */
static void wake_all_of(struct fs *fs, const struct job_record *record)
{
	const struct node *node;

	for (node = node_next(NODE_JOB, 0); node;
	     node = node_next(NODE_JOB, node->id)) {
		poll_wake(fs, ino_job(record->id, node->id));
	}
	for (int n = 1; n <= record->n_attempts; n++) {
		for (node = node_next(NODE_ATTEMPT, 0); node;
		     node = node_next(NODE_ATTEMPT, node->id)) {
			poll_wake(fs, ino_attempt(record->id, n, node->id));
		}
	}
}

/* Jobs are made, renamed and removed by requests of the kernel, which tells of them;
 * but not of what comes and goes elsewhere with them. */
static void job_changed(void *arg, const struct job_record *before,
			const struct job_record *after)
{
	struct fs *fs = arg;

	if (before && after) {
		tell_rows(fs, before, after);
		tell_attempts(fs, after, before->n_attempts + 1);
	}
	tell_links(fs, before, after);
	if (before && (!after || job_state_is_final(after->state))) {
		if (after) {
			poll_wake(fs, ino_job(before->id, NODE_WAIT));
		} else {
			wake_all_of(fs, before);
		}
		wait_check(fs, before->id);
	}
	if (is_in_queue(before) || is_in_queue(after)) {
		tell(fs, ino_top(NODE_QUEUE), NODE_TEXT | NODE_CLOSED);
	}
}

static void queue_changed(void *arg)
{
	tell(arg, ino_top(NODE_QUEUE), NODE_TEXT | NODE_CLOSED);
}

static void events_grew(void *arg)
{
	tell(arg, ino_top(NODE_DAEMON_EVENTS), NODE_TEXT);
}

static void host_changed(void *arg, size_t host)
{
	struct fs *fs = arg;
	uint32_t number = conf_host_number(&fs->conf->hosts[host]);

	tell(fs, ino_host(number, NODE_HOST_STATUS), NODE_TEXT | NODE_CLOSED);
	tell(fs, ino_host(number, NODE_HOST_STATUS_JSON), NODE_TEXT);
}

static bool has_path(void *arg, const char *path)
{
	const struct fs *fs = arg;

	return fspath_is_below(path, fs->mountpoint);
}

/* Of requests of the kernel. */
static bool get_number(void *arg, engine_reply_fn *reply, const void *reply_arg,
		       uint64_t *ret_asker, uint64_t *ret_number)
{
	const struct fs *fs = arg;

	if (reply != ask_answered) {
		return false;
	}
	*ret_asker = fs->memory->head->key;
	*ret_number = ((const struct ask *)reply_arg)->number;
	return *ret_number != 0;
}

void watch_tell_again(struct fs *fs, const struct job_record *record)
{
	const struct node *node = node_get(NODE_JOB);

	tell(fs, ino_job(record->id, node->id), NODE_ATTR);
	for (node = node_next(NODE_JOB, 0); node;
	     node = node_next(NODE_JOB, node->id)) {
		if (!node->exists || node->exists(record)) {
			tell(fs, ino_job(record->id, node->id), all_of(node, record));
		}
	}
	tell_attempts(fs, record, 1);
	tell_link(fs, record, TELL_CREATE);
}

void watch_tell_all_again(struct fs *fs)
{
	events_grew(fs);
	queue_changed(fs);
	for (size_t i = 0; i < fs->conf->n_hosts; i++) {
		host_changed(fs, i);
	}
}

const struct engine_listener watch_listener = {
	.job_changed = job_changed,
	.queue_changed = queue_changed,
	.events_grew = events_grew,
	.host_changed = host_changed,
	.has_path = has_path,
	.get_number = get_number,
};
