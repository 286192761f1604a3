#include "test.h"

#include <fuse3/fuse_lowlevel.h>

#include "fs/object.h"

static struct listed listed;
static struct job_record record;
static struct object dir;

static void set_up(int64_t job)
{
	record = (struct job_record){
		.id = job, .refs = 1, .is_accepted = true, .exit_code = -1
	};
	dir = (struct object){ .node = node_get(NODE_JOB), .record = &record };
}

/* What the kernel is told: 'n' not to keep it, 'a' to begin anew, 'k' to keep it. */
static char opened(uint64_t *ret_fh)
{
	struct fuse_file_info fi = { .fh = 1 };

	listed_open(&listed, &dir, &fi);
	*ret_fh = fi.fh;
	CHECK_INT(fi.fh != 0, fi.cache_readdir);
	return !fi.cache_readdir ? 'n' : fi.keep_cache ? 'k' : 'a';
}

static void list(uint64_t fh)
{
	(void)listed_begin(&listed, &dir, fh);
	listed_end(&listed, &dir, fh, true);
}

static uint64_t offset_of(uint64_t fh, uint64_t cookie)
{
	uint64_t mark = listed_begin(&listed, &dir, fh);

	listed_end(&listed, &dir, fh, true);
	return mark | cookie;
}

static void change(void)
{
	record.error = record.error ? NULL : (char *)"error";
}

TEST("a listing is kept until the directory changes")
{
	uint64_t fh;

	listed_init(&listed);
	set_up(7);
	CHECK_INT(opened(&fh), 'a');
	CHECK_INT(opened(&fh), 'a'); /* it was never listed */
	list(fh);
	CHECK_INT(opened(&fh), 'k');
	CHECK_INT(opened(&fh), 'k');
	change();
	CHECK_INT(opened(&fh), 'a');
	CHECK_INT(opened(&fh), 'a');
	list(fh);
	CHECK_INT(opened(&fh), 'k');
	listed_fini(&listed);
}

TEST("what is written, and what has files of the user, is not kept")
{
	uint64_t fh;

	listed_init(&listed);
	set_up(7);
	record.is_accepted = false;
	CHECK_INT(opened(&fh), 'n');
	record.is_accepted = record.has_files = true;
	CHECK_INT(opened(&fh), 'n');
	list(fh);
	CHECK_INT(opened(&fh), 'n');
	listed_fini(&listed);
}

TEST("a slow program does not bring back what was: neither its listing nor its end")
{
	uint64_t slow, quick, later;

	listed_init(&listed);
	set_up(7);
	CHECK_INT(opened(&slow), 'a');
	(void)listed_begin(&listed, &dir, slow); /* the answer is on its way */
	change();
	CHECK_INT(opened(&quick), 'a');
	list(quick);
	CHECK_INT(opened(&later), 'a');
	listed_end(&listed, &dir, slow, true);
	CHECK_INT(opened(&later), 'a');
	list(later);
	CHECK_INT(opened(&later), 'k');
	list(slow); /* what it has is kept now, and this is the end of it */
	CHECK_INT(opened(&later), 'a');
	list(later);
	CHECK_INT(opened(&later), 'k');
	listed_fini(&listed);
}

TEST("a listing that does not go into one answer is not kept")
{
	uint64_t fh;

	listed_init(&listed);
	set_up(7);
	CHECK_INT(opened(&fh), 'a');
	(void)listed_begin(&listed, &dir, fh);
	listed_end(&listed, &dir, fh, false);
	list(fh);
	CHECK_INT(opened(&fh), 'a');
	listed_fini(&listed);
}

TEST("of two jobs with one slot only the last is kept, and the other begins anew")
{
	uint64_t one, two;

	listed_init(&listed);
	set_up(7);
	CHECK_INT(opened(&one), 'a');
	list(one);
	CHECK_INT(opened(&one), 'k');
	(void)listed_begin(&listed, &dir, one);
	set_up(7 + LISTED_SLOTS);
	CHECK_INT(opened(&two), 'n'); /* the slot is in use */
	set_up(7);
	listed_end(&listed, &dir, one, true);
	set_up(7 + LISTED_SLOTS);
	CHECK_INT(opened(&two), 'a');
	list(two);
	CHECK_INT(opened(&two), 'k');
	set_up(7);
	list(one); /* of an old handle: nobody knows what the kernel has */
	CHECK_INT(opened(&one), 'a');
	set_up(7 + LISTED_SLOTS);
	CHECK_INT(opened(&two), 'a');
	listed_fini(&listed);
}

TEST("offsets of one version are none of another one, and mean the same")
{
	uint64_t fh, before, after;

	listed_init(&listed);
	set_up(7);
	CHECK_INT(opened(&fh), 'a');
	before = offset_of(fh, 9);
	change();
	after = offset_of(fh, 9);
	CHECK(before != after);
	CHECK((int64_t)before > 0 && (int64_t)after > 0);
	CHECK_INT(listed_cookie(fh, before), 9);
	CHECK_INT(listed_cookie(fh, after), 9);
	CHECK_INT(offset_of(0, 9), 9);
	CHECK_INT(listed_cookie(0, 9), 9);
	listed_fini(&listed);
}

TEST_MAIN
