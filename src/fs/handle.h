/* Open files. The kernel carries a handle's address in fh from open to release; handles
 * of the user's files can also be found by file id, because a file that was removed
 * while it is open has no row any more, but must still be there for those who have it
 * open. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#include "fs/draft.h"
#include "fs/view.h"
#include "job/record.h"
#include "store/store.h"
#include "util/buf.h"

enum handle_kind {
	HANDLE_TEXT, /* a text that was rendered at open */
	HANDLE_STREAM,
	HANDLE_SPEC, /* spec.json, open for writing */
	HANDLE_CTL,
	HANDLE_WAIT, /* text: the last state, once it was read */
	HANDLE_FILE,
};

struct handle {
	enum handle_kind kind;
	uint64_t ino;
	int64_t job; /* 0: of no job */
	_Atomic unsigned refs;
	/* Written to since the last flush that judged it. */
	atomic_bool is_written;

	enum job_stream stream;	 /* HANDLE_STREAM, as the next three */
	struct view view;	 /* guarded by lock */
	_Atomic int64_t read_to; /* the end of what was read of it */
	bool is_cached;		 /* the kernel keeps what it reads */

	/* Who polls it is woken by this, once; guarded by the table's lock. */
	struct fuse_pollhandle *waker;

	pthread_mutex_t lock; /* guards text and view; held over memory only */
	struct buf text;
	atomic_bool was_read;

	struct draft *draft; /* HANDLE_SPEC: a reference */
	pid_t opener_tid, opener_pid;

	int fd;			/* HANDLE_FILE: the content; -1 */
	struct store_file file; /* as it was when it was opened */
	bool is_in_files;
	bool may_write;		 /* or made by it */
	LIST_ENTRY(handle) link; /* in the table */
};

enum { HANDLE_BUCKETS = 256 };
struct handle_table {
	pthread_mutex_t lock; /* guards what follows; held over memory only */
	size_t n_wakers;
	LIST_HEAD(handle_list, handle)
	buckets[HANDLE_BUCKETS]; /* by inode number */
};

void handle_table_init(struct handle_table *table);
void handle_table_fini(struct handle_table *table);

struct handle *handle_new(enum handle_kind kind, uint64_t ino, int64_t job);
struct handle *handle_ref(struct handle *handle);
struct handle *handle_unref(struct handle *handle); /* NULL is fine */
void handle_unrefp(struct handle **handle);
#define cleanup_handle cleanup_(handle_unrefp)

/* The table has the reference from now on, until handle_forget() gives it back. */
void handle_publish(struct handle_table *table, struct handle *handle);
void handle_forget(struct handle_table *table, struct handle *handle);
/* Has anybody a file in files/ of the job open for writing? */
bool handle_is_job_written(struct handle_table *table, int64_t job);
/* Gives the waker to a published handle and returns the one it had, or NULL. */
struct fuse_pollhandle *handle_swap_waker(struct handle_table *table,
					  struct handle *handle,
					  struct fuse_pollhandle *waker);
/* Takes up to max wakers of the inode, to be used and destroyed by the caller. */
size_t handle_take_wakers(struct handle_table *table, uint64_t ino,
			  struct fuse_pollhandle **ret_wakers, size_t max);
/* A reference to any handle of that file, or NULL. */
struct handle *handle_find_file(struct handle_table *table, int64_t file);

/* The one place where fh is understood. */
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	uintptr_t address = fi ? (uintptr_t)fi->fh : 0;
	struct handle *handle;

	memcpy((void *)&handle, &address, sizeof(address));
	return handle;
}
static inline void handle_tell(struct fuse_file_info *fi, struct handle *handle)
{
	fi->fh = (uintptr_t)handle;
}

static inline bool flags_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}
static inline bool flags_read(int flags)
{
	return (flags & O_ACCMODE) != O_WRONLY;
}
