/* Why libcurl (7.88 of Debian 12 is enough) and expat (2.5, in xml.c), and no code of
 * our own: what lies between a socket and an answer is TLS with its certificates,
 * proxies, IPv4 beside IPv6, chunked bodies and connections that are kept; what lies
 * between bytes and text is entities and encodings; and strangers feed both. Both
 * libraries are everywhere, and have been attacked for twenty years. What is left to us
 * is to set limits: numbers[] here, the head of xml.c there. Signing is ours all the
 * same (sign.c), because curl signs headers only and the GPU hosts need URLs. */
#include "s3/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

enum {
	CONNECT_MAX_S = 10,
	STALL_MAX_S = 30,
	STALL_BYTES_S = 1, /* slower than this is standing still */
};

struct s3_http {
	CURL *curl;
	char trouble[CURL_ERROR_SIZE]; /* curl's words for the last failure */
	atomic_bool is_cancelled;
	/* Of the running call: */
	const struct s3_sink *sink;
	size_t bytes; /* of the body so far */
	bool is_too_long;
};

static CURLcode global_result;

static void global_start(void)
{
	global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The only state of the process: curl_global_init() is not safe to call twice at once.
 */
static int global_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	return pthread_once(&once, global_start) == 0 && global_result == CURLE_OK
		       ? 0
		       : -EIO;
}

static const struct {
	CURLoption option;
	long value;
} numbers[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_CONNECTTIMEOUT, CONNECT_MAX_S },
	{ CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_S },
	{ CURLOPT_LOW_SPEED_TIME, STALL_MAX_S },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
	{ CURLOPT_FOLLOWLOCATION, 0 }, /* another host would need another signature */
	{ CURLOPT_PATH_AS_IS, 1 },     /* what was signed is what is sent */
	{ CURLOPT_TCP_KEEPALIVE, 1 },
	{ CURLOPT_MAXCONNECTS, 2 },
	{ CURLOPT_QUICK_EXIT, 1 }, /* a call that is cancelled waits for no resolver */
	{ CURLOPT_NOPROGRESS, 0 }, /* on_progress() is how a call is cancelled */
};

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down,
		       curl_off_t up_all, curl_off_t up)
{
	struct s3_http *http = arg;

	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	return atomic_load(&http->is_cancelled);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct s3_http *http = arg;
	const struct s3_sink *sink = http->sink;
	long status = 0;

	(void)size; /* always 1 */
	(void)curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	http->bytes += n;
	if (http->bytes > (status == 200 ? sink->page_max : sink->error_max)) {
		http->is_too_long = true;
		return CURL_WRITEFUNC_ERROR;
	}
	sink->take(sink->arg, data, n);
	return n;
}

static int http_configure(struct s3_http *http)
{
	const char *bundle = getenv("AWS_CA_BUNDLE");
	CURL *curl = http->curl;
	CURLcode rc = CURLE_OK;

	for (size_t i = 0; rc == CURLE_OK && i < ARRAY_SIZE(numbers); i++) {
		rc = curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
	}
	if (rc == CURLE_OK && bundle && *bundle) {
		rc = curl_easy_setopt(curl, CURLOPT_CAINFO, bundle);
	}
	if (rc != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_USERAGENT, "jobfs") != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->trouble) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_WRITEDATA, http) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK) {
		return -EIO;
	}
	return 0;
}

int s3_http_new(struct s3_http **ret_http)
{
	cleanup_s3_http struct s3_http *http = NULL;
	int r = global_init();

	if (r < 0) {
		return r;
	}
	http = calloc(1, sizeof(*http));
	if (!http) {
		return -ENOMEM;
	}
	http->curl = curl_easy_init();
	if (!http->curl) {
		return -ENOMEM;
	}
	r = http_configure(http);
	if (r < 0) {
		return r;
	}
	*ret_http = steal_ptr(&http);
	return 0;
}

struct s3_http *s3_http_free(struct s3_http *http)
{
	if (http) {
		curl_easy_cleanup(http->curl);
		free(http);
	}
	return NULL;
}

void s3_http_freep(struct s3_http **http)
{
	*http = s3_http_free(*http);
}

void s3_http_set_timeouts(struct s3_http *http, int connect_s, int stall_s)
{
	(void)curl_easy_setopt(http->curl, CURLOPT_CONNECTTIMEOUT, (long)connect_s);
	(void)curl_easy_setopt(http->curl, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
}

void s3_http_cancel(struct s3_http *http)
{
	atomic_store(&http->is_cancelled, true);
}

static const char *header_get(CURL *curl, const char *name)
{
	struct curl_header *header = NULL;

	if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
		return NULL;
	}
	return header->value;
}

static void header_copy(CURL *curl, const char *name, char *to, size_t size)
{
	const char *value = header_get(curl, name);

	if (value && strlen(value) < size) {
		memcpy(to, value, strlen(value) + 1);
	}
}

/* Leaves says and why alone. */
static void reply_read(CURL *curl, struct s3_reply *reply)
{
	const char *date = header_get(curl, "Date");
	time_t date_s = date ? curl_getdate(date, NULL) : -1;
	long status = 0;

	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	reply->status = (int)status;
	reply->date_s = date_s == -1 ? 0 : date_s;
	header_copy(curl, "x-amz-bucket-region", reply->region, sizeof(reply->region));
	header_copy(curl, "x-amz-request-id", reply->request_id,
		    sizeof(reply->request_id));
}

static const char *failure_says(CURL *curl, CURLcode rc, int status)
{
	curl_off_t sent_us = 0;

	(void)curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	if (rc == CURLE_PEER_FAILED_VERIFICATION) {
		return "has a certificate that is not trusted (AWS_CA_BUNDLE can name "
		       "who issued it)";
	}
	if (status) {
		return "broke off its answer";
	}
	return sent_us > 0 ? "does not answer" : "cannot be reached";
}

/* A body's type is none: S3 signs what it is told, and the default of libcurl is that
 * of a form. */
static CURLcode request_set(CURL *curl, const struct s3_send *send,
			    struct curl_slist *headers)
{
	CURLcode rc = curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);

	if (rc == CURLE_OK && send->body) {
		rc = curl_easy_setopt(curl, CURLOPT_POST, 1L);
		if (rc == CURLE_OK) {
			rc = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, send->body);
		}
		if (rc == CURLE_OK) {
			rc = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
					      (curl_off_t)send->body_len);
		}
	}
	if (rc == CURLE_OK) {
		rc = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	}
	if (rc == CURLE_OK) {
		rc = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST,
				      streq(send->method, "GET") ? NULL : send->method);
	}
	return rc == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_URL, send->url) : rc;
}

/* What the handle must not keep: a signature, the caller's memory. */
static void request_clear(CURL *curl)
{
	(void)curl_easy_setopt(curl, CURLOPT_URL, NULL);
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
}

static struct curl_slist *headers_free(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next) {
		explicit_bzero(h->data, strlen(h->data));
	}
	curl_slist_free_all(headers);
	return NULL;
}

/* NULL: no memory, and the list is gone. */
static struct curl_slist *headers_add(struct curl_slist *headers, const char *line)
{
	struct curl_slist *more = curl_slist_append(headers, line);

	return more ? more : headers_free(headers);
}

/* Of a body; NULL: no memory. */
static struct curl_slist *headers_new(const struct s3_send *send)
{
	static const char *const no_type[] = { "Content-Type:", NULL };
	const char *const *line = send->headers ? send->headers : no_type;
	struct curl_slist *headers = headers_add(NULL, *line);
	char md5[64];

	while (headers && *++line) {
		headers = headers_add(headers, *line);
	}
	if (headers && send->md5) {
		(void)snprintf(md5, sizeof(md5), "Content-MD5: %s", send->md5);
		headers = headers_add(headers, md5);
	}
	return headers;
}

enum s3_http_outcome s3_http_send(struct s3_http *http, const struct s3_send *send,
				  const struct s3_sink *sink,
				  struct s3_reply *ret_reply)
{
	struct curl_slist *headers = send->body ? headers_new(send) : NULL;
	struct s3_reply reply = { .says = "", .why = "" };
	CURLcode rc;

	*ret_reply = reply;
	if (send->body && !headers) {
		ret_reply->says = "was not asked";
		ret_reply->why = "no memory";
		return S3_HTTP_FAILED;
	}
	if (atomic_load(&http->is_cancelled)) {
		(void)headers_free(headers);
		return S3_HTTP_CANCELLED;
	}
	http->sink = sink;
	http->bytes = 0;
	http->is_too_long = false;
	*http->trouble = '\0';
	rc = request_set(http->curl, send, headers);
	if (rc == CURLE_OK) {
		rc = curl_easy_perform(http->curl);
		reply_read(http->curl, &reply);
	}
	request_clear(http->curl);
	(void)headers_free(headers);
	if (rc != CURLE_OK) {
		reply.says = failure_says(http->curl, rc, reply.status);
		reply.why = *http->trouble ? http->trouble : curl_easy_strerror(rc);
	}
	*ret_reply = reply;
	if (rc == CURLE_ABORTED_BY_CALLBACK) {
		return S3_HTTP_CANCELLED;
	}
	if (http->is_too_long) {
		return S3_HTTP_TOO_LONG;
	}
	return rc == CURLE_OK ? S3_HTTP_DONE : S3_HTTP_FAILED;
}
