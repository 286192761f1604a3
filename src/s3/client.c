/* A listing is a chain of requests: each is signed anew, fetched, read while it comes
 * in, and handed out only when the whole page proved sound. Then the next begins. */
#include "s3/client.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "s3/http.h"
#include "s3/internal.h"
#include "s3/multipart.h"
#include "s3/secrets.h"
#include "s3/sign.h"
#include "s3/sts.h"
#include "s3/xml.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/mem.h"

enum {
	/* A key is at most 3 x 1,024 bytes here, and some 500 are said besides. */
	PAGE_BYTES_MAX = S3_ERROR_BYTES_MAX + S3_PAGE_MAX * (4 << 10),
	EMPTY_PAGES_MAX = 1000,
};

int s3_client_new(struct s3_client **ret_client)
{
	cleanup_s3_client struct s3_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client) {
		return -ENOMEM;
	}
	r = s3_http_new(&client->http);
	if (r < 0) {
		return r;
	}
	*ret_client = steal_ptr(&client);
	return 0;
}

struct s3_client *s3_client_free(struct s3_client *client)
{
	if (client) {
		client->http = s3_http_free(client->http);
		free(client);
	}
	return NULL;
}

void s3_client_freep(struct s3_client **client)
{
	*client = s3_client_free(*client);
}

void s3_client_set_timeouts(struct s3_client *client, int connect_s, int stall_s)
{
	s3_http_set_timeouts(client->http, connect_s, stall_s);
}

void s3_client_cancel(struct s3_client *client)
{
	s3_http_cancel(client->http);
}

/* ---- one page ---- */

/* A listing on its way. */
struct walk {
	struct s3_client *client;
	const struct s3_place *place;
	const struct s3_credentials *credentials;
	const struct s3_listing *listing;
	struct s3_asked asked;
	struct buf origin;
	struct buf token; /* of the next page; empty before the first, after the last */
	struct buf last;  /* key that was handed out, or where to begin after */
	int empty_pages;  /* in a row */
	struct err *e;
};

static void walk_fini(struct walk *walk)
{
	buf_fini(&walk->origin);
	buf_fini(&walk->token);
	buf_fini(&walk->last);
}
#define cleanup_walk cleanup_(walk_fini)

/* One request and what came of it. */
struct page {
	struct walk *walk;
	struct buf url; /* holds the signature and the token */
	struct s3_xml *xml;
	struct s3_reply reply;
};

static void page_fini(struct page *page)
{
	buf_wipe(&page->url);
	page->xml = s3_xml_free(page->xml);
}
#define cleanup_page cleanup_(page_fini)

/* A document that is no good is read on to its end, so that the connection can be kept.
 */
static void page_take(void *arg, const void *data, size_t len)
{
	struct page *page = arg;

	(void)s3_xml_feed(page->xml, data, len);
}

static int page_sign(struct page *page)
{
	const struct walk *walk = page->walk;
	bool is_first = walk->token.len == 0;
	cleanup_buf struct buf size = BUF_INIT;
	struct s3_query query[5] = {
		{ "list-type", "2" },
		{ "encoding-type", "url" },
	};
	struct s3_request request = {
		.method = "GET",
		.key = "",
		.query = query,
		.n_query = 2,
		.time_s = clock_wall_ms() / 1000,
		.expires_s = S3_EXPIRES_S,
	};

	if (buf_printf(&size, "%d", walk->listing->page_size) < 0) {
		return size.error;
	}
	query[request.n_query++] = (struct s3_query){ "max-keys", buf_text(&size) };
	query[request.n_query++] = (struct s3_query){ "prefix", walk->listing->prefix };
	if (!is_first) {
		query[request.n_query++] = (struct s3_query){ "continuation-token",
							      buf_text(&walk->token) };
	} else if (walk->last.len > 0) {
		query[request.n_query++] =
			(struct s3_query){ "start-after", buf_text(&walk->last) };
	}
	return s3_presign(walk->place, walk->credentials, &request, &page->url,
			  walk->e);
}

static enum s3_fault page_refused(const struct page *page)
{
	const struct walk *walk = page->walk;
	const struct s3_reply *reply = &page->reply;
	struct s3_error error = { .status = reply->status };
	cleanup_s3_secrets struct s3_secrets secrets;

	s3_secrets_init(&secrets, walk->credentials, buf_text(&page->url));
	memcpy(error.region, reply->region, sizeof(error.region));
	memcpy(error.request_id, reply->request_id, sizeof(error.request_id));
	s3_xml_get_error(page->xml, &error);
	if (reply->date_s) {
		error.skew_s = clock_wall_ms() / 1000 - reply->date_s;
	}
	s3_error_redact(&error, secrets.texts, ARRAY_SIZE(secrets.texts));
	return s3_fault_of_error(&walk->asked, &error, walk->e);
}

static enum s3_fault page_failed(const struct page *page)
{
	const struct walk *walk = page->walk;
	const char *why = page->reply.why;
	cleanup_s3_secrets struct s3_secrets secrets;

	s3_secrets_init(&secrets, walk->credentials, buf_text(&page->url));
	if (s3_text_has_secret(why, secrets.texts, ARRAY_SIZE(secrets.texts))) {
		why = "";
	}
	return s3_fault_set(S3_UNREACHABLE, &walk->asked, page->reply.says, why,
			    walk->e);
}

/* Holds the server to what was asked: callers cut the prefix off and compare in order.
 */
static enum s3_fault page_check(const struct page *page)
{
	const struct walk *walk = page->walk;
	const char *last = buf_text(&walk->last);
	const char *token = s3_xml_next_token(page->xml);
	const char *says = NULL;

	for (size_t i = 0; !says && i < s3_xml_count(page->xml); i++) {
		const char *key = s3_xml_object(page->xml, i).key;

		if (!has_prefix(key, walk->listing->prefix)) {
			says = "lists keys that do not begin with the prefix";
		} else if (strcmp(key, last) <= 0) {
			says = "lists keys out of order";
		}
		last = key;
	}
	if (token && streq(token, buf_text(&walk->token))) {
		says = "gives the same page again and again";
	} else if (walk->empty_pages > EMPTY_PAGES_MAX) {
		says = "gives nothing but empty pages";
	}
	return says ? s3_fault_set(S3_REFUSED, &walk->asked, says, "", walk->e) : S3_OK;
}

static enum s3_fault page_unsound(const struct page *page, int r)
{
	const struct walk *walk = page->walk;

	return s3_fault_set(r == -ENOMEM ? S3_UNREACHABLE : S3_REFUSED, &walk->asked,
			    "does not answer with a listing", s3_xml_problem(page->xml),
			    walk->e);
}

static enum s3_fault page_judge(const struct page *page, enum s3_http_outcome outcome)
{
	const struct walk *walk = page->walk;
	bool is_long = outcome == S3_HTTP_TOO_LONG;
	int r = outcome == S3_HTTP_DONE ? s3_xml_finish(page->xml) : 0;

	if (outcome == S3_HTTP_CANCELLED) {
		return S3_STOPPED;
	}
	if (outcome == S3_HTTP_FAILED) {
		return page_failed(page);
	}
	if (page->reply.status != 200 ||
	    s3_xml_document(page->xml) == S3_DOCUMENT_ERROR) {
		return page_refused(page);
	}
	if (is_long) {
		return s3_fault_set(S3_REFUSED, &walk->asked,
				    "answers with more than a page can hold", "",
				    walk->e);
	}
	return r < 0 ? page_unsound(page, r) : page_check(page);
}

static enum s3_http_outcome page_fetch(struct page *page)
{
	const struct s3_sink sink = {
		.take = page_take,
		.arg = page,
		.page_max = PAGE_BYTES_MAX,
		.error_max = S3_ERROR_BYTES_MAX,
	};

	return s3_http_send(page->walk->client->http,
			    &(struct s3_send){ .method = "GET", .url = page->url.data },
			    &sink, &page->reply);
}

/* ---- the chain of pages ---- */

/* What went wrong on this side; e holds the sentence for -EINVAL. */
static enum s3_fault walk_fail(const struct walk *walk, int r)
{
	if (r == -EINVAL) {
		return S3_REFUSED;
	}
	return s3_fault_set(S3_UNREACHABLE, &walk->asked, "could not be asked",
			    strerror(-r), walk->e);
}

static int buf_set(struct buf *b, const char *text)
{
	buf_truncate(b, 0);
	return buf_add_str(b, text);
}

static enum s3_fault page_hand_out(const struct page *page)
{
	const char *token = s3_xml_next_token(page->xml);
	const struct s3_listing *listing = page->walk->listing;
	struct walk *walk = page->walk;
	size_t n = s3_xml_count(page->xml);
	int r = buf_set(&walk->token, token ? token : "");

	if (listing->ret_now_s) {
		*listing->ret_now_s = page->reply.date_s;
	}
	for (size_t i = 0; i < n; i++) {
		const struct s3_object object = s3_xml_object(page->xml, i);

		if (listing->each(listing->arg, &object) != 0) {
			return S3_STOPPED;
		}
	}
	if (r == 0 && n > 0) {
		r = buf_set(&walk->last, s3_xml_object(page->xml, n - 1).key);
	}
	walk->empty_pages = n > 0 ? 0 : walk->empty_pages + 1;
	return r < 0 ? walk_fail(walk, r) : S3_OK;
}

static enum s3_fault walk_step(struct walk *walk)
{
	cleanup_page struct page page = { .walk = walk };
	enum s3_fault fault;
	int r = s3_xml_new(&page.xml);

	if (r == 0) {
		r = page_sign(&page);
	}
	if (r < 0) {
		return walk_fail(walk, r);
	}
	fault = page_judge(&page, page_fetch(&page));
	return fault == S3_OK ? page_hand_out(&page) : fault;
}

enum s3_fault s3_list(struct s3_client *client, const struct s3_place *place,
		      const struct s3_credentials *credentials,
		      const struct s3_listing *listing, struct err *e)
{
	cleanup_walk struct walk walk = {
		.client = client,
		.place = place,
		.credentials = credentials,
		.listing = listing,
		.asked = { .place = place,
			   .prefix = listing->prefix,
			   .is_anonymous = !credentials->access_key },
		.e = e,
	};
	enum s3_fault fault = S3_OK;
	int r = s3_place_origin(place, &walk.origin, e);

	assert(listing->page_size >= 1 && listing->page_size <= S3_PAGE_MAX);
	walk.asked.origin = buf_text(&walk.origin);
	if (r == 0) {
		r = buf_set(&walk.last, listing->after ? listing->after : "");
	}
	if (r < 0) {
		return walk_fail(&walk, r);
	}
	do {
		fault = walk_step(&walk);
	} while (fault == S3_OK && walk.token.len > 0);
	return fault;
}

static int open_client(void *world, struct s3_client **ret_client)
{
	(void)world;
	return s3_client_new(ret_client);
}

const struct s3_ops s3_over_http = {
	.open = open_client,
	.free = s3_client_free,
	.cancel = s3_client_cancel,
	.list = s3_list,
	.try_write = s3_try_write,
	.assume_role = s3_assume_role,
};
