#include "test.h"

#include <errno.h>

#include "s3/xml.h"
#include "util/buf.h"

#define LISTING(inner)                                                                 \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"                                   \
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inner   \
	"</ListBucketResult>"
#define WHOLE	  "<IsTruncated>false</IsTruncated>"
#define URL	  "<EncodingType>url</EncodingType>"
#define OBJECT(k) "<Contents><Key>" k "</Key><Size>1</Size></Contents>"

/* Feeds text in pieces of step bytes. */
static struct s3_xml *parse(const char *text, size_t step, int *ret_result)
{
	size_t left = strlen(text);
	struct s3_xml *xml = NULL;

	CHECK_INT(s3_xml_new(&xml), 0);
	while (left > 0) {
		size_t n = left < step ? left : step;

		(void)s3_xml_feed(xml, text, n);
		text += n;
		left -= n;
	}
	*ret_result = s3_xml_finish(xml);
	return xml;
}

static struct s3_xml *parse_good(const char *text)
{
	int r = -1;
	struct s3_xml *xml = parse(text, 7, &r);

	CHECK_STR(s3_xml_problem(xml), "");
	CHECK_INT(r, 0);
	return xml;
}

static void check_problem(const char *text, const char *problem)
{
	static const size_t steps[] = { 1, 5, 1 << 16 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = 0;
		cleanup_s3_xml struct s3_xml *xml = parse(text, steps[i], &r);

		CHECK_INT(r, -EBADMSG);
		CHECK_STR(s3_xml_problem(xml), problem);
	}
}

static void check_key(const char *text, const char *key)
{
	cleanup_s3_xml struct s3_xml *xml = parse_good(text);

	CHECK_INT(s3_xml_count(xml), 1);
	CHECK_STR(s3_xml_object(xml, 0).key, key);
}

TEST("a listing of AWS gives keys, sizes and etags without quotes")
{
	cleanup_s3_xml struct s3_xml *xml = parse_good(LISTING(
		"<Name>b</Name><Prefix>a+b/</Prefix><KeyCount>2</KeyCount>"
		"<MaxKeys>1000</MaxKeys>" URL WHOLE "<Contents><Key>a+b/x%2By</Key>"
		"<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
		"<ETag>&quot;6520213d3695a344f306efffa2523807-2&quot;</ETag>"
		"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
		"<Size>1099511627776</Size><StorageClass>STANDARD</StorageClass>"
		"</Contents>"
		"<Contents><Key>a+b/z</Key><ETag></ETag><Size>0</Size></Contents>"));

	CHECK_INT(s3_xml_document(xml), S3_DOCUMENT_LISTING);
	CHECK_INT(s3_xml_count(xml), 2);
	CHECK_STR(s3_xml_object(xml, 0).key, "a b/x+y");
	CHECK_STR(s3_xml_object(xml, 0).etag, "6520213d3695a344f306efffa2523807-2");
	CHECK_INT(s3_xml_object(xml, 0).size, INT64_C(1099511627776));
	CHECK_INT(s3_xml_object(xml, 0).modified_s, 1767225600);
	CHECK_INT(s3_xml_object(xml, 1).modified_s, 0);
	CHECK_STR(s3_xml_object(xml, 1).key, "a b/z");
	CHECK_STR(s3_xml_object(xml, 1).etag, "");
	CHECK_INT(s3_xml_object(xml, 1).size, 0);
	CHECK(!s3_xml_next_token(xml));
}

static int64_t modified(const char *object)
{
	cleanup_s3_xml struct s3_xml *xml = parse_good(object);

	return s3_xml_object(xml, 0).modified_s;
}

#define AT(time)                                                                       \
	LISTING(WHOLE "<Contents><Key>k</Key><Size>1</Size><LastModified>" time        \
		      "</LastModified></Contents>")

TEST("a time that is none is as one that was not given")
{
	CHECK_INT(modified(AT("2024-02-29T23:59:59Z")), 1709251199);
	CHECK_INT(modified(AT("2024-02-29T23:59:59.123456Z")), 1709251199);
	CHECK_INT(modified(AT("")), 0);
	CHECK_INT(modified(AT("yesterday")), 0);
	CHECK_INT(modified(AT("2024-02-29T23:59:59+02:00")), 0);
	CHECK_INT(modified(AT("1969-02-28T23:59:59Z")), 0);
}

TEST("a truncated listing of Ceph names the next page, as it stands")
{
	cleanup_s3_xml struct s3_xml *xml =
		parse_good(LISTING(URL "<IsTruncated>true</IsTruncated>" OBJECT(
			"a%20b%2Bc") "<NextContinuationToken>a "
				     "b+c%&amp;</NextContinuationToken>"));

	CHECK_STR(s3_xml_object(xml, 0).key, "a b+c");
	CHECK_STR(s3_xml_next_token(xml), "a b+c%&");
}

TEST("keys are decoded only if the server says that it encoded them")
{
	check_key(LISTING(URL WHOLE OBJECT("a+b%41")), "a bA");
	check_key(LISTING(WHOLE OBJECT("a+b%41")), "a+b%41");
	check_key(LISTING(WHOLE OBJECT("a+b%41") URL), "a bA");
	check_key(LISTING(WHOLE OBJECT("&lt;\xc3\xbc&#x4e2d;&#xd;")),
		  "<\xc3\xbc\xe4\xb8\xad\r");
}

TEST("an empty listing is one")
{
	cleanup_s3_xml struct s3_xml *xml = parse_good(LISTING(WHOLE));

	CHECK_INT(s3_xml_count(xml), 0);
}

TEST("Contents, Key and Size elsewhere are not objects")
{
	cleanup_s3_xml struct s3_xml *xml = parse_good(
		LISTING(WHOLE "<CommonPrefixes><Contents><Key>a</Key><Size>x</Size>"
			      "</Contents></CommonPrefixes><Key>k</Key>"));

	CHECK_INT(s3_xml_count(xml), 0);
}

TEST("an error document gives code, message, region and request")
{
	cleanup_s3_xml struct s3_xml *xml =
		parse_good("<Error><Code>AuthorizationHeaderMalformed</Code>"
			   "<Message>the region &apos;x&apos; is wrong</Message>"
			   "<Region>eu-west-1</Region><RequestId>R1</RequestId>"
			   "<HostId>h</HostId></Error>");
	struct s3_error error = { .status = 400, .request_id = "of the header" };

	CHECK_INT(s3_xml_document(xml), S3_DOCUMENT_ERROR);
	s3_xml_get_error(xml, &error);
	CHECK_STR(error.code, "AuthorizationHeaderMalformed");
	CHECK_STR(error.message, "the region 'x' is wrong");
	CHECK_STR(error.region, "eu-west-1");
	CHECK_STR(error.request_id, "R1");
	CHECK_INT(error.status, 400);
}

TEST("an error of Ceph has no message, and headers stand for what is missing")
{
	cleanup_s3_xml struct s3_xml *xml = parse_good(
		"<Error><Code>NoSuchBucket</Code><Message></Message></Error>");
	struct s3_error error = { .region = "r", .request_id = "h" };

	s3_xml_get_error(xml, &error);
	CHECK_STR(error.code, "NoSuchBucket");
	CHECK_STR(error.message, "");
	CHECK_STR(error.region, "r");
	CHECK_STR(error.request_id, "h");
}

TEST("what is too long in an error is dropped and the rest stays")
{
	cleanup_buf struct buf text = BUF_INIT;
	struct s3_error error = { .status = 500 };

	(void)buf_add_str(&text, "<Error><Code>InternalError</Code><Message>");
	for (int i = 0; i < 9000; i++) {
		(void)buf_add_char(&text, 'x');
	}
	CHECK_INT(buf_add_str(&text, "</Message><RequestId>R</RequestId></Error>"), 0);
	cleanup_s3_xml struct s3_xml *xml = parse_good(text.data);

	s3_xml_get_error(xml, &error);
	CHECK_STR(error.code, "InternalError");
	CHECK_STR(error.message, "");
	CHECK_STR(error.request_id, "R");
}

TEST("what an error said before it broke off is there")
{
	int r = 0;
	cleanup_s3_xml struct s3_xml *xml =
		parse("<Error><Code>SlowDown</Code><Mess", 3, &r);
	struct s3_error error = { .status = 503 };

	CHECK_INT(r, -EBADMSG);
	CHECK_INT(s3_xml_document(xml), S3_DOCUMENT_ERROR);
	s3_xml_get_error(xml, &error);
	CHECK_STR(error.code, "SlowDown");
}

TEST("what is not XML is a problem")
{
	static const char *const texts[] = {
		"",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"<ListBucketResult>" WHOLE,
		LISTING(WHOLE) "<x/>",
		LISTING(WHOLE "<Key>&#1;</Key>"),
		LISTING(WHOLE "<Key>\xff</Key>"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int r = 0;
		cleanup_s3_xml struct s3_xml *xml = parse(texts[i], 3, &r);

		CHECK_INT(r, -EBADMSG);
		CHECK(has_prefix(s3_xml_problem(xml), "it is not XML ("));
	}
}

TEST("XML of another kind is a problem")
{
	check_problem("<html><body>Welcome</body></html>",
		      "<html> in place of a listing");
	check_problem("<!DOCTYPE html><html></html>",
		      "<!DOCTYPE html> in place of a listing");
	check_problem("<ListAllMyBucketsResult/>",
		      "<ListAllMyBucketsResult> in place of a listing");
}

TEST("entities are not expanded")
{
	check_problem("<!DOCTYPE ListBucketResult [<!ENTITY a \"aaaaaaaaaaaaaaaaaaaa\">"
		      "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;\">]>" LISTING(OBJECT("&b;")),
		      "<!DOCTYPE ListBucketResult> in place of a listing");
}

TEST("sizes are whole numbers that are not too large")
{
	static const char *const sizes[] = {
		"",
		"-1",
		"1x",
		" 1",
		"1 ",
		"0x10",
		"+1",
		"1.5",
		"1125899906842625",
		"9223372036854775808",
		"99999999999999999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		cleanup_buf struct buf text = BUF_INIT;

		CHECK_INT(buf_printf(&text,
				     "<ListBucketResult>" WHOLE "<Contents><Key>k</Key>"
				     "<Size>%s</Size></Contents></ListBucketResult>",
				     sizes[i]),
			  0);
		check_problem(text.data, "a Size is not a number of bytes");
	}
	cleanup_s3_xml struct s3_xml *xml = parse_good(
		LISTING(WHOLE "<Contents><Key>k</Key><Size>1125899906842624</Size>"
			      "</Contents>"));
	CHECK_INT(s3_xml_object(xml, 0).size, INT64_C(1) << 50);
}

TEST("an object without a key or a size is a problem")
{
	check_problem(LISTING(WHOLE "<Contents><Size>1</Size></Contents>"),
		      "an object has no Key");
	check_problem(LISTING(WHOLE "<Contents><Key></Key><Size>1</Size></Contents>"),
		      "an object has no Key");
	check_problem(LISTING(WHOLE OBJECT("a") "<Contents><Key>b</Key></Contents>"),
		      "an object has no Size");
}

TEST("a key that is not encoded as it says is a problem")
{
	check_problem(LISTING(URL WHOLE OBJECT("a%0")),
		      "a Key is not encoded as it says");
	check_problem(LISTING(URL WHOLE OBJECT("a%00")),
		      "a Key is not encoded as it says");
}

TEST("a listing says whether it is whole, and how to go on")
{
	check_problem(LISTING(OBJECT("a")), "IsTruncated is missing");
	check_problem(LISTING("<IsTruncated>yes</IsTruncated>"),
		      "IsTruncated is neither true nor false");
	check_problem(LISTING("<IsTruncated>true</IsTruncated>" OBJECT("a")),
		      "it is not the last page and names no next one");
}

TEST("elements in place of text are a problem")
{
	check_problem(LISTING(WHOLE "<Contents><Key>a<b/>c</Key></Contents>"),
		      "an element is where text should be");
}

TEST("more objects than a page holds are a problem")
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_add_str(&text, "<ListBucketResult>" WHOLE);
	for (int i = 0; i < S3_PAGE_MAX; i++) {
		(void)buf_add_str(&text, OBJECT("k"));
	}
	size_t full = text.len;

	CHECK_INT(buf_add_str(&text, "</ListBucketResult>"), 0);
	cleanup_s3_xml struct s3_xml *xml = parse_good(text.data);

	CHECK_INT(s3_xml_count(xml), S3_PAGE_MAX);
	buf_truncate(&text, full);
	CHECK_INT(buf_add_str(&text, OBJECT("k") "</ListBucketResult>"), 0);
	check_problem(text.data, "more objects than a page can hold");
}

TEST("long texts and deep elements are problems")
{
	cleanup_buf struct buf text = BUF_INIT, deep = BUF_INIT;

	(void)buf_add_str(&text, "<ListBucketResult><Contents><Key>");
	for (int i = 0; i < 9000; i++) {
		(void)buf_add_char(&text, 'x');
	}
	CHECK_INT(buf_add_str(&text, "</Key></Contents></ListBucketResult>"), 0);
	check_problem(text.data, "an element is too long");
	(void)buf_add_str(&deep, "<ListBucketResult>");
	for (int i = 0; i < 500; i++) {
		(void)buf_add_str(&deep, "<a>");
	}
	CHECK_INT(deep.error, 0);
	check_problem(deep.data, "its elements lie too deep");
}

TEST("after a problem the rest is ignored")
{
	cleanup_s3_xml struct s3_xml *xml = NULL;

	CHECK_INT(s3_xml_new(&xml), 0);
	CHECK_INT(s3_xml_feed(xml, "<html>", 6), -EBADMSG);
	CHECK_INT(s3_xml_feed(xml, "\xff", 1), -EBADMSG);
	CHECK_INT(s3_xml_finish(xml), -EBADMSG);
	CHECK_STR(s3_xml_problem(xml), "<html> in place of a listing");
}

TEST_MAIN
