/* Drafts: the text of a spec.json while somebody has it open for writing. All who have
 * it open share one text, as they would share a file. It is kept until the last of them
 * has closed it and the last save was answered; then the store has it. A daemon that
 * takes the mount over finds it in the mount's memory (memory.h). */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/memory.h"
#include "job/spec.h"
#include "util/buf.h"

struct draft;
struct draft_table {
	struct memory *memory;	 /* borrowed; NULL: drafts die with the process */
	pthread_mutex_t lock;	 /* held over memory only */
	LIST_HEAD(, draft) list; /* guarded by lock, as the next */
	uint64_t drops;		 /* drafts that went since the start */
};

void draft_table_init(struct draft_table *table);
void draft_table_fini(struct draft_table *table);

/* Of a predecessor: a reference to it, to be kept until those who have it open were
 * adopted too. NULL: no memory. */
struct draft *draft_adopt(struct draft_table *table, uint32_t cell);
/* After the adoption: that text was accepted as the job, so if it is the draft's, it is
 * saved. */
void draft_note_accepted(struct draft *draft, const struct buf *text);
/* Has nobody it open, and is there text not yet saved? Where it is empty, whoever was
 * about to write the first asks again. */
bool draft_is_left_unsaved(struct draft *draft);
/* A reference to the job's draft, or NULL. */
struct draft *draft_find(struct draft_table *table, int64_t job);
/* A reference to the job's draft, made from what load() appends if there is none yet.
 * 0, -ENOMEM, or what load() failed with. */
int draft_get(struct draft_table *table, int64_t job,
	      int (*load)(void *arg, int64_t job, struct buf *out), void *arg,
	      struct draft **ret_draft);
int64_t draft_job(const struct draft *draft);
struct draft *draft_ref(struct draft *draft);
struct draft *draft_unref(struct draft *draft); /* NULL is fine */
void draft_unrefp(struct draft **draft);
#define cleanup_draft cleanup_(draft_unrefp)

/* Somebody opened it for writing. */
void draft_attach(struct draft *draft);
/* One of them closed it. True: he was the last, and there is text not yet saved. */
bool draft_detach(struct draft *draft);

enum { DRAFT_IS_WHOLE = 1, DRAFT_IS_CUT };
/* Writes at offset (-1: at the end). request: its number; when it comes again what it
 * appends goes where it went (0: it never does). 0: more is needed; DRAFT_IS_WHOLE: the
 * document is closed, *out holds a copy of it, to be checked. -EFBIG, after which it is
 * cut, however it ends, until it is made shorter; -ENOMEM. */
int draft_write(struct draft *draft, const char *data, size_t len, int64_t offset,
		uint64_t request, struct buf *out);
int draft_resize(struct draft *draft, int64_t size); /* -EFBIG, -ENOMEM */
/* It exists and is to be saved, even if nothing is ever written. */
void draft_touch(struct draft *draft);
/* Is the document closed, or cut? */
bool draft_is_whole(struct draft *draft);
int draft_copy(struct draft *draft, struct buf *out);
size_t draft_size(struct draft *draft);
int64_t draft_changed_ms(struct draft *draft);

/* Copies the text to be saved, and which version of it that is. DRAFT_IS_CUT: it is
 * only the beginning of what was written. */
int draft_begin_save(struct draft *draft, struct buf *out, uint64_t *ret_version);
/* What the text says, of which somebody found that it is a right spec; taken over. And
 * to whom saves that version it is given, once; NULL: nobody has looked. */
void draft_keep_spec(struct draft *draft, const struct buf *text, struct spec *spec);
struct spec *draft_take_spec(struct draft *draft, uint64_t version);
/* The engine's answer to the save of that version; returns what the user is told: a
 * text that was accepted may be saved again by another who closes it, and that is no
 * error. */
int draft_end_save(struct draft *draft, uint64_t version, int result);
