/* Foreign bytes as a private key file of OpenSSH's: nothing breaks, nothing leaks. The
 * key itself goes in without its armour, which the target adds, or the search would be
 * for base64. */
#include <assert.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "ssh/base64.h"
#include "ssh/key_openssh.h"

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf file = BUF_INIT;
	struct key_openssh form = { .pkey = NULL };

	if (size > 65536) {
		return 0;
	}
	(void)buf_add_str(&file, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	(void)base64_encode((const char *)data, size, &file);
	(void)buf_add_str(&file, "\n-----END OPENSSH PRIVATE KEY-----\n");
	assert(file.error == 0 && key_openssh_is(&file));
	if (key_openssh_read(&file, &form) < 0) {
		assert(!form.pkey);
	}
	assert(!form.pkey || !form.encrypted);
	EVP_PKEY_free(form.pkey);
	buf_fini(&form.blob);
	return 0;
}
