/* The tree as one table: a row a file or directory of the mount, of a job, of .jobfs
 * and of a host. Adding a file touches one row of node.c and the function that renders
 * it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/engine.h"
#include "fs/ino.h"
#include "job/record.h"
#include "util/buf.h"

/* Rows. The numbers are part of inode numbers: never change or reuse one. */
enum node_id {
	NODE_NONE = 0,

	NODE_ROOT = INO_ROOT,
	NODE_DOT = 2, /* .jobfs */
	NODE_README = 3,
	NODE_VERSION = 4,
	NODE_CONFIG = 5,
	NODE_QUEUE = 6,
	NODE_DAEMON_EVENTS = 7,
	NODE_HOSTS = 8,
	NODE_BY_STATE = 9,
	NODE_METRICS = 10,
	NODE_SCHEMA = 11,
	NODE_DOT_CTL = 12,

	NODE_STATE = 16, /* .jobfs/by-state/<STATE>: + enum job_state */

	NODE_HOST = 32, /* .jobfs/hosts/<host> */
	NODE_HOST_STATUS = 33,
	NODE_HOST_STATUS_JSON = 34,
	NODE_HOST_CTL = 35,

	NODE_JOB = 64, /* <job> */
	NODE_FILES = 66,
	NODE_STATUS = 67,
	NODE_STATUS_JSON = 68,
	NODE_PROGRESS = 69,
	NODE_LOG = 70,
	NODE_TRANSFER_LOG = 71,
	NODE_EVENTS = 72,
	NODE_EXIT_CODE = 73,
	NODE_OUTPUTS_S3 = 74,
	NODE_OUTPUTS = 75,
	NODE_ERROR = 76,
	NODE_CTL = 77,
	/* behind `error`, which goes with it: rm -r removes in this order */
	NODE_SPEC = 78,
	NODE_WAIT = 96,
	NODE_JOB_METRICS = 97,

	NODE_ATTEMPTS = 79, /* <job>/attempts */
	NODE_ATTEMPT = 80,  /* <job>/attempts/<n> */
	NODE_ATTEMPT_LOG = 81,
	NODE_ATTEMPT_TRANSFER_LOG = 82,
	NODE_ATTEMPT_STATUS_JSON = 83,
	NODE_ATTEMPT_EXIT_CODE = 84,
	NODE_ATTEMPT_METRICS = 85,

	NODE_LINK = 112, /* .jobfs/by-state/<STATE>/<job>: + enum job_state */

	NODE_USER_FILE = 128, /* the user's own; their inodes carry no row */
	NODE_USER_DIR = 129,

	NODE_ID_END = 256,
};

enum node_content {
	CONTENT_DIR,
	CONTENT_TEXT,	/* rendered when it is opened */
	CONTENT_STREAM, /* append-only, read by offset */
	CONTENT_SPEC,
	CONTENT_CTL,
	CONTENT_WAIT, /* reading it waits for the end of the job */
	CONTENT_FILE, /* a plain file below STATE_DIR */
	CONTENT_LINK, /* a symbolic link; what is rendered is where it leads to */
};

enum node_more { /* what a directory holds besides rows of the table */
		 MORE_NONE,
		 MORE_JOBS,
		 MORE_HOSTS,
		 MORE_FILES,
		 MORE_ATTEMPTS,
		 MORE_LINKS, /* to the jobs in one state */
};

/* What a row is rendered from. */
struct node_view {
	struct engine *engine;
	const struct job_record *record;  /* rows of a job */
	size_t host;			  /* rows of a host */
	const struct job_record *attempt; /* rows of an attempt: as it was or is */
};

struct node {
	enum node_id id;
	enum node_id parent; /* NODE_NONE: the root, or the user's own */
	const char *name;    /* NULL: there is one a job, host or file */
	enum ino_scope scope;
	/* The type and the most that permissions can be. Files of a job have these bits
	 * as far as the job's directory has them. */
	mode_t mode;
	enum node_content content;
	enum job_stream stream;				 /* CONTENT_STREAM */
	enum node_more more;				 /* CONTENT_DIR */
	enum job_state state;				 /* MORE_LINKS, CONTENT_LINK */
	bool (*exists)(const struct job_record *record); /* NULL: always */
	bool is_unlisted; /* there for who knows its name */
	/* CONTENT_TEXT of a job: is the text another one now? NULL: never. What is
	 * asked for (exists) is there in both. */
	bool (*differs)(const struct job_record *before,
			const struct job_record *after);
	/* The engine tells of every change of its attributes, so that the kernel may
	 * remember them. */
	bool is_told;
	/* CONTENT_TEXT, CONTENT_LINK */
	int (*render)(const struct node_view *view, struct buf *out);
};

/* NULL when there is no such row. */
const struct node *node_get(unsigned id);
/* The row of that name in that directory, or NULL. */
const struct node *node_find(enum node_id parent, const char *name);
/* The first row of the directory with an id above `after`, or NULL. */
const struct node *node_next(enum node_id parent, unsigned after);

/* The inode of the row, of the job, host or attempt that the parts name. */
uint64_t node_ino(const struct node *node, const struct ino_parts *of);

/* Is the row there for such a job (an attempt's row: for such an attempt)? */
bool node_exists(const struct node *node, const struct job_record *record);
/* Does it appear and vanish by itself? */
bool node_may_go(const struct node *node);
/* The directories that it holds of itself, without those that may go. */
size_t node_count_dirs(const struct node *node);

/* May the user's own files in files/ (is_in_files) or beside spec.json change now? */
bool node_is_writable(const struct job_record *record, bool is_in_files);
/* What a new record means for a row of the job: NODE_... bits. */
enum {
	NODE_ATTR = 1, /* attributes: size, times, mode, owner */
	NODE_TEXT = 2, /* what can be read */
	NODE_APPEARED = 4,
	NODE_VANISHED = 8,
	NODE_CLOSED = 16, /* it is complete: nobody writes it any more */
};
unsigned node_compare(const struct node *node, const struct job_record *before,
		      const struct job_record *after);
/* Milliseconds of the last change of a row of a job. */
int64_t node_changed_ms(const struct node *node, const struct job_record *record);
