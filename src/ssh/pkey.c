#include "ssh/pkey.h"

#include <errno.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "util/mem.h"

enum {
	ED25519_LEN = 32, /* of either half */
	NUMBER_BYTES_MAX = 16384 / 8 + 1,
};

static const struct curve {
	const char *type, *name, *group;
	const EVP_MD *(*digest)(void);
} curves[] = {
	{ "ecdsa-sha2-nistp256", "nistp256", "prime256v1", EVP_sha256 },
	{ "ecdsa-sha2-nistp384", "nistp384", "secp384r1", EVP_sha384 },
	{ "ecdsa-sha2-nistp521", "nistp521", "secp521r1", EVP_sha512 },
};

static void number_freep(BIGNUM **n)
{
	BN_clear_free(*n);
}
#define cleanup_number cleanup_(number_freep)

static void digest_freep(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}
#define cleanup_digest cleanup_(digest_freep)

static void context_freep(EVP_PKEY_CTX **c)
{
	EVP_PKEY_CTX_free(*c);
}
#define cleanup_context cleanup_(context_freep)

static void build_freep(OSSL_PARAM_BLD **b)
{
	OSSL_PARAM_BLD_free(*b);
}
#define cleanup_build cleanup_(build_freep)

static void signature_freep(ECDSA_SIG **s)
{
	ECDSA_SIG_free(*s);
}
#define cleanup_signature cleanup_(signature_freep)

static const struct curve *find_curve(struct slice type)
{
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		if (slice_is(type, curves[i].type)) {
			return &curves[i];
		}
	}
	return NULL;
}

static const struct curve *curve_of(const EVP_PKEY *pkey)
{
	char group[64];
	size_t len = 0;

	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) != 1) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		if (streq(group, curves[i].group)) {
			return &curves[i];
		}
	}
	return NULL;
}

bool pkey_type_is_known(struct slice type)
{
	return slice_is(type, "ssh-ed25519") || slice_is(type, "ssh-rsa") ||
	       find_curve(type);
}

/* An "mpint" (RFC 4251, section 5) that is positive. */
static BIGNUM *get_number(struct wire *w)
{
	struct slice s = wire_get_string(w);

	if (w->bad || s.len == 0 || s.len > NUMBER_BYTES_MAX || (s.data[0] & 0x80)) {
		w->bad = true;
		return NULL;
	}
	return BN_bin2bn((const unsigned char *)s.data, (int)s.len, NULL);
}

static int add_number(struct buf *b, const BIGNUM *number)
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

static EVP_PKEY *make(const char *algorithm, OSSL_PARAM_BLD *build)
{
	cleanup_context EVP_PKEY_CTX *context =
		EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *pkey = NULL;

	if (context && params && EVP_PKEY_fromdata_init(context) == 1 &&
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) != 1) {
		pkey = NULL;
	}
	OSSL_PARAM_free(params);
	return pkey;
}

/* n, e, d; the primes that follow are left out: a signature takes some milliseconds
 * more, once a connection. */
static EVP_PKEY *read_rsa(struct wire *w)
{
	cleanup_number BIGNUM *n = get_number(w), *e = get_number(w),
			      *d = get_number(w);
	cleanup_build OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

	if (!n || !e || !d || !build ||
	    !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) ||
	    !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) ||
	    !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d)) {
		return NULL;
	}
	return make("RSA", build);
}

/* The name of the curve, the public point, the private number. */
static EVP_PKEY *read_ecdsa(const struct curve *curve, struct wire *w)
{
	struct slice name = wire_get_string(w), point = wire_get_string(w);
	cleanup_number BIGNUM *d = get_number(w);
	cleanup_build OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

	if (!d || !build || !slice_is(name, curve->name) ||
	    !OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
					     curve->group, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
					      point.data, point.len) ||
	    !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d)) {
		return NULL;
	}
	return make("EC", build);
}

/* The public half, then the private one with the public one again behind it. */
static EVP_PKEY *read_ed25519(struct wire *w)
{
	struct slice private;

	(void)wire_get_string(w);
	private = wire_get_string(w);
	if (private.len != (size_t)ED25519_LEN * 2) {
		return NULL;
	}
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
					    (const unsigned char *)private.data,
					    ED25519_LEN);
}

EVP_PKEY *pkey_read(struct slice type, struct wire *w)
{
	const struct curve *curve = find_curve(type);

	if (curve) {
		return read_ecdsa(curve, w);
	}
	if (slice_is(type, "ssh-rsa")) {
		return read_rsa(w);
	}
	return slice_is(type, "ssh-ed25519") ? read_ed25519(w) : NULL;
}

static int add_rsa(const EVP_PKEY *pkey, struct buf *b)
{
	cleanup_number BIGNUM *n = NULL, *e = NULL;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1) {
		return -EIO;
	}
	(void)wire_add_string(b, "ssh-rsa", strlen("ssh-rsa"));
	(void)add_number(b, e);
	return add_number(b, n);
}

static int add_ecdsa(const EVP_PKEY *pkey, struct buf *b)
{
	const struct curve *curve = curve_of(pkey);
	unsigned char point[200];
	size_t len = 0;

	if (!curve) {
		return -EOPNOTSUPP;
	}
	if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
					    sizeof(point), &len) != 1 ||
	    len == 0 || point[0] != POINT_CONVERSION_UNCOMPRESSED) {
		return -EIO;
	}
	(void)wire_add_string(b, curve->type, strlen(curve->type));
	(void)wire_add_string(b, curve->name, strlen(curve->name));
	return wire_add_string(b, point, len);
}

static int add_ed25519(const EVP_PKEY *pkey, struct buf *b)
{
	unsigned char public[ED25519_LEN];
	size_t len = sizeof(public);

	if (EVP_PKEY_get_raw_public_key(pkey, public, &len) != 1) {
		return -EIO;
	}
	(void)wire_add_string(b, "ssh-ed25519", strlen("ssh-ed25519"));
	return wire_add_string(b, public, len);
}

int pkey_add_blob(const EVP_PKEY *pkey, struct buf *ret_blob)
{
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		return add_rsa(pkey, ret_blob);
	case EVP_PKEY_EC:
		return add_ecdsa(pkey, ret_blob);
	case EVP_PKEY_ED25519:
		return add_ed25519(pkey, ret_blob);
	}
	return -EOPNOTSUPP;
}

static int sign(EVP_PKEY *pkey, const EVP_MD *digest, struct slice data,
		struct buf *ret_signature)
{
	cleanup_digest EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t size = (size_t)EVP_PKEY_get_size(pkey);
	char *to = buf_reserve(ret_signature, size);

	if (!c || !to || EVP_DigestSignInit(c, NULL, digest, NULL, pkey) != 1 ||
	    EVP_DigestSign(c, (unsigned char *)to, &size,
			   (const unsigned char *)data.data, data.len) != 1) {
		return -EIO;
	}
	ret_signature->len += size;
	return 0;
}

/* OpenSSL gives the two numbers in ASN.1, ssh has them as mpints. */
static int sign_ecdsa(EVP_PKEY *pkey, struct slice data, struct buf *ret_signature)
{
	const struct curve *curve = curve_of(pkey);
	cleanup_buf struct buf der = BUF_INIT;
	cleanup_signature ECDSA_SIG *signature = NULL;
	const unsigned char *at;

	if (!curve || sign(pkey, curve->digest(), data, &der) < 0) {
		return -EIO;
	}
	at = (const unsigned char *)der.data;
	signature = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
	if (!signature) {
		return -EIO;
	}
	(void)add_number(ret_signature, ECDSA_SIG_get0_r(signature));
	return add_number(ret_signature, ECDSA_SIG_get0_s(signature));
}

int pkey_sign(EVP_PKEY *pkey, struct slice data, struct buf *ret_signature)
{
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		return sign(pkey, EVP_sha512(), data, ret_signature);
	case EVP_PKEY_EC:
		return sign_ecdsa(pkey, data, ret_signature);
	case EVP_PKEY_ED25519:
		return sign(pkey, NULL, data, ret_signature);
	}
	return -EIO;
}
