#include "fs/ino.h"

#include <assert.h>
#include <errno.h>

enum {
	ROW_BITS = 8,
	ID_BITS = 52, /* of a job */
	HOST_BITS = 32,
	HOST_SHIFT = 60,
	FILE_SHIFT = 61,
	ATTEMPT_BITS = 12,
	ATTEMPT_ID_BITS = 40, /* of a job that has attempts */
	ATTEMPT_KIND = 3,
};

uint64_t ino_top(unsigned row)
{
	assert(row > 0 && row <= INO_ROW_MAX);
	return row;
}

uint64_t ino_job(int64_t job, unsigned row)
{
	assert(job > 0 && job < INT64_C(1) << ID_BITS);
	assert(row > 0 && row <= INO_ROW_MAX);
	return (uint64_t)job << ROW_BITS | row;
}

uint64_t ino_host(uint64_t host, unsigned row)
{
	assert(host < UINT64_C(1) << HOST_BITS);
	assert(row > 0 && row <= INO_ROW_MAX);
	return UINT64_C(1) << HOST_SHIFT | host << ROW_BITS | row;
}

uint64_t ino_file(int64_t file)
{
	assert(file > 0 && file < INT64_C(1) << HOST_SHIFT);
	return UINT64_C(1) << FILE_SHIFT | (uint64_t)file;
}

uint64_t ino_attempt(int64_t job, int attempt, unsigned row)
{
	assert(job > 0 && job < INT64_C(1) << ATTEMPT_ID_BITS);
	assert(attempt > 0 && attempt < 1 << ATTEMPT_BITS);
	assert(row > 0 && row <= INO_ROW_MAX);
	return (uint64_t)ATTEMPT_KIND << HOST_SHIFT |
	       (uint64_t)job << (ATTEMPT_BITS + ROW_BITS) |
	       (uint64_t)attempt << ROW_BITS | row;
}

static int parse_attempt(struct ino_parts *p)
{
	p->scope = INO_ATTEMPT;
	p->attempt = (int)(p->id & ((1 << ATTEMPT_BITS) - 1));
	p->id >>= ATTEMPT_BITS;
	return p->id > 0 && p->attempt > 0 ? 0 : -ESTALE;
}

int ino_parse(uint64_t ino, struct ino_parts *ret_parts)
{
	uint64_t kind = ino >> HOST_SHIFT;
	uint64_t rest = ino & ((UINT64_C(1) << HOST_SHIFT) - 1);
	struct ino_parts p = { .row = (unsigned)(rest & INO_ROW_MAX),
			       .id = (int64_t)(rest >> ROW_BITS) };

	switch (kind) {
	case 0:
		p.scope = p.id == 0 ? INO_TOP : INO_JOB;
		break;
	case 1:
		p.scope = INO_HOST;
		if (p.id >= INT64_C(1) << HOST_BITS) {
			return -ESTALE;
		}
		break;
	case 2:
		p = (struct ino_parts){ .scope = INO_FILE, .id = (int64_t)rest };
		break;
	case ATTEMPT_KIND:
		if (parse_attempt(&p) < 0) {
			return -ESTALE;
		}
		break;
	default:
		return -ESTALE;
	}
	if (p.scope == INO_FILE ? p.id == 0 : p.row == 0) {
		return -ESTALE;
	}
	*ret_parts = p;
	return 0;
}
