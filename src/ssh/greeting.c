#include "ssh/greeting.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ssh/wire.h"
#include "util/mem.h"

enum {
	MSG_KEXINIT = 20,
	COOKIE_LEN = 16,
	LINE_SHOWN_MAX = 100,
};

struct line {
	struct slice text; /* without its end */
	size_t used;	   /* bytes with its end */
};

static struct line next_line(const char *data, size_t len)
{
	const char *end = memchr(data, '\n', len);
	struct line l = { { data, len }, len };

	if (end) {
		l.used = (size_t)(end - data) + 1;
		l.text.len = l.used - 1;
	}
	if (l.text.len > 0 && data[l.text.len - 1] == '\r') {
		l.text.len--;
	}
	return l;
}

static bool starts_with(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

static void add_printable(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.len && i < LINE_SHOWN_MAX; i++) {
		char c = s.data[i];

		(void)buf_add_char(b, (char)(c >= ' ' && c < 0x7f ? c : '?'));
	}
	if (s.len > LINE_SHOWN_MAX) {
		(void)buf_add_str(b, "...");
	}
}

/* Other lines may come before the version (RFC 4253, section 4.2). */
static bool find_version(const char *data, size_t len, struct line *ret_line,
			 size_t *ret_after)
{
	for (size_t at = 0; at < len;) {
		struct line l = next_line(data + at, len - at);

		at += l.used;
		if (starts_with(l.text, "SSH-")) {
			*ret_line = l;
			*ret_after = at;
			return true;
		}
	}
	return false;
}

void greeting_version(const char *data, size_t len, struct buf *ret_text)
{
	struct line version;
	size_t after;

	if (find_version(data, len, &version, &after)) {
		add_printable(ret_text, version.text);
	}
}

/* The first name-lists of SSH_MSG_KEXINIT (RFC 4253, section 7.1): key exchange, host
 * key, cipher there and back, MAC there and back. */
enum {
	LIST_KEX,
	LIST_HOST_KEY,
	LIST_CIPHER_OUT,
	LIST_CIPHER_IN,
	LIST_MAC_OUT,
	LIST_MAC_IN,
	LISTS
};

static bool read_lists(const char *data, size_t len, struct slice ret_lists[LISTS])
{
	struct line version;
	struct wire w;
	size_t after;

	if (!find_version(data, len, &version, &after)) {
		return false;
	}
	w = wire_of(data + after, len - after);
	(void)wire_get_u32(&w);
	(void)wire_get_byte(&w);
	if (wire_get_byte(&w) != MSG_KEXINIT) {
		return false;
	}
	(void)wire_get_bytes(&w, COOKIE_LEN);
	for (size_t i = 0; i < LISTS; i++) {
		ret_lists[i] = wire_get_string(&w);
	}
	return !w.bad;
}

int greeting_host_keys(const char *data, size_t len, struct buf *ret_list)
{
	struct slice lists[LISTS];

	if (!read_lists(data, len, lists)) {
		return -ENOENT;
	}
	for (size_t i = 0; i < lists[LIST_HOST_KEY].len; i++) {
		char c = lists[LIST_HOST_KEY].data[i];

		(void)buf_add_char(ret_list, (char)(c > ' ' && c < 0x7f ? c : '?'));
	}
	return ret_list->error;
}

static bool list_has(struct slice list, struct slice name)
{
	while (list.len > 0) {
		if (slice_equal(slice_cut(&list, ','), name)) {
			return true;
		}
	}
	return false;
}

static bool lists_meet(struct slice a, struct slice b)
{
	while (a.len > 0) {
		if (list_has(b, slice_cut(&a, ','))) {
			return true;
		}
	}
	return false;
}

int greeting_lists_meet(const char *a, const char *b)
{
	return lists_meet((struct slice){ a, strlen(a) },
			  (struct slice){ b, strlen(b) });
}

static bool explain_algorithms(const struct slice lists[LISTS],
			       const struct greeting_ours *ours, struct buf *ret_text)
{
	const struct {
		const char *what, *ours;
	} rows[LISTS] = {
		[LIST_KEX] = { "key exchanges", ours->key_exchange },
		[LIST_HOST_KEY] = { "host keys of the types", ours->host_key },
		[LIST_CIPHER_OUT] = { "ciphers", ours->cipher },
		[LIST_CIPHER_IN] = { "ciphers", ours->cipher },
		[LIST_MAC_OUT] = { "MACs", ours->mac },
		[LIST_MAC_IN] = { "MACs", ours->mac },
	};

	for (size_t i = 0; i < LISTS; i++) {
		struct slice mine = { rows[i].ours, strlen(rows[i].ours) };

		if (lists_meet(lists[i], mine)) {
			continue;
		}
		(void)buf_printf(ret_text, "offers only the %s ", rows[i].what);
		add_printable(ret_text, lists[i]);
		(void)buf_printf(ret_text, ", which libssh2 cannot use (it has %s)",
				 rows[i].ours);
		return true;
	}
	return false;
}

/* sshd says these in place of its version: MaxStartups, and the penalties of 9.8. */
static bool is_turning_away(struct slice first_line)
{
	return starts_with(first_line, "Exceeded MaxStartups") ||
	       starts_with(first_line, "Not allowed at this time");
}

enum greeting_kind greeting_explain(const char *data, size_t len,
				    const struct greeting_ours *ours,
				    struct buf *ret_text)
{
	struct slice lists[LISTS];
	struct line line;
	size_t after;

	if (len == 0) {
		(void)buf_add_str(ret_text, "says nothing");
		return GREETING_NOTHING;
	}
	if (!find_version(data, len, &line, &after)) {
		line = next_line(data, len);
		(void)buf_add_str(ret_text, "answers \"");
		add_printable(ret_text, line.text);
		(void)buf_add_char(ret_text, '"');
		if (is_turning_away(line.text)) {
			return GREETING_TURNED_AWAY;
		}
		(void)buf_add_str(ret_text, ": this is not an SSH server");
		return GREETING_NOT_SSH;
	}
	if (read_lists(data, len, lists) && explain_algorithms(lists, ours, ret_text)) {
		return GREETING_NO_COMMON;
	}
	return GREETING_SSH;
}
