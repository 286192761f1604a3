/* Calls over a real sshd: many at once, long streams, deadlines, the end of
 * connections. Started by tests/ssh/run. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bed.h"
#include "util/clock.h"
#include "util/mem.h"

#define MEGA (UINT64_C(1) << 20)

TEST("what a command prints comes back")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;

	CHECK(prints(r, "echo hello", "hello\n"));
	CHECK(prints(r, "exit 3", ""));
	CHECK(prints(r, "kill -9 $$", ""));
	ticket_init(&t, r, "cat; echo out; echo err >&2");
	CHECK(buf_add_str(&t.call->input, "in\n") == 0);
	ticket_run(&t);
	CHECK_STR(buf_text(&t.call->output), "in\nout\n");
	CHECK_STR(buf_text(&t.call->trouble), "err\n");
	CHECK_INT(t.call->error.code, 0);
	(void)remote_free(r);
}

TEST("the health says where we are")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	struct remote_health h;

	remote_get_health(r, &h);
	CHECK(!h.connected && h.connects == 0 && h.bytes_in == 0);
	CHECK(prints(r, "head -c 100000 /dev/zero | tr '\\0' x | wc -c", "100000\n"));
	remote_get_health(r, &h);
	CHECK(h.connected && h.connects == 1 && h.fault == REMOTE_OK);
	CHECK(h.bytes_in > 1000 && h.bytes_out > 500);
	CHECK(has(h.text, "127.0.0.1:") && has(h.text, "OpenSSH"));
	CHECK(h.since_ms > 0 && h.since_ms <= clock_ms());
	(void)remote_free(r);
}

static void check_all(struct ticket *tickets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char want[32];

		ticket_wait(&tickets[i]);
		(void)snprintf(want, sizeof(want), "%zu\n", i);
		CHECK_STR(remote_fault_name(tickets[i].call->fault), "ok");
		CHECK_STR(buf_text(&tickets[i].call->output), want);
		ticket_fini(&tickets[i]);
	}
}

static void submit_numbers(struct remote *r, struct ticket *tickets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char command[32];

		(void)snprintf(command, sizeof(command), "echo %zu", i);
		ticket_init(&tickets[i], r, command);
		ticket_submit(&tickets[i]);
	}
}

TEST("two hundred calls at once share the four sessions of a narrow host")
{
	struct remote_config c = bed_config(BED_NARROW);
	struct remote *r = open_remote(&c);
	struct ticket tickets[200];
	struct remote_health h;
	int64_t begun = clock_ms();

	submit_numbers(r, tickets, ARRAY_SIZE(tickets));
	check_all(tickets, ARRAY_SIZE(tickets));
	remote_get_health(r, &h);
	CHECK_INT(h.connects, 1);
	printf("# 200 calls over MaxSessions 4: %lld ms\n",
	       (long long)(clock_ms() - begun));
	(void)remote_free(r);
}

TEST("long calls fill the sessions of a narrow host and the others wait their turn")
{
	struct remote_config c = bed_config(BED_NARROW);
	struct remote *r = open_remote(&c);
	struct ticket tickets[12];

	for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
		char command[64];

		(void)snprintf(command, sizeof(command), "sleep 0.3; echo %zu", i);
		ticket_init(&tickets[i], r, command);
		ticket_submit(&tickets[i]);
	}
	check_all(tickets, ARRAY_SIZE(tickets));
	(void)remote_free(r);
}

TEST("a call given back may submit the next")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	struct ticket tickets[10];

	for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
		char command[32];

		(void)snprintf(command, sizeof(command), "echo %zu", i);
		ticket_init(&tickets[i], r, command);
		tickets[i].then = i + 1 < ARRAY_SIZE(tickets) ? &tickets[i + 1] : NULL;
	}
	ticket_submit(&tickets[0]);
	check_all(tickets, ARRAY_SIZE(tickets));
	(void)remote_free(r);
}

/* `cat` sends it all back, so both directions are full at once. */
static void check_echo(enum bed bed, uint64_t bytes)
{
	struct remote_config c = bed_config(bed);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket one, two;

	ticket_init(&one, r, "cat");
	ticket_feed(&one, bytes);
	ticket_init(&two, r, "cat");
	ticket_feed(&two, bytes);
	ticket_submit(&one);
	ticket_submit(&two);
	ticket_wait(&one);
	ticket_wait(&two);
	CHECK_STR(one.call->error.text, "");
	CHECK(is_pattern(&one.call->output, bytes));
	CHECK(is_pattern(&two.call->output, bytes));
	printf("# %llu MB there and back, twice at once: %lld ms\n",
	       (unsigned long long)(bytes / MEGA), (long long)one.took_ms);
	(void)remote_free(r);
}

TEST("ten megabytes go there and back unchanged, twice at once")
{
	check_echo(BED_PLAIN, 10 * MEGA);
}

TEST("new session keys every megabyte do no harm to a stream of twenty")
{
	check_echo(BED_REKEY, 20 * MEGA);
}

TEST("input in memory comes first, then what read_more gives")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, "cat");
	for (size_t i = 0; i < 100000; i++) {
		CHECK(buf_add_char(&t.call->input, (char)pattern(i)) == 0);
	}
	t.sent = 100000;
	ticket_feed(&t, 300000);
	ticket_run(&t);
	CHECK(is_pattern(&t.call->output, 300000));
	CHECK(t.call->input.data == NULL);
	(void)remote_free(r);
}

TEST("a command need not read its input to the end")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, "head -c 5 | wc -c");
	ticket_feed(&t, 30 * MEGA);
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_OK);
	CHECK_STR(buf_text(&t.call->output), "5\n");
	CHECK(prints(r, "echo next", "next\n"));
	(void)remote_free(r);
}

TEST("a flood of stderr hinders nothing and its first 4 KiB are kept")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, "echo a; head -c 20000000 /dev/zero >&2; echo b");
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_OK);
	CHECK_STR(buf_text(&t.call->output), "a\nb\n");
	CHECK_INT(t.call->trouble.len, 4096);
	(void)remote_free(r);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Microseconds of `true`, one after the other; the median. */
static int64_t median_us(struct remote *r, size_t count)
{
	int64_t all[200];

	CHECK(count <= ARRAY_SIZE(all));
	for (size_t i = 0; i < count; i++) {
		struct timespec from, to;

		(void)clock_gettime(CLOCK_MONOTONIC, &from);
		CHECK(prints(r, "true", ""));
		(void)clock_gettime(CLOCK_MONOTONIC, &to);
		all[i] = (to.tv_sec - from.tv_sec) * 1000000 +
			 (to.tv_nsec - from.tv_nsec) / 1000;
	}
	qsort(all, count, sizeof(all[0]), compare);
	return all[count / 2];
}

TEST("a flood on one channel leaves the others their turn")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket flood;
	int64_t us;

	ticket_init(&flood, r, "exec head -c 400000000 /dev/zero >&2");
	flood.call->timeout_ms = 300000; /* a busy machine takes minutes */
	ticket_submit(&flood);
	CHECK(prints(r, "true", ""));
	us = median_us(r, 10);
	printf("# exec true beside a flood: %lld us\n", (long long)us);
	CHECK(us < 2000000);
	ticket_wait(&flood);
	CHECK_INT(flood.call->fault, REMOTE_OK);
	(void)remote_free(r);
}

TEST("more output than allowed ends the call and not the connection")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;
	struct remote_health h;

	ticket_init(&t, r, "yes");
	t.call->output_max = 100000;
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_ABORTED);
	CHECK_INT(t.call->error.code, -EFBIG);
	CHECK(prints(r, "echo next", "next\n"));
	remote_get_health(r, &h);
	CHECK_INT(h.connects, 1);
	(void)remote_free(r);
}

TEST("an input that cannot be read ends the call with its error")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, "cat");
	ticket_feed(&t, 100000);
	t.input_error = -EIO;
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_ABORTED);
	CHECK_INT(t.call->error.code, -EIO);
	CHECK(prints(r, "echo next", "next\n"));
	(void)remote_free(r);
}

TEST("a command that ssh cannot carry is refused at once")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;
	char command[40000];

	ticket_init(&t, r, "echo a\necho b");
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_PROTOCOL);
	CHECK_INT(t.call->error.code, -EINVAL);
	ticket_fini(&t);
	memset(command, '#', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	ticket_init(&t, r, command);
	ticket_run(&t);
	CHECK_INT(t.call->error.code, -E2BIG);
	ticket_fini(&t);
	command[31900] = '\0';
	ticket_init(&t, r, command);
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_OK);
	(void)remote_free(r);
}

TEST("a hanging command meets its deadline and the others go on")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket hang, good;

	CHECK(prints(r, "true", ""));
	ticket_init(&hang, r, "sleep 20");
	hang.call->timeout_ms = 500;
	ticket_init(&good, r, "sleep 1; echo good");
	ticket_submit(&hang);
	ticket_submit(&good);
	CHECK(prints(r, "echo at once", "at once\n"));
	ticket_wait(&hang);
	CHECK_INT(hang.call->fault, REMOTE_TIMEOUT);
	CHECK(hang.took_ms >= 490 && hang.took_ms < 5000);
	ticket_wait(&good);
	CHECK_STR(buf_text(&good.call->output), "good\n");
	CHECK(prints(r, "echo after", "after\n"));
	(void)remote_free(r);
}

TEST("after three abandoned commands the connection is made anew")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	struct remote_health h;

	for (int i = 0; i < 3; i++) {
		cleanup_ticket struct ticket t;

		ticket_init(&t, r, "exec sleep 20");
		t.call->timeout_ms = 200;
		ticket_run(&t);
		CHECK_INT(t.call->fault, REMOTE_TIMEOUT);
	}
	CHECK(prints(r, "echo new", "new\n"));
	remote_get_health(r, &h);
	CHECK_INT(h.connects, 2);
	(void)remote_free(r);
}

TEST("an abandoned command that ends by itself costs nothing")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	struct remote_health h;

	c.max_channels = 2;
	for (int i = 0; i < 6; i++) {
		cleanup_ticket struct ticket t;

		ticket_init(&t, r, "sleep 0.4; head -c 3000000 /dev/zero");
		t.call->timeout_ms = 200;
		ticket_run(&t);
		CHECK_INT(t.call->fault, REMOTE_TIMEOUT);
		CHECK(prints(r, "sleep 1; echo next", "next\n"));
	}
	remote_get_health(r, &h);
	CHECK_INT(h.connects, 1);
	(void)remote_free(r);
}

TEST("a killed session loses the running call, and the next call works")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket running, killer;
	struct remote_health h;

	ticket_init(&running, r, "sleep 20");
	ticket_submit(&running);
	ticket_init(&killer, r, "sleep 0.3; kill -9 $PPID");
	ticket_submit(&killer);
	ticket_wait(&running);
	CHECK_INT(running.call->fault, REMOTE_LOST);
	CHECK(has(running.call->error.text, "lost"));
	CHECK(running.took_ms < 5000);
	CHECK(prints(r, "echo again", "again\n"));
	remote_get_health(r, &h);
	CHECK(h.connects == 2 && h.connected);
	ticket_wait(&killer);
	(void)remote_free(r);
}

TEST("calls that were not sent survive the loss of the connection")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r;
	struct ticket tickets[20];
	cleanup_ticket struct ticket killer;

	c.max_channels = 1;
	r = open_remote(&c);
	ticket_init(&killer, r, "sleep 0.3; kill -9 $PPID; sleep 5");
	ticket_submit(&killer);
	submit_numbers(r, tickets, ARRAY_SIZE(tickets));
	check_all(tickets, ARRAY_SIZE(tickets));
	ticket_wait(&killer);
	CHECK_INT(killer.call->fault, REMOTE_LOST);
	(void)remote_free(r);
}

static pid_t session_pid(struct remote *r)
{
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, "echo $PPID");
	ticket_run(&t);
	CHECK_INT(t.call->fault, REMOTE_OK);
	return (pid_t)strtol(buf_text(&t.call->output), NULL, 10);
}

TEST("a frozen sshd is found out by its silence")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r;
	cleanup_ticket struct ticket hang, later;
	pid_t frozen;

	c.keepalive_ms = 2000;
	r = open_remote(&c);
	frozen = session_pid(r);
	CHECK(kill(frozen, SIGSTOP) == 0);
	ticket_init(&hang, r, "sleep 20");
	hang.call->timeout_ms = 1000;
	ticket_submit(&hang);
	ticket_wait(&hang);
	CHECK_INT(hang.call->fault, REMOTE_TIMEOUT);
	ticket_init(&later, r, "echo later");
	ticket_run(&later);
	printf("# a frozen sshd: served over a new connection after %lld ms\n",
	       (long long)later.took_ms);
	CHECK_INT(later.call->fault, REMOTE_OK);
	CHECK(later.took_ms < 3 * 2000 + 3000);
	CHECK(kill(frozen, SIGKILL) == 0);
	(void)remote_free(r);
}

TEST("a call that runs in a frozen sshd is lost by three keepalives")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r;
	cleanup_ticket struct ticket t;
	pid_t frozen;

	c.keepalive_ms = 2000;
	r = open_remote(&c);
	frozen = session_pid(r);
	ticket_init(&t, r, "kill -STOP $PPID; sleep 20");
	ticket_run(&t);
	CHECK(kill(frozen, SIGKILL) == 0);
	CHECK_INT(t.call->fault, REMOTE_LOST);
	CHECK(has(t.call->error.text, "nothing heard for"));
	printf("# a frozen sshd: lost after %lld ms\n", (long long)t.took_ms);
	CHECK(t.took_ms >= 5900 && t.took_ms < 9000);
	(void)remote_free(r);
}

TEST("a connection that ends while nobody calls is noticed, and no call is lost")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	struct remote_health h;

	CHECK(kill(session_pid(r), SIGKILL) == 0);
	for (int i = 0; i < 500; i++) {
		remote_get_health(r, &h);
		if (!h.connected) {
			break;
		}
		(void)usleep(10000);
	}
	CHECK(!h.connected && h.fault == REMOTE_LOST && has(h.text, "lost"));
	CHECK(prints(r, "echo again", "again\n"));
	(void)remote_free(r);
}

static double cpu_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST("waiting takes no time of the processor")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket t;
	double begun;

	CHECK(prints(r, "true", ""));
	ticket_init(&t, r, "exec sleep 20"); /* a zombie is waited for as well */
	t.call->timeout_ms = 100;
	ticket_run(&t);
	begun = cpu_seconds();
	CHECK(prints(r, "sleep 1; echo a; sleep 1", "a\n"));
	printf("# two seconds of waiting: %.1f ms of CPU\n",
	       (cpu_seconds() - begun) * 1e3);
	CHECK(cpu_seconds() - begun < 0.1);
	(void)remote_free(r);
}

TEST("a command that does not read holds up nobody")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	cleanup_ticket struct ticket slow, good;
	char command[128], go[64];

	(void)snprintf(go, sizeof(go), "touch /tmp/jobfs-ssh-go.%d", (int)getpid());
	(void)snprintf(command, sizeof(command),
		       "until rm %s 2>/dev/null; do sleep 0.1; done; wc -c",
		       go + strlen("touch "));
	ticket_init(&slow, r, command);
	ticket_feed(&slow, 20 * MEGA);
	ticket_submit(&slow);
	ticket_init(&good, r, "wc -c");
	ticket_feed(&good, 5 * MEGA);
	ticket_run(&good);
	CHECK_STR(buf_text(&good.call->output), "5242880\n");
	CHECK(!slow.over);
	CHECK(prints(r, go, ""));
	ticket_wait(&slow);
	CHECK_STR(buf_text(&slow.call->output), "20971520\n");
	(void)remote_free(r);
}

TEST("one abandoned command does not block a host with one channel")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r;
	cleanup_ticket struct ticket hang, next;

	c.max_channels = 1;
	r = open_remote(&c);
	ticket_init(&hang, r, "sleep 20");
	hang.call->timeout_ms = 500;
	ticket_submit(&hang);
	ticket_init(&next, r, "echo next");
	ticket_run(&next);
	CHECK_STR(buf_text(&next.call->output), "next\n");
	CHECK(next.took_ms < 5000);
	ticket_wait(&hang);
	CHECK_INT(hang.call->fault, REMOTE_TIMEOUT);
	(void)remote_free(r);
}

TEST("keepalives hold an idle connection, and one of calls that say nothing")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r;
	struct remote_health before, after;

	c.keepalive_ms = 1000;
	r = open_remote(&c);
	CHECK(prints(r, "echo idle", "idle\n"));
	remote_get_health(r, &before);
	CHECK(prints(r, "sleep 5; echo idle", "idle\n"));
	remote_get_health(r, &after);
	CHECK_INT(after.connects, 1);
	CHECK(after.bytes_out > before.bytes_out);
	(void)remote_free(r);
}

TEST("remote_free gives back what runs and what waits, and waits for none of it")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	struct ticket tickets[30];
	int64_t begun;

	CHECK(prints(r, "true", ""));
	for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
		ticket_init(&tickets[i], r, i % 2 ? "yes" : "sleep 20");
		tickets[i].call->output_max = (size_t)4 << 30;
		ticket_submit(&tickets[i]);
	}
	begun = clock_ms();
	(void)remote_free(r);
	CHECK(clock_ms() - begun < 15000);
	for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
		CHECK(tickets[i].over);
		CHECK(tickets[i].call->fault == REMOTE_CANCELLED ||
		      tickets[i].call->fault == REMOTE_ABORTED);
		ticket_fini(&tickets[i]);
	}
}

static void *run_hundred(void *arg)
{
	const struct remote_config *c = arg;
	struct remote *r = open_remote(c);
	struct ticket tickets[100];
	struct remote_health h;

	submit_numbers(r, tickets, ARRAY_SIZE(tickets));
	remote_get_health(r, &h);
	check_all(tickets, ARRAY_SIZE(tickets));
	(void)remote_free(r);
	return NULL;
}

TEST("two hosts are served side by side")
{
	struct remote_config one = bed_config(BED_PLAIN), two = bed_config(BED_NARROW);
	pthread_t other;

	CHECK(pthread_create(&other, NULL, run_hundred, &two) == 0);
	(void)run_hundred(&one);
	CHECK(pthread_join(other, NULL) == 0);
}

enum { SECRET_LEN = 48 };

/* How often the secret, given inverted, stands in our memory. Never makes a plain copy,
 * and reads what the sanitizers do not like to be read. */
__attribute__((noinline, no_sanitize_address, no_sanitize_thread)) static size_t
count_in(const unsigned char *from, size_t len,
	 const unsigned char inverted[SECRET_LEN])
{
	size_t found = 0;

	for (size_t i = 0; i + SECRET_LEN <= len; i++) {
		size_t n = 0;

		while (n < SECRET_LEN && from[i + n] + inverted[n] == 0xff) {
			n++;
		}
		found += n == SECRET_LEN;
	}
	return found;
}

static size_t count_secret(const unsigned char inverted[SECRET_LEN])
{
	char *maps = file_text("/proc/self/maps");
	size_t found = 0;
	char *rest = maps;

	for (char *line; (line = strsep(&rest, "\n"));) {
		unsigned long long from = 0, to = 0;
		char mode[8] = "";

		if (sscanf(line, "%llx-%llx %7s", &from, &to, mode) == 3 &&
		    has_prefix(mode, "rw") && to - from < (64 << 20)) {
			found += count_in((const unsigned char *)(uintptr_t)from,
					  to - from, inverted);
		}
	}
	free(maps);
	return found;
}

static void make_secret(struct buf *ret_secret, unsigned char ret_inverted[SECRET_LEN])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char dice[SECRET_LEN];
	char *to = buf_reserve(ret_secret, SECRET_LEN);

	CHECK(to && getrandom(dice, sizeof(dice), 0) == sizeof(dice));
	for (size_t i = 0; i < SECRET_LEN; i++) {
		to[i] = hex[dice[i] & 15];
		ret_inverted[i] = (unsigned char)(to[i] ^ 0xff);
	}
	ret_secret->len = SECRET_LEN;
}

TEST("a secret leaves no copy in memory")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	unsigned char inverted[SECRET_LEN];
	cleanup_ticket struct ticket t;

	ticket_init(&t, r, "wc -c");
	make_secret(&t.call->input, inverted);
	t.call->input_is_secret = true;
	CHECK(count_secret(inverted) >= 1);
	ticket_run(&t);
	CHECK_STR(buf_text(&t.call->output), "48\n");
	CHECK_INT(count_secret(inverted), 0);
	(void)remote_free(r);
}

TEST("the figures")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct remote *r = open_remote(&c);
	int64_t cold[11];

	CHECK(prints(r, "true", ""));
	printf("# exec true, warm: median of 200: %lld us\n",
	       (long long)median_us(r, 200));
	(void)remote_free(r);
	for (size_t i = 0; i < ARRAY_SIZE(cold); i++) {
		cleanup_ticket struct ticket t;

		r = open_remote(&c);
		ticket_init(&t, r, "true");
		ticket_run(&t);
		CHECK_INT(t.call->fault, REMOTE_OK);
		cold[i] = t.took_ms;
		(void)remote_free(r);
	}
	qsort(cold, ARRAY_SIZE(cold), sizeof(cold[0]), compare);
	printf("# connect, log in, exec true: median of %zu: %lld ms\n",
	       ARRAY_SIZE(cold), (long long)cold[ARRAY_SIZE(cold) / 2]);
}

TEST_MAIN
