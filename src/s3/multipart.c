/* https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 *
 * All five requests have the same course: sign, send, read a small document whose
 * leaves are picked by path, and make a fault of what is not as it should be. A
 * completion may answer 200 and say in the body that it failed: the document decides,
 * not the status. */
#include "s3/multipart.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/internal.h"
#include "s3/leaves.h"
#include "s3/secrets.h"
#include "s3/sign.h"
#include "util/clock.h"

enum {
	REPLY_BYTES_MAX = 4 << 20, /* a thousand parts or uploads in one answer */
	STATUS_GONE = 404,
};

/* ---- one request ---- */

struct ask {
	struct s3_client *client;
	const struct s3_object_name *name;
	const char *method;
	bool of_bucket; /* the bucket itself is asked, not the key */
	const struct s3_query *query;
	size_t n_query;
	const struct buf *body; /* NULL: none */
	const char *md5;	/* that S3 is told of it */
	s3_leaf_fn *each;
	void *arg;
	struct err *e;
};

struct answer {
	struct s3_leaves *leaves;
	const struct ask *ask;
	struct buf url;
	struct buf origin;
	bool is_error; /* an Error document came */
	struct s3_error error;
	struct s3_reply reply;
};

static void answer_fini(struct answer *answer)
{
	buf_wipe(&answer->url);
	buf_fini(&answer->origin);
	answer->leaves = s3_leaves_free(answer->leaves);
}
#define cleanup_answer cleanup_(answer_fini)

static void copy_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text);
}

static void take_leaf(void *arg, const char *path, const char *text)
{
	struct answer *answer = arg;
	struct s3_error *error = &answer->error;

	if (!has_prefix(path, "/Error")) {
		answer->ask->each(answer->ask->arg, path, text);
		return;
	}
	answer->is_error = true;
	if (streq(path, "/Error/Code")) {
		copy_text(error->code, sizeof(error->code), text);
	} else if (streq(path, "/Error/Message")) {
		copy_text(error->message, sizeof(error->message), text);
	} else if (streq(path, "/Error/Region")) {
		copy_text(error->region, sizeof(error->region), text);
	}
}

static void take_body(void *arg, const void *data, size_t len)
{
	struct answer *answer = arg;

	(void)s3_leaves_feed(answer->leaves, data, len);
}

static int ask_sign(const struct ask *ask, struct buf *url)
{
	const struct s3_request request = {
		.method = ask->method,
		.key = ask->of_bucket ? "" : ask->name->key,
		.query = ask->query,
		.n_query = ask->n_query,
		.time_s = clock_wall_ms() / 1000,
		.expires_s = S3_EXPIRES_S,
	};

	return s3_presign(ask->name->place, ask->name->credentials, &request, url,
			  ask->e);
}

static enum s3_fault judge(struct answer *answer, enum s3_http_outcome outcome)
{
	const struct ask *ask = answer->ask;
	const struct s3_asked asked = {
		.origin = buf_text(&answer->origin),
		.place = ask->name->place,
		.prefix = ask->name->key,
		.act = "write to",
		.is_anonymous = !ask->name->credentials->access_key,
	};
	struct s3_error *error = &answer->error;
	cleanup_s3_secrets struct s3_secrets secrets;
	int finished = outcome == S3_HTTP_DONE ? s3_leaves_finish(answer->leaves) : 0;

	s3_secrets_init(&secrets, ask->name->credentials, buf_text(&answer->url));
	if (outcome == S3_HTTP_CANCELLED) {
		return S3_STOPPED;
	}
	if (outcome == S3_HTTP_FAILED) {
		bool is_secret = s3_text_has_secret(answer->reply.why, secrets.texts,
						    S3_SECRETS_MAX);

		return s3_fault_set(S3_UNREACHABLE, &asked, answer->reply.says,
				    is_secret ? "" : answer->reply.why, ask->e);
	}
	if (answer->is_error || answer->reply.status / 100 != 2) {
		error->status = answer->reply.status;
		copy_text(error->request_id, sizeof(error->request_id),
			  answer->reply.request_id);
		if (answer->reply.date_s) {
			error->skew_s = clock_wall_ms() / 1000 - answer->reply.date_s;
		}
		s3_error_redact(error, secrets.texts, S3_SECRETS_MAX);
		return s3_fault_of_error(&asked, error, ask->e);
	}
	if (finished < 0 || outcome == S3_HTTP_TOO_LONG) {
		return s3_fault_set(S3_REFUSED, &asked, "answers with something else",
				    "", ask->e);
	}
	return S3_OK;
}

/* *ret_status: of HTTP, 0 when none came. */
static enum s3_fault ask_once(const struct ask *ask, int *ret_status)
{
	cleanup_answer struct answer answer = { .ask = ask };
	const struct s3_sink sink = { .take = take_body,
				      .arg = &answer,
				      .page_max = REPLY_BYTES_MAX,
				      .error_max = S3_ERROR_BYTES_MAX };
	struct s3_send send = { .method = ask->method };
	enum s3_fault fault;
	int r = s3_leaves_new(take_leaf, &answer, &answer.leaves);

	*ret_status = 0;
	r = r < 0 ? r : s3_place_origin(ask->name->place, &answer.origin, ask->e);
	r = r < 0 ? r : ask_sign(ask, &answer.url);
	if (r < 0) {
		(void)err_set(r == -EINVAL ? NULL : ask->e, r, "no memory");
		return r == -EINVAL ? S3_REFUSED : S3_UNREACHABLE;
	}
	send.url = answer.url.data;
	if (ask->body) {
		send.body = buf_text(ask->body);
		send.body_len = ask->body->len;
		send.md5 = ask->md5;
	}
	fault = judge(&answer,
		      s3_http_send(ask->client->http, &send, &sink, &answer.reply));
	*ret_status = answer.reply.status;
	return fault;
}

static enum s3_fault no_memory(struct err *e)
{
	(void)err_set(e, -ENOMEM, "no memory");
	return S3_UNREACHABLE;
}

/* ---- begin, find ---- */

static void take_id(void *arg, const char *path, const char *text)
{
	if (streq(path, "/InitiateMultipartUploadResult/UploadId")) {
		(void)buf_add_str(arg, text);
	}
}

enum s3_fault s3_upload_create(struct s3_client *client,
			       const struct s3_object_name *name, struct buf *id,
			       struct err *e)
{
	size_t before = id->len;
	int status;
	enum s3_fault fault = ask_once(
		&(struct ask){ .client = client,
			       .name = name,
			       .method = "POST",
			       .query = (const struct s3_query[]){ { "uploads", "" } },
			       .n_query = 1,
			       .body = &(const struct buf)BUF_INIT,
			       .each = take_id,
			       .arg = id,
			       .e = e },
		&status);

	if (fault != S3_OK) {
		return fault;
	}
	if (id->error) {
		return no_memory(e);
	}
	if (id->len == before) {
		(void)err_set(e, -EPROTO, "S3 began an upload of %s without an id",
			      name->key);
		return S3_REFUSED;
	}
	return S3_OK;
}

struct uploads {
	const char *key;
	struct buf *
		below; /* NULL: exactly that key; or where the one that is found goes */
	struct buf *id;
	size_t start; /* of what is found in id */
	struct buf this_key, this_id;
};

static bool is_sought(struct uploads *u)
{
	const char *key = buf_text(&u->this_key);

	if (!u->below) {
		return streq(key, u->key);
	}
	if (!has_prefix(key, u->key)) {
		return false;
	}
	buf_truncate(u->below, 0);
	(void)buf_add_str(u->below, key);
	return true;
}

/* Sorted by key, then by when they were begun: the last one counts. */
static void take_upload(void *arg, const char *path, const char *text)
{
	static const char top[] = "/ListMultipartUploadsResult/Upload";
	struct uploads *u = arg;

	if (!has_prefix(path, top)) {
		return;
	}
	path += strlen(top);
	if (streq(path, "/Key")) {
		buf_truncate(&u->this_key, 0);
		(void)buf_add_str(&u->this_key, text);
	} else if (streq(path, "/UploadId")) {
		buf_truncate(&u->this_id, 0);
		(void)buf_add_str(&u->this_id, text);
	} else if (*path == '\0' && is_sought(u)) {
		buf_truncate(u->id, u->start);
		(void)buf_add_str(u->id, buf_text(&u->this_id));
	}
}

static enum s3_fault find_upload(struct s3_client *client,
				 const struct s3_object_name *name, struct buf *below,
				 struct buf *id, struct err *e)
{
	struct uploads u = {
		.key = name->key, .below = below, .id = id, .start = id->len
	};
	const struct s3_query query[] = { { "uploads", "" }, { "prefix", name->key } };
	int status;
	enum s3_fault fault = ask_once(&(struct ask){ .client = client,
						      .name = name,
						      .method = "GET",
						      .of_bucket = true,
						      .query = query,
						      .n_query = ARRAY_SIZE(query),
						      .each = take_upload,
						      .arg = &u,
						      .e = e },
				       &status);

	if (id->error || u.this_id.error || u.this_key.error ||
	    (below && below->error)) {
		fault = no_memory(e);
	}
	buf_fini(&u.this_key);
	buf_fini(&u.this_id);
	return fault;
}

enum s3_fault s3_upload_find(struct s3_client *client,
			     const struct s3_object_name *name, struct buf *id,
			     struct err *e)
{
	return find_upload(client, name, NULL, id, e);
}

enum s3_fault s3_upload_find_below(struct s3_client *client,
				   const struct s3_object_name *prefix, struct buf *key,
				   struct buf *id, struct err *e)
{
	return find_upload(client, prefix, key, id, e);
}

/* ---- parts ---- */

void s3_parts_fini(struct s3_parts *parts)
{
	free(parts->parts);
	*parts = (struct s3_parts){ .n = 0 };
}

struct part_page {
	struct s3_parts *parts;
	struct s3_part part; /* that is being read */
	bool is_truncated;
	int next; /* number after which the next page begins */
	int error;
};

static void add_part(struct part_page *page)
{
	struct s3_parts *parts = page->parts;
	const struct s3_part *last = parts->n ? &parts->parts[parts->n - 1] : NULL;

	if (page->part.number < 1 || page->part.number > S3_PARTS_MAX ||
	    page->part.size < 0 || (last && last->number >= page->part.number)) {
		page->error = -EBADMSG;
		return;
	}
	if (parts->n % 256 == 0) {
		struct s3_part *more =
			realloc(parts->parts, (parts->n + 256) * sizeof(*more));

		if (!more) {
			page->error = -ENOMEM;
			return;
		}
		parts->parts = more;
	}
	parts->parts[parts->n++] = page->part;
	page->next = page->part.number;
}

static void take_part(void *arg, const char *path, const char *text)
{
	static const char top[] = "/ListPartsResult/";
	struct part_page *page = arg;
	struct s3_part *part = &page->part;

	path += has_prefix(path, top) ? strlen(top) : 0;
	if (streq(path, "IsTruncated")) {
		page->is_truncated = streq(text, "true");
	} else if (streq(path, "Part/PartNumber")) {
		part->number = (int)strtol(text, NULL, 10);
	} else if (streq(path, "Part/Size")) {
		part->size = strtoll(text, NULL, 10);
	} else if (streq(path, "Part/ETag")) {
		size_t quoted = *text == '"';

		copy_text(part->etag, sizeof(part->etag), text + quoted);
		part->etag[strcspn(part->etag, "\"")] = '\0';
	} else if (streq(path, "Part") && page->error == 0) {
		add_part(page);
		*part = (struct s3_part){ .size = -1 };
	}
}

static enum s3_fault list_page(struct s3_client *client,
			       const struct s3_object_name *name, const char *id,
			       struct part_page *page, struct err *e)
{
	char after[16];
	const struct s3_query query[] = { { "uploadId", id },
					  { "part-number-marker", after } };
	int status;
	enum s3_fault fault;

	(void)snprintf(after, sizeof(after), "%d", page->next);
	fault = ask_once(&(struct ask){ .client = client,
					.name = name,
					.method = "GET",
					.query = query,
					.n_query = ARRAY_SIZE(query),
					.each = take_part,
					.arg = page,
					.e = e },
			 &status);
	if (fault != S3_OK && status == STATUS_GONE) {
		s3_parts_fini(page->parts);
		page->is_truncated = false;
		return S3_OK;
	}
	if (fault == S3_OK && page->error < 0) {
		(void)err_set(e, page->error, "S3 lists the parts of %s out of order",
			      name->key);
		fault = S3_REFUSED;
	}
	return fault;
}

enum s3_fault s3_upload_parts(struct s3_client *client,
			      const struct s3_object_name *name, const char *id,
			      struct s3_parts *ret_parts, struct err *e)
{
	cleanup_s3_parts struct s3_parts parts = { .n = 0 };
	struct part_page page = { .parts = &parts };
	enum s3_fault fault = S3_OK;

	do {
		int before = page.next;

		page.is_truncated = false;
		page.part = (struct s3_part){ .size = -1 };
		fault = list_page(client, name, id, &page, e);
		if (page.is_truncated && page.next == before) {
			break; /* a page of nothing: that was all */
		}
	} while (fault == S3_OK && page.is_truncated);
	if (fault == S3_OK) {
		*ret_parts = parts;
		parts = (struct s3_parts){ .n = 0 };
	}
	return fault;
}

/* ---- end ---- */

struct completion {
	bool is_done;
};

static void take_completion(void *arg, const char *path, const char *text)
{
	struct completion *completion = arg;

	(void)text;
	completion->is_done |= streq(path, "/CompleteMultipartUploadResult");
}

static void add_parts(const struct s3_parts *parts, struct buf *body)
{
	(void)buf_add_str(body, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < parts->n; i++) {
		const struct s3_part *part = &parts->parts[i];

		(void)buf_printf(body, "<Part><PartNumber>%d</PartNumber><ETag>",
				 part->number);
		for (const char *c = part->etag; *c; c++) { /* hex and a hyphen */
			if (!strchr("<>&\"", *c)) {
				(void)buf_add_char(body, *c);
			}
		}
		(void)buf_add_str(body, "</ETag></Part>");
	}
	(void)buf_add_str(body, "</CompleteMultipartUpload>");
}

enum s3_fault s3_upload_complete(struct s3_client *client,
				 const struct s3_object_name *name, const char *id,
				 const struct s3_parts *parts, struct err *e)
{
	cleanup_buf struct buf body = BUF_INIT;
	struct completion completion = { .is_done = false };
	int status;
	enum s3_fault fault;

	add_parts(parts, &body);
	if (body.error) {
		return no_memory(e);
	}
	fault = ask_once(
		&(struct ask){ .client = client,
			       .name = name,
			       .method = "POST",
			       .query = (const struct s3_query[]){ { "uploadId", id } },
			       .n_query = 1,
			       .body = &body,
			       .each = take_completion,
			       .arg = &completion,
			       .e = e },
		&status);
	if (fault != S3_OK && status == 404) { /* perhaps by a call that was cut */
		return S3_OK;
	}
	if (fault == S3_OK && !completion.is_done) {
		(void)err_set(e, -EPROTO, "S3 did not say that %s is complete",
			      name->key);
		return S3_UNREACHABLE;
	}
	return fault;
}

static void take_nothing(void *arg, const char *path, const char *text)
{
	(void)arg;
	(void)path;
	(void)text;
}

enum s3_fault s3_upload_abort(struct s3_client *client,
			      const struct s3_object_name *name, const char *id,
			      struct err *e)
{
	int status;
	enum s3_fault fault = ask_once(
		&(struct ask){ .client = client,
			       .name = name,
			       .method = "DELETE",
			       .query = (const struct s3_query[]){ { "uploadId", id } },
			       .n_query = 1,
			       .each = take_nothing,
			       .e = e },
		&status);

	return fault != S3_OK && status == STATUS_GONE ? S3_OK : fault;
}

/* ---- may it be written there ---- */

/* Who may not write is told so before the body is looked at, and one whose digest is
 * wrong is not kept: so nothing is left there, whenever this process dies. BadDigest it
 * is with AWS and Ceph; whatever else is said of the request, the right is there. */
enum s3_fault s3_try_write(struct s3_client *client, const struct s3_object_name *name,
			   struct err *e)
{
	static const char md5_of_nothing[] = "1B2M2Y8AsgTpgAmY7PhCfg==";
	cleanup_buf struct buf body = BUF_INIT;
	struct ask ask = { .client = client,
			   .name = name,
			   .method = "PUT",
			   .body = &body,
			   .md5 = md5_of_nothing,
			   .each = take_nothing,
			   .e = e };
	enum s3_fault fault;
	int status;

	if (buf_add_str(&body, "jobfs") < 0) {
		return no_memory(e);
	}
	fault = ask_once(&ask, &status);
	if (fault == S3_REFUSED) {
		return S3_OK;
	}
	if (fault == S3_OK && status / 100 == 2) { /* it looks at no digests */
		ask.method = "DELETE";
		ask.body = NULL;
		(void)ask_once(&ask, &status);
	}
	return fault;
}
