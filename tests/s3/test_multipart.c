/* Uploads in parts and presigned requests on a real S3 server, which tests/s3/run
 * starts. */
#include "test.h"

#include <stdbool.h>
#include <stdint.h>

#include "s3/http.h"
#include "s3/multipart.h"
#include "s3/sign.h"
#include "util/clock.h"
#include "util/mem.h"

#include "objects.h"

enum { PART = 5 << 20, LAST = 1000, EXPIRES_S = 60 };

static const char key[] = "parts/a b+c \xc3\xbc.bin";

struct bed {
	struct s3_client *client;
	struct s3_place place;
	struct s3_credentials who;
	struct s3_object_name name;
};

static void bed_init(struct bed *bed, const char *of)
{
	*bed = (struct bed){ .place = store(), .who = owner() };
	bed->name = (struct s3_object_name){ .place = &bed->place,
					     .credentials = &bed->who,
					     .key = of };
	CHECK_INT(s3_client_new(&bed->client), 0);
}

static void bed_fini(struct bed *bed)
{
	bed->client = s3_client_free(bed->client);
}
#define cleanup_bed cleanup_(bed_fini)

static void good(enum s3_fault fault, const struct err *e)
{
	if (fault != S3_OK) {
		printf("# %s: %s\n", s3_fault_name(fault), e->text);
	}
	CHECK_STR(s3_fault_name(fault), s3_fault_name(S3_OK));
}

static void take(void *arg, const void *data, size_t len)
{
	CHECK_INT(buf_add(arg, data, len), 0);
}

/* As a GPU host does: a signed URL and nothing else. The status. */
static int by_url(const struct bed *bed, struct s3_request request, const char *body,
		  size_t len, struct buf *reply)
{
	cleanup_s3_http struct s3_http *http = NULL;
	cleanup_buf struct buf url = BUF_INIT;
	struct s3_sink sink = {
		.take = take, .arg = reply, .page_max = 64 << 20, .error_max = 64 << 10
	};
	struct s3_reply got;

	request.key = bed->name.key;
	request.time_s = request.time_s ? request.time_s : clock_wall_ms() / 1000;
	request.expires_s = EXPIRES_S;
	CHECK_INT(s3_http_new(&http), 0);
	CHECK_INT(s3_presign(&bed->place, &bed->who, &request, &url, NULL), 0);
	CHECK_INT(s3_http_send(http,
			       &(struct s3_send){ .method = request.method,
						  .url = url.data,
						  .body = body,
						  .body_len = len },
			       &sink, &got),
		  S3_HTTP_DONE);
	return got.status;
}

static int put_part(const struct bed *bed, const char *id, int number, const char *body,
		    size_t len)
{
	cleanup_buf struct buf reply = BUF_INIT;
	char text[16];
	const struct s3_query query[] = { { "uploadId", id }, { "partNumber", text } };

	(void)snprintf(text, sizeof(text), "%d", number);
	return by_url(bed,
		      (struct s3_request){ .method = "PUT",
					   .query = query,
					   .n_query = ARRAY_SIZE(query) },
		      body, len, &reply);
}

static char *make_bytes(size_t len)
{
	char *bytes = malloc(len);

	CHECK(bytes);
	for (size_t i = 0; i < len; i++) {
		bytes[i] = (char)(i * 31 + i / 251);
	}
	return bytes;
}

static void check_found(const struct bed *bed, const char *want)
{
	cleanup_buf struct buf found = BUF_INIT;
	struct err e = ERR_INIT;

	good(s3_upload_find(bed->client, &bed->name, &found, &e), &e);
	CHECK_STR(buf_text(&found), want);
}

TEST("what was put in parts by signed URLs is one object after its completion")
{
	cleanup_bed struct bed bed;
	cleanup_buf struct buf id = BUF_INIT, back = BUF_INIT;
	cleanup_free char *bytes = make_bytes(PART + LAST);
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	struct err e = ERR_INIT;

	bed_init(&bed, key);
	check_found(&bed, "");
	good(s3_upload_create(bed.client, &bed.name, &id, &e), &e);
	check_found(&bed, buf_text(&id));
	CHECK_INT(put_part(&bed, id.data, 2, bytes + PART, LAST), 200);
	CHECK_INT(put_part(&bed, id.data, 1, bytes, PART), 200);
	good(s3_upload_parts(bed.client, &bed.name, id.data, &parts, &e), &e);
	CHECK_INT(parts.n, 2);
	CHECK_INT(parts.parts[0].number, 1);
	CHECK_INT(parts.parts[0].size, PART);
	CHECK_INT(parts.parts[1].size, LAST);
	CHECK_INT(strlen(parts.parts[1].etag), 32);
	good(s3_upload_complete(bed.client, &bed.name, id.data, &parts, &e), &e);
	/* as after an answer that was lost */
	good(s3_upload_complete(bed.client, &bed.name, id.data, &parts, &e), &e);
	check_found(&bed, "");
	CHECK_INT(by_url(&bed, (struct s3_request){ .method = "GET" }, NULL, 0, &back),
		  200);
	CHECK_INT(back.len, PART + LAST);
	CHECK(memcmp(back.data, bytes, back.len) == 0);
}

TEST("an aborted upload leaves nothing, and may be aborted twice")
{
	cleanup_bed struct bed bed;
	cleanup_buf struct buf id = BUF_INIT;
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	struct err e = ERR_INIT;

	bed_init(&bed, "parts/aborted");
	good(s3_upload_create(bed.client, &bed.name, &id, &e), &e);
	CHECK_INT(put_part(&bed, id.data, 1, "x", 1), 200);
	good(s3_upload_abort(bed.client, &bed.name, id.data, &e), &e);
	good(s3_upload_abort(bed.client, &bed.name, id.data, &e), &e);
	good(s3_upload_parts(bed.client, &bed.name, id.data, &parts, &e), &e);
	CHECK_INT(parts.n, 0);
	check_found(&bed, "");
	CHECK_INT(put_part(&bed, id.data, 2, "x", 1), 404);
}

TEST("an upload whose parts are too small is refused with a sentence")
{
	cleanup_bed struct bed bed;
	cleanup_buf struct buf id = BUF_INIT;
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	struct err e = ERR_INIT;

	bed_init(&bed, "parts/small");
	good(s3_upload_create(bed.client, &bed.name, &id, &e), &e);
	CHECK_INT(put_part(&bed, id.data, 1, "x", 1), 200);
	CHECK_INT(put_part(&bed, id.data, 2, "y", 1), 200);
	good(s3_upload_parts(bed.client, &bed.name, id.data, &parts, &e), &e);
	CHECK_STR(s3_fault_name(s3_upload_complete(bed.client, &bed.name, id.data,
						   &parts, &e)),
		  s3_fault_name(S3_REFUSED));
	printf("# %s\n", e.text);
	CHECK(strstr(e.text, "EntityTooSmall"));
	CHECK(strstr(e.text, "parts/small"));
	CHECK(!strstr(e.text, "X-Amz"));
	good(s3_upload_abort(bed.client, &bed.name, id.data, &e), &e);
}

TEST("wrong credentials begin no upload, and the sentence holds no secret")
{
	cleanup_bed struct bed bed;
	cleanup_buf struct buf id = BUF_INIT;
	struct err e = ERR_INIT;

	bed_init(&bed, key);
	bed.who.secret_key = "not the secret";
	CHECK_STR(s3_fault_name(s3_upload_create(bed.client, &bed.name, &id, &e)),
		  s3_fault_name(S3_CREDENTIALS));
	CHECK(!strstr(e.text, "not the secret"));
	CHECK(!strstr(e.text, "X-Amz"));
	CHECK_INT(id.len, 0);
}

TEST("a URL of yesterday is not good any more")
{
	cleanup_bed struct bed bed;
	cleanup_buf struct buf reply = BUF_INIT;

	bed_init(&bed, "many/00001");
	CHECK_INT(by_url(&bed,
			 (struct s3_request){ .method = "GET",
					      .time_s = clock_wall_ms() / 1000 - 3600 },
			 NULL, 0, &reply),
		  403);
	buf_truncate(&reply, 0);
	CHECK_INT(by_url(&bed, (struct s3_request){ .method = "GET" }, NULL, 0, &reply),
		  200);
	CHECK_INT(reply.len, 1);
}

TEST("whether an object may be written is found out without writing one")
{
	cleanup_bed struct bed bed;
	struct err e = ERR_INIT;
	struct buf reply = BUF_INIT;

	bed_init(&bed, "parts/.may-write");
	good(s3_try_write(bed.client, &bed.name, &e), &e);
	CHECK_INT(by_url(&bed, (struct s3_request){ .method = "GET" }, NULL, 0, &reply),
		  404);
	buf_fini(&reply);
	bed.place.bucket = "no-such-bucket";
	CHECK_STR(s3_fault_name(s3_try_write(bed.client, &bed.name, &e)),
		  s3_fault_name(S3_NO_BUCKET));
	bed.place.bucket = store().bucket;
	bed.who.secret_key = "wrong";
	CHECK_STR(s3_fault_name(s3_try_write(bed.client, &bed.name, &e)),
		  s3_fault_name(S3_CREDENTIALS));
}

TEST_MAIN
