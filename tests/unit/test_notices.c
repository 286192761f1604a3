#include "test.h"

#include "fs/notices.h"
#include "fs/notifier.h"

static struct notices notices;

/* The next one that is ready, as its inode; 0: none is. */
static uint64_t next(unsigned *ret_what)
{
	struct notice notice;
	int timeout_ms;

	if (!notices_take(&notices, &notice, &timeout_ms)) {
		return 0;
	}
	*ret_what = notice.what;
	return notice.ino;
}

TEST("news of one inode are told as one, those of names by name")
{
	unsigned what = 0;

	notices_init(&notices);
	notices_add(&notices, 7, NULL, 7, TELL_MODIFY);
	notices_add(&notices, 7, NULL, 7, TELL_CLOSE);
	notices_add(&notices, 3, "a", 8, TELL_CREATE);
	notices_add(&notices, 3, "b", 9, TELL_CREATE);
	notices_add(&notices, 3, "a", 8, TELL_DELETE); /* so it was never there */
	CHECK_INT(notices.n_ready, 3);
	CHECK_INT(next(&what), 7);
	CHECK_INT(what, TELL_MODIFY | TELL_CLOSE);
	CHECK_INT(next(&what), 8);
	CHECK_INT(what, 0);
	CHECK_INT(next(&what), 9);
	CHECK_INT(what, TELL_CREATE);
	CHECK_INT(next(&what), 0);
	CHECK(notices_are_all_told(&notices));
	notices_drop_all(&notices);
	CHECK_INT(notices.n, 0);
}

TEST("one that was told rests, and what comes meanwhile is kept")
{
	unsigned what = 0;

	notices_init(&notices);
	notices_add(&notices, 7, NULL, 7, TELL_MODIFY);
	CHECK_INT(next(&what), 7);
	notices_add(&notices, 7, NULL, 7, TELL_CLOSE);
	CHECK_INT(notices.n_ready, 0);
	CHECK(!notices_are_all_told(&notices));
	while (next(&what) != 7) {
	}
	CHECK_INT(what, TELL_CLOSE);
	notices_drop_all(&notices);
}

static bool is_odd(void *arg, const struct notice *notice)
{
	(void)arg;
	return notice->ino % 2;
}

TEST("what nobody watches is dropped, but not what came during the look")
{
	size_t n_watched = 0;
	unsigned what = 0;

	notices_init(&notices);
	for (uint64_t ino = 1; ino <= 6; ino++) {
		notices_add(&notices, ino, NULL, ino, TELL_MODIFY);
	}
	notices_begin_look(&notices);
	notices_add(&notices, 4, NULL, 4, TELL_CLOSE);
	notices_add(&notices, 8, NULL, 8, TELL_MODIFY);
	CHECK_INT(notices_end_look(&notices, is_odd, NULL, &n_watched), 2);
	CHECK_INT(n_watched, 3);
	CHECK_INT(notices.n_ready, 5);
	CHECK_INT(next(&what), 1);
	CHECK_INT(next(&what), 3);
	CHECK_INT(next(&what), 5);
	CHECK_INT(next(&what), 4);
	CHECK_INT(what, TELL_MODIFY | TELL_CLOSE);
	CHECK_INT(next(&what), 8);
	notices_drop_all(&notices);
}

TEST_MAIN
