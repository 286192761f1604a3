#include "ssh/auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/base64.h"
#include "ssh/pkey.h"
#include "util/clock.h"
#include "util/mem.h"

enum { AGENT_LIST_MS = 3000 };

static void add_note(struct auth *a, const char *text)
{
	(void)buf_printf(&a->notes, "%s%s", a->notes.len > 0 ? "; " : "", text);
}

static int load_identities(struct auth *a)
{
	struct key **tail = &a->keys;

	for (size_t i = 0; a->config->identities && a->config->identities[i]; i++) {
		struct err e = ERR_INIT;
		int result = key_load(a->config->identities[i], a->config->passphrase,
				      tail, &e);

		if (result == -ENOMEM) {
			return result;
		}
		if (result < 0) {
			add_note(a, e.text);
		}
		if (*tail) {
			tail = &(*tail)->next;
		}
	}
	return 0;
}

static struct key *find_blob(struct key *first, const struct key *like)
{
	for (struct key *k = first; k && like->blob.len > 0; k = k->next) {
		if (slice_equal(slice_of(&k->blob), slice_of(&like->blob))) {
			return k;
		}
	}
	return NULL;
}

/* One that the agent has open for a file that we could not open takes the place of that
 * file, and one that a file gave already is dropped. */
static bool is_merged(struct auth *a, struct key *k)
{
	struct key *own = find_blob(a->keys, k);

	if (!own) {
		return false;
	}
	if (own->kind == KEY_LOCKED) {
		own->kind = KEY_AGENT;
		free(own->label);
		own->label = steal_ptr(&k->label);
	}
	(void)key_free(k);
	return true;
}

/* The agent's keys go behind the files. */
static void merge_agent(struct auth *a, struct key *first)
{
	struct key **tail = &a->keys;

	while (*tail) {
		tail = &(*tail)->next;
	}
	while (first) {
		struct key *k = first;

		first = k->next;
		k->next = NULL;
		if (!is_merged(a, k)) {
			*tail = k;
			tail = &k->next;
		}
	}
}

static int load_agent(struct auth *a)
{
	const char *path = getenv("SSH_AUTH_SOCK");
	struct key *first = NULL;
	int result;

	if (!path || !*path) {
		add_note(a, "SSH_AUTH_SOCK is not set, so there is no ssh-agent");
		return 0;
	}
	result = agent_open(&a->agent, path, a->waiter, clock_ms() + AGENT_LIST_MS);
	if (result == 0) {
		result = agent_list(&a->agent, &first);
	}
	if (result == -ECANCELED || result == -ENOMEM) {
		return result;
	}
	if (result < 0) {
		cleanup_buf struct buf text = BUF_INIT;

		(void)buf_printf(&text, "the ssh-agent at %s does not answer: %s", path,
				 strerror(-result));
		add_note(a, buf_text(&text));
		agent_close(&a->agent);
		return 0;
	}
	if (!first) {
		add_note(a, "the ssh-agent holds no key");
	}
	merge_agent(a, first);
	return 0;
}

static bool has_key(const struct auth *a)
{
	for (const struct key *k = a->keys; k; k = k->next) {
		if (k->kind != KEY_LOCKED) {
			return true;
		}
	}
	return false;
}

int auth_init(struct auth *a, const struct remote_config *config, struct waiter *w,
	      struct err *e)
{
	int result;

	*a = (struct auth){ .config = config, .waiter = w, .agent = { .fd = -1 } };
	result = load_identities(a);
	if (result == 0 && config->use_agent) {
		result = load_agent(a);
	}
	if (result < 0) {
		return err_set(e, result, "reading the keys for %s: %s", config->name,
			       strerror(-result));
	}
	if (!has_key(a)) {
		(void)err_set(e, -ENOKEY, "no key for %s@%s: %s", config->user,
			      config->name,
			      a->notes.len > 0 ? buf_text(&a->notes)
					       : "none is configured, and ssh-agent is "
						 "not used");
		return REMOTE_IDENTITY;
	}
	return 0;
}

void auth_fini(struct auth *a)
{
	agent_close(&a->agent);
	a->keys = key_free_all(a->keys);
	buf_fini(&a->notes);
}

/* One key on its way to the host. */
struct offer {
	struct auth *auth;
	struct link *link;
	const struct key *key;
	struct buf name; /* KEY_OWN, KEY_AGENT: the public half as it is sent;
			  * KEY_LIBSSH2: as text, so that an encrypted file is opened
			  * only when the host takes the key */
	int signing;	 /* why the signature could not be made, negative errno */
};

/* OpenSSH takes the name of the signature from the first string of the key, where
 * libssh2 puts what it finds in the blob: so this blob says rsa-sha2-512. Its other
 * fields stay. */
static int name_rsa_sha2(const struct key *k, struct buf *ret_blob)
{
	static const char name[] = "rsa-sha2-512";
	struct wire w = wire_of(k->blob.data, k->blob.len);

	(void)wire_get_string(&w);
	(void)wire_add_string(ret_blob, name, strlen(name));
	return buf_add(ret_blob, w.data, w.left);
}

static int name_key(const struct key *k, struct buf *ret_name)
{
	struct slice type = key_type(k);

	if (k->kind != KEY_LIBSSH2) {
		return key_is_rsa(k) ? name_rsa_sha2(k, ret_name)
				     : buf_add(ret_name, k->blob.data, k->blob.len);
	}
	(void)buf_add(ret_name, type.data, type.len);
	(void)buf_add_char(ret_name, ' ');
	return base64_encode(k->blob.data, k->blob.len, ret_name);
}

/* Called by libssh2, which frees the signature with the session's allocator. */
static int on_sign(LIBSSH2_SESSION *session, unsigned char **ret_signature,
		   size_t *ret_len, const unsigned char *data, size_t len,
		   void **abstract)
{
	struct offer *o = *abstract;
	cleanup_buf struct buf signature = BUF_INIT;
	struct slice what = { (const char *)data, len };

	(void)session;
	o->signing = o->key->kind == KEY_OWN
			     ? pkey_sign(o->key->pkey, what, &signature)
			     : agent_sign(&o->auth->agent, o->key, what, &signature);
	if (o->signing < 0) {
		return -1;
	}
	*ret_signature = pool_alloc(&o->link->pool, signature.len);
	if (!*ret_signature) {
		return -1;
	}
	memcpy(*ret_signature, signature.data, signature.len);
	*ret_len = signature.len;
	return 0;
}

static int try_once(struct offer *o)
{
	const struct remote_config *c = o->auth->config;
	LIBSSH2_SESSION *session = o->link->session;
	void *abstract = o;

	link_refill(o->link);
	if (o->key->kind == KEY_LIBSSH2) {
		/* Never NULL for a passphrase: libssh2 would take its length. */
		return libssh2_userauth_publickey_frommemory(
			session, c->user, strlen(c->user), o->name.data, o->name.len,
			o->key->file.data, o->key->file.len,
			c->passphrase ? c->passphrase : "");
	}
	return libssh2_userauth_publickey(session, c->user,
					  (const unsigned char *)o->name.data,
					  o->name.len, on_sign, &abstract);
}

enum offer_outcome {
	OFFER_TAKEN,
	OFFER_REFUSED,	/* by the host */
	OFFER_UNUSABLE, /* by us: the key could not be opened or did not sign */
};

/* The signature is the second packet: when that never went out, it is our side that
 * failed. libssh2's own codes do not tell. */
static int judge(const struct offer *o, int code, unsigned packets)
{
	if (code == 0) {
		return OFFER_TAKEN;
	}
	if (code == LIBSSH2_ERROR_AUTHENTICATION_FAILED || packets >= 2) {
		return OFFER_REFUSED;
	}
	return o->link->error ? o->link->error : OFFER_UNUSABLE;
}

static int offer_run(struct offer *o, int64_t deadline_ms)
{
	unsigned before = o->link->sends;
	int code, result = 0;

	do {
		code = try_once(o);
		if (code == LIBSSH2_ERROR_EAGAIN) {
			result = link_wait(o->link, o->auth->waiter, deadline_ms);
		}
	} while (code == LIBSSH2_ERROR_EAGAIN && result == 0);
	if (result < 0) {
		return result;
	}
	if (code != 0 && o->link->error) {
		return o->link->error;
	}
	return judge(o, code, o->link->sends - before);
}

static void note_unusable(struct auth *a, const struct offer *o)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (o->key->kind == KEY_LIBSSH2) {
		(void)buf_printf(&text, "the passphrase does not open the key %s",
				 o->key->label);
	} else if (o->key->kind == KEY_AGENT && o->signing == -EACCES) {
		(void)buf_printf(&text, "the agent refused to sign with %s",
				 o->key->label);
	} else {
		(void)buf_printf(&text, "cannot sign with %s: %s", o->key->label,
				 strerror(-o->signing));
	}
	add_note(a, buf_text(&text));
}

static int offer_key(struct auth *a, struct link *l, const struct key *k,
		     int64_t deadline_ms)
{
	struct offer o = { .auth = a, .link = l, .key = k };
	int result = name_key(k, &o.name);

	if (result == 0) {
		result = offer_run(&o, deadline_ms);
	}
	if (result == OFFER_UNUSABLE) {
		note_unusable(a, &o);
	}
	buf_fini(&o.name);
	return result;
}

static int report_broken(struct link *l, const char *where, int error, struct err *e)
{
	if (error == -ECANCELED || error == -ENOMEM) {
		return err_set(e, error, "logging in to %s: %s", where,
			       strerror(-error));
	}
	(void)err_set(e, -EHOSTUNREACH, "%s broke off while we logged in: %s", where,
		      error == -ETIMEDOUT ? "no answer in time" : link_reason(l));
	return REMOTE_UNREACHABLE;
}

struct tally {
	struct buf tried; /* those that the host refused, ", " between them */
	size_t offered;
	size_t left; /* over the limit */
};

static int report_refused(const struct auth *a, const struct link *l, const char *where,
			  const struct tally *t, struct err *e)
{
	const char *user = a->config->user;
	cleanup_buf struct buf rest = BUF_INIT;

	if (t->tried.len == 0) {
		(void)err_set(e, -ENOKEY, "no key for %s@%s: %s", user, where,
			      buf_text(&a->notes));
		return REMOTE_IDENTITY;
	}
	if (a->notes.len > 0) {
		(void)buf_printf(&rest, "; %s", buf_text(&a->notes));
	}
	if (t->left > 0) {
		(void)buf_printf(&rest,
				 "; %zu more were not tried, for sshd hangs up after "
				 "a few",
				 t->left);
	}
	if (*l->farewell) {
		(void)buf_printf(&rest, "; it said: %s", l->farewell);
	}
	(void)err_set(
		e, -EACCES,
		"%s takes none of the keys for the user %s: %s%s. The public half of "
		"one must be in ~%s/.ssh/authorized_keys there",
		where, user, buf_text(&t->tried), buf_text(&rest), user);
	return REMOTE_AUTH;
}

/* 0 when a key was taken. */
static int offer_all(struct auth *a, struct link *l, int64_t deadline_ms,
		     struct tally *t)
{
	for (const struct key *k = a->keys; k; k = k->next) {
		int result;

		if (k->kind == KEY_LOCKED) {
			continue;
		}
		if (t->offered == AUTH_TRIES_MAX) {
			t->left++;
			continue;
		}
		t->offered++;
		result = offer_key(a, l, k, deadline_ms);
		if (result == OFFER_TAKEN) {
			return 0;
		}
		if (result == OFFER_REFUSED) {
			(void)buf_printf(&t->tried, "%s%s",
					 t->tried.len > 0 ? ", " : "", k->label);
		} else if (result < 0) {
			return result;
		}
	}
	return OFFER_REFUSED;
}

int auth_run(struct auth *a, struct link *l, const char *where, int64_t deadline_ms,
	     struct err *e)
{
	struct tally t = { .tried = BUF_INIT };
	int result;

	a->agent.deadline_ms = deadline_ms;
	result = offer_all(a, l, deadline_ms, &t);
	if (result > 0 ||
	    (result < 0 && strstr(l->farewell, "authentication failures"))) {
		result = report_refused(a, l, where, &t, e);
	} else if (result < 0) {
		result = report_broken(l, where, result, e);
	}
	buf_fini(&t.tried);
	return result;
}
