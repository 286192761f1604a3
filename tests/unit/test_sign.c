/* The signatures below are AWS's own example and, for the rest, what botocore makes of
 * the same requests. */
#include "test.h"

#include <errno.h>

#include "s3/digest.h"
#include "s3/sign.h"
#include "s3/uri.h"

enum { TIME_S = 1369353600 }; /* 20130524T000000Z */

static const struct s3_credentials example = {
	.access_key = "AKIAIOSFODNN7EXAMPLE",
	.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};

static const struct s3_place store = {
	.endpoint = "http://10.0.0.2:8000",
	.region = "ap-south-1",
	.bucket = "bkt",
};

static const struct s3_request get = {
	.method = "GET",
	.key = "x",
	.time_s = TIME_S,
	.expires_s = 60,
};

static void check_url(const struct s3_place *place,
		      const struct s3_credentials *credentials,
		      const struct s3_request *request, const char *want)
{
	cleanup_buf struct buf url = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(s3_presign(place, credentials, request, &url, &e), 0);
	CHECK_STR(buf_text(&url), want);
}

static void check_plain(const struct s3_place *place, const char *key, const char *want)
{
	struct s3_request request = get;

	request.key = key;
	check_url(place, &(struct s3_credentials){ .access_key = NULL }, &request,
		  want);
}

static const char *presign_problem(const struct s3_place *place,
				   const struct s3_request *request, struct err *e)
{
	cleanup_buf struct buf url = BUF_INIT;

	CHECK_INT(s3_presign(place, &example, request, &url, e), -EINVAL);
	CHECK_INT(e->code, -EINVAL);
	CHECK_INT(url.len, 0);
	return e->text;
}

TEST("the example of the AWS documentation is signed as there")
{
	const struct s3_place place = {
		.endpoint = "https://examplebucket.s3.amazonaws.com",
		.region = "us-east-1",
		.bucket = "",
	};
	const struct s3_request request = {
		.method = "GET",
		.key = "test.txt",
		.time_s = TIME_S,
		.expires_s = 86400,
	};

	check_url(&place, &example, &request,
		  "https://examplebucket.s3.amazonaws.com/test.txt"
		  "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
		  "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2F"
		  "s3%2Faws4_request"
		  "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
		  "&X-Amz-SignedHeaders=host"
		  "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c26595"
		  "7d157751f604d404");
}

TEST("odd keys are signed and encoded once")
{
	static const struct {
		const char *key;
		const char *path;
		const char *signature;
	} rows[] = {
		{ "a b+c", "a%20b%2Bc",
		  "f5c6942325cbb6c39ea6428a5728303188eafbe74a43a8d42769de5a530d7937" },
		{ "100%", "100%25",
		  "7f995ec7ef02926ba698608f0f11a609a9c5f8535db86107e8f9b049c48df4d0" },
		{ "\xc3\xbcn\xc3\xaf/\xe6\x97\xa5\xe6\x9c\xac",
		  "%C3%BCn%C3%AF/%E6%97%A5%E6%9C%AC",
		  "5dcea5b880bcff47a02e63edb4f0cba819f2a4a0ec6d331b674636ce09b422fb" },
		{ "\"q's\"", "%22q%27s%22",
		  "54d86719fddde0769e77194fe6128ad6f9d7adc66c366cc00cf1e014bb846f49" },
		{ "~-x_.", "~-x_.",
		  "f660f56aeaace2e2d0616660e0fda39198110e9784362db31b28a86b45e32c26" },
		{ "-x", "-x",
		  "ededa8c6a520a659fef4f1809598b025e627ec4909e603a42fa32da7e453daec" },
		{ "a//b", "a//b",
		  "d843ac8e8c49f32ff3b7293e57a0db1092de3d0d5e1e4e2ca451eece2463144b" },
		{ "../x", "../x",
		  "4b21626b63ddac59ead8fa9740172068c0f2e19f750a98f223653846f522f77b" },
		{ "a&b=c;d?e#f", "a%26b%3Dc%3Bd%3Fe%23f",
		  "a0493c86ff73074f3401543b95066b32b390aa01cb5f9bcfd1de26cc7219d2f9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf want = BUF_INIT;
		struct s3_request request = get;

		request.key = rows[i].key;
		(void)buf_printf(
			&want,
			"http://10.0.0.2:8000/bkt/%s"
			"?X-Amz-Algorithm=AWS4-HMAC-SHA256"
			"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%%2F20130524%%2F"
			"ap-south-1%%2Fs3%%2Faws4_request"
			"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60"
			"&X-Amz-SignedHeaders=host&X-Amz-Signature=%s",
			rows[i].path, rows[i].signature);
		check_url(&store, &example, &request, buf_text(&want));
	}
}

TEST("a session token and the method are signed")
{
	struct s3_credentials session = example;
	struct s3_request request = get;

	session.session_token = "tok/en+==";
	request.method = "PUT";
	check_url(&store, &session, &request,
		  "http://10.0.0.2:8000/bkt/x"
		  "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
		  "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
		  "ap-south-1%2Fs3%2Faws4_request"
		  "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60"
		  "&X-Amz-Security-Token=tok%2Fen%2B%3D%3D&X-Amz-SignedHeaders=host"
		  "&X-Amz-Signature=bef023ff17e0c62478a067ce416964c73509f57a5bdf807e2"
		  "25edb0120fc8ef8");
}

TEST("the query is sorted by name and not by the whole text")
{
	static const struct s3_query query[] = {
		{ "prefix", "a b/" },
		{ "list-type", "2" },
		{ "a-b", NULL },
		{ "a", "~" },
	};
	struct s3_request request = get;

	request.key = "";
	request.query = query;
	request.n_query = ARRAY_SIZE(query);
	check_url(&store, &example, &request,
		  "http://10.0.0.2:8000/bkt"
		  "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
		  "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
		  "ap-south-1%2Fs3%2Faws4_request"
		  "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60"
		  "&X-Amz-SignedHeaders=host&a=~&a-b=&list-type=2&prefix=a%20b%2F"
		  "&X-Amz-Signature=9ba0371bb3fe6e8956ac8e1f5393a6ff66525dcc0197333da"
		  "924fe40abf2a433");
}

TEST("without an endpoint the bucket is a part of the host's name, if it can be")
{
	struct s3_place place = { .region = "eu-west-1", .bucket = "my-bucket1" };

	check_plain(&place, "k/l", "https://my-bucket1.s3.eu-west-1.amazonaws.com/k/l");
	check_plain(&place, "", "https://my-bucket1.s3.eu-west-1.amazonaws.com/");
	place.bucket = "my.bucket";
	check_plain(&place, "k", "https://s3.eu-west-1.amazonaws.com/my.bucket/k");
	place.bucket = "evil/x?";
	check_plain(&place, "k", "https://s3.eu-west-1.amazonaws.com/evil%2Fx%3F/k");
	place.bucket = "-bucket";
	check_plain(&place, "", "https://s3.eu-west-1.amazonaws.com/-bucket");
	place = (struct s3_place){ .region = "cn-north-1", .bucket = "bkt" };
	check_plain(&place, "k", "https://bkt.s3.cn-north-1.amazonaws.com.cn/k");
	place.region = NULL;
	check_plain(&place, "k", "https://bkt.s3.us-east-1.amazonaws.com/k");
}

TEST("an endpoint is brought into the form in which clients send the host")
{
	struct s3_place place = { .bucket = "b" };
	static const struct {
		const char *endpoint;
		const char *want;
	} rows[] = {
		{ "http://S3.Example.COM/", "http://s3.example.com/b/k" },
		{ "HTTP://h:80", "http://h/b/k" },
		{ "http://h:443", "http://h:443/b/k" },
		{ "https://h:443//", "https://h/b/k" },
		{ "https://h:80", "https://h:80/b/k" },
		{ "http://[::1]:8000", "http://[::1]:8000/b/k" },
		{ "http://h:8000/base/path/", "http://h:8000/base/path/b/k" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		place.endpoint = rows[i].endpoint;
		check_plain(&place, "k", rows[i].want);
	}
}

TEST("an endpoint that is none is refused and not repeated")
{
	struct s3_place place = { .bucket = "b" };
	static const char *const endpoints[] = {
		"",
		"h:8000",
		"ftp://h",
		"http://",
		"http://:80",
		"http://user:password@h",
		"http://h:0",
		"http://h:65536",
		"http://h:99999999999",
		"http://h:",
		"http://h:80x",
		"http://h?x",
		"http://h/#x",
		"http://h/a b",
		"http://[::1",
		"http://[]",
		"http://h\n",
		"http://h\xc3\xa4ndler",
	};

	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		struct err e = ERR_INIT;

		place.endpoint = endpoints[i];
		CHECK(!strstr(presign_problem(&place, &get, &e), "password"));
		CHECK(strstr(e.text, "endpoint"));
	}
}

TEST("regions and times out of range are refused")
{
	struct s3_place place = { .region = "eu/x", .bucket = "bkt" };
	struct s3_request request = get;
	struct err e = ERR_INIT;

	CHECK(strstr(presign_problem(&place, &get, &e), "region"));
	request.expires_s = 0;
	CHECK(strstr(presign_problem(&store, &request, &e), "604800"));
	request.expires_s = S3_EXPIRES_MAX_S + 1;
	CHECK(strstr(presign_problem(&store, &request, &e), "604801"));
	request = get;
	request.time_s = -1;
	CHECK(strstr(presign_problem(&store, &request, &e), "time"));
	request.time_s = INT64_C(300000000000); /* five digits of a year */
	CHECK(strstr(presign_problem(&store, &request, &e), "time"));
	place = (struct s3_place){ .bucket = "" };
	CHECK(strstr(presign_problem(&place, &get, &e), "bucket"));
}

TEST("a URL that does not fit leaves nothing behind")
{
	cleanup_buf struct buf url = { .max = 100 };

	(void)buf_add_str(&url, "before ");
	CHECK_INT(s3_presign(&store, &example, &get, &url, NULL), -EFBIG);
	CHECK_STR(buf_text(&url), "before ");
}

static void check_decoded(const char *text, const char *want)
{
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_INT(buf_add_str(&b, text), 0);
	CHECK_INT(s3_decode(b.data), want ? 0 : -EBADMSG);
	if (want) {
		CHECK_STR(b.data, want);
	}
}

TEST("a space comes as + or as %20, a plus as %2B")
{
	check_decoded("a+b%20c%2Bd%2be", "a b c+d+e");
	check_decoded("", "");
	check_decoded("%C3%BC%2f%0a", "\xc3\xbc/\n");
}

TEST("what is not encoded well is not decoded")
{
	check_decoded("a%", NULL);
	check_decoded("a%2", NULL);
	check_decoded("a%2g", NULL);
	check_decoded("a%g2", NULL);
	check_decoded("a%00b", NULL);
}

TEST("every byte survives encoding and decoding")
{
	for (int c = 1; c < 256; c++) {
		cleanup_buf struct buf b = BUF_INIT;
		char text[] = { 'x', (char)c, 'y', '\0' };

		CHECK_INT(s3_encode(text, false, &b), 0);
		CHECK_INT(s3_decode(b.data), 0);
		CHECK_STR(b.data, text);
	}
}

TEST("a slash is kept where it is asked for")
{
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_INT(s3_encode("a/b c", true, &b), 0);
	CHECK_INT(s3_encode("/", false, &b), 0);
	CHECK_STR(b.data, "a/b%20c%2F");
}

TEST("SHA-256 is FIPS 180-4's, of pieces, again and again")
{
	cleanup_s3_digest struct s3_digest *digest = NULL;
	char hex[S3_DIGEST_HEX_SIZE];

	CHECK_INT(s3_digest_new(&digest), 0);
	CHECK_INT(s3_digest_hex(digest, hex), 0);
	CHECK_STR(hex,
		  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (int i = 0; i < 2; i++) {
		CHECK_INT(s3_digest_add(digest, "a", 1), 0);
		CHECK_INT(s3_digest_add(digest, "bc", 2), 0);
		CHECK_INT(s3_digest_hex(digest, hex), 0);
		CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223"
			       "b00361a396177a9cb410ff61f20015ad");
	}
}

TEST("HMAC-SHA-256 is RFC 4231's")
{
	unsigned char mac[S3_DIGEST_SIZE];
	char hex[S3_DIGEST_HEX_SIZE];

	CHECK_INT(s3_hmac("Jefe", 4, "what do ya want for nothing?", mac), 0);
	s3_hex(mac, hex);
	CHECK_STR(hex,
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* post-x-www-form-urlencoded of AWS's test suite of Signature Version 4. */
TEST("a form is signed in its headers, as AWS's test suite has it")
{
	static const struct {
		const char *token, *names, *signature;
	} rows[] = {
		{ NULL, "content-type;host;x-amz-date",
		  "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
		{ "token/with+signs==",
		  "content-type;host;x-amz-date;x-amz-security-token",
		  "b72e755f0bed73964a571002d8cf4b3fc651540e8e0d7349ea684b10ad7d10c4" },
	};
	const struct s3_post post = {
		.service = "service",
		.region = "us-east-1",
		.host = "example.amazonaws.com",
		.path = "/",
		.type = "application/x-www-form-urlencoded",
		.body = "Param1=value1",
		.body_len = strlen("Param1=value1"),
		.time_s = 1440938160,
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct s3_credentials who = {
			.access_key = "AKIDEXAMPLE",
			.secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
			.session_token = rows[i].token,
		};
		cleanup_buf struct buf have = BUF_INIT, want = BUF_INIT;
		char date[S3_STAMP_SIZE];

		CHECK_INT(s3_sign_post(&post, &who, date, &have), 0);
		(void)buf_printf(&want,
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/"
				 "us-east-1/service/aws4_request, SignedHeaders=%s, "
				 "Signature=%s",
				 rows[i].names, rows[i].signature);
		CHECK_STR(buf_text(&have), buf_text(&want));
		CHECK_STR(date, "20150830T123600Z");
	}
}

TEST_MAIN
