#include <stdio.h>
#include <string.h>

#include "engine/batch.h"
#include "test.h"

/* An S3 with these objects, by key. */
static const struct s3_object stored[] = {
	{ .key = "c/.at/id-1.1/a", .etag = "e", .size = 1 },
	{ .key = "c/.at/id-2.1/a", .etag = "e", .size = 3 },
	{ .key = "c/.at/id-2.1/b c", .etag = "e", .size = 4 },
	{ .key = "c/.at/new-1.1/a", .etag = "e", .size = 1, .modified_s = 1000 },
	{ .key = "c/.at/old-1.1/a", .etag = "e", .size = 1, .modified_s = 999 },
	{ .key = "c/.at/old-1.1/b", .etag = "e", .size = 1, .modified_s = 999 },
	{ .key = "c/LATEST", .etag = "e", .size = 9 },
	{ .key = "c/x", .etag = "e", .size = 5 },
	{ .key = "d/x", .etag = "e", .size = 5 },
};

static enum s3_fault list(struct s3_client *client, const struct s3_place *place,
			  const struct s3_credentials *credentials,
			  const struct s3_listing *listing, struct err *e)
{
	(void)client;
	(void)credentials;
	(void)e;
	CHECK_STR(place->bucket, "bkt");
	for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
		if (has_prefix(stored[i].key, listing->prefix) &&
		    listing->each(listing->arg, &stored[i])) {
			return S3_STOPPED;
		}
	}
	return S3_OK;
}

struct wanted {
	enum batch_checkpoint kind;
	const char *records;
	size_t len;
};
#define WANTED(kind, records)                                                          \
	&(struct wanted)                                                               \
	{                                                                              \
		kind, records, sizeof(records) - 1                                     \
	}

static enum s3_fault make(const struct wanted *wanted, struct buf *text, struct err *e)
{
	static const struct s3_ops ops = { .list = list };
	cleanup_buf struct buf records = BUF_INIT;
	const struct batch_order order = {
		.ops = &ops,
		.place = { .endpoint = "http://s3", .region = "r" },
		.credentials = { .access_key = "AK", .secret_key = "SK" },
		.destination = "s3://bkt/c/",
		.manifest = &records,
		.checkpoint = wanted->kind,
		.attempt = "id-2",
		.older_than_s = 1000,
	};

	CHECK(buf_add(&records, wanted->records, wanted->len) >= 0);
	return batch_make(&order, NULL, text, e);
}

static void is_refused(const struct wanted *wanted)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(make(wanted, &text, &e), S3_REFUSED);
}

/* How often a word stands in the batch. */
static int count(const struct buf *text, const char *word)
{
	int n = 0;

	for (const char *p = buf_text(text); (p = strstr(p, word)); p++) {
		n++;
	}
	return n;
}

TEST("a host gets URLs to put LATEST and what is new in its own place, and nothing "
     "else")
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	is_refused(WANTED(CHECKPOINT_PUT, "1 a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-1.1/a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-22.1/a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2/a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2./a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2.1x/a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2.1/\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2.1/../a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2.1/a/.\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2.1//a\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at/id-2.1/ok\0001 ../LATEST\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 .at\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 \0"));
	is_refused(WANTED(CHECKPOINT_PUT, "LATEST\0"));
	is_refused(WANTED(CHECKPOINT_PUT, "1 LATEST"));
	is_refused(WANTED(CHECKPOINT_GET, "1 ../d/x\0"));
	is_refused(WANTED(CHECKPOINT_GET, "1 /x\0"));
	CHECK_INT(make(WANTED(CHECKPOINT_PUT, "9 LATEST\0"), &text, &e), S3_OK);
	CHECK_INT(count(&text, "\nput "), 1);
	CHECK_INT(count(&text, "\"$U_STEM\"'LATEST'\"$U_QUERY\""), 1);
	CHECK_INT(count(&text, "X-Amz-Expires=120"), 1);
	CHECK_INT(count(&text, "U_NEXT='' "), 1);
	CHECK_INT(count(&text, "U_STEM='http://s3/bkt/c/'"), 1);
}

TEST("what a listing has with its size is not put again")
{
	cleanup_buf struct buf text = BUF_INIT, all = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(make(WANTED(CHECKPOINT_PUT, "3 .at/id-2.1/a\0"
					      "5 .at/id-2.1/b c\0"
					      "1 .at/id-2.1/new\0"),
		       &text, &e),
		  S3_OK);
	CHECK_INT(count(&text, "\nput "), 2);
	CHECK_INT(count(&text, "\"$U_STEM\"'b%20c'\"$U_QUERY\""), 1);
	CHECK_INT(count(&text, "\"$U_STEM\"'new'\"$U_QUERY\""), 1);
	CHECK_INT(count(&text, "U_NEXT='1' "), 1);
	CHECK_INT(make(WANTED(CHECKPOINT_PUT, "3 .at/id-2.1/a\0"), &all, &e), S3_OK);
	CHECK_INT(count(&all, "http"), 0);
	CHECK_INT(count(&all, "U_NEXT='' "), 1);
}

TEST("what S3 has not, or not with that size, is in no batch to be fetched")
{
	cleanup_buf struct buf text = BUF_INIT, latest = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(make(WANTED(CHECKPOINT_GET, "5 x\0"
					      "1 .at/id-1.1/a\0"
					      "4 .at/id-2.1/a\0"
					      "1 none\0"),
		       &text, &e),
		  S3_OK);
	CHECK_INT(count(&text, "\nget 0 "), 2);
	CHECK_INT(count(&text, "'0/x' 'http://s3/bkt/c/x'\"$U_QUERY\""), 1);
	CHECK_INT(count(&text, "'0/.at/id-1.1/a'"), 1);
	CHECK_INT(make(WANTED(CHECKPOINT_GET, "0 LATEST\0"), &latest, &e), S3_OK);
	CHECK_INT(count(&latest, "get 0 9 e '0/LATEST'"), 1);
}

TEST("what LATEST does not name is removed, from the places of rounds only")
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	CHECK_INT(make(WANTED(CHECKPOINT_DROP, "4 .at/id-2.1/b c\0"
					       "1 .at/old-1.1/b\0"
					       "5 x\0"
					       "1 .at/id-1.1/0\0"),
		       &text, &e),
		  S3_OK);
	CHECK_INT(count(&text, "\ndrop "), 3);
	CHECK_INT(count(&text, "\ndrop \"$U_STEM\"'a'\"$U_QUERY\""), 1);
	CHECK_INT(count(&text, "\ndrop 'http://s3/bkt/c/.at/id-2.1/a'\"$U_QUERY\""), 1);
	CHECK_INT(count(&text, "\ndrop 'http://s3/bkt/c/.at/old-1.1/a'\"$U_QUERY\""),
		  1);
}

/* --- inputs ------------------------------------------------------------------------
 */

enum { MANY = 5003 }; /* objects: more than a batch has */

static int gone = -1; /* which of them somebody removed */

static enum s3_fault list_many(struct s3_client *client, const struct s3_place *place,
			       const struct s3_credentials *credentials,
			       const struct s3_listing *listing, struct err *e)
{
	(void)client;
	(void)place;
	(void)credentials;
	(void)e;
	for (int i = 0; i < MANY; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "p/%05d", i);
		if (i != gone &&
		    listing->each(listing->arg, &(struct s3_object){ .key = key,
								     .etag = "e",
								     .size = 1 })) {
			return S3_STOPPED;
		}
	}
	return S3_OK;
}

static void make_inputs(int64_t from, uint64_t sum, struct buf *text)
{
	static const struct s3_ops ops = { .list = list_many };
	char bucket[] = "bkt", prefix[] = "p/";
	struct spec_input input = { .bucket = bucket,
				    .key = prefix,
				    .is_prefix = true };
	const struct spec spec = { .inputs = &input, .n_inputs = 1 };
	const struct batch_order order = {
		.spec = &spec,
		.ops = &ops,
		.place = { .endpoint = "http://s3", .region = "r" },
		.credentials = { .access_key = "AK", .secret_key = "SK" },
		.from = from,
		.from_sum = sum,
	};
	struct err e = ERR_INIT;

	buf_truncate(text, 0);
	CHECK_INT(batch_make(&order, NULL, text, &e), S3_OK);
}

TEST("objects that come or go between two batches make the next one of all")
{
	cleanup_buf struct buf text = BUF_INIT;
	unsigned long long sum = 0;
	const char *next;

	gone = -1;
	make_inputs(0, 0, &text);
	CHECK_INT(count(&text, "\nget "), 5000);
	next = strstr(buf_text(&text), "U_NEXT='5000 ");
	CHECK(next && sscanf(next, "U_NEXT='5000 %llx'", &sum) == 1);
	make_inputs(5000, sum, &text);
	CHECK_INT(count(&text, "\nget "), 3);
	CHECK_INT(count(&text, "U_NEXT='' "), 1);
	gone = 17; /* what was the 5001st is the 5000th now, and never came */
	make_inputs(5000, sum, &text);
	CHECK_INT(count(&text, "\nget "), 5000);
	CHECK_INT(count(&text, "'0/05000'"), 1);
	CHECK_INT(count(&text, "U_NEXT='5000 "), 1);
	gone = 5001; /* behind it: nothing is lost */
	make_inputs(5000, sum, &text);
	CHECK_INT(count(&text, "\nget "), 2);
	gone = -1;
}

TEST("URLs that are refused end the transfer, and say why")
{
	cleanup_buf struct buf text = BUF_INIT;

	batch_refuse(&text, "S3 doesn't");
	CHECK_STR(buf_text(&text), "urls_list() {\n:\n}\n"
				   "urls_vars() { U_REFUSED='S3 doesn'\\''t'; }\n");
}

TEST_MAIN
