/* What a reader sees of a stream that lost its middle, or of one attempt's part of it:
 * the beginning, a line that says how many bytes were left out, and the end. */
#pragma once

#include "job/record.h"
#include "store/store.h"

struct view {
	int64_t base; /* offset in the stream of the reader's byte 0 */
	int64_t end;  /* of the part, in the stream; INT64_MAX: it grows */
	bool has_mark;
	int64_t mark_at; /* where the reader finds the line */
	int64_t lost;	 /* bytes that it stands for */
	int64_t tail_at; /* offset in the stream of what follows it */
};

/* All of a job's stream. */
struct view view_of_stream(const struct job_record *record, enum job_stream stream);
/* The part [from, to) of it; to -1: up to its end. */
struct view view_of_part(const struct job_record *record, enum job_stream stream,
			 int64_t from, int64_t to);
/* Bytes that the reader sees now. */
int64_t view_size(const struct view *view, const struct job_record *record,
		  enum job_stream stream);
/* As pread(2). A reader who was too slow finds another such line where his next byte
 * would have been: record (NULL: none, nothing is ever lost) tells. */
ssize_t view_read(struct view *view, struct store *store,
		  const struct job_record *record, enum job_stream stream,
		  int64_t offset, char *data, size_t len);
