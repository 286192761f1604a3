#include "ssh/key_openssh.h"

#include <errno.h>
#include <string.h>

#include "ssh/base64.h"
#include "ssh/file.h"
#include "ssh/pkey.h"
#include "ssh/wire.h"
#include "util/mem.h"

static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char foot[] = "-----END OPENSSH PRIVATE KEY-----";
static const char magic[] = "openssh-key-v1"; /* with its NUL */

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

static int read_private(struct slice private, struct slice type, EVP_PKEY **ret_pkey)
{
	struct wire w = wire_of(private.data, private.len);
	uint32_t check = wire_get_u32(&w);

	if (check != wire_get_u32(&w) || !slice_equal(wire_get_string(&w), type) ||
	    w.bad) {
		return -EINVAL;
	}
	if (!pkey_type_is_known(type)) {
		return 0;
	}
	*ret_pkey = pkey_read(type, &w);
	return *ret_pkey ? 0 : -EINVAL;
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
	return read_private(private, wire_get_string(&in_blob), &ret_form->pkey);
}
