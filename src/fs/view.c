#include "fs/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/mem.h"

/* The line has one length, whatever the number is: so sizes do not jump. */
#define MARK_FORMAT "\n==> %20lld bytes of the log were left out here <==\n"
enum {
	MARK_LEN = sizeof("\n==> 01234567890123456789 bytes of the log were left out "
			  "here <==\n") -
		   1
};

struct view view_of_part(const struct job_record *record, enum job_stream stream,
			 int64_t from, int64_t to)
{
	const struct job_gap *gap = &record->gap[stream];
	struct view v = { .base = from, .end = to >= 0 ? to : INT64_MAX };
	int64_t lost_from = gap->from > from ? gap->from : from;
	int64_t lost_to = gap->to < v.end ? gap->to : v.end;

	if (lost_from < lost_to) {
		v.has_mark = true;
		v.mark_at = lost_from - from;
		v.lost = lost_to - lost_from;
		v.tail_at = lost_to;
	}
	return v;
}

struct view view_of_stream(const struct job_record *record, enum job_stream stream)
{
	return view_of_part(record, stream, 0, -1);
}

int64_t view_size(const struct view *v, const struct job_record *record,
		  enum job_stream stream)
{
	int64_t size = record->stream_size[stream];

	size = (size < v->end ? size : v->end) - v->base;
	return v->has_mark ? size - v->lost + MARK_LEN : size;
}

static ssize_t read_mark(const struct view *v, int64_t offset, char *data, size_t len)
{
	char text[MARK_LEN + 1];
	size_t at = (size_t)(offset - v->mark_at), n = MARK_LEN - at;

	(void)snprintf(text, sizeof(text), MARK_FORMAT, (long long)v->lost);
	n = n < len ? n : len;
	memcpy(data, text + at, n);
	return (ssize_t)n;
}

/* Where byte `offset` of the reader is in the stream; *ret_left: how many follow it
 * there. */
static int64_t locate(const struct view *v, int64_t offset, int64_t *ret_left)
{
	int64_t at = v->base + offset;

	*ret_left = v->end - at;
	if (v->has_mark && offset < v->mark_at) {
		*ret_left = v->mark_at - offset;
	} else if (v->has_mark) {
		at = v->tail_at + (offset - v->mark_at - MARK_LEN);
		*ret_left = v->end - at;
	}
	return at;
}

/* What was to come is gone since it was opened. */
static bool was_overtaken(struct view *v, const struct job_gap *gap, int64_t offset,
			  int64_t at)
{
	if (at < gap->from || at >= gap->to) {
		return false;
	}
	v->has_mark = true;
	v->mark_at = offset;
	v->lost = gap->to - at;
	v->tail_at = gap->to;
	return true;
}

static bool is_in_mark(const struct view *v, int64_t offset)
{
	return v->has_mark && offset >= v->mark_at && offset < v->mark_at + MARK_LEN;
}

/* One piece; 0 at the end. */
static ssize_t read_piece(struct view *v, struct store *store,
			  const struct job_record *record, enum job_stream stream,
			  int64_t offset, char *data, size_t len)
{
	int64_t at, left;

	if (is_in_mark(v, offset)) {
		return read_mark(v, offset, data, len);
	}
	at = locate(v, offset, &left);
	if (left <= 0) {
		return 0;
	}
	if (record && was_overtaken(v, &record->gap[stream], offset, at)) {
		return read_mark(v, offset, data, len);
	}
	return store_read_stream(store, record ? record->id : 0, stream, at, data,
				 (int64_t)len < left ? len : (size_t)left);
}

ssize_t view_read(struct view *v, struct store *store, const struct job_record *record,
		  enum job_stream stream, int64_t offset, char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read_piece(v, store, record, stream, offset + (int64_t)done,
				       data + done, len - done);

		if (n < 0) {
			return done > 0 ? (ssize_t)done : n;
		}
		if (n == 0) {
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}
