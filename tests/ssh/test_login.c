/* From nothing to logged in, at a real sshd and at listeners that are none: keys,
 * agents, host keys, and what the user is told when it does not work. Started by
 * tests/ssh/run. */
#include "test.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bed.h"
#include "ssh/known_hosts.h"
#include "ssh/wire.h"
#include "util/clock.h"
#include "util/mem.h"

/* --- names that the tests make up, in place of a name server --- */

static sem_t hang_is_over; /* what the look-up of hang.test waits for */

static struct addrinfo *join(struct addrinfo *a, struct addrinfo *b)
{
	struct addrinfo *last = a;

	while (last && last->ai_next) {
		last = last->ai_next;
	}
	if (last) {
		last->ai_next = b;
	}
	return a ? a : b;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **ret_list)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **);
	struct addrinfo *second = NULL;
	int result;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if ((hints->ai_flags & AI_NUMERICHOST) || !has_suffix(host, ".test")) {
		return real(host, port, hints, ret_list);
	}
	if (streq(host, "nowhere.test")) {
		return EAI_NONAME;
	}
	if (streq(host, "later.test")) {
		return EAI_AGAIN;
	}
	if (streq(host, "hang.test")) {
		(void)sem_wait(&hang_is_over);
		(void)sem_post(&hang_is_over);
		return EAI_AGAIN;
	}
	/* both.test: the first address refuses, the second is the bed's */
	result = real("127.0.0.77", port, hints, ret_list);
	if (result == 0 && real("127.0.0.1", port, hints, &second) == 0) {
		*ret_list = join(*ret_list, second);
	}
	return result;
}

/* --- keys --- */

static void check_key(const char *file, const char *passphrase)
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.identities = bed_keys(BED_PLAIN, file, NULL);
	c.passphrase = passphrase;
	printf("# %s\n", file);
	CHECK_INT(fault_of(&c, text), REMOTE_OK);
}

TEST("keys of every kind open the door")
{
	check_key("id_ed25519", NULL);
	check_key("id_ecdsa", NULL);
	check_key("id_ecdsa_pem", NULL);
	check_key("id_ecdsa521", NULL);
	check_key("id_ecdsa384_pkcs8", NULL);
	check_key("id_rsa", NULL);
	check_key("id_rsa_openssh", NULL);
}

TEST("encrypted keys open it with their passphrase")
{
	check_key("id_ed25519_enc", "bed passphrase");
	check_key("id_ecdsa_enc", "bed passphrase");
	check_key("id_ecdsa_pem_enc", "bed passphrase");
	check_key("id_rsa_enc", "bed passphrase");
}

static void check_bad_key(const char *file, const char *passphrase, const char *word)
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.identities = bed_keys(BED_PLAIN, file, NULL);
	c.passphrase = passphrase;
	CHECK_INT(fault_of(&c, text), REMOTE_IDENTITY);
	CHECK(has(text, file));
	CHECK(has(text, word));
}

TEST("a missing or wrong passphrase is told")
{
	static const char *const files[] = { "id_ed25519_enc", "id_ecdsa_enc",
					     "id_ecdsa_pem_enc", "id_rsa_enc" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		check_bad_key(files[i], NULL, "no passphrase is set");
		check_bad_key(files[i], "", "no passphrase is set");
		check_bad_key(files[i], "wrong", "the passphrase does not open");
	}
	check_bad_key("id_rsa_openssh_enc", "bed passphrase",
		      "ssh-keygen -p -m PEM -f");
}

TEST("a key file that is no good is told")
{
	check_bad_key("id_none", NULL, "No such file");
	check_bad_key("id_open", NULL, "chmod 600");
	check_bad_key("home", NULL, "not a regular file");
	check_bad_key("id_dsa", NULL, "of a type that cannot be used");
	check_bad_key("id_garbage", NULL, "not a private key");
	check_bad_key("id_broken", NULL, "not a private key");
	check_bad_key("/dev/zero", NULL, "not a regular file");
}

TEST("a key of another user is not used, nor a link of his")
{
	struct remote_config c = bed_config(BED_PLAIN);

	if (geteuid() == 0) { /* others cannot make such files */
		check_bad_key("id_foreign", NULL,
			      "belongs to another user (uid 12345)");
		check_bad_key("id_foreign_link", NULL,
			      "link of another user (uid 12345)");
	}
	c.identities = bed_keys(BED_PLAIN, "id_link", NULL);
	CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
}

TEST("without any key there is no connection")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.identities = NULL;
	CHECK_INT(fault_of(&c, text), REMOTE_IDENTITY);
	CHECK(has(text, "none is configured"));
}

TEST("a bad key file does not hinder a good one")
{
	struct remote_config c = bed_config(BED_PLAIN);

	c.identities = bed_keys(BED_PLAIN, "id_none", "id_stranger1", "id_ed25519_enc",
				"id_rsa_openssh", NULL);
	CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
}

TEST("keys that the host does not take are listed")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.identities =
		bed_keys(BED_PLAIN, "id_stranger1", "id_stranger2", "id_none", NULL);
	CHECK_INT(fault_of(&c, text), REMOTE_AUTH);
	CHECK(has(text, "id_stranger1, ") && has(text, "id_stranger2"));
	CHECK(has(text, "No such file"));
	CHECK(has(text, c.user) && has(text, "bed (127.0.0.1:"));
	CHECK(has(text, "authorized_keys"));
}

TEST("no more keys are tried than sshd puts up with")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.identities = bed_keys(BED_PLAIN, "id_stranger1", "id_stranger2",
				"id_stranger3", "id_stranger4", "id_stranger5",
				"id_stranger6", "id_stranger7", NULL);
	CHECK_INT(fault_of(&c, text), REMOTE_AUTH);
	CHECK(has(text, "2 more were not tried"));
	CHECK(!strstr(text, "Too many"));
}

TEST("a host that hangs up after some keys is told apart from one that breaks off")
{
	struct remote_config c = bed_config(BED_NARROW); /* MaxAuthTries 3 */
	char text[ERR_TEXT_MAX];

	c.identities = bed_keys(BED_PLAIN, "id_stranger1", "id_stranger2",
				"id_stranger3", "id_stranger4", NULL);
	CHECK_INT(fault_of(&c, text), REMOTE_AUTH);
	CHECK(has(text, "id_stranger2") &&
	      has(text, "Too many authentication failures"));
}

TEST("an unknown user is refused like a wrong key")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.user = "nosuchuser";
	CHECK_INT(fault_of(&c, text), REMOTE_AUTH);
	CHECK(has(text, "nosuchuser"));
}

/* --- agents --- */

static struct remote_config agent_config(const char *name)
{
	struct remote_config c = bed_config(BED_PLAIN);
	char path[200];

	c.identities = NULL;
	c.use_agent = true;
	(void)snprintf(path, sizeof(path), "%s.%s", getenv("SSH_BED_AGENT"), name);
	CHECK(setenv("SSH_AUTH_SOCK", path, 1) == 0);
	return c;
}

TEST("an agent signs with keys of every kind")
{
	static const char *const names[] = { "ed25519", "ecdsa", "rsa" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct remote_config c = agent_config(names[i]);

		CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
	}
}

TEST("the agent's key for a locked file is tried before all others")
{
	struct remote_config c = agent_config("crowd");
	char text[ERR_TEXT_MAX];

	CHECK_INT(fault_of(&c, text), REMOTE_AUTH);
	CHECK(has(text, "\"stranger 1\" of ssh-agent"));
	c.identities = bed_keys(BED_PLAIN, "id_rsa_openssh_enc", NULL);
	CHECK_INT(fault_of(&c, text), REMOTE_OK);
}

TEST("an agent that is absent, empty or silent is told and does not hang")
{
	struct remote_config c = agent_config("none");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[ERR_TEXT_MAX];
	int fd;

	CHECK_INT(fault_of(&c, text), REMOTE_IDENTITY);
	CHECK(has(text, "agent.none does not answer: No such file"));
	c = agent_config("empty");
	CHECK_INT(fault_of(&c, text), REMOTE_IDENTITY);
	CHECK(has(text, "holds no key"));
	c = agent_config("silent");
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s.silent",
		       getenv("SSH_BED_AGENT"));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	CHECK(listen(fd, 4) == 0);
	c.identities = bed_keys(BED_PLAIN, "id_ed25519", NULL);
	CHECK_INT(fault_of(&c, text), REMOTE_OK);
	(void)close(fd);
	CHECK(unsetenv("SSH_AUTH_SOCK") == 0);
	c.identities = NULL;
	CHECK_INT(fault_of(&c, text), REMOTE_IDENTITY);
	CHECK(has(text, "SSH_AUTH_SOCK is not set"));
}

/* --- host keys --- */

static const char *known_file(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* A known_hosts file with these contents. */
static const char *known_file(const char *format, ...)
{
	static char path[200];
	va_list args;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/known", getenv("SSH_BED_TMP"));
	(void)unlink(path);
	f = fopen(path, "we");
	CHECK(f != NULL);
	va_start(args, format);
	CHECK(vfprintf(f, format, args) >= 0);
	va_end(args);
	CHECK(fclose(f) == 0);
	return path;
}

/* "TYPE BASE64" of a public key file. */
static char *public_key(const char *file)
{
	char *text = file_text(bed_path(BED_PLAIN, file));
	char *space = strchr(text, ' ');

	CHECK(space && strchr(space + 1, ' '));
	*strchr(space + 1, ' ') = '\0';
	return text;
}

static size_t log_size(void)
{
	char *text = file_text(bed_path(BED_PLAIN, "sshd.log"));
	size_t n = strlen(text);

	free(text);
	return n;
}

/* sshd writes "authenticating user" or the outcome as soon as somebody named himself.
 */
static void check_nobody_named(size_t since)
{
	bool closed = false;

	for (int i = 0; i < 500 && !closed; i++) {
		char *text = file_text(bed_path(BED_PLAIN, "sshd.log"));
		const char *fresh = text + since;

		CHECK(!strstr(fresh, "authenticating") && !strstr(fresh, "Accepted"));
		CHECK(!strstr(fresh, "Failed") && !strstr(fresh, "Postponed"));
		closed = strstr(fresh, "[preauth]") != NULL; /* the end of its lines */
		free(text);
		(void)usleep(closed ? 0 : 20000);
	}
	CHECK(closed);
}

static void check_host_key(const char *known, const char *const words[])
{
	struct remote_config c = bed_config(BED_PLAIN);
	size_t since = log_size();
	char text[ERR_TEXT_MAX];

	c.known_hosts = known;
	CHECK_INT(fault_of(&c, text), REMOTE_HOST_KEY);
	for (size_t i = 0; words[i]; i++) {
		CHECK(has(text, words[i]));
	}
	check_nobody_named(since);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* "SHA256:..." as ssh-keygen has it, in a file that tests/ssh/run made. */
static char *print_of(const char *file)
{
	char *text = file_text(bed_path(BED_PLAIN, file));

	text[strcspn(text, "\n")] = '\0';
	return text;
}

TEST("an unknown host key is shown, and nothing is sent to the host")
{
	char *print = print_of("ssh_host_ed25519_key.print");

	check_host_key(known_file("# nothing\n"),
		       WORDS("is not in", "ssh-ed25519", print, "ssh-keyscan -H -p"));
	check_host_key("/nonexistent/known_hosts", WORDS("is not in", print));
	free(print);
}

TEST("a changed host key is shown with both prints and the line")
{
	char *host = print_of("ssh_host_ed25519_key.print");
	char *other = print_of("id_stranger1.print");
	char *key = public_key("id_stranger1.pub");

	check_host_key(
		known_file("# a\n\n[127.0.0.1]:%d %s\n", bed_port(BED_PLAIN), key),
		WORDS("HAS CHANGED", host, other, "line 3", "ssh-keygen -R"));
	free(host);
	free(other);
	free(key);
}

TEST("a revoked host key is refused, whatever other lines say")
{
	char *key = public_key("ssh_host_ed25519_key.pub");
	int port = bed_port(BED_PLAIN);

	check_host_key(known_file("[127.0.0.1]:%d %s\n@revoked * %s\n", port, key, key),
		       WORDS("@revoked", "line 2", "ssh-ed25519"));
	check_host_key(known_file("@revoked [127.0.0.1]:%d %s\n", port, key),
		       WORDS("@revoked"));
	free(key);
}

static void check_known(const char *known)
{
	struct remote_config c = bed_config(BED_PLAIN);

	c.known_hosts = known;
	CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
}

TEST("known_hosts is read as ssh reads it")
{
	char *key = public_key("ssh_host_ed25519_key.pub");
	char *other = public_key("ssh_host_ecdsa_key.pub");
	int port = bed_port(BED_PLAIN);

	check_known(bed_path(BED_PLAIN, "known_hosts.hashed"));
	check_known(known_file("garbage\n|1|x|y ssh-ed25519 AAAA\n[127.0.0.1]:%d %s\n",
			       port, key));
	check_known(known_file("elsewhere,[127.0.0.?]:%d %s", port, key));
	check_known(known_file("127.0.0.1 %s comment\n", key));
	check_known(known_file("@cert-authority * %s\n[127.0.0.1]:%d %s\n", other, port,
			       key));
	/* The type that is known is the one that is asked for. */
	check_known(known_file("[127.0.0.1]:%d %s\n", port, other));
	free(key);
	free(other);
}

TEST("a host known by RSA only is told apart from a changed one")
{
	char *ca = public_key("id_rsa.pub");

	check_host_key(known_file("[127.0.0.1]:%d %s\n", bed_port(BED_PLAIN), ca),
		       WORDS("offers host keys of the types", "by ssh-rsa only",
			     "ssh-keyscan"));
	free(ca);
}

TEST("accept-new adds an unknown key, once, and never a changed one")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char *key = public_key("ssh_host_ed25519_key.pub");
	char *other = public_key("id_stranger1.pub");
	char want[1000];
	char *have;
	struct stat st;

	c.accept_new = true;
	c.known_hosts = known_file("no newline");
	(void)snprintf(want, sizeof(want), "no newline\n[127.0.0.1]:%d %s\n", c.port,
		       key);
	CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
	CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
	have = file_text(c.known_hosts);
	CHECK_STR(have, want);
	free(have);

	CHECK(unlink(c.known_hosts) == 0);
	CHECK_INT(fault_of(&c, NULL), REMOTE_OK);
	CHECK(stat(c.known_hosts, &st) == 0 && (st.st_mode & 0777) == 0600);

	c.known_hosts = known_file("[127.0.0.1]:%d %s\n", c.port, other);
	CHECK_INT(fault_of(&c, NULL), REMOTE_HOST_KEY);
	c.known_hosts = "/nonexistent/known_hosts";
	CHECK_INT(fault_of(&c, NULL), REMOTE_HOST_KEY);
	free(key);
	free(other);
}

/* --- no connection --- */

static struct remote_config listener_config(const struct listener *l)
{
	struct remote_config c = bed_config(BED_PLAIN);

	c.port = l->port;
	c.auth_timeout_ms = 1000;
	return c;
}

TEST("a port where nobody listens refuses")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct listener l;
	char text[ERR_TEXT_MAX], where[64];

	listener_start(&l, LISTENER_SILENT, "", 0);
	listener_stop(&l);
	c.port = l.port;
	CHECK_INT(fault_of(&c, text), REMOTE_REFUSED);
	(void)snprintf(where, sizeof(where), "bed: 127.0.0.1:%d: Connection refused",
		       l.port);
	CHECK(has(text, where));
}

TEST("a name that does not exist is told apart from a resolver that is down")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	c.address = "nowhere.test";
	CHECK_INT(fault_of(&c, text), REMOTE_UNRESOLVED);
	CHECK(has(text, "\"nowhere.test\" of bed does not exist"));
	c.address = "later.test";
	CHECK_INT(fault_of(&c, text), REMOTE_UNREACHABLE);
	CHECK(has(text, "cannot look up \"later.test\""));
}

TEST("every address of a name is tried")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char *key = public_key("ssh_host_ed25519_key.pub");
	char text[ERR_TEXT_MAX];

	c.address = "BOTH.test";
	c.known_hosts = known_file("[both.test]:%d %s\n", c.port, key);
	CHECK_INT(fault_of(&c, text), REMOTE_OK);
	free(key);
}

TEST("IPv6 works")
{
	struct remote_config c = bed_config(BED_PLAIN);
	char *key = public_key("ssh_host_ed25519_key.pub");
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	cleanup_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[ERR_TEXT_MAX];

	c.address = "::1";
	c.known_hosts = known_file("[::1]:%d %s\n", c.port, key);
	free(key);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		printf("# no IPv6 here\n");
		return;
	}
	CHECK_INT(fault_of(&c, text), REMOTE_OK);
	c.known_hosts = "/dev/null";
	CHECK_INT(fault_of(&c, text), REMOTE_HOST_KEY);
	CHECK(has(text, "bed ([::1]:"));
}

static void check_listener(enum listener_kind kind, const char *said,
			   enum remote_fault fault, const char *word)
{
	struct listener l;
	struct remote_config c;
	char text[ERR_TEXT_MAX];
	int64_t begun = clock_ms();

	listener_start(&l, kind, said, strlen(said));
	c = listener_config(&l);
	CHECK_INT(fault_of(&c, text), fault);
	CHECK(has(text, word));
	CHECK(has(text, "bed (127.0.0.1:"));
	CHECK(clock_ms() - begun < 15000);
	listener_stop(&l);
}

TEST("a listener that says nothing meets the deadline")
{
	check_listener(LISTENER_SILENT, "", REMOTE_UNREACHABLE, "says nothing");
}

TEST("what is not an SSH server is named")
{
	check_listener(
		LISTENER_CLOSES, "HTTP/1.1 400 Bad Request\r\n\r\n", REMOTE_PROTOCOL,
		"answers \"HTTP/1.1 400 Bad Request\": this is not an SSH server");
	check_listener(LISTENER_SAYS, "220 ftp ready\r\n", REMOTE_PROTOCOL,
		       "220 ftp ready");
	check_listener(LISTENER_SAYS, "\x16\x03\x01\xff", REMOTE_PROTOCOL,
		       "not an SSH");
}

TEST("an sshd that takes no more connections is not called a stranger")
{
	check_listener(LISTENER_CLOSES, "Exceeded MaxStartups\r\n", REMOTE_UNREACHABLE,
		       "MaxStartups");
	check_listener(LISTENER_CLOSES, "", REMOTE_UNREACHABLE, "broke off");
	check_listener(LISTENER_CLOSES, "SSH-2.0-x\r\n", REMOTE_UNREACHABLE,
		       "broke off");
	check_listener(LISTENER_SAYS, "SSH-2.0-x\r\n", REMOTE_UNREACHABLE,
		       "stopped answering");
}

TEST("floods and drips before the handshake end with the deadline")
{
	check_listener(LISTENER_FLOODS, "welcome\r\nto\r\nmy\r\nhost\r\n",
		       REMOTE_PROTOCOL, "welcome");
	check_listener(LISTENER_DRIPS, "SSH-2.0-slow", REMOTE_UNREACHABLE,
		       "stopped answering");
}

static void add_list(struct buf *b, const char *list)
{
	CHECK(wire_add_string(b, list, strlen(list)) == 0);
}

/* A version and SSH_MSG_KEXINIT. */
static void make_greeting(struct buf *ret_text, const char *host_keys,
			  const char *cipher)
{
	struct buf payload = BUF_INIT;

	CHECK(buf_add(&payload,
		      "\x14"
		      "0123456789abcdef",
		      17) == 0);
	add_list(&payload, "curve25519-sha256");
	add_list(&payload, host_keys);
	add_list(&payload, cipher);
	add_list(&payload, cipher);
	add_list(&payload, "hmac-sha2-256");
	add_list(&payload, "hmac-sha2-256");
	add_list(&payload, "none");
	add_list(&payload, "none");
	add_list(&payload, "");
	add_list(&payload, "");
	CHECK(buf_add(&payload, "\0\0\0\0\0", 5) == 0);
	while ((payload.len + 5 + 4) % 8) {
		CHECK(buf_add_char(&payload, '\0') == 0);
	}
	CHECK(buf_add(&payload, "\0\0\0\0", 4) == 0);
	CHECK(buf_add_str(ret_text, "SSH-2.0-fake\r\n") == 0);
	CHECK(wire_add_u32(ret_text, (uint32_t)payload.len + 1) == 0);
	CHECK(buf_add_char(ret_text, 4) == 0);
	CHECK(buf_add(ret_text, payload.data, payload.len) == 0);
	buf_fini(&payload);
}

static void check_greeting(const char *host_keys, const char *cipher, const char *word)
{
	cleanup_buf struct buf greeting = BUF_INIT;
	struct listener l;
	struct remote_config c;
	char text[ERR_TEXT_MAX];

	make_greeting(&greeting, host_keys, cipher);
	listener_start(&l, LISTENER_SAYS, greeting.data, greeting.len);
	c = listener_config(&l);
	CHECK_INT(fault_of(&c, text), REMOTE_PROTOCOL);
	CHECK(has(text, word));
	listener_stop(&l);
}

TEST("a server without algorithms of ours is told what it lacks")
{
	check_greeting(
		"rsa-sha2-512,rsa-sha2-256", "aes128-ctr",
		"offers only the host keys of the types rsa-sha2-512,rsa-sha2-256, "
		"which libssh2 cannot use");
	check_greeting("ssh-ed25519", "chacha20-poly1305@openssh.com",
		       "offers only the ciphers chacha20-poly1305@openssh.com");
}

/* --- back-off --- */

TEST("during the back-off calls fail at once, unless they insist")
{
	struct listener l;
	struct remote_config c;
	struct remote *r;
	cleanup_ticket struct ticket one, two, insists;

	listener_start(&l, LISTENER_CLOSES, "220 ftp\r\n", 9);
	c = listener_config(&l);
	r = open_remote(&c);
	ticket_init(&one, r, "true");
	ticket_run(&one);
	CHECK_INT(one.call->fault, REMOTE_PROTOCOL);
	ticket_init(&two, r, "true");
	ticket_run(&two);
	CHECK_INT(two.call->fault, REMOTE_PROTOCOL);
	CHECK_STR(two.call->error.text, one.call->error.text);
	CHECK_INT(l.accepted, 1);
	ticket_init(&insists, r, "true");
	insists.call->new_connection = true;
	ticket_run(&insists);
	CHECK_INT(l.accepted, 2);
	(void)remote_free(r);
	listener_stop(&l);
}

TEST("a failed attempt gives back every call that waits")
{
	struct listener l;
	struct remote_config c;
	struct remote *r;
	struct ticket tickets[20];
	struct remote_health h;

	listener_start(&l, LISTENER_SILENT, "", 0);
	c = listener_config(&l);
	r = open_remote(&c);
	for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
		ticket_init(&tickets[i], r, "true");
		ticket_submit(&tickets[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
		ticket_wait(&tickets[i]);
		CHECK_INT(tickets[i].call->fault, REMOTE_UNREACHABLE);
		ticket_fini(&tickets[i]);
	}
	CHECK_INT(l.accepted, 1);
	remote_get_health(r, &h);
	CHECK(!h.connected && h.fault == REMOTE_UNREACHABLE &&
	      has(h.text, "says nothing"));
	(void)remote_free(r);
	listener_stop(&l);
}

/* --- the end, in the middle of things --- */

static void check_quick_end(const struct remote_config *c)
{
	struct remote *r = open_remote(c);
	cleanup_ticket struct ticket t;
	int64_t begun;

	ticket_init(&t, r, "true");
	ticket_submit(&t);
	(void)usleep(300000);
	begun = clock_ms();
	(void)remote_free(r);
	CHECK(clock_ms() - begun < 15000);
	CHECK(t.over);
	CHECK_INT(t.call->fault, REMOTE_CANCELLED);
}

TEST("remote_free does not wait for a look-up, a connection or a handshake")
{
	struct remote_config c = bed_config(BED_PLAIN);
	struct listener silent, flood;
	struct remote *r;

	CHECK(sem_init(&hang_is_over, 0, 0) == 0);
	c.address = "hang.test";
	check_quick_end(&c);
	c.connect_timeout_ms = 300;
	CHECK_INT(fault_of(&c, NULL), REMOTE_UNREACHABLE);
	CHECK(sem_post(&hang_is_over) == 0);

	listener_start(&silent, LISTENER_SILENT, "", 0);
	c = listener_config(&silent);
	c.auth_timeout_ms = 30000;
	check_quick_end(&c);
	listener_stop(&silent);
	listener_start(&flood, LISTENER_FLOODS, "x\n", 2);
	c = listener_config(&flood);
	c.auth_timeout_ms = 30000;
	check_quick_end(&c);
	listener_stop(&flood);

	c = bed_config(BED_PLAIN);
	r = open_remote(&c);
	(void)remote_free(r);
	(void)remote_free(NULL);
}

TEST("a full backlog meets the deadline of the connection")
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[4];
	struct remote_config c = bed_config(BED_PLAIN);
	char text[ERR_TEXT_MAX];

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 &&
	      listen(fd, 0) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(filler); i++) {
		filler[i] =
			socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		CHECK(filler[i] >= 0);
		(void)connect(filler[i], (struct sockaddr *)&a, len);
	}
	c.port = ntohs(a.sin_port);
	c.connect_timeout_ms = 700;
	CHECK_INT(fault_of(&c, text), REMOTE_UNREACHABLE);
	CHECK(has(text, "no answer in 1 s"));
	c.connect_timeout_ms = 30000;
	check_quick_end(&c);
	for (size_t i = 0; i < ARRAY_SIZE(filler); i++) {
		(void)close(filler[i]);
	}
	(void)close(fd);
}

TEST_MAIN
