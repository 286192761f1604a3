/* The problem: a stat(2) that asks the daemon costs ten times as much as one that does
 * not; one that does not ask may be told the truth of yesterday, and it is not the
 * daemon that decides who may ask.
 *
 * The rule. Attributes are remembered for a second where all of this holds:
 * - The engine tells of every change of them (node.h, is_told): watch.c takes them back
 *   in the same turn, before anybody is answered.
 * - Whoever may use the mount may see them. The kernel answers from its memory whoever
 *   asks; permissions are checked in the daemon (access.h). Without allow_other there
 *   is one user. With it, those of a job are remembered if everybody may search it.
 * - Nobody writes it. What is written through the mount is the user's, and its size is
 *   taken from the disk each time.
 * Nothing of the root itself and of .jobfs: who asks there hears whether the daemon
 * lives.
 *
 * Names that are there are remembered for a second: they go by a request of the kernel,
 * which then knows. Not so `error` and the like, which go by themselves: the notifier
 * tells of it, but later than the request is answered that made them go. Only files
 * beside spec.json are about to be renamed onto it, and spec.json may be renamed away:
 * their names can mean another inode at once, and are never remembered. Neither is that
 * a name is not there: exit_code appears by itself.
 *
 * Contents are kept of logs of jobs that have ended. Should one be retried, its log
 * grows, which takes the attributes back, and the kernel drops what it read when it
 * sees another size. */
#include "fs/cache.h"

#include "fs/object.h"

#define REMEMBER_S 1.0
#define ASK_AGAIN  0.0

static bool everybody_may_see(const struct object *o)
{
	if (!o->fs->is_shared || !o->record || o->node->id == NODE_JOB) {
		return true; /* the root lets everybody in */
	}
	return o->record->mode & S_IXOTH;
}

static bool nobody_writes(const struct object *o)
{
	return o->node->content != CONTENT_SPEC || o->record->is_accepted;
}

double cache_attr_timeout(const struct object *o)
{
	bool is_exact = o->node->is_told && nobody_writes(o) && everybody_may_see(o);

	return is_exact ? REMEMBER_S : ASK_AGAIN;
}

static bool may_become_another(const struct object *o)
{
	return o->node->content == CONTENT_SPEC ||
	       (object_is_user(o) && !object_is_in_files(o));
}

double cache_entry_timeout(const struct object *o)
{
	return may_become_another(o) || node_may_go(o->node) ? ASK_AGAIN : REMEMBER_S;
}

bool cache_keeps_content(const struct object *o)
{
	return o->node->content == CONTENT_STREAM && o->record &&
	       job_state_is_final(o->record->state);
}
