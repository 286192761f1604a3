/* retry, priority, hold and dry_run: when a job may be tried, and tried again. */
#include <stdlib.h>
#include <string.h>

#include "job/show.h"
#include "job/spec_read.h"
#include "util/mem.h"

enum {
	ATTEMPTS_MAX = 100,
	EXIT_CODE_MAX = 255,
	BACKOFF_MS = 10000,
};

static bool read_number(struct spec_reader *r, const struct json_mark *mark, int min,
			int max, int *ret_n)
{
	int64_t n;

	if (!spec_is(r, mark, JSON_INT, "a whole number")) {
		return false;
	}
	n = json_object_get_int64(mark->value);
	if (n < min || n > max) {
		spec_problem(r, mark, "found %lld; expected %d to %d", (long long)n,
			     min, max);
		return false;
	}
	*ret_n = (int)n;
	return true;
}

/* The reasons that one word of "on" means: one, or those of a class. */
static uint64_t reasons_of(const char *word)
{
	uint64_t bits = 0;

	for (int i = REASON_NONE + 1; i < JOB_REASON_COUNT; i++) {
		if (job_reason_may_retry((enum job_reason)i) &&
		    (streq(job_reason_name((enum job_reason)i), word) ||
		     streq(job_reason_class((enum job_reason)i), word))) {
			bits |= UINT64_C(1) << i;
		}
	}
	return bits;
}

static void read_on(struct spec_reader *r, const struct json_mark *mark)
{
	static const char expected[] =
		"a reason that a failed job can have, such as \"HostRebooted\", or "
		"one of "
		"the classes \"host\", \"transfer\", \"user\", \"limit\"";

	if (!mark || !spec_is(r, mark, JSON_ARRAY, "an array of reasons")) {
		return;
	}
	r->spec->retry.has_on = true;
	json_doc_each(&r->doc, mark, element)
	{
		const char *word = spec_text(r, element, SPEC_TEXT_ANY, expected);
		uint64_t bits = word ? reasons_of(word) : 0;
		char shown[SHOW_MAX];

		if (word && bits == 0) {
			show_text(word, strlen(word), shown);
			spec_problem(r, element, "found %s; expected %s", shown,
				     expected);
		}
		r->spec->retry.on |= bits;
	}
}

static void read_exit_codes(struct spec_reader *r, const struct json_mark *mark)
{
	int code;

	if (!mark || !spec_is(r, mark, JSON_ARRAY, "an array of exit codes")) {
		return;
	}
	json_doc_each(&r->doc, mark, element)
	{
		if (read_number(r, element, 1, EXIT_CODE_MAX, &code)) {
			r->spec->retry.exit_codes[code / 64] |= UINT64_C(1)
								<< code % 64;
		}
	}
}

void spec_read_retry(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *mark = spec_member(r, top, "retry");
	struct spec_retry *retry = &r->spec->retry;

	retry->max_attempts = 1;
	retry->backoff_ms = BACKOFF_MS;
	if (!spec_keys(r, mark, SPEC_SCOPE_RETRY,
		       "an object such as {\"max_attempts\": 3}")) {
		return;
	}
	(void)read_number(r, spec_member(r, mark, "max_attempts"), 1, ATTEMPTS_MAX,
			  &retry->max_attempts);
	read_on(r, spec_member(r, mark, "on"));
	read_exit_codes(r, spec_member(r, mark, "exit_codes"));
	spec_read_duration(r, spec_member(r, mark, "backoff"), true,
			   &retry->backoff_ms);
}

void spec_read_schedule(struct spec_reader *r, const struct json_mark *top)
{
	const struct json_mark *hold = spec_member(r, top, "hold");
	const struct json_mark *dry_run = spec_member(r, top, "dry_run");

	r->spec->priority = SPEC_PRIORITY_DEFAULT;
	(void)read_number(r, spec_member(r, top, "priority"), 0, SPEC_PRIORITY_MAX,
			  &r->spec->priority);
	if (spec_is(r, hold, JSON_BOOL, "true or false")) {
		r->spec->is_held = json_object_get_boolean(hold->value);
	}
	if (spec_is(r, dry_run, JSON_BOOL, "true or false")) {
		r->spec->is_dry_run = json_object_get_boolean(dry_run->value);
	}
}

bool spec_retries(const struct spec_retry *retry, enum job_reason reason, int exit_code,
		  bool may_have_run)
{
	if (exit_code > 0 && exit_code <= EXIT_CODE_MAX &&
	    retry->exit_codes[exit_code / 64] >> exit_code % 64 & 1) {
		return true;
	}
	if (retry->has_on) {
		return retry->on >> reason & 1;
	}
	return !may_have_run && job_reason_may_pass(reason);
}
