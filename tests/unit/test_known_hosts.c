#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssh/base64.h"
#include "ssh/known_hosts.h"
#include "util/mem.h"

/* Two ed25519 keys, an ECDSA and an RSA one (short: nobody computes with them here). */
#define ED_A  "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
#define ED_B  "AAAAC3NzaC1lZDI1NTE5AAAAIP8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
#define EC_A  "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAAAEBAECAw=="
#define RSA_A "AAAAB3NzaC1yc2EAAAADAQABAAAABAEjRWc="

#define ED_A_PRINT "SHA256:mKqU+0K8OhKmA8bBQi9Rz0Q5l7/g160hIP+rJYSTNj4"
/* What ssh-keygen -H makes of "[gpu-a]:2222" and of "gpu-a". */
#define HASHED_PORT "|1|j4TQnFR8WvDW8HBXDfDd8JVAzW4=|EaMI36139VzKopGOF2sdkI/rXkA="
#define HASHED	    "|1|MqaDFiP6ujwW5QNB0y4s7UG4H7Q=|4c/m+xaE6oK+IoAqSQiWHswE1Yo="

static struct known_hosts read_known(const char *text, const char *host, int port)
{
	struct known_hosts k = KNOWN_HOSTS_INIT;

	CHECK_INT(known_hosts_parse(text, strlen(text), host, port, &k), 0);
	return k;
}

static size_t count(const char *text, const char *host, int port)
{
	cleanup_known_hosts struct known_hosts k = read_known(text, host, port);

	return k.count;
}

static enum known_verdict check(const char *text, const char *host, int port,
				const char *key)
{
	cleanup_known_hosts struct known_hosts k = read_known(text, host, port);
	cleanup_buf struct buf blob = BUF_INIT;
	const struct known_key *found = NULL;
	enum known_verdict verdict;

	CHECK_INT(base64_decode(key, strlen(key), &blob), 0);
	verdict = known_hosts_check(&k, slice_of(&blob), &found);
	CHECK((found == NULL) == (verdict == KNOWN_UNKNOWN));
	return verdict;
}

TEST("a line names hosts, a type and a key")
{
	const char *text = "# comment\n"
			   "\n"
			   "a,b.example ssh-ed25519 " ED_A " root@a\n"
			   " \tc\tssh-ed25519\t" ED_B "\r\n"
			   "d ecdsa-sha2-nistp256 " EC_A;
	cleanup_known_hosts struct known_hosts k = read_known(text, "c", 22);

	CHECK_INT(k.count, 1);
	CHECK_INT(k.keys[0].line, 4);
	CHECK_STR(k.keys[0].type, "ssh-ed25519");
	CHECK_INT(k.keys[0].blob.len, 51);
	CHECK_INT(count(text, "a", 22), 1);
	CHECK_INT(count(text, "b.example", 22), 1);
	CHECK_INT(count(text, "b", 22), 0);
	CHECK_INT(count(text, "d", 22), 1);
	CHECK_INT(count(text, "", 22), 0);
	CHECK_INT(count("", "a", 22), 0);
}

TEST("names are compared in lower case")
{
	CHECK_INT(count("GPU-A.Example ssh-ed25519 " ED_A, "gpu-a.example", 22), 1);
	CHECK_INT(count("gpu-a.example ssh-ed25519 " ED_A, "GPU-a.Example", 22), 1);
}

TEST("a port other than 22 is written in the name")
{
	const char *text = "[a]:2222 ssh-ed25519 " ED_A "\na ssh-ed25519 " ED_B "\n";

	CHECK_INT(check(text, "a", 22, ED_B), KNOWN_MATCH);
	CHECK_INT(check(text, "a", 22, ED_A), KNOWN_CHANGED);
	CHECK_INT(check(text, "a", 2222, ED_A), KNOWN_MATCH);
	CHECK_INT(check(text, "a", 2223, ED_A), KNOWN_UNKNOWN);
	CHECK_INT(check("[::1]:2222 ssh-ed25519 " ED_A, "::1", 2222, ED_A),
		  KNOWN_MATCH);
	CHECK_INT(check("::1 ssh-ed25519 " ED_A, "::1", 22, ED_A), KNOWN_MATCH);
}

TEST("a line without the port proves a host, but does not accuse it")
{
	const char *text = "a ssh-ed25519 " ED_A "\n";
	cleanup_known_hosts struct known_hosts k = read_known(text, "a", 2222);

	CHECK_INT(check(text, "a", 2222, ED_A), KNOWN_MATCH);
	CHECK_INT(check(text, "a", 2222, ED_B), KNOWN_UNKNOWN);
	CHECK(!known_hosts_is_bound(&k));
}

TEST("hashed names are found")
{
	const char *text =
		HASHED_PORT " ssh-ed25519 " ED_A "\n" HASHED " ssh-ed25519 " ED_B "\n";

	CHECK_INT(check(text, "gpu-a", 2222, ED_A), KNOWN_MATCH);
	CHECK_INT(check(text, "GPU-A", 22, ED_B), KNOWN_MATCH);
	CHECK_INT(count(text, "gpu-b", 22), 0);
}

TEST("patterns match as in ssh, and one with ! rules the line out")
{
	static const struct {
		const char *pattern, *host;
		int port;
		size_t found;
	} rows[] = {
		{ "*", "a", 22, 1 },
		{ "*.example", "a.example", 22, 1 },
		{ "*.example", "example", 22, 0 },
		{ "gpu-?", "gpu-7", 22, 1 },
		{ "gpu-?", "gpu-", 22, 0 },
		{ "gpu-?", "gpu-77", 22, 0 },
		{ "*,!gpu-b", "gpu-a", 22, 1 },
		{ "*,!gpu-b", "gpu-b", 22, 0 },
		{ "!gpu-b,*", "gpu-b", 22, 0 },
		{ "!gpu-b", "gpu-a", 22, 0 },
		{ "[10.0.0.*]:2222", "10.0.0.5", 2222, 1 },
		{ "[10.0.0.*]:2222", "10.0.1.5", 2222, 0 },
		{ "a**b*c", "axxbyyc", 22, 1 },
		{ "a**b*c", "axxbyycd", 22, 0 },
		{ ",,a", "a", 22, 1 },
		{ "!", "a", 22, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[200];

		(void)snprintf(text, sizeof(text), "%s ssh-ed25519 " ED_A "\n",
			       rows[i].pattern);
		printf("# %s ~ %s\n", rows[i].pattern, rows[i].host);
		CHECK_INT(count(text, rows[i].host, rows[i].port), rows[i].found);
	}
}

TEST("a pattern of many stars takes no time")
{
	cleanup_buf struct buf text = BUF_INIT;
	char host[200];

	for (int i = 0; i < 5000; i++) {
		CHECK(buf_add_str(&text, "*a") == 0);
	}
	CHECK(buf_add_str(&text, "b ssh-ed25519 " ED_A "\n") == 0);
	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	CHECK_INT(count(buf_text(&text), host, 22), 0);
}

TEST("a revoked key is revoked whatever else is said")
{
	const char *text = "a ssh-ed25519 " ED_A "\n@revoked * ssh-ed25519 " ED_A "\n";

	CHECK_INT(check(text, "a", 22, ED_A), KNOWN_REVOKED);
	CHECK_INT(check(text, "b", 22, ED_A), KNOWN_REVOKED);
	CHECK_INT(check(text, "a", 22, ED_B), KNOWN_CHANGED);
	CHECK_INT(check(text, "b", 22, ED_B), KNOWN_UNKNOWN);
	CHECK_INT(check("@revoked a ssh-ed25519 " ED_A "\na ssh-ed25519 " ED_A, "a", 22,
			ED_A),
		  KNOWN_REVOKED);
}

TEST("a key of another type is not a changed key")
{
	const char *text = "a ecdsa-sha2-nistp256 " EC_A "\n";

	CHECK_INT(check(text, "a", 22, ED_A), KNOWN_UNKNOWN);
	CHECK_INT(check(text, "a", 22, EC_A), KNOWN_MATCH);
}

TEST("one of several keys of a host is enough")
{
	const char *text = "a ssh-ed25519 " ED_A "\na ssh-ed25519 " ED_B "\n";

	CHECK_INT(check(text, "a", 22, ED_A), KNOWN_MATCH);
	CHECK_INT(check(text, "a", 22, ED_B), KNOWN_MATCH);
}

TEST("lines that cannot be read are skipped, and only those")
{
	const char *text = "a\n"
			   "a ssh-ed25519\n"
			   "a ssh-ed25519 !!!!\n"
			   "a ssh-ed25519 AAAA\n"
			   "a ssh-rsa " ED_B "\n" /* the type is another inside */
			   "|1|short|hash ssh-ed25519 " ED_A "\n"
			   "|1|noBar ssh-ed25519 " ED_A "\n"
			   "|1|||| ssh-ed25519 " ED_A "\n"
			   "@revoked\n"
			   "@unknown a ssh-ed25519 " ED_A "\n"
			   "@cert-authority a ssh-ed25519 " ED_A "\n"
			   "a 1024 35 1234567890\n"
			   "a ssh-ed25519 " ED_B "\n";
	cleanup_known_hosts struct known_hosts k = read_known(text, "a", 22);

	CHECK_INT(k.count, 1);
	CHECK_INT(k.keys[0].line, 13);
}

static void check_types(const char *text, int port, const char *want)
{
	cleanup_known_hosts struct known_hosts k = read_known(text, "a", port);
	cleanup_buf struct buf list = BUF_INIT;

	CHECK_INT(known_hosts_types(&k, &list), 0);
	CHECK_STR(buf_text(&list), want);
}

TEST("the host is asked for the types that are known")
{
	const char *all = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
			  "ecdsa-sha2-nistp521,ssh-rsa";

	check_types("", 22, all);
	check_types("b ecdsa-sha2-nistp256 " EC_A, 22, all);
	check_types("@revoked a ecdsa-sha2-nistp256 " EC_A, 22, all);
	check_types("a ecdsa-sha2-nistp256 " EC_A, 22, "ecdsa-sha2-nistp256");
	check_types("a ecdsa-sha2-nistp256 " EC_A "\na ssh-ed25519 " ED_A, 22,
		    "ssh-ed25519,ecdsa-sha2-nistp256");
	check_types("a ssh-rsa " RSA_A, 22, "ssh-rsa");
	check_types("a ecdsa-sha2-nistp256 " EC_A, 2222,
		    "ecdsa-sha2-nistp256,ssh-ed25519,ecdsa-sha2-nistp384,"
		    "ecdsa-sha2-nistp521,ssh-rsa");
}

TEST("a fingerprint looks as ssh-keygen prints it")
{
	cleanup_buf struct buf blob = BUF_INIT;
	char text[FINGERPRINT_MAX];

	CHECK_INT(base64_decode(ED_A, strlen(ED_A), &blob), 0);
	fingerprint(slice_of(&blob), text);
	CHECK_STR(text, ED_A_PRINT);
}

TEST("a key that is added is found, and the file is nobody else's")
{
	char path[] = "known_hosts.XXXXXX";
	cleanup_known_hosts struct known_hosts k = KNOWN_HOSTS_INIT;
	cleanup_buf struct buf blob = BUF_INIT;
	cleanup_close int fd = mkstemp(path);
	const struct known_key *found = NULL;
	struct err e = ERR_INIT;
	struct stat st;

	CHECK(fd >= 0 && unlink(path) == 0);
	CHECK_INT(base64_decode(ED_A, strlen(ED_A), &blob), 0);
	CHECK_INT(known_hosts_load(path, "A", 2222, &k, &e), 0);
	CHECK_INT(k.count, 0);
	CHECK_INT(known_hosts_append(path, "A", 2222, slice_of(&blob), &e), 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK_INT(known_hosts_load(path, "a", 2222, &k, &e), 0);
	CHECK_INT(known_hosts_check(&k, slice_of(&blob), &found), KNOWN_MATCH);
	CHECK(unlink(path) == 0);
	CHECK_INT(known_hosts_append("/nonexistent/known_hosts", "a", 22,
				     slice_of(&blob), &e),
		  -ENOENT);
	CHECK(strstr(e.text, "/nonexistent/known_hosts"));
	CHECK(known_hosts_load(".", "a", 22, &k, &e) < 0);
}

TEST("base64 is read strictly")
{
	static const char *const bad[] = { "",	    "A",    "AA",    "AAA",
					   "A===",  "A=A=", "====",  "AA =",
					   "AAA\n", "AA-_", "AAAA=", "AAAAAAA" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_buf struct buf b = BUF_INIT;

		CHECK_INT(base64_decode(bad[i], strlen(bad[i]), &b), -EINVAL);
		CHECK_INT(b.len, 0);
	}
	for (size_t len = 0; len < 100; len++) {
		cleanup_buf struct buf in = BUF_INIT, text = BUF_INIT, out = BUF_INIT;

		for (size_t i = 0; i < len; i++) {
			CHECK(buf_add_char(&in, (char)(i * 37)) == 0);
		}
		CHECK_INT(base64_encode(in.data, in.len, &text), 0);
		CHECK_INT(text.len, (len + 2) / 3 * 4);
		if (len > 0) {
			CHECK_INT(base64_decode(text.data, text.len, &out), 0);
			CHECK(slice_equal(slice_of(&in), slice_of(&out)));
		}
	}
}

TEST_MAIN
