#include "fs/watch.h"

#include "fs/internal.h"
#include "fs/node.h"
#include "fs/notifier.h"
#include "fs/poll.h"

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
	if (what & NODE_ATTR) {
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

static bool is_queued(const struct job_record *record)
{
	return record && record->state == JOB_QUEUED;
}

static void tell_rows(struct fs *fs, const struct job_record *before,
		      const struct job_record *after)
{
	const struct node *node = node_get(NODE_JOB);

	tell(fs, ino_job(after->id, node->id), node_compare(node, before, after));
	for (node = node_next(NODE_JOB, 0); node;
	     node = node_next(NODE_JOB, node->id)) {
		unsigned what = node_compare(node, before, after);

		if (what) {
			tell(fs, ino_job(after->id, node->id), what);
		}
	}
}

/* Jobs are made, renamed and removed by requests of the kernel, which tells of them. */
static void job_changed(void *arg, const struct job_record *before,
			const struct job_record *after)
{
	struct fs *fs = arg;

	if (before && after) {
		tell_rows(fs, before, after);
	}
	if (before && (!after || job_state_is_final(after->state))) {
		poll_wake(fs, ino_job(before->id, NODE_WAIT));
		wait_check(fs, before->id);
	}
	if (is_queued(before) || is_queued(after)) {
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
	tell(arg, ino_host(host, NODE_HOST_STATUS), NODE_TEXT | NODE_CLOSED);
	tell(arg, ino_host(host, NODE_HOST_STATUS_JSON), NODE_TEXT);
}

const struct engine_listener watch_listener = {
	.job_changed = job_changed,
	.queue_changed = queue_changed,
	.events_grew = events_grew,
	.host_changed = host_changed,
};
