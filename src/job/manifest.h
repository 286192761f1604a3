/* What a host says that it uploaded, and the comparison of it with a listing of S3.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/mem.h"

struct manifest_entry {
	const char *path; /* below the output directory; borrowed from the records */
	int64_t size;	  /* bytes */
	bool is_found;	  /* in S3, with the right size, and new */
	bool is_old;	  /* what is there was there before */
};

struct manifest_list {
	struct manifest_entry *entries; /* in the order of strcmp(), as S3 lists keys */
	size_t n;
	size_t next; /* of the comparison */
	int64_t bytes;
};

/* records: "SIZE PATH\0" repeated, borrowed while the list lives.
 * -EBADMSG: malformed; -ENOMEM. */
int manifest_parse(const char *records, size_t len, struct manifest_list *ret_list);
void manifest_fini(struct manifest_list *list);
#define cleanup_manifest cleanup_(manifest_fini)

/* Takes the next object of the listing (path: its key below the destination), in order.
 * is_old: it was there before the attempt, so the upload of one of that name was lost.
 * The entry when it is found by that, NULL otherwise. */
const struct manifest_entry *
manifest_match(struct manifest_list *list, const char *path, int64_t size, bool is_old);
/* The first that was not found, NULL: all were; *ret_n: how many. */
const struct manifest_entry *manifest_missing(const struct manifest_list *list,
					      size_t *ret_n);
