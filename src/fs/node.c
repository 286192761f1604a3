#include "fs/node.h"

#include <string.h>
#include <sys/stat.h>

#include "fs/content.h"

static bool has_exit_code(const struct job_record *r)
{
	return r->exit_code >= 0;
}

static bool has_outputs_uri(const struct job_record *r)
{
	return r->outputs_uri != NULL;
}

static bool has_metrics(const struct job_record *r)
{
	return r->stream_size[STREAM_METRICS] > 0;
}

static bool has_outputs_list(const struct job_record *r)
{
	return r->stream_size[STREAM_OUTPUTS] > 0;
}

static bool has_error(const struct job_record *r)
{
	return r->error != NULL;
}

static bool text_differs(const char *a, const char *b)
{
	return !streq(a ? a : "", b ? b : "");
}

static bool status_differs(const struct job_record *a, const struct job_record *b)
{
	return a->state != b->state || a->changed_ms != b->changed_ms;
}

/* It tells of everything. */
static bool status_json_differs(const struct job_record *a, const struct job_record *b)
{
	(void)a;
	(void)b;
	return true;
}

static bool transfer_differs(const struct job_transfer *a, const struct job_transfer *b)
{
	return a->state != b->state || a->bytes != b->bytes || a->total != b->total ||
	       a->cached != b->cached;
}

static bool progress_differs(const struct job_record *a, const struct job_record *b)
{
	bool differs = status_differs(a, b) || text_differs(a->message, b->message) ||
		       text_differs(a->attempt.host, b->attempt.host) ||
		       a->unreachable_ms != b->unreachable_ms ||
		       a->n_transfers != b->n_transfers;

	for (size_t i = 0; i < a->n_transfers && !differs; i++) {
		differs = transfer_differs(&a->transfers[i], &b->transfers[i]);
	}
	return differs;
}

static bool exit_code_differs(const struct job_record *a, const struct job_record *b)
{
	return a->exit_code != b->exit_code;
}

static bool outputs_uri_differs(const struct job_record *a, const struct job_record *b)
{
	return text_differs(a->outputs_uri, b->outputs_uri);
}

static bool error_differs(const struct job_record *a, const struct job_record *b)
{
	return text_differs(a->error, b->error);
}

static bool has_attempts(const struct job_record *r)
{
	return r->n_attempts > 0;
}

/* Of an attempt's record. */
static bool attempt_has_exit_code(const struct job_record *r)
{
	return job_attempt_exit_code(r) >= 0;
}

/* Pieces of initialisers cannot stand in parentheses. */
// NOLINTBEGIN(bugprone-macro-parentheses)
#define ROW(which, ...) [(which)] = { .id = (which), __VA_ARGS__ }
#define DIR_MODE(bits)	.mode = S_IFDIR | (bits), .content = CONTENT_DIR
#define FILE_MODE(bits) .mode = S_IFREG | (bits)
#define TOP		.scope = INO_TOP
#define OF_JOB		.parent = NODE_JOB, .scope = INO_JOB
#define OF_DOT		.parent = NODE_DOT, .scope = INO_TOP
#define OF_HOST		.parent = NODE_HOST, .scope = INO_HOST
#define OF_ATTEMPT	.parent = NODE_ATTEMPT, .scope = INO_ATTEMPT
#define TEXT(fn)	FILE_MODE(0444), .content = CONTENT_TEXT, .render = (fn)
#define STREAM(which)	FILE_MODE(0444), .content = CONTENT_STREAM, .stream = (which)
/* The directory of a state, and what stands in it for a job. Their numbers follow those
 * of the states: a new state comes behind the others. */
#define STATE(which)                                                                   \
	ROW(NODE_STATE + (int)JOB_##which, TOP, .parent = NODE_BY_STATE,               \
	    .name = #which, DIR_MODE(0555), .more = MORE_LINKS, .state = JOB_##which), \
		ROW(NODE_LINK + (int)JOB_##which, .scope = INO_JOB,                    \
		    .parent = NODE_STATE + (int)JOB_##which, .mode = S_IFLNK | 0777,   \
		    .content = CONTENT_LINK, .state = JOB_##which,                     \
		    .render = content_link)
// NOLINTEND(bugprone-macro-parentheses)

/* The root is like /tmp: everyone may make a job, and remove or rename his own. */
static const struct node nodes[] = {
	/* clang-format off */
	ROW(NODE_ROOT, TOP, DIR_MODE(01777), .more = MORE_JOBS),
	ROW(NODE_DOT, TOP, .parent = NODE_ROOT, .name = ".jobfs", DIR_MODE(0555)),
	ROW(NODE_README, OF_DOT, .name = "README", TEXT(content_readme)),
	ROW(NODE_VERSION, OF_DOT, .name = "version", TEXT(content_version)),
	ROW(NODE_CONFIG, OF_DOT, .name = "config", TEXT(content_config)),
	ROW(NODE_QUEUE, OF_DOT, .name = "queue", TEXT(content_queue)),
	ROW(NODE_DAEMON_EVENTS, OF_DOT, .name = "events.jsonl", STREAM(STREAM_EVENTS)),
	ROW(NODE_HOSTS, OF_DOT, .name = "hosts", DIR_MODE(0555), .more = MORE_HOSTS),
	/* another text each time that it is read, of which nobody is told */
	ROW(NODE_METRICS, OF_DOT, .name = "metrics", TEXT(content_metrics)),
	ROW(NODE_SCHEMA, OF_DOT, .name = "schema.json", TEXT(content_schema)),
	ROW(NODE_DOT_CTL, OF_DOT, .name = "ctl", FILE_MODE(0200),
	    .content = CONTENT_CTL),
	ROW(NODE_BY_STATE, OF_DOT, .name = "by-state", DIR_MODE(0555)),

	STATE(NEW), STATE(QUEUED), STATE(HELD), STATE(PREPARING), STATE(DOWNLOADING),
	STATE(RUNNING), STATE(UPLOADING), STATE(STOPPING), STATE(SUCCEEDED),
	STATE(FAILED), STATE(CANCELLED),

	ROW(NODE_HOST, .parent = NODE_HOSTS, .scope = INO_HOST, DIR_MODE(0555)),
	ROW(NODE_HOST_STATUS, OF_HOST, .name = "status", TEXT(content_host_status)),
	ROW(NODE_HOST_STATUS_JSON, OF_HOST, .name = "status.json",
	    TEXT(content_host_status_json)),
	ROW(NODE_HOST_CTL, OF_HOST, .name = "ctl", FILE_MODE(0200),
	    .content = CONTENT_CTL),

	ROW(NODE_JOB, .parent = NODE_ROOT, .scope = INO_JOB, DIR_MODE(0777),
	    .more = MORE_FILES, .is_told = true),
	ROW(NODE_FILES, OF_JOB, .name = "files", DIR_MODE(0777), .more = MORE_FILES,
	    .is_told = true),
	ROW(NODE_STATUS, OF_JOB, .name = "status", TEXT(content_status),
	    .differs = status_differs, .is_told = true),
	/* these two also say which place the job has in the queue */
	ROW(NODE_STATUS_JSON, OF_JOB, .name = "status.json", TEXT(content_status_json),
	    .differs = status_json_differs),
	ROW(NODE_PROGRESS, OF_JOB, .name = "progress", TEXT(content_progress),
	    .differs = progress_differs),
	ROW(NODE_LOG, OF_JOB, .name = "log", STREAM(STREAM_LOG),
	    .is_told = true),
	ROW(NODE_TRANSFER_LOG, OF_JOB, .name = "transfer.log", STREAM(STREAM_TRANSFER),
	    .is_told = true),
	ROW(NODE_JOB_METRICS, OF_JOB, .name = "metrics.jsonl", STREAM(STREAM_METRICS),
	    .exists = has_metrics, .is_told = true),
	ROW(NODE_EVENTS, OF_JOB, .name = "events.jsonl", STREAM(STREAM_EVENTS),
	    .is_told = true),
	ROW(NODE_EXIT_CODE, OF_JOB, .name = "exit_code", TEXT(content_exit_code),
	    .exists = has_exit_code, .differs = exit_code_differs, .is_told = true),
	ROW(NODE_OUTPUTS_S3, OF_JOB, .name = "outputs.s3", TEXT(content_outputs_s3),
	    .exists = has_outputs_uri, .differs = outputs_uri_differs, .is_told = true),
	ROW(NODE_OUTPUTS, OF_JOB, .name = "outputs.jsonl", STREAM(STREAM_OUTPUTS),
	    .exists = has_outputs_list, .is_told = true),
	ROW(NODE_ERROR, OF_JOB, .name = "error", TEXT(content_error),
	    .exists = has_error, .differs = error_differs, .is_told = true),
	ROW(NODE_CTL, OF_JOB, .name = "ctl", FILE_MODE(0222), .content = CONTENT_CTL,
	    .is_told = true),
	ROW(NODE_WAIT, OF_JOB, .name = "wait", FILE_MODE(0444), .content = CONTENT_WAIT,
	    .is_unlisted = true, .is_told = true),
	ROW(NODE_SPEC, OF_JOB, .name = "spec.json", FILE_MODE(0666),
	    .content = CONTENT_SPEC, .is_told = true),

	ROW(NODE_ATTEMPTS, OF_JOB, .name = "attempts", DIR_MODE(0555),
	    .more = MORE_ATTEMPTS, .exists = has_attempts),
	ROW(NODE_ATTEMPT, .parent = NODE_ATTEMPTS, .scope = INO_ATTEMPT,
	    DIR_MODE(0555)),
	ROW(NODE_ATTEMPT_LOG, OF_ATTEMPT, .name = "log", STREAM(STREAM_LOG)),
	ROW(NODE_ATTEMPT_TRANSFER_LOG, OF_ATTEMPT, .name = "transfer.log",
	    STREAM(STREAM_TRANSFER)),
	ROW(NODE_ATTEMPT_METRICS, OF_ATTEMPT, .name = "metrics.jsonl",
	    STREAM(STREAM_METRICS)),
	ROW(NODE_ATTEMPT_STATUS_JSON, OF_ATTEMPT, .name = "status.json",
	    TEXT(content_attempt_status_json)),
	ROW(NODE_ATTEMPT_EXIT_CODE, OF_ATTEMPT, .name = "exit_code",
	    TEXT(content_attempt_exit_code), .exists = attempt_has_exit_code),

	ROW(NODE_USER_FILE, .scope = INO_FILE, FILE_MODE(0777),
	    .content = CONTENT_FILE),
	ROW(NODE_USER_DIR, .scope = INO_FILE, DIR_MODE(0777), .more = MORE_FILES),
	/* clang-format on */
};

const struct node *node_get(unsigned id)
{
	return id < ARRAY_SIZE(nodes) && nodes[id].id != NODE_NONE ? &nodes[id] : NULL;
}

const struct node *node_next(enum node_id parent, unsigned after)
{
	for (unsigned i = after + 1; i < ARRAY_SIZE(nodes); i++) {
		if (nodes[i].parent == parent && nodes[i].name) {
			return &nodes[i];
		}
	}
	return NULL;
}

const struct node *node_find(enum node_id parent, const char *name)
{
	const struct node *node = node_next(parent, 0);

	while (node && !streq(node->name, name)) {
		node = node_next(parent, node->id);
	}
	return node;
}

uint64_t node_ino(const struct node *node, const struct ino_parts *of)
{
	switch (node->scope) {
	case INO_JOB:
		return ino_job(of->id, node->id);
	case INO_HOST:
		return ino_host((uint64_t)of->id, node->id);
	case INO_ATTEMPT:
		return ino_attempt(of->id, of->attempt, node->id);
	case INO_TOP:
	case INO_FILE:
		break;
	}
	return ino_top(node->id);
}

bool node_exists(const struct node *node, const struct job_record *record)
{
	if (node->content == CONTENT_LINK) {
		return record->state == node->state;
	}
	return !node->exists || node->exists(record);
}

bool node_may_go(const struct node *node)
{
	return node->content == CONTENT_LINK || node->exists;
}

size_t node_count_dirs(const struct node *node)
{
	size_t n = 0;

	for (const struct node *row = node_next(node->id, 0); row;
	     row = node_next(node->id, row->id)) {
		n += row->content == CONTENT_DIR && !node_may_go(row);
	}
	return n;
}

/* A spec may arrive before the files that it names: the job then waits for them. */
bool node_is_writable(const struct job_record *record, bool is_in_files)
{
	if (!record->is_accepted) {
		return true;
	}
	return is_in_files && record->state == JOB_QUEUED &&
	       record->reason == REASON_WAITING_FOR_FILES;
}

static int64_t or_else(int64_t a, int64_t b)
{
	return a > 0 ? a : b;
}

int64_t node_changed_ms(const struct node *node, const struct job_record *record)
{
	int64_t created = record->created_ms;

	switch (node->content) {
	case CONTENT_STREAM:
		return or_else(record->written_ms[node->stream], created);
	case CONTENT_SPEC:
		return or_else(record->submitted_ms, created);
	case CONTENT_TEXT:
	case CONTENT_DIR:
	case CONTENT_LINK:
		return or_else(record->changed_ms, created);
	case CONTENT_CTL:
	case CONTENT_WAIT:
	case CONTENT_FILE:
		break;
	}
	return created;
}

/* --- what changed ---------------------------------------------------------------- */

static bool is_other_text(const struct node *node, const struct job_record *before,
			  const struct job_record *after)
{
	switch (node->content) {
	case CONTENT_STREAM:
		return before->stream_size[node->stream] !=
		       after->stream_size[node->stream];
	case CONTENT_TEXT:
		return node->differs && node->differs(before, after);
	case CONTENT_SPEC:
	case CONTENT_DIR:
	case CONTENT_CTL:
	case CONTENT_WAIT:
	case CONTENT_FILE:
	case CONTENT_LINK:
		break;
	}
	return false;
}

static bool has_other_owner(const struct job_record *before,
			    const struct job_record *after)
{
	return before->mode != after->mode || before->uid != after->uid ||
	       before->gid != after->gid;
}

/* Writing spec.json is the user's doing, of which the kernel knows, but that it is
 * read-only from now on is not. */
static bool has_other_attr(const struct node *node, const struct job_record *before,
			   const struct job_record *after)
{
	return node_changed_ms(node, before) != node_changed_ms(node, after) ||
	       before->is_accepted != after->is_accepted ||
	       has_other_owner(before, after);
}

/* Who waits for a file to be closed takes that for "all of it is there". A text is
 * written as a whole; those that change with every byte of progress are counted as
 * closed when the state changes, streams when the job has ended. */
static bool is_closed(const struct node *node, const struct job_record *before,
		      const struct job_record *after, unsigned what)
{
	switch (node->content) {
	case CONTENT_TEXT:
		return (what & NODE_TEXT) &&
		       (node->is_told || before->state != after->state);
	case CONTENT_STREAM:
		return !job_state_is_final(before->state) &&
		       job_state_is_final(after->state);
	case CONTENT_SPEC:
	case CONTENT_DIR:
	case CONTENT_CTL:
	case CONTENT_WAIT:
	case CONTENT_FILE:
	case CONTENT_LINK:
		break;
	}
	return false;
}

static unsigned appearance(const struct node *node)
{
	return node->content == CONTENT_DIR ? NODE_APPEARED | NODE_ATTR
					    : NODE_APPEARED | NODE_TEXT | NODE_ATTR;
}

unsigned node_compare(const struct node *node, const struct job_record *before,
		      const struct job_record *after)
{
	bool was = node_exists(node, before), is = node_exists(node, after);
	unsigned what = 0;

	if (!is) {
		return was ? NODE_VANISHED : 0;
	}
	if (!was) {
		what |= appearance(node);
	}
	if (is_other_text(node, before, after)) {
		what |= NODE_TEXT | NODE_ATTR;
	}
	if (has_other_attr(node, before, after)) {
		what |= NODE_ATTR;
	}
	return is_closed(node, before, after, what) ? what | NODE_CLOSED : what;
}
