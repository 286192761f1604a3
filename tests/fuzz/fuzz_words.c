/* Foreign text as each of the small things that stand in a spec: a duration, a size, an
 * address in S3, a path, the name of a job; and as text of a URL. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "job/address.h"
#include "job/path.h"
#include "job/quantity.h"
#include "job/show.h"
#include "job/spec.h"
#include "replay.h"
#include "s3/uri.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quantities(const char *text)
{
	int64_t value = -7;
	int r = duration_parse(text, &value);

	assert(r == 0 ? value >= 0 : (r == -EINVAL || r == -ERANGE) && value == -7);
	value = -7;
	r = size_parse(text, &value);
	assert(r == 0 ? value >= 0 : (r == -EINVAL || r == -ERANGE) && value == -7);
}

static void check_address(const char *text, const char *bucket)
{
	struct address address = { .key = NULL };
	struct err e = ERR_INIT;

	if (address_parse(text, bucket, &address, &e) < 0) {
		assert(e.code == -EINVAL && e.text[0] && !address.key);
		assert(utf8_is_valid(e.text, strlen(e.text)));
		return;
	}
	assert(address.bucket_len > 0 && address.bucket_len <= 63);
	assert(!memchr(address.bucket, '/', address.bucket_len));
	assert(address.key[0] != '/' && strlen(address.key) <= ADDRESS_KEY_LEN_MAX);
	assert(address_is_prefix(&address) == !*address_base_name(&address));
}

/* What is accepted stays below where it is put. */
static void check_path(const char *path)
{
	struct err e = ERR_INIT;

	if (path_check(path, &e) < 0) {
		assert(e.text[0] && utf8_is_valid(e.text, strlen(e.text)));
		return;
	}
	assert(path[0] && path[0] != '/' && !strstr(path, "//"));
	assert(strncmp(path, "../", 3) != 0 && strcmp(path, "..") != 0);
	assert(!strstr(path, "/../") && !has_suffix(path, "/.."));
	assert(path_is_within(path, path) && path_compare(path, path) == 0);
}

static void check_uri(const char *text)
{
	cleanup_buf struct buf encoded = BUF_INIT;
	cleanup_free char *copy = NULL;

	for (int keep_slash = 0; keep_slash < 2; keep_slash++) {
		buf_truncate(&encoded, 0);
		assert(s3_encode(text, keep_slash, &encoded) == 0);
		free(copy);
		copy = strdup(buf_text(&encoded));
		assert(copy && s3_decode(copy) == 0 && strcmp(copy, text) == 0);
	}
	memcpy(copy, text, strlen(text) + 1); /* it is not longer decoded */
	(void)s3_decode(copy);
}

static void check_shown(const char *data, size_t size)
{
	char shown[SHOW_MAX];

	show_text(data, size, shown);
	assert(strlen(shown) < SHOW_MAX && utf8_is_valid(shown, strlen(shown)));
	for (size_t i = 0; shown[i]; i++) {
		assert(show_control_len(shown + i, strlen(shown + i)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = strndup((const char *)data, size);

	assert(text);
	check_quantities(text);
	check_address(text, NULL);
	check_address(text, "bucket");
	check_path(text);
	check_uri(text);
	check_shown((const char *)data, size);
	(void)show_distance(text, "outputs");
	if (!spec_job_name_problem(text)) {
		assert(text[0] && text[0] != '.' && strlen(text) <= 255);
		assert(!strchr(text, '/') && !strchr(text, '\n'));
	}
	return 0;
}
