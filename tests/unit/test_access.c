#include "test.h"

#include <unistd.h>

#include "fs/access.h"

enum { UID = 10, GID = 20, OTHER = 99 };

static bool may(mode_t mode, uid_t uid, gid_t gid, int mask)
{
	static const gid_t list[] = { 30, 40 };
	const struct access_groups groups = { .list = list, .n = 2 };
	const struct access_subject subject = { .uid = UID, .gid = GID, .mode = mode };

	return access_allows(&subject, uid, gid, &groups, mask);
}

TEST("root may everything")
{
	CHECK(may(0, 0, OTHER, R_OK | W_OK | X_OK));
}

TEST("each class has its own bits, and the first that fits decides")
{
	CHECK(may(0400, UID, OTHER, R_OK) && !may(0400, UID, OTHER, W_OK));
	CHECK(may(0040, OTHER, GID, R_OK) && !may(0040, OTHER, GID, X_OK));
	CHECK(may(0004, OTHER, OTHER, R_OK) && !may(0004, OTHER, OTHER, W_OK));
	CHECK(!may(0077, UID, GID, R_OK));
	CHECK(!may(0707, OTHER, GID, R_OK));
	CHECK(!may(0770, OTHER, OTHER, R_OK));
}

TEST("all that is asked for must be allowed")
{
	CHECK(may(0600, UID, GID, R_OK | W_OK));
	CHECK(!may(0400, UID, GID, R_OK | W_OK));
	CHECK(may(0, OTHER, OTHER, 0));
}

TEST("supplementary groups count")
{
	static const gid_t list[] = { 30, GID };
	const struct access_groups groups = { .list = list, .n = 2 };
	const struct access_subject subject = { .uid = UID, .gid = GID, .mode = 0070 };

	CHECK(access_allows(&subject, OTHER, OTHER, &groups, R_OK | W_OK | X_OK));
	CHECK(!may(0070, OTHER, OTHER, R_OK));
}

TEST_MAIN
