/* A log is kept whole up to a limit. A longer one loses its middle, there and in
 * fetching: its first quarter tells how it began, the rest how it goes now. So a
 * program that prints without end fills no disk, and does not keep others waiting. */
#include <errno.h>

#include "engine/internal.h"

int64_t log_head_bytes(const struct conf *conf)
{
	return conf->limits.log_bytes / 4;
}

int64_t log_tail_bytes(const struct conf *conf)
{
	return conf->limits.log_bytes - log_head_bytes(conf);
}

static int trim(struct engine *e, struct job_record *r, enum job_stream stream)
{
	struct err err = ERR_INIT;
	int error = engine_write(e);

	error = error < 0 ? error
			  : store_trim(e->store, r->id, stream, &r->gap[stream], &err);
	if (error < 0) {
		engine_fail_turn(e, error, &err);
	}
	return error;
}

/* Widens the gap so that it ends at `to`. */
static int widen(struct engine *e, struct job_record *r, enum job_stream stream,
		 int64_t to)
{
	struct job_gap *gap = &r->gap[stream];
	int64_t head = log_head_bytes(e->conf);

	if (gap->to == gap->from) {
		gap->from =
			r->stream_size[stream] < head ? r->stream_size[stream] : head;
	}
	gap->to = to;
	return trim(e, r, stream);
}

static int keep_limit(struct engine *e, struct job *job, enum job_stream stream)
{
	struct job_record *r = job_edit(e, job);
	int64_t size, tail_at;

	if (!r) {
		return -ENOMEM;
	}
	size = r->stream_size[stream];
	tail_at = size - log_tail_bytes(e->conf);
	if (size - (r->gap[stream].to - r->gap[stream].from) <=
		    e->conf->limits.log_bytes ||
	    tail_at <= r->gap[stream].to) {
		return 0;
	}
	return widen(e, r, stream, tail_at);
}

static int skip(struct engine *e, struct job *job, enum job_stream stream,
		int64_t offset)
{
	struct job_record *r = job_edit(e, job);
	struct err err = ERR_INIT;
	int error;

	if (!r) {
		return -ENOMEM;
	}
	error = widen(e, r, stream, offset);
	if (error < 0) {
		return error;
	}
	r->stream_size[stream] = offset;
	error = store_skip(e->store, r->id, stream, offset, &err);
	if (error < 0) {
		engine_fail_turn(e, error, &err);
	}
	return error;
}

bool log_is_cut(const struct job *job)
{
	const struct job_record *r = job_get(job);

	for (int i = 0; i < STREAM_OF_HOST_COUNT; i++) {
		if (r->gap[i].to > r->gap[i].from) {
			return true;
		}
	}
	return false;
}

int64_t log_next_offset(const struct engine *e, struct job *job, enum job_stream stream)
{
	const struct job_record *r = job_get(job);
	struct log_source *source = &job->run->logs[stream];
	int64_t tail = log_tail_bytes(e->conf);
	int64_t at = r->stream_size[stream] - r->attempt.base[stream];

	if (r->stream_size[stream] >= log_head_bytes(e->conf) &&
	    source->size - at > tail) {
		at = source->size - tail;
	}
	if (at >= source->hole.from && at < source->hole.to) {
		at = source->hole.to;
	}
	source->asked = at;
	return at;
}

int log_take(struct engine *e, struct job *job, enum job_stream stream,
	     const char *data, size_t len)
{
	const struct job_record *r = job_get(job);
	int64_t at = r->attempt.base[stream] + job->run->logs[stream].asked;
	int error = 0;

	if (at > r->stream_size[stream]) {
		error = skip(e, job, stream, at);
	}
	error = error < 0 ? error : job_append(e, job, stream, data, len);
	return error < 0 ? error : keep_limit(e, job, stream);
}

bool log_is_whole(const struct job *job, enum job_stream stream)
{
	const struct job_record *r = job_get(job);

	return job->run->logs[stream].size <=
	       r->stream_size[stream] - r->attempt.base[stream];
}
