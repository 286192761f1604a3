/* The cache of inputs on a host (src/agent/cache.sh): what an object is called there,
 * and the index by which an attempt finds its own. Pure. */
#pragma once

#include <stdbool.h>

#include "s3/client.h"
#include "s3/digest.h"
#include "util/buf.h"

enum { CACHE_INDEX_MAX = 16 << 20 }; /* bytes: some 100,000 objects */

/* false: its ETag is none by which it would be known again, or no memory. */
bool cache_name(const struct s3_place *place, const struct s3_object *object,
		char ret_name[static S3_DIGEST_HEX_SIZE]);

/* Appends the line of an object of input i; below: its key below that of the input.
 * false: it cannot be cached (nor can the input then). */
bool cache_index_add(struct buf *index, size_t i, const struct s3_place *place,
		     const struct s3_object *object, const char *below);
