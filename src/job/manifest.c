#include "job/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_paths(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int parse_record(const char *record, size_t len, struct manifest_entry *ret)
{
	char *end;
	long long size;

	if (len == 0 || record[0] < '0' || record[0] > '9') {
		return -EBADMSG;
	}
	errno = 0;
	size = strtoll(record, &end, 10);
	if (errno || *end != ' ' || end[1] == '\0') {
		return -EBADMSG;
	}
	ret->path = end + 1;
	ret->size = size;
	ret->is_found = ret->is_old = false;
	return 0;
}

int manifest_parse(const char *records, size_t len, struct manifest_list *ret_list)
{
	cleanup_manifest struct manifest_list list = { .n = 0 };
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		n += records[i] == '\0';
	}
	if (len > 0 && records[len - 1] != '\0') {
		return -EBADMSG;
	}
	list.entries = calloc(n + 1, sizeof(*list.entries));
	if (!list.entries) {
		return -ENOMEM;
	}
	for (const char *p = records; p < records + len; p += strlen(p) + 1) {
		int r = parse_record(p, strlen(p), &list.entries[list.n]);

		if (r < 0) {
			return r;
		}
		if (__builtin_add_overflow(list.bytes, list.entries[list.n++].size,
					   &list.bytes)) {
			return -EBADMSG;
		}
	}
	qsort(list.entries, list.n, sizeof(*list.entries), compare_paths);
	*ret_list = list;
	list.entries = NULL;
	return 0;
}

void manifest_fini(struct manifest_list *list)
{
	free(list->entries);
	list->entries = NULL;
}

const struct manifest_entry *manifest_match(struct manifest_list *list,
					    const char *path, int64_t size, bool is_old)
{
	struct manifest_entry *entry;
	int order = -1;

	while (list->next < list->n &&
	       (order = strcmp(list->entries[list->next].path, path)) < 0) {
		list->next++;
	}
	if (order != 0 || list->next >= list->n) {
		return NULL;
	}
	entry = &list->entries[list->next++];
	entry->is_old = is_old;
	entry->is_found = entry->size == size && !is_old;
	return entry->is_found ? entry : NULL;
}

const struct manifest_entry *manifest_missing(const struct manifest_list *list,
					      size_t *ret_n)
{
	const struct manifest_entry *first = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < list->n; i++) {
		if (!list->entries[i].is_found) {
			first = first ? first : &list->entries[i];
			(*ret_n)++;
		}
	}
	return first;
}
