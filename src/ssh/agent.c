#include "ssh/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ssh/pkey.h"
#include "util/mem.h"

enum {
	REQUEST_IDENTITIES = 11,
	IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13,
	SIGN_RESPONSE = 14,
	FLAG_RSA_SHA2_512 = 4,
	MESSAGE_MAX = 256 << 10,
	KEYS_MAX = 256,
};

int agent_open(struct agent *a, const char *path, struct waiter *w, int64_t deadline_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;

	*a = (struct agent){ .fd = -1, .waiter = w, .deadline_ms = deadline_ms };
	if (strlen(path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A full backlog is EAGAIN at once: then the agent is as good as absent. */
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	a->fd = steal_fd(&fd);
	return 0;
}

void agent_close(struct agent *a)
{
	if (a->fd >= 0) {
		(void)close(steal_fd(&a->fd));
	}
}

/* After an error of send() or recv(): 0 when it is worth repeating. */
static int wait_more(const struct agent *a, short events)
{
	if (errno == EINTR) {
		return 0;
	}
	if (errno != EAGAIN) {
		return -errno;
	}
	return waiter_poll_one(a->waiter, a->fd, events, a->deadline_ms);
}

static int send_all(const struct agent *a, const struct buf *b)
{
	size_t sent = 0;
	int result = 0;

	while (sent < b->len && result == 0) {
		ssize_t n = send(a->fd, b->data + sent, b->len - sent, MSG_NOSIGNAL);

		if (n < 0) {
			result = wait_more(a, POLLOUT);
		} else {
			sent += (size_t)n;
		}
	}
	return result;
}

static int receive(const struct agent *a, size_t len, struct buf *ret_data)
{
	size_t want = ret_data->len + len;
	int result = 0;

	if (!buf_reserve(ret_data, len)) {
		return ret_data->error;
	}
	while (ret_data->len < want && result == 0) {
		ssize_t n = recv(a->fd, ret_data->data + ret_data->len,
				 want - ret_data->len, 0);

		if (n == 0) {
			return -EPIPE;
		}
		if (n < 0) {
			result = wait_more(a, POLLIN);
		} else {
			ret_data->len += (size_t)n;
		}
	}
	return result;
}

/* Sends a message and reads the answer, whose first byte must be `type`. */
static int ask(const struct agent *a, const struct buf *message, unsigned char type,
	       struct buf *ret_answer)
{
	cleanup_buf struct buf framed = BUF_INIT, head = BUF_INIT;
	struct wire w;
	uint32_t len;
	int result;

	(void)wire_add_string(&framed, message->data, message->len);
	result = framed.error ? framed.error : send_all(a, &framed);
	if (result == 0) {
		result = receive(a, 4, &head);
	}
	if (result < 0) {
		return result;
	}
	w = wire_of(head.data, head.len);
	len = wire_get_u32(&w);
	if (len == 0 || len > MESSAGE_MAX) {
		return -EBADMSG;
	}
	result = receive(a, len, ret_answer);
	if (result < 0) {
		return result;
	}
	return (unsigned char)ret_answer->data[0] == type ? 0 : -EACCES;
}

static int add_key(struct slice blob, struct slice comment, struct key ***tail)
{
	cleanup_key struct key *k = key_new(KEY_AGENT, "");
	cleanup_buf struct buf label = BUF_INIT;

	if (!k) {
		return -ENOMEM;
	}
	if (buf_add(&k->blob, blob.data, blob.len) < 0) {
		return k->blob.error;
	}
	if (!pkey_type_is_known(key_type(k))) {
		return 0;
	}
	(void)buf_printf(&label, "%.*s \"", (int)key_type(k).len, key_type(k).data);
	for (size_t i = 0; i < comment.len && i < 100; i++) {
		char c = comment.data[i];

		(void)buf_add_char(&label, (char)(c >= ' ' && c < 0x7f ? c : '?'));
	}
	(void)buf_add_str(&label, "\" of ssh-agent");
	free(k->label);
	k->label = buf_steal(&label);
	if (!k->label) {
		return -ENOMEM;
	}
	**tail = steal_ptr(&k);
	*tail = &(**tail)->next;
	return 0;
}

int agent_list(struct agent *a, struct key **ret_first)
{
	cleanup_buf struct buf message = BUF_INIT, answer = BUF_INIT;
	struct key *first = NULL, **tail = &first;
	struct wire w;
	uint32_t count;
	int result;

	(void)buf_add_char(&message, REQUEST_IDENTITIES);
	result = message.error ? message.error
			       : ask(a, &message, IDENTITIES_ANSWER, &answer);
	if (result < 0) {
		return result;
	}
	w = wire_of(answer.data + 1, answer.len - 1);
	count = wire_get_u32(&w);
	for (uint32_t i = 0; i < count && i < KEYS_MAX && result == 0; i++) {
		struct slice blob = wire_get_string(&w);
		struct slice comment = wire_get_string(&w);

		result = w.bad ? -EBADMSG : add_key(blob, comment, &tail);
	}
	if (result < 0) {
		(void)key_free_all(first);
		return result;
	}
	*ret_first = first;
	return 0;
}

int agent_sign(struct agent *a, const struct key *k, struct slice data,
	       struct buf *ret_signature)
{
	cleanup_buf struct buf message = BUF_INIT, answer = BUF_INIT;
	struct slice whole, signature;
	struct wire w;
	int result;

	(void)buf_add_char(&message, SIGN_REQUEST);
	(void)wire_add_string(&message, k->blob.data, k->blob.len);
	(void)wire_add_string(&message, data.data, data.len);
	(void)wire_add_u32(&message, key_is_rsa(k) ? FLAG_RSA_SHA2_512 : 0);
	result = message.error ? message.error
			       : ask(a, &message, SIGN_RESPONSE, &answer);
	if (result < 0) {
		return result;
	}
	w = wire_of(answer.data + 1, answer.len - 1);
	whole = wire_get_string(&w);
	w = wire_of(whole.data, whole.len);
	if (!slice_is(wire_get_string(&w), "rsa-sha2-512") && key_is_rsa(k)) {
		return -EOPNOTSUPP; /* an agent older than RFC 8332 signs with SHA-1 */
	}
	signature = wire_get_string(&w);
	return w.bad ? -EBADMSG : buf_add(ret_signature, signature.data, signature.len);
}
