#include "test.h"

#include <linux/fuse.h>

#include "fs/internal.h"
#include "fs/request.h"

#define RESENT (UINT64_C(1) << 63)

static struct fs *begin(void)
{
	static struct fs fs;

	CHECK_INT(memory_new("/jobs", "allow_other", &fs.memory), 0);
	return &fs;
}

static void end(struct fs *fs)
{
	fs->memory = memory_free(fs->memory);
}

static bool comes(struct fs *fs, uint64_t unique)
{
	struct fuse_in_header header = { .opcode = FUSE_GETATTR, .unique = unique };
	struct fuse_buf buf = { .mem = &header, .size = sizeof(header) };

	request_begin(&buf);
	return !request_is_given_up(fs);
}

TEST("a request that daemon after daemon died with is given up, and no other is")
{
	struct fs *fs = begin();
	int n = 0;

	CHECK(comes(fs, 40));
	while (n < 100 && comes(fs, 40 | RESENT)) {
		CHECK(comes(fs, (uint64_t)(42 + 2 * n) | RESENT));
		n++;
	}
	CHECK_INT(n, 4);
	CHECK(!comes(fs, 40 | RESENT));
	CHECK(comes(fs, 44 | RESENT));
	end(fs);
}

TEST("one that waits long for its answer is never given up")
{
	struct fs *fs = begin();

	for (int i = 0; i < 100; i++) {
		CHECK(comes(fs, 40 | RESENT));
		request_note_patient(fs);
	}
	end(fs);
}

TEST_MAIN
