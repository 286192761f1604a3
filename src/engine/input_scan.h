/* Is an input there? All of its objects are counted, and their names looked at. */
#pragma once

#include "engine/inquiry.h"
#include "job/path.h"

struct input_scan {
	const struct spec_input *input;
	size_t i;
	enum spec_engine engine;
	/* NULL, or where the input's lines of the index go. NULL afterwards, too, when
	 * it cannot be in one. */
	struct buf *index;
	/* NULL, or where its objects go, "SIZE\0ETAG\0KEY\0", as far as there is room
	 */
	struct buf *objects;
	struct input_listed listed;
	const struct s3_place *place;
	char bad_key[256]; /* one that cannot be a file there, "" for none */
	char why[512];
	/* see key_is_bad() */
	char path[PATH_LEN_MAX + 1];
	short open[PATH_LEN_MAX + 1];
	size_t n_open;
};

/* 0, or q->error.code with q->reason and a sentence that names the input. */
int input_scan(struct input_scan *scan, struct inquiry *q, struct s3_client *s3);
