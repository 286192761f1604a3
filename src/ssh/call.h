/* The life of a remote_call inside this layer: queued, refused, given back. */
#pragma once

#include <stdbool.h>

#include "ssh/remote.h"

struct call_queue { /* first in, first out; the calls are borrowed */
	struct remote_call *first, **tail;
};

void call_queue_init(struct call_queue *q);
void call_queue_push(struct call_queue *q, struct remote_call *call);
void call_queue_push_front(struct call_queue *q, struct remote_call *call);
struct remote_call *call_queue_pop(struct call_queue *q); /* NULL when empty */
/* Appends all of `from`, which is empty afterwards. */
void call_queue_move(struct call_queue *q, struct call_queue *from);

/* Wipes a secret input and drops the input in any case. */
void call_drop_input(struct remote_call *call);
/* Gives the call back: it may be gone afterwards. e is not read when fault is
 * REMOTE_OK. */
void call_finish(struct remote_call *call, enum remote_fault fault,
		 const struct err *e);
/* Each with the same fault and sentence; those that done() submits meanwhile are not in
 * q. */
void call_finish_all(struct call_queue *q, enum remote_fault fault,
		     const struct err *e);
/* Whether it can be sent at all: -E2BIG, -EINVAL with a sentence. */
int call_check(const struct remote_call *call, struct err *e);
