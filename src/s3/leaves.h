/* Reads S3's small documents, those of multipart uploads and errors: hands out each
 * element that holds text, with its path. Nothing in them is believed: depth and
 * lengths have limits. Hides expat. */
#pragma once

#include <stddef.h>

#include "util/mem.h"

struct s3_leaves;

/* path: "/ListPartsResult/Part/ETag", text without the blanks around it. Elements that
 * hold others come too, behind what is in them, with "". */
typedef void s3_leaf_fn(void *arg, const char *path, const char *text);

/* -ENOMEM. *ret_leaves is the caller's. */
int s3_leaves_new(s3_leaf_fn *each, void *arg, struct s3_leaves **ret_leaves);
struct s3_leaves *s3_leaves_free(struct s3_leaves *leaves);
void s3_leaves_freep(struct s3_leaves **leaves);
#define cleanup_s3_leaves cleanup_(s3_leaves_freep)

/* -EBADMSG, -ENOMEM; sticks. */
int s3_leaves_feed(struct s3_leaves *leaves, const void *data, size_t len);
/* After the last byte: 0 when the document is whole (or there was not a byte). */
int s3_leaves_finish(struct s3_leaves *leaves);
