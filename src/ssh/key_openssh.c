#include "ssh/key_openssh.h"

#include <errno.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "ssh/base64.h"
#include "ssh/file.h"
#include "ssh/wire.h"
#include "util/mem.h"

static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char foot[] = "-----END OPENSSH PRIVATE KEY-----";
static const char magic[] = "openssh-key-v1"; /* with its NUL */

static void number_freep(BIGNUM **n)
{
	BN_clear_free(*n);
}
#define cleanup_number cleanup_(number_freep)

bool key_openssh_is(const struct buf *file)
{
	return file->data && strstr(file->data, head) != NULL;
}

static int decode(const struct buf *file, struct buf *ret_data)
{
	cleanup_buf_wipe struct buf text = BUF_INIT;
	const char *from = strstr(file->data, head);
	const char *to = from ? strstr(from, foot) : NULL;

	if (!to) {
		return -EINVAL;
	}
	from += strlen(head);
	if (!buf_reserve(&text, (size_t)(to - from))) {
		return text.error;
	}
	for (; from < to; from++) {
		if (!strchr("\r\n \t", *from)) {
			(void)buf_add_char(&text, *from);
		}
	}
	return base64_decode(buf_text(&text), text.len, ret_data);
}

/* libssh2 takes the ciphers of its transport, so not the ones with a tag of their own.
 */
static bool cipher_is_known(struct slice cipher)
{
	static const char *const known[] = { "none",	   "aes128-ctr", "aes192-ctr",
					     "aes256-ctr", "aes128-cbc", "aes192-cbc",
					     "aes256-cbc" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(cipher, known[i])) {
			return true;
		}
	}
	return false;
}

static BIGNUM *get_mpint(struct wire *w)
{
	struct slice s = wire_get_string(w);

	if (w->bad || s.len == 0 || s.len > (16384 / 8) + 1 || (s.data[0] & 0x80)) {
		w->bad = true;
		return NULL;
	}
	return BN_bin2bn((const unsigned char *)s.data, (int)s.len, NULL);
}

int key_add_mpint(struct buf *b, const BIGNUM *number)
{
	size_t len = (size_t)BN_num_bytes(number);
	/* A leading zero keeps a number positive whose first bit is set. */
	size_t zero = len > 0 && BN_num_bits(number) % 8 == 0 ? 1 : 0;
	char *to;

	(void)wire_add_u32(b, (uint32_t)(len + zero));
	if (zero) {
		(void)buf_add_char(b, '\0');
	}
	to = buf_reserve(b, len);
	if (to) {
		b->len += (size_t)BN_bn2bin(number, (unsigned char *)to);
	}
	return b->error;
}

/* Without the primes: a signature takes some milliseconds more, once a connection. */
static EVP_PKEY *make_rsa(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (build && context &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d)) {
		params = OSSL_PARAM_BLD_to_param(build);
	}
	if (params &&
	    (EVP_PKEY_fromdata_init(context) <= 0 ||
	     EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) <= 0)) {
		pkey = NULL;
	}
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

/* w stands behind the type: n, e, d, and more that is not needed. */
static int read_rsa(struct wire *w, EVP_PKEY **ret_pkey)
{
	cleanup_number BIGNUM *n = get_mpint(w), *e = get_mpint(w), *d = get_mpint(w);

	if (!n || !e || !d) {
		return -EINVAL;
	}
	*ret_pkey = make_rsa(n, e, d);
	return *ret_pkey ? 0 : -EINVAL;
}

static int read_private(struct slice private, struct slice type, EVP_PKEY **ret_pkey)
{
	struct wire w = wire_of(private.data, private.len);
	uint32_t check = wire_get_u32(&w);

	if (check != wire_get_u32(&w) || !slice_equal(wire_get_string(&w), type) ||
	    w.bad) {
		return -EINVAL;
	}
	return slice_is(type, "ssh-rsa") ? read_rsa(&w, ret_pkey) : 0;
}

int key_openssh_read(const struct buf *file, struct key_openssh *ret_form)
{
	cleanup_buf_wipe struct buf data = BUF_INIT;
	struct slice cipher, blob, private;
	struct wire w, in_blob;
	int result = decode(file, &data);

	if (result < 0) {
		return result;
	}
	w = wire_of(data.data, data.len);
	if (!slice_equal(wire_get_bytes(&w, sizeof(magic)),
			 (struct slice){ magic, sizeof(magic) })) {
		return -EINVAL;
	}
	cipher = wire_get_string(&w);
	(void)wire_get_string(&w); /* the key derivation ... */
	(void)wire_get_string(&w); /* ... and its options */
	if (wire_get_u32(&w) != 1) {
		return -EINVAL;
	}
	blob = wire_get_string(&w);
	private = wire_get_string(&w);
	if (w.bad || blob.len == 0) {
		return -EINVAL;
	}
	result = buf_add(&ret_form->blob, blob.data, blob.len);
	ret_form->encrypted = !slice_is(cipher, "none");
	ret_form->cipher_is_known = cipher_is_known(cipher);
	if (result < 0 || ret_form->encrypted) {
		return result;
	}
	in_blob = wire_of(blob.data, blob.len);
	return read_private(private, wire_get_string(&in_blob), &ret_form->rsa);
}
