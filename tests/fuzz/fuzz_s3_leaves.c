/* Foreign bytes into the reader of S3's small documents: nothing breaks, paths and
 * texts keep their limits, and it does not matter in what pieces the bytes come. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "s3/leaves.h"
#include "util/buf.h"

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *arg, const char *path, const char *text)
{
	assert(path[0] == '/' && strlen(path) <= 256 && strlen(text) <= 8192);
	(void)buf_printf(arg, "%s=%s\n", path, text);
}

static int read_in_pieces(const uint8_t *data, size_t size, size_t step,
			  struct buf *told)
{
	cleanup_s3_leaves struct s3_leaves *leaves = NULL;

	if (s3_leaves_new(note, told, &leaves) < 0) {
		return 0;
	}
	for (size_t at = 0; at < size; at += step) {
		(void)s3_leaves_feed(leaves, data + at,
				     size - at < step ? size - at : step);
	}
	return s3_leaves_finish(leaves);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = BUF_INIT, pieces = BUF_INIT;
	int r = read_in_pieces(data, size, size ? size : 1, &whole);

	assert(read_in_pieces(data, size, 7, &pieces) == r);
	assert(r < 0 || strcmp(buf_text(&whole), buf_text(&pieces)) == 0);
	return 0;
}
