#include "ssh/pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pool_block {
	struct pool_block *next, **back; /* back: what points to us */
	size_t size;
	alignas(max_align_t) char data[];
};

static struct pool_block *block_of(void *data)
{
	return (struct pool_block *)((char *)data - offsetof(struct pool_block, data));
}

void *pool_alloc(struct pool *p, size_t size)
{
	struct pool_block *b;

	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	b = malloc(sizeof(*b) + size);
	if (!b) {
		return NULL;
	}
	b->size = size;
	b->next = p->first;
	b->back = &p->first;
	if (b->next) {
		b->next->back = &b->next;
	}
	p->first = b;
	return b->data;
}

void pool_free(struct pool *p, void *data)
{
	struct pool_block *b;

	(void)p;
	if (!data) {
		return;
	}
	b = block_of(data);
	*b->back = b->next;
	if (b->next) {
		b->next->back = b->back;
	}
	explicit_bzero(b->data, b->size);
	free(b);
}

void *pool_realloc(struct pool *p, void *data, size_t size)
{
	void *moved = pool_alloc(p, size);

	if (!moved) {
		return NULL;
	}
	if (data) {
		size_t old = block_of(data)->size;

		memcpy(moved, data, old < size ? old : size);
		pool_free(p, data);
	}
	return moved;
}

void pool_fini(struct pool *p)
{
	while (p->first) {
		pool_free(p, p->first->data);
	}
}
