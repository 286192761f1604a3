/* The memory of a mount: what of it must outlive the daemon that serves it.
 *
 * The problem. A daemon that takes a mount over finds files open that it never opened,
 * requests that its predecessor has read, and half of a spec.json that somebody is
 * about to write. The predecessor may have been killed between any two instructions, so
 * it cannot hand anything over; and writing each open to disk would cost more than the
 * open itself.
 *
 * The rule. All of that lives in one piece of shared memory (memfd_create(2)) which
 * stays with /dev/fuse wherever that stays: both survive, or neither. It consists of
 * cells of one size. A cell is a record (an open file, a draft), which may have text in
 * further cells behind it, or it is free. Which cells are free is written nowhere:
 * whoever opens the memory looks at all records, and what none of them has is free. So
 * a death leaks nothing.
 *
 * - A record counts from the moment in which its kind is written, as the last of it.
 * - A text that is replaced is written elsewhere first, then its address is changed.
 * - What a request changes in place is changed the same way when the request comes
 *   again, which it does: it was not answered.
 *
 * Why that is enough: the memory belongs to the machine's kernel, which loses nothing
 * of it when a process dies, so it only needs to be right after every single store.
 * When the machine dies the mount does too, and nobody asks for it any more. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/makers.h"
#include "fs/view.h"
#include "store/store.h"
#include "util/buf.h"

enum {
	/* Part of what a successor checks: another one cannot be read. To be increased
	 * with every change of the structures below, of enum handle_kind, and of what
	 * op_init() wants of the kernel. */
	MEMORY_LAYOUT = 4,
	MEMORY_CELLS_MAX = 1 << 18, /* open files and drafts, with their texts */
	MEMORY_INIT_MAX = 256,
	MEMORY_NAME_MAX = 4096, /* of mount point, of options */
	MEMORY_ANSWERS_MAX = 1024,
	MEMORY_CONSUMED_MAX = 64,
	MEMORY_COPIERS_MAX = 32,
	MEMORY_APPENDS_MAX = 8,
	MEMORY_RESENT_MAX = 256,
	MEMORY_TAKEOVERS_MAX = 8,
};

enum memory_kind { MEMORY_FREE, MEMORY_HANDLE, MEMORY_DRAFT };

/* An open file; handle.h says what the members are. */
struct memory_handle {
	uint64_t request; /* the number of the one that opened it */
	uint64_t ino;
	int64_t job;
	int kind, stream;
	bool is_cached, is_in_files, may_write;
	pid_t opener_tid, opener_pid;
	struct store_file file;
	struct view views[2]; /* the one that view_now says */
	_Atomic unsigned view_now;
	_Atomic int64_t read_to;
	atomic_bool was_read, is_written;
	_Atomic uint64_t
		poll_id;       /* by which the kernel knows who polls it; 0: nobody */
	_Atomic uint64_t text; /* memory_text_...(); 0: none */
};

/* spec.json while it is written; draft.h. */
struct memory_draft {
	int64_t job;
	_Atomic uint64_t size, version, saved;
	_Atomic bool is_cut;
	uint32_t cell; /* of the text, 0: none yet */
	struct {       /* the last ones, a ring: where they went */
		uint64_t request, at;
	} appends[MEMORY_APPENDS_MAX];
	unsigned n_appends;
};

/* Who copies a job, see engine_note_copier(). */
struct memory_copier {
	int64_t job; /* 0: nobody */
	pid_t process;
};

/* A request that daemons had when they died, see request_is_given_up(). */
struct memory_resent {
	_Atomic uint64_t number;
	_Atomic unsigned times;
};

struct memory_head {
	char magic[8];
	uint32_t layout;
	uint32_t head_bytes;		 /* of this structure, as a check */
	uint32_t view_bytes, file_bytes; /* of what is defined elsewhere */
	uint64_t key; /* of this mount, random: whose numbers of requests */
	char mountpoint[MEMORY_NAME_MAX];
	char options[MEMORY_NAME_MAX];
	uint32_t init_len;
	char init[MEMORY_INIT_MAX]; /* the kernel's first request */
	_Atomic uint32_t n_cells;   /* beyond which none was ever used */
	_Atomic int64_t told_ms;    /* wall clock: inotify knows all up to then */
	/* What the engine did for requests that may not have heard of it, a ring. */
	struct store_answer answers[MEMORY_ANSWERS_MAX];
	_Atomic unsigned n_answers;
	/* Files that became spec.json lately (object_consumed()), a ring. */
	_Atomic int64_t consumed[MEMORY_CONSUMED_MAX];
	_Atomic unsigned n_consumed;
	struct makers_list makers;
	struct memory_copier copiers[MEMORY_COPIERS_MAX]; /* a ring */
	_Atomic unsigned n_copiers;
	_Atomic unsigned takeovers;			/* since a request was served */
	struct memory_resent resent[MEMORY_RESENT_MAX]; /* by number */
};

struct memory {
	int fd; /* of the memory */
	struct memory_head *head;
	struct memory_cell *cells;

	pthread_mutex_t lock; /* guards what follows; held over memory only */
	uint32_t *free;	      /* a stack */
	size_t n_free;
};

/* A memory without anything, for a mount to be made. Names that are too long are
 * -ENAMETOOLONG. */
int memory_new(const char *mountpoint, const char *options, struct memory **ret_memory);
enum { MEMORY_IS_OTHER = 1, MEMORY_IS_DEADLY };
/* The one that fd is of, which is taken over in any case. MEMORY_IS_OTHER: it is of
 * another jobfs, or not of this mount. */
int memory_open(int fd, const char *mountpoint, const char *options,
		struct memory **ret_memory);
struct memory *memory_free(struct memory *memory); /* NULL is fine */
/* A daemon takes it over. False: so many have died of what they found that it is
 * MEMORY_IS_DEADLY. */
bool memory_note_takeover(struct memory *memory);
/* A request was served: what was found is no daemon's death. Any thread. */
void memory_note_served(struct memory *memory);

/* Of the request with that number, among the last ones; NULL: none is kept. */
const struct store_answer *memory_find_answer(const struct memory *memory,
					      uint64_t number);

/* --- records: any thread --------------------------------------------------------- */

/* A cell for a record, which the caller fills before he says its kind. 0: all are
 * taken. *ret_number names it among all that ever had that cell. */
uint32_t memory_take(struct memory *memory, uint64_t *ret_number);
void memory_set_kind(struct memory *memory, uint32_t cell, enum memory_kind kind);
/* The record is no more; texts of it are freed by whoever owns it. */
void memory_drop(struct memory *memory, uint32_t cell);
struct memory_handle *memory_handle(struct memory *memory, uint32_t cell);
struct memory_draft *memory_draft(struct memory *memory, uint32_t cell);
uint64_t memory_number(const struct memory *memory, uint32_t cell);
/* The first record of that kind behind `after`; 0: there is none. Only while nobody
 * makes or drops any. */
uint32_t memory_next(struct memory *memory, uint32_t after, enum memory_kind kind);

/* --- texts: in cells of their own ------------------------------------------------ */

/* Writes at an offset of the text that begins at *cell (0: none does yet), making it
 * longer as needed. -ENOMEM: all cells are taken. */
int memory_write(struct memory *memory, uint32_t *cell, size_t at, const char *data,
		 size_t len);
/* Appends len bytes of it. */
int memory_read(struct memory *memory, uint32_t cell, size_t len, struct buf *out);
void memory_free_text(struct memory *memory, uint32_t cell);

/* A text with its length in one word, so that it changes at once. 0: it is empty, or is
 * not kept because it is long or cells are rare: they are for records first. */
uint64_t memory_make_text(struct memory *memory, const struct buf *text);
int memory_get_text(struct memory *memory, uint64_t text, struct buf *out);
void memory_drop_text(struct memory *memory, uint64_t text);
