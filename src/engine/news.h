/* What one poll said of one attempt, and what it changes. */
#pragma once

#include "engine/internal.h"

/* What the frame said of one attempt. */
struct news {
	char name[ATTEMPT_NAME_MAX];
	bool is_void, is_claimed, is_none;
	char claim[256];
	char alive[16];
	char phase[16];
	char timeout[16];
	bool cancel;
	char exit[256], end[256];
	char want[64];	      /* "KIND N FROM SUM" of presigned URLs */
	char keys[8];	      /* "1": temporary credentials are wanted */
	char checkpoint[128]; /* "EPOCH BYTES COUNT ok|failed" */
	int64_t size[STREAM_OF_HOST_COUNT];
	struct job_gap hole[STREAM_OF_HOST_COUNT];
	struct frame_item data[STREAM_OF_HOST_COUNT];
};

/* One line or data block of the attempt's part of the frame. */
void news_read(struct engine *e, struct job *job, struct news *n,
	       const struct frame_item *item);
/* An event with what a transfer that is over achieved. */
void news_tell_transfer(struct engine *e, struct job *job,
			const struct job_transfer *transfer);
/* All of them were read: the job follows. */
void news_apply(struct engine *e, struct job *job, const struct news *n);
