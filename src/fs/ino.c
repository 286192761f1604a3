#include "fs/ino.h"

#include <assert.h>
#include <errno.h>

enum {
	ROW_BITS = 8,
	ID_BITS = 52, /* of a job */
	HOST_BITS = 32,
	HOST_SHIFT = 60,
	FILE_SHIFT = 61,
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
	default:
		return -ESTALE;
	}
	if (p.scope == INO_FILE ? p.id == 0 : p.row == 0) {
		return -ESTALE;
	}
	*ret_parts = p;
	return 0;
}
