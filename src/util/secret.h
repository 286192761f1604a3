/* Memory for secrets: pages of their own, locked into RAM, left out of core dumps, and
 * wiped when they are given back. */
#pragma once

#include <stddef.h>

#include "util/mem.h"

/* size bytes of zeros in pages of their own; NULL: no memory. Locking may fail (the
 * limit RLIMIT_MEMLOCK); the memory is good all the same. */
char *secret_alloc(size_t size);
/* A copy of len bytes of text, and a NUL. NULL: no memory. */
char *secret_copy(const char *text, size_t len);
/* Wipes and unmaps; returns NULL. NULL is fine. */
char *secret_free(char *secret);
void secret_freep(char **secret);
#define cleanup_secret cleanup_(secret_freep)

/* Locks it once more: a child of fork(2) has the secret but not the lock. NULL is fine.
 * 0, -ENOMEM, -EAGAIN, -EPERM. */
int secret_lock(char *secret);
