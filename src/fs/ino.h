/* Inode numbers: what a number means, by arithmetic alone. They are made of the ids of
 * the database, so they are the same after a restart, the kernel's FORGET needs no
 * bookkeeping, and since no id is used twice, one generation is enough.
 *
 *     0 ... 0 | row            root (1), .jobfs and what is in it
 *     job id (52 bits) | row   a job's directory and what is in it
 *     1 << 60 | host | row     .jobfs/hosts/<host> and what is in it
 *     1 << 61 | file id        a file or directory of the user
 *     3 << 60 | job id (40 bits) | attempt (12 bits) | row
 *                              <job>/attempts/<attempt> and what is in it
 *
 * The row is the number of the node's row (node.h), 8 bits. A host has the number of
 * its name (conf.h), which is the same under every configuration. */
#pragma once

#include <stdint.h>

enum ino_scope { INO_TOP, INO_JOB, INO_HOST, INO_FILE, INO_ATTEMPT };

struct ino_parts {
	enum ino_scope scope;
	unsigned row; /* 0 for INO_FILE: its row of the database says what it is */
	int64_t id;   /* of the job or file, number of the host; 0 for INO_TOP */
	int attempt;  /* INO_ATTEMPT: its number */
};

enum { INO_ROOT = 1, INO_ROW_MAX = 255 };

uint64_t ino_top(unsigned row);
uint64_t ino_job(int64_t job, unsigned row);
uint64_t ino_host(uint64_t host, unsigned row);
uint64_t ino_file(int64_t file);
uint64_t ino_attempt(int64_t job, int attempt, unsigned row);

/* 0, or -ESTALE: no such number is ever made. */
int ino_parse(uint64_t ino, struct ino_parts *ret_parts);
