/* The small texts of the mount: pure functions from a record to bytes. Each appends to
 * out and returns out->error. */
#pragma once

#include <stddef.h>

#include "engine/engine.h"
#include "job/record.h"
#include "util/buf.h"

/* The text, ended by exactly one newline of its own or of ours; NULL is no text. */
int render_line(const char *text, struct buf *out);

/* queue_position: 1-based, 0: not queued. */
/* From .jobfs/by-state/<STATE> to the job's directory. */
int render_link(const struct job_record *r, struct buf *out);
int render_status(const struct job_record *r, struct buf *out);
int render_status_json(const struct job_record *r, size_t queue_position,
		       struct buf *out);
/* Of the attempt that the record holds. */
int render_attempt_json(const struct job_record *record, struct buf *out);
int render_progress(const struct job_record *r, size_t queue_position, struct buf *out);

int render_host_status(const struct engine_host *host, struct buf *out);
int render_host_status_json(const struct engine_host *host, struct buf *out);
