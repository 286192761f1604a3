#include "s3/place.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "s3/uri.h"

enum { HOST_MAX = 255, REGION_MAX = 64 };

struct endpoint { /* points into the text it was made of */
	bool is_https;
	const char *host;
	size_t host_len;
	int port; /* 0: the default one */
	const char *path;
	size_t path_len; /* without slashes at the end */
};

static bool is_host_char(char c, bool in_brackets)
{
	return in_brackets ? isxdigit((unsigned char)c) || c == ':' || c == '.'
			   : s3_is_unreserved(c) && c != '~';
}

/* The length of the host's name, of [v6 address] with its brackets; 0 when it is none.
 */
static size_t host_span(const char *text)
{
	bool in_brackets = *text == '[';
	size_t n = in_brackets ? 1 : 0;

	while (is_host_char(text[n], in_brackets)) {
		n++;
	}
	if (in_brackets) {
		return text[n] == ']' && n > 1 ? n + 1 : 0;
	}
	return n;
}

/* ":8000" at *text, which moves behind it. Without one the port is 0. */
static bool port_parse(const char **text, int *ret_port)
{
	const char *s = *text;
	int port = 0;

	if (*s != ':') {
		*ret_port = 0;
		return true;
	}
	for (s++; *s >= '0' && *s <= '9' && port <= 65535; s++) {
		port = port * 10 + (*s - '0');
	}
	if (port < 1 || port > 65535) {
		return false;
	}
	*text = s;
	*ret_port = port;
	return true;
}

static bool path_parse(const char *text, struct endpoint *endpoint)
{
	size_t n = 0;

	while (s3_is_unreserved(text[n]) || text[n] == '/') {
		n++;
	}
	if (text[n] || (n > 0 && text[0] != '/')) {
		return false;
	}
	while (n > 0 && text[n - 1] == '/') {
		n--;
	}
	endpoint->path = text;
	endpoint->path_len = n;
	return true;
}

static bool endpoint_parse(const char *text, struct endpoint *ret_endpoint)
{
	struct endpoint endpoint = { .is_https = false };

	if (strncasecmp(text, "http://", 7) == 0) {
		text += 7;
	} else if (strncasecmp(text, "https://", 8) == 0) {
		endpoint.is_https = true;
		text += 8;
	} else {
		return false;
	}
	endpoint.host = text;
	endpoint.host_len = host_span(text);
	if (endpoint.host_len == 0 || endpoint.host_len > HOST_MAX) {
		return false;
	}
	text += endpoint.host_len;
	if (!port_parse(&text, &endpoint.port) || !path_parse(text, &endpoint)) {
		return false;
	}
	if (endpoint.port == (endpoint.is_https ? 443 : 80)) {
		endpoint.port = 0;
	}
	*ret_endpoint = endpoint;
	return true;
}

/* A region is a part of the host's name and of the signature's scope. */
const char *s3_place_region(const struct s3_place *place)
{
	return place->region && *place->region ? place->region : "us-east-1";
}

static bool region_is_valid(const char *region)
{
	size_t n = 0;

	while (s3_is_unreserved(region[n]) && region[n] != '~') {
		n++;
	}
	return !region[n] && n <= REGION_MAX;
}

/* Can it be the first label of a host's name that a wildcard certificate covers? */
static bool is_dns_label(const char *bucket)
{
	size_t n = 0;

	while ((bucket[n] >= 'a' && bucket[n] <= 'z') ||
	       (bucket[n] >= '0' && bucket[n] <= '9') ||
	       (bucket[n] == '-' && n > 0 && bucket[n + 1])) {
		n++;
	}
	return !bucket[n] && n >= 3 && n <= 63;
}

static bool is_virtual_host(const struct s3_place *place)
{
	return !place->endpoint && is_dns_label(place->bucket);
}

static void add_aws_origin(const struct s3_place *place, struct buf *out)
{
	const char *region = s3_place_region(place);

	(void)buf_add_str(out, "https://");
	if (is_virtual_host(place)) {
		(void)buf_printf(out, "%s.", place->bucket);
	}
	(void)buf_printf(out, "s3.%s.amazonaws.com%s", region,
			 has_prefix(region, "cn-") ? ".cn" : "");
}

static void add_endpoint_origin(const struct endpoint *endpoint, struct buf *out)
{
	(void)buf_add_str(out, endpoint->is_https ? "https://" : "http://");
	for (size_t i = 0; i < endpoint->host_len; i++) {
		(void)buf_add_char(out,
				   (char)tolower((unsigned char)endpoint->host[i]));
	}
	if (endpoint->port) {
		(void)buf_printf(out, ":%d", endpoint->port);
	}
}

/* An endpoint may hold a password by mistake: it is not repeated in the message. */
static int place_resolve(const struct s3_place *place, struct endpoint *ret_endpoint,
			 struct err *e)
{
	if (!region_is_valid(s3_place_region(place))) {
		return err_set(e, -EINVAL,
			       "the S3 region is not one word of letters, "
			       "digits and hyphens, like eu-west-1");
	}
	if (!place->endpoint && !*place->bucket) {
		return err_set(e, -EINVAL, "no S3 bucket is named");
	}
	if (place->endpoint && !endpoint_parse(place->endpoint, ret_endpoint)) {
		return err_set(e, -EINVAL,
			       "the S3 endpoint is not of the form http://HOST:PORT "
			       "or https://HOST:PORT");
	}
	return 0;
}

int s3_place_origin(const struct s3_place *place, struct buf *out, struct err *e)
{
	struct endpoint endpoint = { .host = NULL };
	int r = place_resolve(place, &endpoint, e);

	if (r < 0) {
		return r;
	}
	if (place->endpoint) {
		add_endpoint_origin(&endpoint, out);
	} else {
		add_aws_origin(place, out);
	}
	return out->error;
}

int s3_place_path(const struct s3_place *place, const char *key, struct buf *out,
		  struct err *e)
{
	bool has_bucket = !is_virtual_host(place) && *place->bucket;
	struct endpoint endpoint = { .host = NULL };
	int r = place_resolve(place, &endpoint, e);

	if (r < 0) {
		return r;
	}
	(void)buf_add(out, endpoint.path, endpoint.path_len);
	if (has_bucket) {
		(void)buf_add_char(out, '/');
		(void)s3_encode(place->bucket, false, out);
	}
	if (*key || !has_bucket) {
		(void)buf_add_char(out, '/');
		(void)s3_encode(key, true, out);
	}
	return out->error;
}
