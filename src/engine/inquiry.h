/* What a task asks of S3, in a worker's thread, and how that ended. */
#pragma once

#include "engine/internal.h"

struct inquiry {
	const struct s3_ops *s3;
	struct engine_stats *stats;
	struct s3_credentials credentials; /* borrowed from the daemon */
	struct s3_place place;		   /* without its bucket */
	enum s3_fault fault;
	enum job_reason reason; /* of the job, when error.code < 0 */
	struct err error;
};

void inquiry_init(struct inquiry *q, struct engine *e, const struct spec *spec);
/* Its end is q->fault, with q->error. */
void inquiry_list(struct inquiry *q, struct s3_client *client,
		  const struct s3_place *place, const struct s3_listing *listing);
/* May be written below s3://...? `what` names it in the spec. 0, or q->error.code. */
int inquiry_try_write(struct inquiry *q, struct s3_client *client, const char *uri,
		      const char *what);
