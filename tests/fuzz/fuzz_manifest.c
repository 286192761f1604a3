/* Foreign bytes as the list of outputs that a host made: accepted, it is in order,
 * counted right, and a listing with all of it leaves nothing missing. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "job/manifest.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(struct manifest_list *list)
{
	int64_t bytes = 0;
	size_t missing, distinct = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct manifest_entry *entry = &list->entries[i];

		assert(entry->size >= 0 && entry->path[0]);
		assert(i == 0 || strcmp(entry[-1].path, entry->path) <= 0);
		distinct += i == 0 || strcmp(entry[-1].path, entry->path) != 0;
		bytes += entry->size;
	}
	assert(bytes == list->bytes);
	(void)manifest_missing(list, &missing);
	assert(missing == list->n);
	for (size_t i = 0; i < list->n; i++) {
		(void)manifest_match(list, list->entries[i].path, list->entries[i].size,
				     false);
	}
	/* a path that is there twice can be found once only */
	assert(!manifest_missing(list, &missing) || distinct < list->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_manifest struct manifest_list list = { .n = 0 };
	int r = manifest_parse((const char *)data, size, &list);

	if (r == 0) {
		check_list(&list);
	} else {
		assert(r == -EBADMSG && !list.entries);
	}
	return 0;
}
