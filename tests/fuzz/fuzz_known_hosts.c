/* Foreign bytes as a known_hosts file: nothing breaks, and every key that is found is
 * one. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "ssh/known_hosts.h"

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct known_hosts *k, const struct known_key *key)
{
	const struct known_key *found = NULL;
	enum known_verdict verdict = known_hosts_check(k, slice_of(&key->blob), &found);

	assert(key->line > 0);
	assert(slice_is(known_hosts_blob_type(slice_of(&key->blob)), key->type));
	assert(verdict == KNOWN_MATCH || verdict == KNOWN_REVOKED);
	assert(found);
}

static void check_host(const uint8_t *data, size_t size, const char *host, int port)
{
	cleanup_known_hosts struct known_hosts k = KNOWN_HOSTS_INIT;
	cleanup_buf struct buf list = BUF_INIT;

	assert(known_hosts_parse((const char *)data, size, host, port, &k) == 0);
	for (size_t i = 0; i < k.count; i++) {
		check_key(&k, &k.keys[i]);
	}
	assert(known_hosts_types(&k, &list) == 0);
	assert(list.len > 0 || known_hosts_is_bound(&k));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_host(data, size, "a", 22);
	check_host(data, size, "gpu-a.example", 2222);
	return 0;
}
