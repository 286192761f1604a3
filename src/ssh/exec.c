/* libssh2 1.10 never finishes closing the channel of a command that runs on: sshd
 * answers only when the command has ended. So a call that is given up leaves a zombie:
 * a channel that is read from for a while (a command with little to say then ends by
 * itself) and is closed after its end. What ends a zombie for good is the end of the
 * connection.
 *
 * The exit status is not looked at: libssh2 says 0 for a dead connection and for a
 * signal. A call is good when the host has said that its output is over; who called
 * knows from the output whether it is whole. */
#include "ssh/exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/failpoint.h"
#include "util/mem.h"

enum {
	CHUNK_LEN = 32 << 10,
	TROUBLE_MAX = 4 << 10,
	ZOMBIE_DRAIN_MAX = 4 << 20,
};

struct exec *exec_new(LIBSSH2_CHANNEL *channel, struct remote_call *call,
		      int64_t deadline_ms)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x) {
		return NULL;
	}
	if (call->read_more) {
		x->chunk = malloc(CHUNK_LEN);
		if (!x->chunk) {
			return exec_free(x);
		}
	}
	x->channel = channel;
	x->call = call;
	x->deadline_ms = deadline_ms;
	return x;
}

static void drop_chunk(struct exec *x)
{
	if (x->chunk) {
		explicit_bzero(x->chunk, CHUNK_LEN);
		free(x->chunk);
		x->chunk = NULL;
	}
	x->chunk_len = x->chunk_sent = 0;
}

struct exec *exec_free(struct exec *x)
{
	if (x) {
		drop_chunk(x);
		free(x);
	}
	return NULL;
}

void exec_finish(struct exec *x, enum remote_fault fault, const struct err *e)
{
	drop_chunk(x);
	if (x->call) {
		call_finish(steal_ptr(&x->call), fault, e);
	}
}

static void abandon(struct exec *x, enum remote_fault fault, const struct err *e)
{
	x->state = EXEC_ZOMBIE;
	exec_finish(x, fault, e);
}

void exec_expire(struct exec *x)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, -ETIMEDOUT,
		      "no end of the command in %lld ms; it may run on at the host",
		      (long long)x->call->timeout_ms);
	abandon(x, REMOTE_TIMEOUT, &e);
}

/* Data goes to the host for as long as there is some; 0 at the end of all input, < 0
 * when reading it failed. Repeated until exec_sent(), it gives the same again, as
 * libssh2_channel_write() demands. */
static ssize_t next_input(struct exec *x, const char **ret_data)
{
	struct remote_call *call = x->call;

	if (x->input_sent < call->input.len) {
		*ret_data = call->input.data + x->input_sent;
		return (ssize_t)(call->input.len - x->input_sent);
	}
	if (x->chunk_sent == x->chunk_len && call->read_more && !x->input_is_over) {
		ssize_t n = call->read_more(call->arg, x->chunk, CHUNK_LEN);

		if (n < 0) {
			return n;
		}
		x->input_is_over = n == 0;
		x->chunk_len = (size_t)n;
		x->chunk_sent = 0;
	}
	*ret_data = x->chunk ? x->chunk + x->chunk_sent : NULL;
	return (ssize_t)(x->chunk_len - x->chunk_sent);
}

static void note_sent(struct exec *x, size_t n)
{
	struct remote_call *call = x->call;

	if (x->input_sent < call->input.len) {
		x->input_sent += n;
		if (x->input_sent == call->input.len) {
			call_drop_input(call);
			x->input_sent = 0;
		}
	} else {
		x->chunk_sent += n;
	}
}

static void report_input(struct exec *x, int error)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, error, "cannot read what is to be sent to the host: %s",
		      strerror(-error));
	abandon(x, REMOTE_ABORTED, &e);
}

static bool send_eof(struct exec *x, struct link *l)
{
	int code = libssh2_channel_send_eof(x->channel);

	x->eof_sent = code == 0;
	FAILPOINT("ssh.input.end");
	(void)link_check(l, code);
	return x->eof_sent;
}

/* stdin. */
static bool feed(struct exec *x, struct link *l)
{
	size_t moved = 0;

	while (!x->eof_sent && moved < EXEC_SLICE &&
	       link_out_len(l) < LINK_OUT_ENOUGH) {
		const char *data = NULL;
		ssize_t n = next_input(x, &data);

		if (n < 0) {
			report_input(x, (int)n);
			return true;
		}
		if (n == 0) {
			drop_chunk(x);
			return send_eof(x, l) || moved > 0;
		}
		n = libssh2_channel_write(x->channel, data, (size_t)n);
		if (n <= 0) {
			(void)link_check(l, (int)n);
			break;
		}
		note_sent(x, (size_t)n);
		FAILPOINT("ssh.input");
		moved += (size_t)n;
	}
	return moved > 0;
}

static void keep_output(struct exec *x, const char *data, size_t len)
{
	struct remote_call *call = x->call;
	size_t max = call->output_max ? call->output_max : BUF_MAX_DEFAULT;
	struct err e = ERR_INIT;
	int result;

	if (len > max - call->output.len) {
		(void)err_set(&e, -EFBIG, "the command printed more than %zu bytes",
			      max);
		abandon(x, REMOTE_ABORTED, &e);
		return;
	}
	call->output.max = max;
	result = buf_add(&call->output, data, len);
	if (result < 0) {
		(void)err_set(&e, result, "no memory for what the command printed");
		abandon(x, REMOTE_ABORTED, &e);
	}
}

static void keep_trouble(struct exec *x, const char *data, size_t len)
{
	struct buf *trouble = &x->call->trouble;
	size_t room = TROUBLE_MAX - trouble->len;

	(void)buf_add(trouble, data, len < room ? len : room);
}

/* Output of one stream; what has no call any more is thrown away. */
static bool take(struct exec *x, struct link *l, int stream, char *scratch)
{
	ssize_t n = libssh2_channel_read_ex(x->channel, stream, scratch, EXEC_SLICE);

	if (n <= 0) {
		(void)link_check(l, (int)n);
		return false;
	}
	if (!x->call) {
		x->drained += (size_t)n;
	} else if (stream == 0) {
		keep_output(x, scratch, (size_t)n);
	} else {
		keep_trouble(x, scratch, (size_t)n);
	}
	return true;
}

static bool take_both(struct exec *x, struct link *l, char *scratch)
{
	bool moved = take(x, l, 0, scratch);

	/* Both always: stderr left unread closes the window for stdout too. */
	return (!l->error && take(x, l, SSH_EXTENDED_DATA_STDERR, scratch)) || moved;
}

static bool close_side(struct exec *x, struct link *l)
{
	int code = libssh2_channel_close(x->channel);

	if (link_check(l, code) != 0) {
		return false;
	}
	x->state = EXEC_CLOSED;
	return true;
}

static void begin_closing(struct exec *x)
{
	x->state = EXEC_CLOSING;
	x->closing_ms = clock_ms();
}

static void start(struct exec *x, struct link *l)
{
	int code = libssh2_channel_exec(x->channel, x->call->command);
	struct err e = ERR_INIT;

	if (code == 0) {
		x->state = EXEC_RUNNING;
		FAILPOINT("ssh.started");
	} else if (code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED) {
		(void)err_set(&e, -EACCES,
			      "the host refuses to run a command for this user");
		begin_closing(x);
		exec_finish(x, REMOTE_PROTOCOL, &e);
	} else {
		(void)link_check(l, code);
	}
}

static bool run(struct exec *x, struct link *l, char *scratch)
{
	bool moved = feed(x, l);

	if (l->error || x->state != EXEC_RUNNING) {
		return moved;
	}
	if (take_both(x, l, scratch)) {
		return true;
	}
	if (!l->error && libssh2_channel_eof(x->channel) == 1) {
		FAILPOINT("ssh.output.end");
		begin_closing(x);
		exec_finish(x, REMOTE_OK, NULL);
		moved = true;
	}
	return moved;
}

static bool drain(struct exec *x, struct link *l, char *scratch)
{
	bool moved = false;

	if (x->drained < ZOMBIE_DRAIN_MAX) {
		moved = take_both(x, l, scratch);
	} else {
		(void)link_pump(l, x->channel);
	}
	if (!moved && !l->error && libssh2_channel_eof(x->channel) == 1) {
		begin_closing(x);
		moved = true;
	}
	return moved;
}

bool exec_turn(struct exec *x, struct link *l, char *scratch)
{
	enum exec_state before = x->state;
	bool moved = false;

	switch (x->state) {
	case EXEC_STARTING:
		start(x, l);
		break;
	case EXEC_RUNNING:
		moved = run(x, l, scratch);
		break;
	case EXEC_ZOMBIE:
		moved = drain(x, l, scratch);
		break;
	case EXEC_CLOSING:
		moved = close_side(x, l);
		break;
	case EXEC_CLOSED:
		break;
	}
	return moved || x->state != before;
}
