/* Presigned transfers on a host (src/agent/presigned.sh): a runner without secrets says
 * what it wants and sleeps, and a worker moves the data with the URLs that the daemon
 * sends. Either may be killed alone, and the daemon may be away for as long as it
 * likes. A URL is taken for what S3 would take it for: it has a key, and an end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"
#include "util/clock.h"

enum {
	FAILURES_MAX = 3, /* in a row, with nothing to show for: the runner gives up */
	CLOCKS_APART_S = 900, /* what S3 takes */
};

/* --- the runner --------------------------------------------------------------------
 */

static void ask(struct attempt *a)
{
	a->want.n++;
	a->want.is_taken = false;
	trace(a->machine->sim, "%s %s: wants URLs: %s %d", a->machine->name, a->name,
	      a->want.kind, a->want.n);
}

void urls_want(struct attempt *a, const char *kind)
{
	a->want.kind = kind;
	a->want.failures = 0;
	ask(a);
}

void urls_worker_dies(struct attempt *a)
{
	a->want.worker++;
	a->want.is_served = false;
}

void urls_end(struct attempt *a)
{
	a->want.kind = NULL;
	urls_worker_dies(a);
}

static bool is_open(const struct attempt *a)
{
	return a->want.kind && !a->want.is_taken && !a->want.is_served;
}

void urls_add_want(struct buf *out, const struct attempt *a)
{
	if (is_open(a) && streq(attempt_alive(a), "1")) {
		(void)buf_printf(out, "want %s %d 0\n", a->want.kind, a->want.n);
	}
}

/* The worker says how it ended; the runner hears it, if there is one. */
static void take(struct attempt *a, int n_moved, int n_missing)
{
	bool is_download = streq(a->want.kind, "download");

	trace(a->machine->sim, "%s %s: took %d: %d moved, %d missing", a->machine->name,
	      a->name, a->want.n, n_moved, n_missing);
	a->want.is_served = false;
	a->want.is_taken = true;
	if (!attempt_is_carried(a)) {
		return;
	}
	a->want.failures = n_moved > 0 ? 0 : a->want.failures + 1;
	if (n_missing > 0 && a->want.failures < FAILURES_MAX) {
		ask(a);
		return;
	}
	urls_end(a);
	if (is_download) {
		attempt_downloaded(a, n_missing == 0);
	} else {
		attempt_uploaded(a, n_missing == 0 ? 0 : 22);
	}
}

/* --- a URL -------------------------------------------------------------------------
 */

struct url {
	char text[2048];
	char key[512]; /* bucket/key */
	bool holds;
};

static const char *after(const char *text, const char *mark)
{
	const char *p = strstr(text, mark);

	return p ? p + strlen(mark) : "";
}

/* "X-Amz-Date=20261128T134501Z" and "X-Amz-Expires=21600" */
static bool url_holds(const char *query)
{
	struct tm tm = { 0 };
	int64_t now_s = clock_wall_ms() / 1000, begin_s;

	if (!strptime(after(query, "X-Amz-Date="), "%Y%m%dT%H%M%SZ", &tm)) {
		return false;
	}
	begin_s = timegm(&tm);
	return begin_s <= now_s + CLOCKS_APART_S &&
	       now_s < begin_s + strtol(after(query, "X-Amz-Expires="), NULL, 10);
}

static void add_text(struct url *url, const char *text, size_t n)
{
	size_t len = strlen(url->text);

	(void)snprintf(url->text + len, sizeof(url->text) - len, "%.*s", (int)n, text);
}

/* What sh would make of "$U_STEM"'rest'"$U_QUERY"'signature'. */
static void expand(struct url *url, const char *words, const char *stem,
		   const char *query)
{
	while (*words == '\'' || *words == '"') {
		const char *end = strchr(words + 1, *words);

		if (!end) {
			return;
		}
		if (has_prefix(words, "\"$U_STEM\"")) {
			add_text(url, stem, strcspn(stem, "'"));
		} else if (has_prefix(words, "\"$U_QUERY\"")) {
			add_text(url, query, strcspn(query, "'"));
		} else {
			add_text(url, words + 1, (size_t)(end - words) - 1);
		}
		words = end + 1;
	}
}

static void read_url(struct url *url, const char *batch, const char *words)
{
	const char *host, *path, *query;

	*url = (struct url){ .holds = false };
	expand(url, words, after(batch, " U_STEM='"), after(batch, " U_QUERY='"));
	host = after(url->text, "https://");
	path = strchr(host, '/');
	query = strchr(host, '?');
	if (!path || !query || path > query) {
		return;
	}
	(void)snprintf(url->key, sizeof(url->key), "%.*s%.*s", (int)strcspn(host, "."),
		       host, (int)(query - path), path);
	url->holds = url_holds(query) && strstr(query, "X-Amz-Signature=");
}

/* --- the worker --------------------------------------------------------------------
 */

/* get I SIZE TAG STAGE URL */
static bool get(struct attempt *a, const struct url *url, int i)
{
	char uri[600];

	if (i < 0 || i >= a->plan.n_inputs || a->want.has[i]) {
		return false;
	}
	if (!has_prefix(url->key, a->plan.inputs[i])) {
		violation(a->machine->sim, "%s gets a URL of %s for %s", a->name,
			  url->key, a->plan.inputs[i]);
	}
	(void)snprintf(uri, sizeof(uri), "s3://%s", url->key);
	a->want.has[i] = url->holds && bucket_get(a->machine->sim, uri) == 0;
	return a->want.has[i];
}

/* put N SIZE PATH URL */
static bool put(struct attempt *a, const struct url *url, int n)
{
	char key[400];
	bool is_lost;

	if (n < 0 || n >= a->fate.n_outputs || a->want.sent[n]) {
		return false;
	}
	(void)snprintf(key, sizeof(key), "%sout-%d", a->plan.destination, n);
	if (!streq(key, url->key)) {
		violation(a->machine->sim, "%s gets a URL of %s for %s", a->name,
			  url->key, key);
	}
	if (!url->holds || bucket_put(a->machine->sim, key, a->fate.sizes[n], a->name,
				      &is_lost) != 0) {
		return false;
	}
	a->upload_failed |= is_lost;
	return a->want.sent[n] = true;
}

static int move_all(struct attempt *a)
{
	bool is_download = streq(a->want.kind, "download");
	const char *batch = buf_text(&a->want.batch);
	int n_moved = 0;

	for (const char *line = batch; *line; line += strcspn(line, "\n") + 1) {
		char text[3000];
		struct url url;
		const char *words;

		(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"),
			       line);
		words = strrchr(text, ' '); /* there is none in a URL */
		if (!words || !(has_prefix(text, "get ") || has_prefix(text, "put "))) {
			continue;
		}
		read_url(&url, batch, words + 1);
		n_moved += is_download ? get(a, &url, atoi(text + 4))
				       : put(a, &url, atoi(text + 4));
	}
	return n_moved;
}

static int count_missing(const struct attempt *a)
{
	bool is_download = streq(a->want.kind, "download");
	int n = is_download ? a->plan.n_inputs : a->fate.n_outputs, missing = 0;

	for (int i = 0; i < n; i++) {
		missing += is_download ? !a->want.has[i] : !a->want.sent[i];
	}
	return missing;
}

static void work(void *arg, uint64_t worker)
{
	struct attempt *a = arg;
	int n_moved;

	if (worker != a->want.worker || !a->want.is_served) {
		return;
	}
	n_moved = move_all(a);
	a->transfer_size += 40;
	take(a, n_moved, count_missing(a));
}

bool urls_take(struct attempt *a, int n, const char *batch, int64_t size)
{
	if ((int64_t)strlen(batch) != size) {
		return false;
	}
	if (!is_open(a) || a->want.n != n) {
		return true; /* not wanted any more */
	}
	buf_truncate(&a->want.batch, 0);
	(void)buf_add(&a->want.batch, batch, strlen(batch));
	a->want.is_served = true;
	machine_after(a->machine, dice_scale(&a->machine->sim->dice, 5, 30000), work, a,
		      ++a->want.worker);
	return true;
}
