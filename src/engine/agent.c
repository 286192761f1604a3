/* The remote agent's text, built in, and its name. */
#include <pthread.h>
#include <stdio.h>

#include "engine/internal.h"
#include "s3/digest.h"

/* made by meson from the parts in src/agent */
extern const char agent_sh[];
extern const size_t agent_sh_len;

enum { HASH_LEN = 16 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char hash[HASH_LEN + 1];

static void make_hash(void)
{
	struct s3_digest *digest = NULL;
	char hex[65] = "";

	if (s3_digest_new(&digest) == 0 &&
	    s3_digest_add(digest, agent_sh, agent_sh_len) == 0 &&
	    s3_digest_hex(digest, hex) == 0) {
		(void)snprintf(hash, sizeof(hash), "%.*s", HASH_LEN, hex);
	}
	(void)s3_digest_free(digest);
}

const char *agent_hash(void)
{
	(void)pthread_once(&once, make_hash);
	return hash;
}

const char *agent_text(size_t *ret_len)
{
	*ret_len = agent_sh_len;
	return agent_sh;
}
