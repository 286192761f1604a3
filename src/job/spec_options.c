/* resources and s3. */
#include "job/spec_read.h"

#include <limits.h>
#include <string.h>

#include "job/show.h"
#include "util/mem.h"

enum {
	HOSTS_SHOWN = 8,
	REGION_LEN_MAX = 64,
};

/* ---- resources ---- */

static bool is_host(const struct spec_context *context, const char *host)
{
	for (size_t i = 0; context->host_names && context->host_names[i]; i++) {
		if (streq(context->host_names[i], host)) {
			return true;
		}
	}
	return false;
}

/* The host that is nearest to name among those farther away than *distance, or as far
 * away and behind *index in the list; both are moved on to it. */
static const char *next_nearest(const struct spec_context *context, const char *name,
				int *distance, size_t *index)
{
	int best = INT_MAX;
	size_t best_index = SIZE_MAX;

	for (size_t i = 0; context->host_names[i]; i++) {
		int d = show_distance(name, context->host_names[i]);
		bool is_left = d > *distance || (d == *distance && i > *index);

		if (is_left && (d < best || best_index == SIZE_MAX)) {
			best = d;
			best_index = i;
		}
	}
	*distance = best;
	*index = best_index;
	return best_index == SIZE_MAX ? NULL : context->host_names[best_index];
}

static void unknown_host(struct spec_reader *r, const struct json_mark *mark,
			 const char *name)
{
	cleanup_buf struct buf known = BUF_INIT;
	char shown[SHOW_MAX];
	int distance = -1;
	size_t index = 0;

	show_text(name, strlen(name), shown);
	for (int n = 0; r->context->host_names && n < HOSTS_SHOWN; n++) {
		const char *host = next_nearest(r->context, name, &distance, &index);
		char shown_host[SHOW_MAX];

		if (!host) {
			break;
		}
		show_text(host, strlen(host), shown_host);
		(void)buf_printf(&known, "%s%s", n > 0 ? ", " : "", shown_host);
	}
	if (known.len == 0) {
		spec_problem(r, mark,
			     "found the host %s; expected no host, none is configured",
			     shown);
		return;
	}
	spec_problem(r, mark, "found the host %s; expected a configured one: %s", shown,
		     buf_text(&known));
}

static void read_host(struct spec_reader *r, const struct json_mark *mark)
{
	const char *host =
		spec_text(r, mark, SPEC_TEXT_PLAIN, "the name of a GPU host");

	if (host && !r->context->was_accepted && !is_host(r->context, host)) {
		unknown_host(r, mark, host);
		return;
	}
	r->spec->host = spec_copy(r, host);
}

static void read_gpus(struct spec_reader *r, const struct json_mark *mark)
{
	const struct spec_context *context = r->context;
	const char *host = r->spec->host;
	char shown[SHOW_MAX];
	int64_t gpus;
	int max;

	if (!spec_is(r, mark, JSON_INT, "a whole number of GPUs, from 0")) {
		return;
	}
	gpus = json_object_get_int64(mark->value);
	max = host && context->host_gpus ? context->host_gpus(context->arg, host)
					 : context->max_gpus;
	if (gpus < 0) {
		spec_problem(r, mark,
			     "found %lld; expected a whole number of GPUs, from 0",
			     (long long)gpus);
	} else if (r->context->was_accepted) {
		r->spec->gpus = gpus > INT_MAX ? INT_MAX : (int)gpus;
	} else if (gpus > max && host) {
		show_text(host, strlen(host), shown);
		spec_problem(r, mark,
			     "found %lld; expected at most %d, which the host %s has",
			     (long long)gpus, max, shown);
	} else if (gpus > max) {
		spec_problem(
			r, mark,
			"found %lld; expected at most %d, which the largest host has",
			(long long)gpus, max);
	} else {
		r->spec->gpus = (int)gpus;
	}
}

void spec_read_resources(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "resources");

	if (spec_keys(r, mark, SPEC_SCOPE_RESOURCES,
		      "an object such as {\"gpus\": 1}")) {
		read_host(r, spec_member(r, mark, "host"));
		read_gpus(r, spec_member(r, mark, "gpus"));
	}
}

/* ---- s3 ---- */

static void read_region(struct spec_reader *r, const struct json_mark *mark)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	const char *region = spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
				       "a region such as \"ap-south-1\"");
	char shown[SHOW_MAX];

	if (!region) {
		return;
	}
	if (region[strspn(region, letters)] || strlen(region) > REGION_LEN_MAX) {
		show_text(region, strlen(region), shown);
		spec_problem(
			r, mark,
			"found %s; expected a region such as \"ap-south-1\": small "
			"letters, digits and \"-\", at most %d",
			shown, REGION_LEN_MAX);
		return;
	}
	r->spec->s3_region = spec_copy(r, region);
}

/* What was expected of an address of a server; NULL when it is right. */
static const char *endpoint_flaw(const char *url)
{
	const char *server = strstr(url, "://");
	size_t len;

	if (!has_prefix(url, "http://") && !has_prefix(url, "https://")) {
		return "found no http:// or https:// in front; expected an address "
		       "such as "
		       "\"https://minio.example:9000\"";
	}
	server += 3;
	len = strcspn(server, "/?#");
	if (memchr(server, '@', len)) {
		return "found a user name in the address; expected none (credentials "
		       "do not "
		       "belong into a spec)";
	}
	if (len == 0) {
		return "found no server in the address; expected one such as "
		       "\"https://minio.example:9000\"";
	}
	for (const char *c = server; *c; c++) {
		if (*c <= ' ' || *c > '~' || strchr("?#\"'\\`", *c)) {
			return "found a character that such an address does not hold; "
			       "expected "
			       "one such as \"https://minio.example:9000\"";
		}
	}
	return NULL;
}

/* The address itself is not repeated in messages: there may be a password in it. */
static void read_endpoint(struct spec_reader *r, const struct json_mark *mark)
{
	const char *url =
		spec_text(r, mark, SPEC_TEXT_PLAIN | SPEC_TEXT_FILLED,
			  "an address such as \"https://minio.example:9000\"");
	const char *flaw = url ? endpoint_flaw(url) : NULL;

	if (flaw) {
		spec_problem(r, mark, "%s", flaw);
		return;
	}
	r->spec->s3_endpoint = spec_copy(r, url);
}

static void read_credentials(struct spec_reader *r, const struct json_mark *mark)
{
	static const char expected[] = "\"env\", \"sts\" or \"presigned\"";
	const char *text = spec_text(r, mark, SPEC_TEXT_ANY, expected);

	if (text && streq(text, "sts")) {
		r->spec->s3_is_sts = true;
	} else if (text && streq(text, "presigned")) {
		r->spec->s3_urls_only = true;
	} else if (text && !streq(text, "env")) {
		/* Not repeated: it could be the credentials. */
		spec_problem(r, mark,
			     "found another word; expected %s: the credentials are "
			     "those of the daemon's environment",
			     expected);
	}
}

static const char *const engine_words[SPEC_ENGINE_COUNT] = {
	[SPEC_ENGINE_UNSET] = "",
	[SPEC_ENGINE_AUTO] = "auto",
	[SPEC_ENGINE_AWS] = "aws",
	[SPEC_ENGINE_PRESIGNED] = "presigned",
	[SPEC_ENGINE_RCLONE] = "rclone",
	[SPEC_ENGINE_S3CMD] = "s3cmd",
};

const char *spec_engine_word(enum spec_engine engine)
{
	return engine_words[engine];
}

enum spec_engine spec_engine_of(const char *word)
{
	for (size_t i = SPEC_ENGINE_AUTO; i < SPEC_ENGINE_COUNT; i++) {
		if (streq(word, engine_words[i])) {
			return (enum spec_engine)i;
		}
	}
	return SPEC_ENGINE_UNSET;
}

static void read_engine(struct spec_reader *r, const struct json_mark *mark)
{
	static const char expected[] =
		"\"auto\", \"aws\", \"presigned\", \"rclone\" or \"s3cmd\"";
	const char *text = spec_text(r, mark, SPEC_TEXT_ANY, expected);
	enum spec_engine *engine = &r->spec->s3_engine;
	char shown[SHOW_MAX];

	if (!text) {
		return;
	}
	if (streq(text, "s5cmd")) {
		spec_problem(r, mark, "\"s5cmd\" is not supported; expected %s",
			     expected);
	} else if ((*engine = spec_engine_of(text)) == SPEC_ENGINE_UNSET) {
		show_text(text, strlen(text), shown);
		spec_problem(r, mark, "found %s; expected %s", shown, expected);
	} else if (r->spec->s3_urls_only && *engine != SPEC_ENGINE_AUTO &&
		   *engine != SPEC_ENGINE_PRESIGNED) {
		spec_problem(r, mark,
			     "found \"%s\", which needs credentials on the host; "
			     "expected \"presigned\", as credentials is",
			     text);
	}
}

void spec_read_s3(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "s3");

	if (spec_keys(r, mark, SPEC_SCOPE_S3,
		      "an object such as {\"region\": \"ap-south-1\"}")) {
		read_region(r, spec_member(r, mark, "region"));
		read_endpoint(r, spec_member(r, mark, "endpoint_url"));
		read_credentials(r, spec_member(r, mark, "credentials"));
		read_engine(r, spec_member(r, mark, "engine"));
	}
}
