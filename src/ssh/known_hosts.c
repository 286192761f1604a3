#include "ssh/known_hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "ssh/base64.h"
#include "ssh/file.h"
#include "util/mem.h"

enum {
	FILE_BYTES_MAX = 16 << 20,
	KEY_BYTES_MAX = 16 << 10,
	SHA1_LEN = 20,
	PORT_DEFAULT = 22,
};

/* What libssh2 1.10 has, the best first. ssh-rsa means SHA-1, which sshd has refused
 * since 8.8; an older one is still proved by the key that we know. */
static const char *const types[] = {
	"ssh-ed25519",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"ssh-rsa",
};

void known_hosts_fini(struct known_hosts *k)
{
	for (size_t i = 0; i < k->count; i++) {
		free(k->keys[i].type);
		buf_fini(&k->keys[i].blob);
	}
	free(k->keys);
	*k = (struct known_hosts)KNOWN_HOSTS_INIT;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

int known_hosts_name(const char *host, int port, struct buf *ret_name)
{
	if (port != PORT_DEFAULT) {
		(void)buf_add_char(ret_name, '[');
	}
	for (; *host; host++) {
		(void)buf_add_char(ret_name, lower(*host));
	}
	if (port != PORT_DEFAULT) {
		(void)buf_printf(ret_name, "]:%d", port);
	}
	return ret_name->error;
}

struct slice known_hosts_blob_type(struct slice blob)
{
	struct wire w = wire_of(blob.data, blob.len);

	return wire_get_string(&w);
}

void fingerprint(struct slice blob, char ret_text[static FINGERPRINT_MAX])
{
	unsigned char digest[EVP_MAX_MD_SIZE], text[EVP_MAX_MD_SIZE * 2];
	unsigned int len = 0;
	int n;

	if (EVP_Digest(blob.data, blob.len, digest, &len, EVP_sha256(), NULL) != 1) {
		len = 0;
	}
	n = EVP_EncodeBlock(text, digest, (int)len);
	while (n > 0 && text[n - 1] == '=') {
		n--;
	}
	(void)snprintf(ret_text, FINGERPRINT_MAX, "SHA256:%.*s", n, (const char *)text);
}

/* Removes the first word of a line and returns it; empty at the end. */
static struct slice next_word(struct slice *line)
{
	struct slice word;

	while (line->len > 0 && (*line->data == ' ' || *line->data == '\t')) {
		line->data++;
		line->len--;
	}
	word = (struct slice){ line->data, 0 };
	while (line->len > 0 && *line->data != ' ' && *line->data != '\t') {
		line->data++;
		line->len--;
		word.len++;
	}
	return word;
}

/* "|1|" salt "|" HMAC-SHA1(salt, name), both in base64. */
static bool hash_matches(struct slice pattern, const char *name)
{
	cleanup_buf struct buf salt = BUF_INIT, want = BUF_INIT;
	unsigned char have[EVP_MAX_MD_SIZE];
	unsigned int have_len = 0;
	struct slice rest = { pattern.data + 3, pattern.len - 3 };
	struct slice first = slice_cut(&rest, '|');

	if (base64_decode(first.data, first.len, &salt) < 0 ||
	    base64_decode(rest.data, rest.len, &want) < 0 || salt.len != SHA1_LEN ||
	    want.len != SHA1_LEN) {
		return false;
	}
	if (!HMAC(EVP_sha1(), salt.data, (int)salt.len, (const unsigned char *)name,
		  strlen(name), have, &have_len)) {
		return false;
	}
	return have_len == SHA1_LEN && memcmp(have, want.data, SHA1_LEN) == 0;
}

/* '*' and '?' as ssh_config(5) has them; goes back to the last star only, so that no
 * pattern takes for ever. */
static bool pattern_matches(struct slice pattern, const char *name)
{
	size_t p = 0, star = SIZE_MAX;
	const char *retry = NULL;

	while (*name) {
		char c = '\0';

		if (p < pattern.len) {
			c = lower(pattern.data[p]);
		}
		if (c == '*') {
			star = ++p;
			retry = name;
		} else if (c != '\0' && (c == '?' || c == *name)) {
			p++;
			name++;
		} else if (star != SIZE_MAX) {
			p = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*') {
		p++;
	}
	return p == pattern.len;
}

/* A comma-separated list; one that begins with '!' and matches rules the line out. */
static bool names_match(struct slice names, const char *name)
{
	bool found = false;

	if (names.len > 3 && memcmp(names.data, "|1|", 3) == 0) {
		return hash_matches(names, name);
	}
	while (names.len > 0) {
		struct slice pattern = slice_cut(&names, ',');
		bool rules_out = pattern.len > 0 && pattern.data[0] == '!';

		if (rules_out) {
			(void)slice_cut(&pattern, '!');
		}
		if (!pattern_matches(pattern, name)) {
			continue;
		}
		if (rules_out) {
			return false;
		}
		found = true;
	}
	return found;
}

struct reader {
	struct known_hosts *known;
	const char *name;	/* with the port, where it is not 22 */
	const char *plain_name; /* NULL when that is the same */
	size_t line;
};

static int add_key(struct known_hosts *k, struct known_key key)
{
	struct known_key *grown = realloc(k->keys, (k->count + 1) * sizeof(*grown));

	if (!grown) {
		free(key.type);
		buf_fini(&key.blob);
		return -ENOMEM;
	}
	grown[k->count++] = key;
	k->keys = grown;
	return 0;
}

/* The key of a line that names the host; nothing is added when it cannot be read. */
static int read_key(const struct reader *r, struct known_key key, struct slice type,
		    struct slice base64)
{
	cleanup_buf struct buf blob = BUF_INIT;
	int result;

	if (type.len == 0 || memchr(type.data, '\0', type.len) ||
	    base64.len > KEY_BYTES_MAX) {
		return 0;
	}
	result = base64_decode(base64.data, base64.len, &blob);
	if (result < 0) {
		return result == -ENOMEM ? result : 0;
	}
	if (!slice_equal(known_hosts_blob_type(slice_of(&blob)), type)) {
		return 0;
	}
	key.type = strndup(type.data, type.len);
	if (!key.type) {
		return -ENOMEM;
	}
	key.line = r->line;
	key.blob = blob;
	blob = (struct buf)BUF_INIT;
	return add_key(r->known, key);
}

static int read_line(const struct reader *r, struct slice line)
{
	struct known_key key = { .revoked = false };
	struct slice names, type;

	if (line.len > 0 && line.data[line.len - 1] == '\r') {
		line.len--;
	}
	names = next_word(&line);
	if (names.len == 0 || names.data[0] == '#') {
		return 0;
	}
	if (names.data[0] == '@') {
		if (!slice_is(names, "@revoked")) {
			return 0; /* @cert-authority: libssh2 knows no certificates */
		}
		key.revoked = true;
		names = next_word(&line);
	}
	if (!names_match(names, r->name)) {
		if (!r->plain_name || !names_match(names, r->plain_name)) {
			return 0;
		}
		key.any_port = true;
	}
	type = next_word(&line);
	return read_key(r, key, type, next_word(&line));
}

int known_hosts_parse(const char *text, size_t len, const char *host, int port,
		      struct known_hosts *ret_known)
{
	cleanup_buf struct buf name = BUF_INIT, plain = BUF_INIT;
	cleanup_known_hosts struct known_hosts known = KNOWN_HOSTS_INIT;
	struct reader r = { .known = &known };
	struct slice rest = { text, len };

	(void)known_hosts_name(host, port, &name);
	(void)known_hosts_name(host, PORT_DEFAULT, &plain);
	if (name.error || plain.error) {
		return -ENOMEM;
	}
	r.name = buf_text(&name);
	r.plain_name = port == PORT_DEFAULT ? NULL : buf_text(&plain);
	while (rest.len > 0) {
		int result;

		r.line++;
		result = read_line(&r, slice_cut(&rest, '\n'));
		if (result < 0) {
			return result;
		}
	}
	*ret_known = known;
	known = (struct known_hosts)KNOWN_HOSTS_INIT;
	return 0;
}

int known_hosts_load(const char *path, const char *host, int port,
		     struct known_hosts *ret_known, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	int result = file_read(path, FILE_BYTES_MAX, &text);

	if (result == 0 || result == -ENOENT) {
		result = known_hosts_parse(buf_text(&text), text.len, host, port,
					   ret_known);
	}
	if (result < 0) {
		return err_set(e, result, "cannot read the known host keys in %s: %s",
			       path, strerror(-result));
	}
	return 0;
}

enum known_verdict known_hosts_check(const struct known_hosts *k, struct slice blob,
				     const struct known_key **ret_key)
{
	struct slice type = known_hosts_blob_type(blob);
	enum known_verdict verdict = KNOWN_UNKNOWN;

	*ret_key = NULL;
	for (size_t i = 0; i < k->count; i++) {
		const struct known_key *key = &k->keys[i];

		if (slice_equal(slice_of(&key->blob), blob)) {
			verdict = key->revoked ? KNOWN_REVOKED : KNOWN_MATCH;
			*ret_key = key;
		} else if (verdict == KNOWN_UNKNOWN && !key->revoked &&
			   !key->any_port && slice_is(type, key->type)) {
			verdict = KNOWN_CHANGED;
			*ret_key = key;
		}
		if (verdict == KNOWN_REVOKED) {
			break; /* whatever other lines say */
		}
	}
	return verdict;
}

bool known_hosts_is_bound(const struct known_hosts *k)
{
	for (size_t i = 0; i < k->count; i++) {
		if (!k->keys[i].revoked && !k->keys[i].any_port) {
			return true;
		}
	}
	return false;
}

static bool has_type(const struct known_hosts *k, const char *type, bool with_any_port)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct known_key *key = &k->keys[i];

		if (!key->revoked && (with_any_port || !key->any_port) &&
		    streq(key->type, type)) {
			return true;
		}
	}
	return false;
}

static void add_name(struct buf *list, const char *name)
{
	(void)buf_printf(list, "%s%s", list->len > 0 ? "," : "", name);
}

int known_hosts_types(const struct known_hosts *k, struct buf *ret_list)
{
	bool bound = known_hosts_is_bound(k);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (has_type(k, types[i], !bound)) {
			add_name(ret_list, types[i]);
		}
	}
	for (size_t i = 0; !bound && i < ARRAY_SIZE(types); i++) {
		if (!has_type(k, types[i], true)) {
			add_name(ret_list, types[i]);
		}
	}
	return ret_list->error;
}

static int ends_in_newline(int fd)
{
	char last = '\n';
	off_t size = lseek(fd, 0, SEEK_END);

	if (size > 0 && pread(fd, &last, 1, size - 1) != 1) {
		return -EIO;
	}
	return last == '\n';
}

static int append_line(int fd, const char *host, int port, struct slice blob)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct slice type = known_hosts_blob_type(blob);
	int whole = ends_in_newline(fd);

	if (whole < 0) {
		return whole;
	}
	if (!whole) {
		(void)buf_add_char(&line, '\n');
	}
	(void)known_hosts_name(host, port, &line);
	(void)buf_printf(&line, " %.*s ", (int)type.len, type.data);
	(void)base64_encode(blob.data, blob.len, &line);
	(void)buf_add_char(&line, '\n');
	if (line.error) {
		return line.error;
	}
	/* One write in append mode: two daemons cannot mix their lines. */
	if (write(fd, line.data, line.len) != (ssize_t)line.len) {
		return errno ? -errno : -EIO;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int known_hosts_append(const char *path, const char *host, int port, struct slice blob,
		       struct err *e)
{
	cleanup_close int fd =
		open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	int result = fd < 0 ? -errno : append_line(fd, host, port, blob);

	if (result < 0) {
		return err_set(e, result, "cannot add the new host key to %s: %s", path,
			       strerror(-result));
	}
	return 0;
}
