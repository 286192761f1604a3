/* A store in a directory of its own, for the tests that need one. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "test.h"

static char dir[64];
static struct store *store;

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void open_store(void)
{
	struct err e = ERR_INIT;

	CHECK_INT(store_open(dir, &store, &e), 0);
}

static void new_store(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/jobfs-store.XXXXXX");
	CHECK(mkdtemp(dir));
	open_store();
}

static void end_store(void)
{
	store = store_close(store);
	CHECK_INT(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}
