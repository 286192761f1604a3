#include "ssh/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/file.h"
#include "util/mem.h"

/* A packet of libssh2's holds no more than some 33,000 bytes of it. */
enum { COMMAND_MAX = 32000 };

const char *remote_fault_name(enum remote_fault fault)
{
	static const char *const names[] = {
		[REMOTE_OK] = "ok",
		[REMOTE_UNRESOLVED] = "unresolved",
		[REMOTE_REFUSED] = "refused",
		[REMOTE_UNREACHABLE] = "unreachable",
		[REMOTE_HOST_KEY] = "host-key",
		[REMOTE_AUTH] = "auth",
		[REMOTE_IDENTITY] = "identity",
		[REMOTE_PROTOCOL] = "protocol",
		[REMOTE_LOST] = "lost",
		[REMOTE_TIMEOUT] = "timeout",
		[REMOTE_ABORTED] = "aborted",
		[REMOTE_CANCELLED] = "cancelled",
	};

	return (size_t)fault < ARRAY_SIZE(names) ? names[fault] : "unknown";
}

void remote_call_free(struct remote_call *call)
{
	if (!call) {
		return;
	}
	call_drop_input(call);
	free(call->command);
	buf_fini(&call->output);
	buf_fini(&call->trouble);
	free(call);
}

void call_queue_init(struct call_queue *q)
{
	q->first = NULL;
	q->tail = &q->first;
}

void call_queue_push(struct call_queue *q, struct remote_call *call)
{
	call->next = NULL;
	*q->tail = call;
	q->tail = &call->next;
}

void call_queue_push_front(struct call_queue *q, struct remote_call *call)
{
	call->next = q->first;
	if (!q->first) {
		q->tail = &call->next;
	}
	q->first = call;
}

struct remote_call *call_queue_pop(struct call_queue *q)
{
	struct remote_call *call = q->first;

	if (!call) {
		return NULL;
	}
	q->first = call->next;
	if (!q->first) {
		q->tail = &q->first;
	}
	call->next = NULL;
	return call;
}

void call_queue_move(struct call_queue *q, struct call_queue *from)
{
	if (!from->first) {
		return;
	}
	*q->tail = from->first;
	q->tail = from->tail;
	call_queue_init(from);
}

void call_drop_input(struct remote_call *call)
{
	if (call->input_is_secret) {
		buf_wipe(&call->input);
	} else {
		buf_fini(&call->input);
	}
}

void call_finish(struct remote_call *call, enum remote_fault fault, const struct err *e)
{
	call_drop_input(call);
	call->fault = fault;
	if (fault == REMOTE_OK) {
		call->error = (struct err)ERR_INIT;
	} else {
		call->error = *e;
	}
	call->done(call);
}

void call_finish_all(struct call_queue *q, enum remote_fault fault, const struct err *e)
{
	struct call_queue all;

	call_queue_init(&all);
	call_queue_move(&all, q);
	for (struct remote_call *call; (call = call_queue_pop(&all));) {
		call_finish(call, fault, e);
	}
}

int call_check(const struct remote_call *call, struct err *e)
{
	size_t len = strlen(call->command);

	if (len > COMMAND_MAX) {
		return err_set(e, -E2BIG, "a command of %zu bytes is too long for ssh",
			       len);
	}
	for (size_t i = 0; i < len; i++) {
		if (call->command[i] < ' ' || call->command[i] > '~') {
			return err_set(
				e, -EINVAL,
				"a command for ssh must be one line of plain ASCII");
		}
	}
	return 0;
}
