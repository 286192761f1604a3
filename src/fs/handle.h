/* Open files. Between open and release the kernel names one by fh, which is the cell of
 * the mount's memory (memory.h) that has its record, and how often that cell was used
 * before: so a daemon that takes the mount over knows what its predecessor opened, and
 * nobody mistakes one for another. What such a daemon needs of a handle is written to
 * the record as it changes; the rest is for this daemon only.
 *
 * Handles of the user's files can also be found by file id, because a file that was
 * removed while it is open has no row any more, but must still be there for those who
 * have it open. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/draft.h"
#include "fs/memory.h"
#include "fs/view.h"
#include "job/record.h"
#include "store/store.h"
#include "util/buf.h"

enum handle_kind {		/* their order is that of MEMORY_LAYOUT */
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
	uint64_t fh;	       /* 0: it is not published */
	struct memory *memory; /* borrowed, as the next; NULL: not published */
	struct memory_handle
		*kept; /* the record; goes under the table's lock and lock */
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
	atomic_bool is_lost; /* the text was not kept: to be rendered again */

	struct draft *draft; /* HANDLE_SPEC: a reference */
	pid_t opener_tid, opener_pid;

	int fd;			/* HANDLE_FILE: the content; -1: it is gone */
	struct store_file file; /* as it was when it was opened */
	bool is_in_files;
	bool may_write;		 /* or made by it */
	LIST_ENTRY(handle) link; /* in the table */
};

enum { HANDLE_BUCKETS = 256 };
struct handle_table {
	struct memory *memory;		 /* borrowed */
	struct handle *_Atomic *by_cell; /* as long as the memory */
	pthread_mutex_t lock; /* guards what follows; held over memory only */
	size_t n_wakers;
	LIST_HEAD(handle_list, handle)
	buckets[HANDLE_BUCKETS]; /* by inode number */
};

void handle_table_init(struct handle_table *table);
void handle_table_fini(struct handle_table *table);
/* Before the first handle. The memory is borrowed until handle_table_fini(). -ENOMEM */
int handle_table_set_memory(struct handle_table *table, struct memory *memory);

struct handle *handle_new(enum handle_kind kind, uint64_t ino, int64_t job);
struct handle *handle_ref(struct handle *handle);
struct handle *handle_unref(struct handle *handle); /* NULL is fine */
void handle_unrefp(struct handle **handle);
#define cleanup_handle cleanup_(handle_unrefp)

/* The kernel may be told of it. request: the number of the one that opens it. The table
 * has the reference from now on, until handle_forget() gives it back. -ENOMEM */
int handle_publish(struct handle_table *table, struct handle *handle, uint64_t request);
void handle_forget(struct handle_table *table, struct handle *handle);
/* One that a predecessor has published, by its record. Its fd, draft and view are the
 * caller's to set. NULL: no memory. */
struct handle *handle_adopt(struct handle_table *table, uint32_t cell);
/* What a successor must know of a handle, published or not. Any thread. */
void handle_set_text(struct handle *handle, struct buf *text); /* takes it */
void handle_set_view(struct handle *handle, const struct view *view);
void handle_note_read(struct handle *handle, int64_t to);
void handle_note_written(struct handle_table *table, struct handle *handle, bool is);
/* Has anybody a file in files/ of the job open for writing? */
bool handle_is_job_written(struct handle_table *table, int64_t job);
/* The one that the request opened, as published; NULL: it did not. */
struct handle *handle_find_request(struct handle_table *table, uint64_t request);
/* Gives the waker, by whose id the kernel knows who polls, to a published handle and
 * returns the one it had, or NULL. */
struct fuse_pollhandle *handle_swap_waker(struct handle_table *table,
					  struct handle *handle,
					  struct fuse_pollhandle *waker,
					  uint64_t poll_id);
/* Takes up to max wakers of the inode, to be used and destroyed by the caller. */
size_t handle_take_wakers(struct handle_table *table, uint64_t ino,
			  struct fuse_pollhandle **ret_wakers, size_t max);
/* A reference to any handle of that file, or NULL. */
struct handle *handle_find_file(struct handle_table *table, int64_t file);

/* The one place where fh is understood. NULL: there is none, as for the notifier's own,
 * or it was closed. */
struct handle *handle_of(struct handle_table *table, const struct fuse_file_info *fi);

static inline bool flags_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}
static inline bool flags_read(int flags)
{
	return (flags & O_ACCMODE) != O_WRONLY;
}
