/* The memory of one libssh2 session: wiped when it is freed, and gone as a whole with
 * the session, for libssh2 1.10 forgets some of it (a host key at every new key
 * exchange, what a broken-off handshake held). */
#pragma once

#include <stddef.h>

struct pool_block;
struct pool {
	struct pool_block *first;
};

void *pool_alloc(struct pool *p, size_t size);
void *pool_realloc(struct pool *p, void *data, size_t size);
void pool_free(struct pool *p, void *data); /* NULL is fine */
void pool_fini(struct pool *p);		    /* frees all */
