#include "ssh/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ssh/auth.h"
#include "ssh/greeting.h"
#include "ssh/known_hosts.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

enum { WHERE_MAX = 300 };

/* Without the ones of libssh2's that no one should use any more (CBC, arcfour, 3des,
 * MD5, group1). */
static const char key_exchanges[] =
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
	"ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512,"
	"diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha256,"
	"diffie-hellman-group14-sha256,diffie-hellman-group14-sha1";
static const char ciphers[] = "aes128-ctr,aes256-ctr,aes192-ctr";
static const char macs[] = "hmac-sha2-256,hmac-sha2-512,hmac-sha1";

struct attempt {
	const struct remote_config *config;
	struct waiter *waiter;
	struct link *link;
	struct known_hosts known;
	struct buf host_keys; /* the types to ask for */
	int64_t deadline_ms;
	char where[WHERE_MAX]; /* "NAME (ADDRESS:PORT)" */
};

static int load_known(struct attempt *a, struct err *e)
{
	const struct remote_config *c = a->config;
	int result =
		known_hosts_load(c->known_hosts, c->address, c->port, &a->known, e);

	if (result == -ENOMEM) {
		return result;
	}
	if (result < 0) {
		return REMOTE_HOST_KEY;
	}
	result = known_hosts_types(&a->known, &a->host_keys);
	if (result < 0) {
		return err_set(e, result, "no memory");
	}
	if (a->host_keys.len == 0) {
		(void)err_set(
			e, -ENOKEY,
			"%s knows %s only by a key of the type %s, which libssh2 does "
			"not have: ssh-keyscan -p %d -t ed25519,ecdsa %s",
			c->known_hosts, c->name, a->known.keys[0].type, c->port,
			c->address);
		return REMOTE_HOST_KEY;
	}
	return 0;
}

static int set_methods(struct attempt *a)
{
	LIBSSH2_SESSION *s = a->link->session;

	if (libssh2_session_method_pref(s, LIBSSH2_METHOD_KEX, key_exchanges) ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_HOSTKEY,
					buf_text(&a->host_keys)) ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_CRYPT_CS, ciphers) ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_CRYPT_SC, ciphers) ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_MAC_CS, macs) ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_MAC_SC, macs)) {
		return -EIO;
	}
	return 0;
}

/* The host has none of the key types that we know of it. */
static int report_bound(const struct attempt *a, struct err *e)
{
	const struct remote_config *c = a->config;
	const struct buf *g = &a->link->greeting;
	cleanup_buf struct buf offered = BUF_INIT;

	(void)greeting_host_keys(g->data, g->len, &offered);
	(void)err_set(
		e, -ENOKEY,
		"%s offers host keys of the types %s, but %s knows it by %s only: "
		"check the key of another type and add it: ssh-keyscan -p %d -t "
		"ed25519,ecdsa %s",
		a->where, buf_text(&offered), c->known_hosts, buf_text(&a->host_keys),
		c->port, c->address);
	return REMOTE_HOST_KEY;
}

/* Whether it would have been another story, had the host not been known. */
static bool is_bound_only(const struct attempt *a)
{
	static const struct known_hosts nothing = KNOWN_HOSTS_INIT;
	const struct buf *g = &a->link->greeting;
	cleanup_buf struct buf offered = BUF_INIT, all = BUF_INIT;

	if (!known_hosts_is_bound(&a->known) ||
	    greeting_host_keys(g->data, g->len, &offered) < 0 ||
	    known_hosts_types(&nothing, &all) < 0) {
		return false;
	}
	return !greeting_lists_meet(buf_text(&offered), buf_text(&a->host_keys)) &&
	       greeting_lists_meet(buf_text(&offered), buf_text(&all));
}

static int report_closed(const struct attempt *a, int error, struct err *e)
{
	const struct link *l = a->link;

	if (error == -ETIMEDOUT) {
		(void)err_set(e, -EHOSTUNREACH,
			      "%s %s: no end of the handshake in %d s", a->where,
			      l->greeting.len > 0 ? "stopped answering"
						  : "says nothing",
			      (a->config->auth_timeout_ms + 999) / 1000);
	} else {
		(void)err_set(e, -EHOSTUNREACH, "%s broke off the handshake%s: %s%s",
			      a->where,
			      l->greeting.len > 0 ? "" : " before it said a word",
			      link_reason(l),
			      l->greeting.len > 0
				      ? ""
				      : " (its sshd may be starting, or have too many "
					"connections)");
	}
	return REMOTE_UNREACHABLE;
}

static int report_handshake(struct attempt *a, int error, struct err *e)
{
	const struct greeting_ours ours = { key_exchanges, buf_text(&a->host_keys),
					    ciphers, macs };
	const struct buf *g = &a->link->greeting;
	cleanup_buf struct buf text = BUF_INIT;

	if (error == -ECANCELED) {
		return err_set(e, error, "the handshake with %s was given up",
			       a->where);
	}
	if (is_bound_only(a)) {
		return report_bound(a, e);
	}
	switch (greeting_explain(g->data, g->len, &ours, &text)) {
	case GREETING_TURNED_AWAY:
		(void)err_set(e, -EHOSTUNREACH, "%s %s", a->where, buf_text(&text));
		return REMOTE_UNREACHABLE;
	case GREETING_NOT_SSH:
	case GREETING_NO_COMMON:
		(void)err_set(e, -EPROTO, "%s %s", a->where, buf_text(&text));
		return REMOTE_PROTOCOL;
	case GREETING_NOTHING:
	case GREETING_SSH:
		break;
	}
	if (error < 0) {
		return report_closed(a, error, e);
	}
	(void)err_set(e, -EPROTO, "the handshake with %s failed: %s", a->where,
		      link_message(a->link));
	return REMOTE_PROTOCOL;
}

static int shake_hands(struct attempt *a, struct err *e)
{
	struct link *l = a->link;
	int code, result = 0;

	if (set_methods(a) < 0) {
		return err_set(e, -EIO, "libssh2 takes none of our algorithms: %s",
			       link_message(l));
	}
	do {
		link_refill(l);
		code = libssh2_session_handshake(l->session, l->fd);
		if (code == LIBSSH2_ERROR_EAGAIN) {
			result = link_wait(l, a->waiter, a->deadline_ms);
		}
	} while (code == LIBSSH2_ERROR_EAGAIN && result == 0);
	if (result == 0 && code != 0) {
		result = l->error ? l->error : 1;
	}
	if (result != 0) {
		result = report_handshake(a, result, e);
	}
	l->greeting_is_over = true;
	return result;
}

static int report_unknown(const struct attempt *a, struct slice type, const char *print,
			  struct err *e)
{
	const struct remote_config *c = a->config;
	cleanup_buf struct buf scan = BUF_INIT;
	bool is_ecdsa = type.len > 5 && memcmp(type.data, "ecdsa", 5) == 0;

	(void)buf_printf(&scan, "ssh-keyscan -H -p %d -t %s %s >> %s", c->port,
			 is_ecdsa ? "ecdsa" : "ed25519", c->address, c->known_hosts);
	(void)err_set(
		e, -ENOKEY,
		"the host key of %s is not in %s: it shows %.*s %s. If that is the "
		"fingerprint that the host's owner reads with ssh-keygen -l, add it: "
		"%s",
		a->where, c->known_hosts, (int)type.len, type.data, print,
		buf_text(&scan));
	return REMOTE_HOST_KEY;
}

static int report_changed(const struct attempt *a, const struct known_key *key,
			  const char *print, struct err *e)
{
	const struct remote_config *c = a->config;
	cleanup_buf struct buf name = BUF_INIT;
	char known[FINGERPRINT_MAX];

	(void)known_hosts_name(c->address, c->port, &name);
	fingerprint(slice_of(&key->blob), known);
	(void)err_set(
		e, -EKEYREJECTED,
		"the host key of %s HAS CHANGED: it shows %s %s, but line %zu of %s "
		"has %s. Somebody may be in between; nothing was sent. If the host "
		"was set up anew: ssh-keygen -R '%s' -f %s, and add its new key",
		a->where, key->type, print, key->line, c->known_hosts, known,
		buf_text(&name), c->known_hosts);
	return REMOTE_HOST_KEY;
}

static int accept_new(const struct attempt *a, struct slice blob, const char *print,
		      struct err *e)
{
	const struct remote_config *c = a->config;
	int result = known_hosts_append(c->known_hosts, c->address, c->port, blob, e);

	if (result < 0) {
		return REMOTE_HOST_KEY;
	}
	log_warning("host %s: its key %s was not known and has been added to %s",
		    a->where, print, c->known_hosts);
	return 0;
}

static int verify_host(struct attempt *a, struct err *e)
{
	const struct known_key *key = NULL;
	char print[FINGERPRINT_MAX];
	struct slice blob;
	int type = 0;

	blob.data = libssh2_session_hostkey(a->link->session, &blob.len, &type);
	if (!blob.data) {
		(void)err_set(e, -EPROTO, "%s shows no host key", a->where);
		return REMOTE_PROTOCOL;
	}
	fingerprint(blob, print);
	switch (known_hosts_check(&a->known, blob, &key)) {
	case KNOWN_MATCH:
		return 0;
	case KNOWN_REVOKED:
		(void)err_set(
			e, -EKEYREVOKED,
			"the host key of %s, %s %s, is marked @revoked in line %zu of "
			"%s: nothing was sent",
			a->where, key->type, print, key->line, a->config->known_hosts);
		return REMOTE_HOST_KEY;
	case KNOWN_CHANGED:
		return report_changed(a, key, print, e);
	case KNOWN_UNKNOWN:
		break;
	}
	if (a->config->accept_new && !known_hosts_is_bound(&a->known)) {
		return accept_new(a, blob, print, e);
	}
	return report_unknown(a, known_hosts_blob_type(blob), print, e);
}

static int log_in(struct attempt *a, struct auth *auth, struct err *e)
{
	int result = shake_hands(a, e);

	if (result == 0) {
		result = verify_host(a, e);
	}
	if (result == 0) {
		result = auth_run(auth, a->link, a->where, a->deadline_ms, e);
	}
	return result;
}

static void describe(const struct attempt *a, struct buf *ret_text)
{
	const struct buf *g = &a->link->greeting;
	LIBSSH2_SESSION *s = a->link->session;

	(void)buf_printf(ret_text, "connected to %s as %s (", a->where,
			 a->config->user);
	greeting_version(g->data, g->len, ret_text);
	(void)buf_printf(ret_text, ", %s, %s)",
			 libssh2_session_methods(s, LIBSSH2_METHOD_HOSTKEY),
			 libssh2_session_methods(s, LIBSSH2_METHOD_CRYPT_CS));
}

static int connect_link(struct connector *c, struct attempt *a, struct auth *auth,
			struct err *e)
{
	struct dial_peer peer;
	int fd = -1, result = dial_connect(&c->dial, &fd, &peer, e);

	if (result != 0) {
		return result;
	}
	(void)snprintf(a->where, sizeof(a->where), "%s (%s)", a->config->name,
		       peer.text);
	a->deadline_ms = clock_ms() + a->config->auth_timeout_ms;
	result = link_open(a->link, fd, c->counters);
	if (result < 0) {
		return err_set(e, result, "no memory");
	}
	return log_in(a, auth, e);
}

int connector_run(struct connector *c, struct link *ret_link, struct buf *ret_text,
		  struct err *e)
{
	struct attempt a = { .config = c->config,
			     .waiter = c->dial.waiter,
			     .link = ret_link };
	struct auth auth;
	int result = auth_init(&auth, c->config, a.waiter, e);

	if (result == 0) {
		result = load_known(&a, e);
	}
	if (result == 0) {
		result = connect_link(c, &a, &auth, e);
	}
	if (result == 0) {
		describe(&a, ret_text);
	} else {
		link_close(ret_link);
	}
	auth_fini(&auth);
	known_hosts_fini(&a.known);
	buf_fini(&a.host_keys);
	return result;
}
