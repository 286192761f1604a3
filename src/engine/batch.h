/* A batch of presigned URLs as the agent takes it (src/agent/presigned.sh): what is to
 * be fetched, or to be put. */
#pragma once

#include <stdbool.h>

#include "job/spec.h"
#include "s3/client.h"
#include "s3/fault.h"
#include "util/buf.h"
#include "util/err.h"

enum batch_checkpoint {
	CHECKPOINT_NONE, /* inputs or outputs */
	CHECKPOINT_GET,	 /* objects, or LATEST */
	CHECKPOINT_PUT,	 /* objects of a round, or LATEST */
	CHECKPOINT_DROP, /* what earlier rounds left and the list does not name */
};

struct batch_order { /* borrowed */
	const struct spec *spec;
	const struct s3_ops *ops;
	struct s3_place place; /* without its bucket */
	struct s3_credentials credentials;
	int64_t from;	   /* objects that are done */
	uint64_t from_sum; /* of inputs: of these; 0: not known. When others are in
			      front by now, the batch is of all. */
	bool keeps; /* inputs that may be cached are put where the cache finds them */
	const bool *is_done; /* of each input: nothing of it is wanted; NULL: of none */
	/* of outputs; NULL destination: the inputs are wanted */
	const char *destination;    /* s3://... */
	const struct buf *manifest; /* "SIZE PATH\0" */
	const struct buf *begun;    /* "ID PATH\0": uploads in parts of this attempt */
	/* of checkpoints: the manifest is what the host wants, below destination */
	enum batch_checkpoint checkpoint;
	const char *attempt; /* ID-ATTEMPT */
	/* What another job put there before this is nobody's any more, by S3's clock;
	 * 0: not known. */
	int64_t older_than_s;
};

/* The first batch of the inputs, made of a listing that another asks for: open, for
 * each input its number and its objects, close. Order and text stay until then. open:
 * NULL when there is no memory. */
struct batch;
struct batch *batch_open(const struct batch_order *order, struct buf *text,
			 struct err *e);
void batch_input(struct batch *b, size_t i);
void batch_add_object(struct batch *b, const struct s3_object *object);
/* Frees it. 0, or negative errno: the text is no batch. NULL is fine. */
int batch_close(struct batch *b);

/* Appends the batch. A fault that is not S3_OK is explained in e. */
enum s3_fault batch_make(const struct batch_order *order, struct s3_client *s3,
			 struct buf *text, struct err *e);

/* Appends a batch that says why there are no URLs, which ends the transfer. */
void batch_refuse(struct buf *text, const char *why);

/* Ends the uploads in parts that were begun: completes those whose parts are all there
 * (keep) or aborts them. */
enum s3_fault batch_end_uploads(const struct batch_order *order, struct s3_client *s3,
				bool keep, struct err *e);
