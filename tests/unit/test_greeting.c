#include "test.h"

#include <errno.h>

#include "ssh/greeting.h"
#include "ssh/wire.h"
#include "util/mem.h"

static const struct greeting_ours ours = { .key_exchange = "curve25519-sha256,kex-b",
					   .host_key = "ssh-ed25519,ssh-rsa",
					   .cipher = "aes128-ctr",
					   .mac = "hmac-sha2-256" };

struct lists {
	const char *kex, *host_key, *cipher_out, *cipher_in, *mac_out, *mac_in;
};

static const struct lists good = {
	"x,kex-b",	  "ssh-ed25519",     "aes128-ctr",
	"y,aes128-ctr,z", "hmac-sha2-256,m", "hmac-sha2-256"
};

static void add_list(struct buf *b, const char *list)
{
	CHECK_INT(wire_add_string(b, list, strlen(list)), 0);
}

static void make_greeting(struct buf *b, const char *before, const struct lists *lists)
{
	CHECK_INT(buf_add_str(b, before), 0);
	CHECK_INT(wire_add_u32(b, 1000), 0);
	CHECK_INT(buf_add_char(b, 4), 0);
	CHECK_INT(buf_add(b,
			  "\x14"
			  "0123456789abcdef",
			  17),
		  0);
	add_list(b, lists->kex);
	add_list(b, lists->host_key);
	add_list(b, lists->cipher_out);
	add_list(b, lists->cipher_in);
	add_list(b, lists->mac_out);
	add_list(b, lists->mac_in);
}

static void check_lists(const struct lists *lists, enum greeting_kind kind,
			const char *text)
{
	cleanup_buf struct buf greeting = BUF_INIT, said = BUF_INIT;

	make_greeting(&greeting, "SSH-2.0-x\r\n", lists);
	CHECK_INT(greeting_explain(greeting.data, greeting.len, &ours, &said), kind);
	CHECK_STR(buf_text(&said), text);
}

TEST("algorithms in common are nothing to talk about")
{
	check_lists(&good, GREETING_SSH, "");
}

TEST("the list with nothing in common is named")
{
	struct lists l = good;

	l.kex = "sntrup761x25519-sha512@openssh.com,kex";
	check_lists(
		&l, GREETING_NO_COMMON,
		"offers only the key exchanges sntrup761x25519-sha512@openssh.com,kex, "
		"which libssh2 cannot use (it has curve25519-sha256,kex-b)");
	l = good;
	l.host_key = "rsa-sha2-512,ssh-rsa2";
	check_lists(
		&l, GREETING_NO_COMMON,
		"offers only the host keys of the types rsa-sha2-512,ssh-rsa2, which "
		"libssh2 cannot use (it has ssh-ed25519,ssh-rsa)");
	l = good;
	l.cipher_in = "aes256-gcm@openssh.com";
	check_lists(
		&l, GREETING_NO_COMMON,
		"offers only the ciphers aes256-gcm@openssh.com, which libssh2 cannot "
		"use (it has aes128-ctr)");
	l = good;
	l.mac_out = "";
	check_lists(&l, GREETING_NO_COMMON,
		    "offers only the MACs , which libssh2 cannot use (it has "
		    "hmac-sha2-256)");
}

TEST("the host key types are read behind other lines and the version")
{
	cleanup_buf struct buf greeting = BUF_INIT, list = BUF_INIT, version = BUF_INIT;

	make_greeting(&greeting, "Welcome\nto the host\r\nSSH-2.0-x y\n", &good);
	CHECK_INT(greeting_host_keys(greeting.data, greeting.len, &list), 0);
	CHECK_STR(buf_text(&list), "ssh-ed25519");
	greeting_version(greeting.data, greeting.len, &version);
	CHECK_STR(buf_text(&version), "SSH-2.0-x y");
}

TEST("a greeting that is cut anywhere is read without harm")
{
	cleanup_buf struct buf greeting = BUF_INIT;

	make_greeting(&greeting, "SSH-2.0-x\r\n", &good);
	for (size_t len = 0; len < greeting.len; len++) {
		cleanup_buf struct buf said = BUF_INIT, list = BUF_INIT;
		char *copy = malloc(len + (len == 0));

		CHECK(copy != NULL);
		memcpy(copy, greeting.data, len);
		(void)greeting_explain(copy, len, &ours, &said);
		CHECK_INT(greeting_host_keys(copy, len, &list), -ENOENT);
		free(copy);
	}
}

static void check_said(const char *bytes, enum greeting_kind kind, const char *text)
{
	cleanup_buf struct buf said = BUF_INIT;

	CHECK_INT(greeting_explain(bytes, strlen(bytes), &ours, &said), kind);
	CHECK_STR(buf_text(&said), text);
}

TEST("what is not SSH is quoted, in print")
{
	check_said("", GREETING_NOTHING, "says nothing");
	check_said("220 ftp\r\n", GREETING_NOT_SSH,
		   "answers \"220 ftp\": this is not an SSH server");
	check_said("\x1b[31mred\xff", GREETING_NOT_SSH,
		   "answers \"?[31mred?\": this is not an SSH server");
	check_said("Exceeded MaxStartups\r\n", GREETING_TURNED_AWAY,
		   "answers \"Exceeded MaxStartups\"");
	check_said("Not allowed at this time\r\n", GREETING_TURNED_AWAY,
		   "answers \"Not allowed at this time\"");
	check_said("SSH-2.0-x", GREETING_SSH, "");
}

TEST("a long line is cut")
{
	cleanup_buf struct buf said = BUF_INIT;
	char line[1000];

	memset(line, 'x', sizeof(line));
	CHECK_INT(greeting_explain(line, sizeof(line), &ours, &said), GREETING_NOT_SSH);
	CHECK(said.len < 200 && strstr(said.data, "xxx..."));
}

TEST("lists meet by whole names")
{
	CHECK(greeting_lists_meet("a,b", "c,b"));
	CHECK(!greeting_lists_meet("a,bb", "b,aa"));
	CHECK(!greeting_lists_meet("", "a"));
	CHECK(!greeting_lists_meet("a", ""));
}

TEST_MAIN
