/* Listings of a real S3 server, and of strangers: tests/s3/run starts both, puts
 * objects.h into the bucket and says in the environment where all is. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/client.h"
#include "util/clock.h"
#include "util/mem.h"

#include "objects.h"

/* The linker puts this in the place of the wall clock (--wrap). */
static int64_t test_skew_ms;
int64_t __real_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void);

int64_t __wrap_clock_wall_ms(void)
{
	return __real_clock_wall_ms() + test_skew_ms;
}

/* ---- listing ---- */

struct found {
	char **keys;
	int64_t *sizes;
	size_t n;
	size_t stop_at; /* 0: never */
	char etag[64];	/* of the last one */
};

static void found_fini(struct found *found)
{
	for (size_t i = 0; i < found->n; i++) {
		free(found->keys[i]);
	}
	free(found->keys);
	free(found->sizes);
	*found = (struct found){ .keys = NULL };
}
#define cleanup_found cleanup_(found_fini)

static int found_add(void *arg, const struct s3_object *object)
{
	struct found *found = arg;

	found->keys = realloc(found->keys, (found->n + 1) * sizeof(found->keys[0]));
	found->sizes = realloc(found->sizes, (found->n + 1) * sizeof(found->sizes[0]));
	CHECK(found->keys && found->sizes);
	found->keys[found->n] = strdup(object->key);
	CHECK(found->keys[found->n]);
	found->sizes[found->n++] = object->size;
	(void)snprintf(found->etag, sizeof(found->etag), "%s", object->etag);
	return found->n == found->stop_at;
}

static struct s3_listing of_prefix(const char *prefix, struct found *found)
{
	return (struct s3_listing){ .prefix = prefix,
				    .page_size = S3_PAGE_MAX,
				    .each = found_add,
				    .arg = found };
}

static void list_good(const struct s3_listing *listing)
{
	cleanup_s3_client struct s3_client *client = NULL;
	const struct s3_place place = store();
	const struct s3_credentials who = owner();
	struct err e = ERR_INIT;

	CHECK_INT(s3_client_new(&client), 0);
	if (s3_list(client, &place, &who, listing, &e) != S3_OK) {
		printf("# %s\n", e.text);
		CHECK(false);
	}
}

/* Nothing secret may be said, whatever the fault was. */
static void check_discreet(const char *text, const struct s3_credentials *who)
{
	CHECK(!strstr(text, "X-Amz"));
	CHECK(!who->secret_key || !strstr(text, who->secret_key));
	CHECK(!who->session_token || !strstr(text, who->session_token));
	for (const char *s = text; *s; s++) {
		CHECK(strspn(s, "0123456789abcdef") < 64);
	}
}

static void list_bad(const struct s3_place *place, const struct s3_credentials *who,
		     enum s3_fault fault, const char *words)
{
	cleanup_s3_client struct s3_client *client = NULL;
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("p/", &found);
	struct err e = ERR_INIT;
	enum s3_fault have;

	CHECK_INT(s3_client_new(&client), 0);
	s3_client_set_timeouts(client, 1, 1);
	have = s3_list(client, place, who, &listing, &e);
	printf("# %s: %s\n", s3_fault_name(have), e.text);
	CHECK_STR(s3_fault_name(have), s3_fault_name(fault));
	if (!strstr(e.text, words)) {
		CHECK_STR(e.text, words);
	}
	CHECK(e.code < 0);
	check_discreet(e.text, who);
}

/* ---- the real server ---- */

static void check_many(const struct found *found)
{
	CHECK_INT(found->n, MANY);
	for (size_t i = 0; i < found->n; i++) {
		char want[32];

		(void)snprintf(want, sizeof(want), "many/%05zu", i);
		CHECK_STR(found->keys[i], want);
		CHECK_INT(found->sizes[i], i % 3);
	}
}

TEST("2,500 objects come in order, once each, with their sizes")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("many/", &found);

	list_good(&listing);
	check_many(&found);
}

TEST("pages of any size give the same")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("many/", &found);

	listing.page_size = 99;
	list_good(&listing);
	check_many(&found);
	found_fini(&found);
	listing.page_size =
		500; /* divides: the last page must say that it is the last */
	list_good(&listing);
	check_many(&found);
}

TEST("a prefix needs no slash at its end")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("many/012", &found);

	list_good(&listing);
	CHECK_INT(found.n, 100);
	CHECK_STR(found.keys[0], "many/01200");
	CHECK_STR(found.keys[99], "many/01299");
}

TEST("a listing goes on after a key, be it there or not")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("many/", &found);

	listing.after = "many/02489";
	list_good(&listing);
	CHECK_INT(found.n, 10);
	CHECK_STR(found.keys[0], "many/02490");
	found_fini(&found);
	listing.after = "many/02489x";
	listing.page_size = 3;
	list_good(&listing);
	CHECK_INT(found.n, 10);
	found_fini(&found);
	listing.after = "odd/";
	list_good(&listing);
	CHECK_INT(found.n, 0);
}

static void check_odd(const struct found *found)
{
	CHECK_INT(found->n, ARRAY_SIZE(odd_keys));
	for (size_t i = 0; i < found->n; i++) {
		CHECK_STR(found->keys[i], odd_keys[i]);
	}
}

TEST("odd keys come back as they were put by curl with a signed URL")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("odd/", &found);

	list_good(&listing);
	check_odd(&found);
}

TEST("odd keys may end a page and begin the next")
{
	for (int size = 1; size < 4; size++) {
		cleanup_found struct found found = { .n = 0 };
		struct s3_listing listing = of_prefix("odd/", &found);

		listing.page_size = size;
		list_good(&listing);
		check_odd(&found);
	}
}

TEST("odd keys are prefixes, and listings go on after them")
{
	for (size_t i = 0; i < ARRAY_SIZE(odd_keys); i++) {
		cleanup_found struct found found = { .n = 0 };
		struct s3_listing listing = of_prefix(odd_keys[i], &found);

		list_good(&listing);
		CHECK_INT(found.n, i == 0 ? ARRAY_SIZE(odd_keys) : 1);
		CHECK_STR(found.keys[0], odd_keys[i]);
		found_fini(&found);
		listing.prefix = "odd/";
		listing.after = odd_keys[i];
		list_good(&listing);
		CHECK_INT(found.n, ARRAY_SIZE(odd_keys) - i - 1);
	}
}

TEST("no prefix lists all")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("", &found);

	list_good(&listing);
	CHECK_INT(found.n, MANY + ARRAY_SIZE(odd_keys));
}

TEST("an etag comes without its quotes")
{
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("many/00000", &found);

	list_good(&listing);
	CHECK_STR(found.etag, "d41d8cd98f00b204e9800998ecf8427e");
}

TEST("nothing is listed where nothing is")
{
	cleanup_s3_client struct s3_client *client = NULL;
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("none/", &found);
	const struct s3_credentials who = owner();
	struct s3_place place = store();

	list_good(&listing);
	place.bucket = env("S3_TEST_EMPTY");
	listing.prefix = "";
	CHECK_INT(s3_client_new(&client), 0);
	CHECK_INT(s3_list(client, &place, &who, &listing, NULL), S3_OK);
	CHECK_INT(found.n, 0);
}

TEST("the callback stops a listing, and the client lists on")
{
	cleanup_s3_client struct s3_client *client = NULL;
	const struct s3_credentials who = owner();
	const struct s3_place place = store();
	struct err e = ERR_INIT;

	CHECK_INT(s3_client_new(&client), 0);
	for (int i = 0; i < 2; i++) {
		cleanup_found struct found found = { .stop_at = 1010 };
		struct s3_listing listing = of_prefix("many/", &found);

		CHECK_INT(s3_list(client, &place, &who, &listing, &e), S3_STOPPED);
		CHECK_INT(found.n, 1010);
		CHECK_STR(e.text, "");
	}
}

TEST("a wrong secret and an unknown access key say which variable to check")
{
	const struct s3_place place = store();
	struct s3_credentials who = owner();

	who.secret_key = "not-the-secret-of-this-user";
	list_bad(&place, &who, S3_CREDENTIALS,
		 "(SignatureDoesNotMatch): check AWS_SECRET");
	who.access_key = "NOTANACCESSKEY";
	list_bad(&place, &who, S3_CREDENTIALS,
		 "(InvalidAccessKeyId): check AWS_ACCESS_KEY");
}

TEST("a bucket that is not there, and one of somebody else")
{
	const struct s3_credentials who = owner();
	struct s3_place place = store();

	place.bucket = "jobfs-nowhere";
	list_bad(&place, &who, S3_NO_BUCKET, "bucket \"jobfs-nowhere\" does not exist");
	place.bucket = env("S3_TEST_FOREIGN");
	list_bad(&place, &who, S3_DENIED,
		 "does not let this access key list bucket \"");
}

TEST("without credentials a private bucket says to give some")
{
	const struct s3_place place = store();

	list_bad(&place, &(struct s3_credentials){ .access_key = NULL }, S3_DENIED,
		 "no credentials were given");
}

TEST("a clock two hours behind is the clock's fault")
{
	const struct s3_credentials who = owner();
	const struct s3_place place = store();

	test_skew_ms = -INT64_C(7200000);
	list_bad(&place, &who, S3_SKEW, "it is 120 minutes behind");
	test_skew_ms = 0;
}

TEST("a certificate must be of somebody trusted")
{
	cleanup_s3_client struct s3_client *client = NULL;
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("many/", &found);
	const struct s3_credentials who = owner();
	struct s3_place place = store();

	place.endpoint = env("S3_TEST_TLS");
	(void)unsetenv("AWS_CA_BUNDLE");
	list_bad(&place, &who, S3_UNREACHABLE, "AWS_CA_BUNDLE");
	CHECK_INT(setenv("AWS_CA_BUNDLE", env("S3_TEST_CA"), 1), 0);
	CHECK_INT(s3_client_new(&client), 0);
	CHECK_INT(unsetenv("AWS_CA_BUNDLE"), 0);
	CHECK_INT(s3_list(client, &place, &who, &listing, NULL), S3_OK);
	check_many(&found);
}

static void *list_in_thread(void *arg)
{
	for (int i = 0; i < 5; i++) {
		cleanup_found struct found found = { .n = 0 };
		struct s3_listing listing = of_prefix("odd/", &found);

		listing.page_size = 4;
		list_good(&listing);
		check_odd(&found);
	}
	return arg;
}

TEST("threads list side by side, each with its client")
{
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		CHECK_INT(pthread_create(&threads[i], NULL, list_in_thread, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		CHECK_INT(pthread_join(threads[i], NULL), 0);
	}
}

/* ---- nobody, and strangers ---- */

static void stranger(const char *behaviour, enum s3_fault fault, const char *words)
{
	const struct s3_place place = { .endpoint = env("S3_TEST_STRANGER"),
					.region = "us-east-1",
					.bucket = behaviour };
	struct s3_credentials who = owner();

	who.session_token = "session/token+that==is-secret";
	list_bad(&place, &who, fault, words);
}

TEST("a port that is refused, a name that is none, a port that never answers")
{
	const struct s3_credentials who = owner();
	struct s3_place place = store();

	place.endpoint = "http://127.0.0.1:1";
	list_bad(&place, &who, S3_UNREACHABLE, "127.0.0.1 port 1");
	place.endpoint = "http://jobfs-test.invalid:8000";
	list_bad(&place, &who, S3_UNREACHABLE, "Could not resolve host");
	place.endpoint = env("S3_TEST_DEAF");
	list_bad(&place, &who, S3_UNREACHABLE, "cannot be reached");
	place.endpoint = "http://user:password@127.0.0.1/";
	list_bad(&place, &who, S3_REFUSED, "endpoint");
}

TEST("a silent server is given up")
{
	stranger("silent", S3_UNREACHABLE, "does not answer");
	stranger("halfway", S3_UNREACHABLE, "broke off its answer");
}

TEST("an answer that ends too soon is no listing")
{
	stranger("hangup", S3_UNREACHABLE, "does not answer");
	stranger("cut", S3_UNREACHABLE, "broke off its answer");
	stranger("cutchunk", S3_UNREACHABLE, "broke off its answer");
	stranger("banner", S3_UNREACHABLE, "does not answer");
}

TEST("an answer without end is not read to its end")
{
	stranger("flood", S3_REFUSED, "answers with more than a page can hold");
	stranger("errorflood", S3_THROTTLED, "(SlowDown)");
	stranger("objects", S3_REFUSED, "more objects than a page can hold");
}

TEST("an answer that makes no sense is refused")
{
	stranger("html", S3_REFUSED, "<!DOCTYPE html> in place of a listing");
	stranger("negative", S3_REFUSED, "a Size is not a number of bytes");
	stranger("nokey", S3_REFUSED, "an object has no Key");
	stranger("outside", S3_REFUSED, "do not begin with the prefix");
	stranger("disorder", S3_REFUSED, "out of order");
}

TEST("a listing that never ends is refused")
{
	stranger("twice", S3_REFUSED, "out of order");
	stranger("again", S3_REFUSED, "the same page again");
	stranger("empty", S3_REFUSED, "nothing but empty pages");
}

TEST("a redirect is told and not followed")
{
	stranger("redirect", S3_REDIRECT, "it is in eu-west-1, not in us-east-1");
	stranger("temporary", S3_REDIRECT, "(HTTP 307)");
	stranger("malformed", S3_REDIRECT, "it is in eu-west-1");
}

TEST("so is one that is ahead, which Ceph allows and AWS does not")
{
	stranger("denied", S3_DENIED, "(AccessDenied)");
	test_skew_ms = INT64_C(7200000);
	stranger("denied", S3_SKEW, "it is 120 minutes ahead");
	test_skew_ms = 0;
}

TEST("a busy server may recover")
{
	stranger("slowdown", S3_THROTTLED, "request R5");
	stranger("gateway", S3_THROTTLED, "(HTTP 502) [s3://gateway/p/, request R6]");
}

TEST("a server that repeats secrets is not repeated")
{
	stranger("echo", S3_REFUSED, "refused the request (Nope) [s3://echo/p/]");
}

TEST("one connection serves all pages and listings of a client")
{
	cleanup_s3_client struct s3_client *client = NULL;
	const struct s3_place place = { .endpoint = env("S3_TEST_STRANGER"),
					.bucket = "count" };
	const struct s3_credentials who = owner();
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("p/", &found);
	int first = 0;

	CHECK_INT(s3_client_new(&client), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(s3_list(client, &place, &who, &listing, NULL), S3_OK);
	}
	CHECK_INT(found.n, 9);
	for (size_t i = 0; i < found.n; i++) {
		int page, connection, request;

		CHECK_INT(sscanf(found.keys[i], "p/%d-%d-%d", &page, &connection,
				 &request),
			  3);
		first = first ? first : connection;
		CHECK_INT(connection, first);
		CHECK_INT(request, i + 1);
	}
}

static void *list_until_cancelled(void *arg)
{
	const struct s3_place place = { .endpoint = env("S3_TEST_STRANGER"),
					.bucket = "silent" };
	const struct s3_credentials who = owner();
	cleanup_found struct found found = { .n = 0 };
	struct s3_listing listing = of_prefix("", &found);

	CHECK_INT(s3_list(arg, &place, &who, &listing, NULL), S3_STOPPED);
	CHECK_INT(s3_list(arg, &place, &who, &listing, NULL), S3_STOPPED);
	return NULL;
}

TEST("another thread can cancel")
{
	cleanup_s3_client struct s3_client *client = NULL;
	int64_t start = clock_ms();
	pthread_t thread;

	CHECK_INT(s3_client_new(&client), 0);
	CHECK_INT(pthread_create(&thread, NULL, list_until_cancelled, client), 0);
	s3_client_cancel(client);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK(clock_ms() - start < 10000);
}

TEST_MAIN
