#include "ssh/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "ssh/file.h"
#include "ssh/key_openssh.h"
#include "ssh/pkey.h"
#include "util/mem.h"

enum { FILE_BYTES_MAX = 64 << 10 };

static void bio_freep(BIO **b)
{
	(void)BIO_free(*b);
}
#define cleanup_bio cleanup_(bio_freep)

struct key *key_free(struct key *k)
{
	if (k) {
		free(k->label);
		buf_fini(&k->blob);
		buf_wipe(&k->file);
		EVP_PKEY_free(k->pkey);
		free(k);
	}
	return NULL;
}

struct key *key_free_all(struct key *first)
{
	while (first) {
		struct key *next = first->next;

		(void)key_free(first);
		first = next;
	}
	return NULL;
}

struct key *key_new(enum key_kind kind, const char *label)
{
	struct key *k = calloc(1, sizeof(*k));

	if (!k) {
		return NULL;
	}
	k->kind = kind;
	k->label = strdup(label);
	return k->label ? k : key_free(k);
}

struct slice key_type(const struct key *k)
{
	struct wire w = wire_of(k->blob.data, k->blob.len);

	return wire_get_string(&w);
}

bool key_is_rsa(const struct key *k)
{
	return slice_is(key_type(k), "ssh-rsa");
}

/* As ssh does: a private key that others can read is no secret any more. */
static int check_owner(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return err_set(e, -errno, "cannot read the key %s: %s", path,
			       strerror(errno));
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(e, -EINVAL, "the key %s is not a regular file", path);
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		return err_set(e, -EPERM,
			       "the key %s belongs to another user (uid %u), not to us",
			       path, (unsigned)st.st_uid);
	}
	if (st.st_mode & 077) {
		return err_set(e, -EPERM,
			       "the key %s is open to others (mode %04o) and so is not "
			       "used: chmod 600 %s",
			       path, (unsigned)(st.st_mode & 07777), path);
	}
	return 0;
}

/* A symbolic link of ours is as good as the file; who owns another one decides which
 * key we offer. */
static int check_link(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != geteuid() &&
	    st.st_uid != 0) {
		return err_set(
			e, -EPERM,
			"the key %s is a symbolic link of another user (uid %u), "
			"not of us",
			path, (unsigned)st.st_uid);
	}
	return 0;
}

static int read_file(const char *path, struct buf *ret_file, struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int result = check_link(path, e);

	if (result < 0) {
		return result;
	}
	if (fd < 0) {
		return err_set(e, -errno, "cannot read the key %s: %s", path,
			       strerror(errno));
	}
	result = check_owner(fd, path, e);
	if (result < 0) {
		return result;
	}
	result = file_read_fd(fd, FILE_BYTES_MAX, ret_file);
	if (result < 0) {
		return err_set(e, result, "cannot read the key %s: %s", path,
			       result == -EFBIG ? "it is too large for a key"
						: strerror(-result));
	}
	return 0;
}

struct pem_password {
	const char *text; /* NULL: none */
	bool asked;
};

/* Without a callback of ours OpenSSL would ask at the terminal. */
static int on_pem_password(char *to, int size, int writing, void *arg)
{
	struct pem_password *p = arg;
	size_t len = p->text ? strlen(p->text) : 0;

	(void)writing;
	p->asked = true;
	if (len == 0 || len > (size_t)size) {
		return -1;
	}
	memcpy(to, p->text, len);
	return (int)len;
}

static int read_pem(struct key *k, const char *passphrase, EVP_PKEY **ret_pkey,
		    struct err *e)
{
	struct pem_password password = { .text = passphrase };
	cleanup_bio BIO *bio = BIO_new_mem_buf(k->file.data, (int)k->file.len);

	if (!bio) {
		return err_set(e, -ENOMEM, "no memory");
	}
	*ret_pkey = PEM_read_bio_PrivateKey(bio, NULL, on_pem_password, &password);
	if (*ret_pkey) {
		return 0;
	}
	if (!password.asked) {
		return err_set(e, -EINVAL, "%s is not a private key that can be read",
			       k->label);
	}
	return err_set(e, -EACCES,
		       passphrase ? "the passphrase does not open the key %s"
				  : "the key %s is encrypted and no passphrase is set: "
				    "set one, or put the key into ssh-agent",
		       k->label);
}

static int report_type(const struct key *k, struct err *e)
{
	return err_set(e, -EOPNOTSUPP,
		       "the key %s is of a type that cannot be used here: make one of "
		       "ed25519, ecdsa or rsa",
		       k->label);
}

static int load_pem(struct key *k, const char *passphrase, struct err *e)
{
	int result = read_pem(k, passphrase, &k->pkey, e);

	if (result == 0 && pkey_add_blob(k->pkey, &k->blob) < 0) {
		return report_type(k, e);
	}
	return result;
}

/* An encrypted file: who opens it, or why nobody does. */
static int leave_to_libssh2(struct key *k, bool cipher_is_known, const char *passphrase,
			    struct err *e)
{
	k->kind = KEY_LOCKED;
	if (key_is_rsa(k)) {
		return err_set(
			e, -EACCES,
			"the key %s is encrypted RSA in OpenSSH's own format, which "
			"cannot be opened here: use ssh-agent, or convert it: "
			"ssh-keygen -p -m PEM -f %s",
			k->label, k->label);
	}
	if (!cipher_is_known) {
		return err_set(
			e, -EACCES,
			"the key %s is encrypted with a cipher that libssh2 does "
			"not have: ssh-keygen -p -Z aes256-ctr -f %s",
			k->label, k->label);
	}
	if (!passphrase) {
		return err_set(
			e, -EACCES,
			"the key %s is encrypted and no passphrase is set: set one, "
			"or put the key into ssh-agent",
			k->label);
	}
	k->kind = KEY_LIBSSH2;
	return 0;
}

static int load_openssh(struct key *k, const char *passphrase, struct err *e)
{
	struct key_openssh form = { .pkey = NULL };
	int result = key_openssh_read(&k->file, &form);

	k->blob = form.blob;
	k->pkey = form.pkey;
	if (result < 0) {
		return err_set(e, result, "%s is not a private key that can be read",
			       k->label);
	}
	if (!pkey_type_is_known(key_type(k))) {
		return report_type(k, e);
	}
	if (form.encrypted) {
		return leave_to_libssh2(k, form.cipher_is_known, passphrase, e);
	}
	return 0;
}

int key_load(const char *path, const char *passphrase, struct key **ret_key,
	     struct err *e)
{
	cleanup_key struct key *k = key_new(KEY_OWN, path);
	int result;

	*ret_key = NULL;
	if (!k) {
		return err_set(e, -ENOMEM, "no memory");
	}
	if (passphrase && !*passphrase) {
		passphrase = NULL;
	}
	result = read_file(path, &k->file, e);
	if (result < 0) {
		return result;
	}
	result = key_openssh_is(&k->file) ? load_openssh(k, passphrase, e)
					  : load_pem(k, passphrase, e);
	if (k->kind != KEY_LIBSSH2) {
		buf_wipe(&k->file);
	}
	if (result == 0 || k->kind == KEY_LOCKED) {
		*ret_key = steal_ptr(&k);
	}
	return result;
}
