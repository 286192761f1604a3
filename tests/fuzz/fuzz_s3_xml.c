/* Foreign bytes into the reader of S3's XML: nothing breaks, what it gives keeps its
 * limits, and it does not matter in what pieces they come. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "s3/xml.h"
#include "util/mem.h"

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_listing(const struct s3_xml *xml)
{
	const char *token = s3_xml_next_token(xml);

	assert(s3_xml_count(xml) <= S3_PAGE_MAX);
	assert(!token || *token);
	for (size_t i = 0; i < s3_xml_count(xml); i++) {
		const struct s3_object object = s3_xml_object(xml, i);

		assert(*object.key);
		assert(strlen(object.key) <= 8192 && strlen(object.etag) <= 8192);
		assert(object.size >= 0 && object.size <= INT64_C(1) << 50);
	}
}

static void check_error(const struct s3_xml *xml)
{
	struct s3_error error = { .status = 0 };

	s3_xml_get_error(xml, &error);
	assert(strlen(error.code) < sizeof(error.code));
	assert(strlen(error.message) < sizeof(error.message));
	assert(strlen(error.region) < sizeof(error.region));
	assert(strlen(error.request_id) < sizeof(error.request_id));
}

static int read_in_pieces(struct s3_xml *xml, const uint8_t *data, size_t size,
			  size_t step)
{
	while (size > 0) {
		size_t n = size < step ? size : step;

		(void)s3_xml_feed(xml, data, n);
		data += n;
		size -= n;
	}
	return s3_xml_finish(xml);
}

static void check_same(const struct s3_xml *a, const struct s3_xml *b)
{
	assert(s3_xml_count(a) == s3_xml_count(b));
	for (size_t i = 0; i < s3_xml_count(a); i++) {
		const struct s3_object x = s3_xml_object(a, i);
		const struct s3_object y = s3_xml_object(b, i);

		assert(streq(x.key, y.key) && streq(x.etag, y.etag) &&
		       x.size == y.size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_s3_xml struct s3_xml *whole = NULL, *pieces = NULL;
	int r;

	if (s3_xml_new(&whole) < 0 || s3_xml_new(&pieces) < 0) {
		return 0;
	}
	r = read_in_pieces(whole, data, size, size);
	assert(read_in_pieces(pieces, data, size, 7) == r);
	assert((r == 0) == !*s3_xml_problem(whole));
	check_error(whole);
	if (r == 0) {
		assert(s3_xml_document(whole) == s3_xml_document(pieces));
		assert(s3_xml_document(whole) != S3_DOCUMENT_NONE);
		check_same(whole, pieces);
		check_listing(whole);
	}
	return 0;
}
