/* A batch while it is made: what batch.c (inputs and outputs) and batch_ckpt.c
 * (checkpoints) share. */
#pragma once

#include "engine/batch.h"
#include "job/manifest.h"
#include "s3/multipart.h"
#include "s3/sign.h"

enum {
	BATCH_MAX = 5000,     /* objects; some 200 bytes each */
	EXPIRES_S = 6 * 3600, /* of a URL; checked when a request begins */
	LARGE = 64 << 20,     /* bytes from which an object comes in pieces */
};

struct batch {
	const struct batch_order *order;
	struct s3_client *s3;
	struct buf *text;
	struct err *e;
	struct s3_place place;
	int64_t time_s; /* of all signatures, so that they differ in little */
	/* of the first URL: as far as its last '/', and its query as far as the
	 * signature */
	struct buf stem, query;
	int64_t seen;	 /* objects so far, those before `from` too */
	uint64_t sum;	 /* of these inputs: keys and ETags */
	bool is_shifted; /* those before `from` are not what they were */
	int64_t written; /* of this batch */
	bool is_full;
	int64_t put_bytes; /* of whole files */
	int64_t lanes;
	/* of the input that is being listed */
	const struct spec_input *input;
	size_t i;
	/* large ones, whose ranges come last */
	struct large *large;
	size_t n_large;
	int error;
};

enum { STAGE_MAX = 128 }; /* of where an object is put until all of it is there */

struct large {
	struct buf url;
	size_t i;
	int64_t size, step;
	char tag[S3_ETAG_MAX];
	char stage[STAGE_MAX];
};

void batch_add_quoted(struct batch *b, const char *text);
/* expires_s 0: as long as others. */
void batch_add_signed(struct batch *b, struct s3_request request);
/* An object that is to be fetched as `name`; its ranges come with the last call. */
int batch_add_get(struct batch *b, const struct s3_object *object, const char *name);
void batch_add_ranges(struct batch *b);
int64_t batch_next_number(struct batch *b, const char *path);
void batch_add_put(struct batch *b, const struct s3_object_name *name,
		   const struct manifest_entry *entry, int expires_s);
/* The parts that S3 has not; how many. */
int batch_add_missing(struct batch *b, const struct s3_object_name *name,
		      const char *id, const struct s3_parts *parts,
		      const struct manifest_entry *entry);

/* The last upload that was begun for the path; NULL: none. The id ends at the blank. */
const char *batch_find_begun(const struct buf *begun, const char *path);

enum s3_fault batch_add_checkpoint(struct batch *b, int64_t *ret_next);
