/* timeouts: how long each phase of a job may take. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "job/quantity.h"
#include "job/show.h"
#include "job/spec_read.h"
#include "util/mem.h"

enum {
	DAYS_MAX = 366,
	MS_PER_S = 1000,
};

/* Seconds as milliseconds. What is out of bounds is not rounded into them. */
static int64_t seconds_ms(const struct json_mark *mark)
{
	double seconds = json_object_get_double(mark->value);

	if (seconds < 0) {
		return -1;
	}
	if (seconds > (double)DAYS_MAX * 24 * 3600) {
		return INT64_MAX;
	}
	return (int64_t)llround(seconds * MS_PER_S);
}

/* shown: the value for messages. */
static bool read_duration(struct spec_reader *r, const struct json_mark *mark,
			  int64_t *ret_ms, char shown[static SHOW_MAX])
{
	static const char expected[] =
		"seconds, or a number with a unit: \"90s\" \"10m\" \"2h\" \"3d\"";
	const char *text;
	int result;

	if (mark->kind == JSON_INT || mark->kind == JSON_REAL) {
		(void)snprintf(shown, SHOW_MAX, "%.*s", (int)(mark->end - mark->at),
			       r->doc.text + mark->at);
		*ret_ms = seconds_ms(mark);
		return true;
	}
	text = spec_text(r, mark, SPEC_TEXT_ANY, expected);
	if (!text) {
		return false;
	}
	show_text(text, strlen(text), shown);
	result = duration_parse(text, ret_ms);
	if (result == -EINVAL) {
		spec_problem(r, mark, "found %s; expected %s", shown, expected);
		return false;
	}
	*ret_ms = result < 0 ? INT64_MAX : *ret_ms;
	return true;
}

void spec_read_duration(struct spec_reader *r, const struct json_mark *mark,
			bool may_be_zero, int64_t *ret_ms)
{
	const int64_t max_ms = (int64_t)DAYS_MAX * 24 * 3600 * MS_PER_S;
	char shown[SHOW_MAX];
	int64_t ms = 0;

	if (!mark || !read_duration(r, mark, &ms, shown)) {
		return;
	}
	if (ms < 0 || (ms == 0 && !may_be_zero) || ms > max_ms) {
		spec_problem(r, mark, "found %s; expected %s and at most %d days",
			     shown, may_be_zero ? "0 or more" : "more than 0",
			     DAYS_MAX);
		return;
	}
	*ret_ms = ms;
}

void spec_read_timeouts(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "timeouts");
	struct spec_timeouts *t = &r->spec->timeouts;
	const struct {
		const char *key;
		int64_t *ms;
		bool may_be_zero;
	} members[] = {
		{ "queue", &t->queue_ms, false },
		{ "prepare", &t->prepare_ms, false },
		{ "download", &t->download_ms, false },
		{ "run", &t->run_ms, false },
		{ "upload", &t->upload_ms, false },
		{ "stop_grace", &t->stop_grace_ms, true },
		{ "unreachable", &t->unreachable_ms, false },
	};

	t->stop_grace_ms = -1;
	if (!spec_keys(r, mark, SPEC_SCOPE_TIMEOUTS,
		       "an object such as {\"run\": \"2h\"}")) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		spec_read_duration(r, spec_member(r, mark, members[i].key),
				   members[i].may_be_zero, members[i].ms);
	}
}
