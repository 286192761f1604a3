/* What the kernel remembers of us: how often it was told of an inode and has not
 * forgotten it, counted by family (a job with all its files, a host, the directory of a
 * state, the rest). A watch pins the inode that it watches, so where the kernel
 * remembers nothing of a family, nobody watches it, and its changes need not be told.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { KNOWN_SHARDS = 16 };

struct known_shard;
struct known {
	struct known_shard *shards; /* NULL: no memory, then all are known */
};

void known_init(struct known *known);
void known_fini(struct known *known);

/* Any thread. Files of the user are not counted: only he changes them. */
void known_add(struct known *known, uint64_t ino); /* before the kernel is told */
void known_forget(struct known *known, uint64_t ino, uint64_t n);
/* The kernel may know more than was counted: all are known from now on. */
void known_lose(struct known *known);
/* Of the inode or another one of its family. */
bool known_has(struct known *known, uint64_t ino);
/* Of the inode itself; may be true of one that was forgotten before its family was. */
bool known_has_row(struct known *known, uint64_t ino);
