/* Foreign bytes as what a host says first: what is shown to the user is printable and
 * short. */
#include <assert.h>
#include <stdint.h>

#include "ssh/greeting.h"

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const struct buf *b, size_t max)
{
	assert(b->len <= max);
	for (size_t i = 0; i < b->len; i++) {
		assert(b->data[i] >= ' ' && b->data[i] < 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct greeting_ours ours = { "kex", "ssh-ed25519", "aes128-ctr",
						   "hmac-sha2-256" };
	cleanup_buf struct buf text = BUF_INIT, version = BUF_INIT, list = BUF_INIT;
	enum greeting_kind kind =
		greeting_explain((const char *)data, size, &ours, &text);

	check_printable(&text, 400);
	assert((kind == GREETING_SSH) == (text.len == 0));
	greeting_version((const char *)data, size, &version);
	check_printable(&version, 103);
	if (greeting_host_keys((const char *)data, size, &list) == 0) {
		check_printable(&list, size);
		assert(version.len > 0);
	}
	return 0;
}
