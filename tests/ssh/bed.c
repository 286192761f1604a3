#include "bed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/mem.h"

enum { PATIENCE_MS = 60000 };

/* CHECK of test.h, which only the file with the tests can include. */
#define MUST(condition)                                                                \
	do {                                                                           \
		if (!(condition)) {                                                    \
			printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__,            \
			       #condition);                                            \
			(void)fflush(stdout);                                          \
			abort();                                                       \
		}                                                                      \
	} while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of `over` of every ticket */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *must(void *p)
{
	MUST(p != NULL);
	return p;
}

/* What lives as long as the program, for the leak checker to see. */
static void *keep(void *p)
{
	static void *kept[2000];
	static size_t count;

	MUST(count < sizeof(kept) / sizeof(kept[0]));
	kept[count] = must(p);
	return kept[count++];
}

const char *bed_path(enum bed bed, const char *file)
{
	static const char *const variables[] = { "SSH_BED_PLAIN", "SSH_BED_NARROW",
						 "SSH_BED_REKEY" };
	const char *dir = must(getenv(variables[bed]));
	size_t len = strlen(dir) + strlen(file) + 2;
	char *path = keep(malloc(len));

	(void)snprintf(path, len, "%s/%s", dir, file);
	return path;
}

char *file_text(const char *path)
{
	FILE *f = must(fopen(path, "re"));
	char *text = must(calloc(1, 4 << 20));
	size_t n = fread(text, 1, (4 << 20) - 1, f);

	MUST(n < (4 << 20) - 1);
	(void)fclose(f);
	return text;
}

int bed_port(enum bed bed)
{
	char *text = file_text(bed_path(bed, "port"));
	int port = (int)strtol(text, NULL, 10);

	free(text);
	return port;
}

const char *const *bed_keys(enum bed bed, const char *first, ...)
{
	const char **keys = keep(calloc(16, sizeof(*keys)));
	size_t n = 0;
	va_list args;

	va_start(args, first);
	for (const char *k = first; k; k = va_arg(args, const char *)) {
		keys[n++] = *k == '/' ? k : bed_path(bed, k);
	}
	va_end(args);
	return keys;
}

struct remote_config bed_config(enum bed bed)
{
	return (struct remote_config){
		.name = "bed",
		.address = "127.0.0.1",
		.port = bed_port(bed),
		.user = must(getenv("SSH_BED_USER")),
		.identities = bed_keys(bed, "id_ed25519", NULL),
		.known_hosts = bed_path(bed, "known_hosts"),
		.connect_timeout_ms = 10000,
		.auth_timeout_ms = 20000,
		.keepalive_ms = 15000,
		.max_channels = 8,
	};
}

struct remote *open_remote(const struct remote_config *config)
{
	struct remote *r = NULL;
	struct err e = ERR_INIT;

	MUST(remote_new(config, &r, &e) == 0);
	return r;
}

static void on_done(struct remote_call *call)
{
	struct ticket *t = call->arg;

	MUST(call == t->call);
	if (t->then) {
		ticket_submit(t->then);
	}
	(void)pthread_mutex_lock(&lock);
	MUST(!t->over);
	t->over = true;
	t->took_ms = clock_ms() - t->begun_ms;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

void ticket_init(struct ticket *t, struct remote *r, const char *command)
{
	*t = (struct ticket){ .remote = r };
	t->call = must(calloc(1, sizeof(*t->call)));
	t->call->command = must(strdup(command));
	t->call->timeout_ms = 30000;
	t->call->output_max = 64 << 20;
	t->call->done = on_done;
	t->call->arg = t;
}

void ticket_fini(struct ticket *t)
{
	remote_call_free(t->call);
	t->call = NULL;
}

static ssize_t read_pattern(void *arg, char *data, size_t len)
{
	struct ticket *t = arg;
	size_t n = 0;

	if (t->sent == t->to_send && t->input_error) {
		return t->input_error;
	}
	while (n < len && t->sent < t->to_send) {
		data[n++] = (char)pattern(t->sent++);
	}
	return (ssize_t)n;
}

void ticket_feed(struct ticket *t, uint64_t bytes)
{
	t->to_send = bytes;
	t->call->read_more = read_pattern;
}

void ticket_submit(struct ticket *t)
{
	t->begun_ms = clock_ms();
	remote_submit(t->remote, t->call);
}

void ticket_wait(struct ticket *t)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_MS / 1000;
	(void)pthread_mutex_lock(&lock);
	while (!t->over) {
		MUST(pthread_cond_timedwait(&changed, &lock, &until) != ETIMEDOUT);
	}
	(void)pthread_mutex_unlock(&lock);
}

void ticket_run(struct ticket *t)
{
	ticket_submit(t);
	ticket_wait(t);
}

bool prints(struct remote *r, const char *command, const char *output)
{
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, command);
	ticket_run(&t);
	if (t.call->fault != REMOTE_OK) {
		printf("# %s: %s: %s\n", command, remote_fault_name(t.call->fault),
		       t.call->error.text);
		return false;
	}
	return strcmp(buf_text(&t.call->output), output) == 0;
}

enum remote_fault fault_of(const struct remote_config *config,
			   char ret_text[ERR_TEXT_MAX])
{
	struct remote *r = open_remote(config);
	cleanup_ticket struct ticket t;
	enum remote_fault fault;

	ticket_init(&t, r, "true");
	ticket_run(&t);
	fault = t.call->fault;
	if (ret_text) {
		(void)snprintf(ret_text, ERR_TEXT_MAX, "%s", t.call->error.text);
	}
	printf("# %s: %s\n", remote_fault_name(fault), t.call->error.text);
	(void)remote_free(r);
	return fault;
}

unsigned char pattern(uint64_t i)
{
	i = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned char)((i ^ i >> 29) >> 17);
}

bool is_pattern(const struct buf *b, uint64_t len)
{
	if (b->len != len) {
		return false;
	}
	for (uint64_t i = 0; i < len; i++) {
		if ((unsigned char)b->data[i] != pattern(i)) {
			return false;
		}
	}
	return true;
}

bool has(const char *text, const char *part)
{
	if (!strstr(text, part)) {
		printf("# \"%s\" is not in: %s\n", part, text);
		return false;
	}
	return true;
}

enum { CONNECTIONS_MAX = 64 };

struct crowd {
	struct pollfd fds[CONNECTIONS_MAX + 2];
	size_t count, offset;
};

static void welcome(struct listener *l, struct crowd *c)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	MUST(fd >= 0 && c->count < CONNECTIONS_MAX + 2);
	l->accepted++;
	if (l->kind == LISTENER_SAYS || l->kind == LISTENER_CLOSES) {
		MUST(send(fd, l->text, l->len, MSG_NOSIGNAL) == (ssize_t)l->len);
	}
	if (l->kind == LISTENER_CLOSES) {
		(void)close(fd);
		return;
	}
	c->fds[c->count++] =
		(struct pollfd){ .fd = fd,
				 .events = l->kind == LISTENER_FLOODS ? POLLOUT : 0 };
}

static void talk(struct listener *l, struct crowd *c, int fd)
{
	if (l->kind == LISTENER_FLOODS) {
		(void)send(fd, l->text, l->len, MSG_NOSIGNAL);
	} else if (l->kind == LISTENER_DRIPS) {
		(void)send(fd, l->text + c->offset++ % l->len, 1, MSG_NOSIGNAL);
	}
}

static void *listener_main(void *arg)
{
	struct listener *l = arg;
	struct crowd c = { .fds = { { .fd = l->fd, .events = POLLIN },
				    { .fd = l->stop_fd, .events = POLLIN } },
			   .count = 2 };

	while (!c.fds[1].revents) {
		MUST(poll(c.fds, c.count, l->kind == LISTENER_DRIPS ? 50 : -1) >= 0);
		if (c.fds[0].revents) {
			welcome(l, &c);
		}
		for (size_t i = 2; i < c.count; i++) {
			if (c.fds[i].revents & (POLLERR | POLLHUP)) {
				(void)close(c.fds[i].fd);
				c.fds[i].fd = -1;
			} else if (c.fds[i].fd >= 0) {
				talk(l, &c, c.fds[i].fd);
			}
		}
	}
	for (size_t i = 2; i < c.count; i++) {
		if (c.fds[i].fd >= 0) {
			(void)close(c.fds[i].fd);
		}
	}
	return NULL;
}

void listener_start(struct listener *l, enum listener_kind kind, const void *text,
		    size_t len)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t a_len = sizeof(a);

	*l = (struct listener){ .kind = kind, .text = text, .len = len };
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	MUST(l->fd >= 0 && l->stop_fd >= 0);
	MUST(bind(l->fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	MUST(listen(l->fd, 16) == 0);
	MUST(getsockname(l->fd, (struct sockaddr *)&a, &a_len) == 0);
	l->port = ntohs(a.sin_port);
	MUST(pthread_create(&l->thread, NULL, listener_main, l) == 0);
}

void listener_stop(struct listener *l)
{
	MUST(eventfd_write(l->stop_fd, 1) == 0);
	MUST(pthread_join(l->thread, NULL) == 0);
	(void)close(l->fd);
	(void)close(l->stop_fd);
}
