/* `ctl`: one table of verbs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/request.h"
#include "util/failpoint.h"

static int cancel(struct engine *e, struct job *job, bool now)
{
	const struct job_record *r = job_get(job);
	struct job_record *edit;

	/* a program that has ended keeps its own result */
	if (r->state == JOB_NEW || r->state == JOB_UPLOADING ||
	    job_state_is_final(r->state)) {
		return -EBUSY;
	}
	if (r->cancel && (r->cancel_now || !now)) {
		return 0;
	}
	edit = job_edit(e, job);
	if (!edit) {
		return -ENOMEM;
	}
	edit->cancel = true;
	FAILPOINT("control.cancel");
	edit->cancel_now = now;
	(void)job_event(e, job, "cancel", "%s",
			now ? "asked for, without grace" : "asked for");
	if (r->state == JOB_QUEUED || r->state == JOB_HELD) {
		(void)job_transition(e, job, JOB_CANCELLED, REASON_CANCELLED, "%s",
				     "cancelled before it had a host");
	}
	if (job->run) {
		job->run->wake_at = 0;
	}
	job_wake(e, job);
	return 0;
}

static int verb_cancel(struct engine *e, struct job *job)
{
	return cancel(e, job, false);
}

static int verb_cancel_now(struct engine *e, struct job *job)
{
	return cancel(e, job, true);
}

static int verb_later(struct engine *e, struct job *job)
{
	(void)e;
	(void)job;
	return -EOPNOTSUPP;
}

static const struct {
	const char *words;
	int (*run)(struct engine *e, struct job *job);
} verbs[] = {
	{ "cancel", verb_cancel }, { "cancel now", verb_cancel_now },
	{ "retry", verb_later },   { "retry-upload", verb_later },
	{ "hold", verb_later },	   { "release", verb_later },
	{ "sync", verb_later },
};

static void handle_control(struct engine *e, struct job_request *request,
			   struct job *job)
{
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (streq(verbs[i].words, request->text)) {
			r = verbs[i].run(e, job);
		}
	}
	if (has_prefix(request->text, "priority ") ||
	    has_prefix(request->text, "signal ")) {
		r = -EOPNOTSUPP;
	}
	request_answer(e, &request->request, r, 0);
}

void engine_control(struct engine *engine, int64_t job, const char *text, size_t len,
		    engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job };

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' ')) {
		len--;
	}
	request.text = strndup(text, len);
	request.text_missing = !request.text;
	job_request_post(engine, handle_control, &request);
}
