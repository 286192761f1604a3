/* `ctl`: one table of verbs. */
#include <ctype.h>
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
	edit->cancel_now = now;
	FAILPOINT("control.cancel");
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

static int verb_cancel(struct engine *e, struct job *job, const char *word)
{
	if (word[0] && !streq(word, "now")) {
		return -EINVAL;
	}
	return cancel(e, job, word[0] != '\0');
}

static int verb_hold(struct engine *e, struct job *job, const char *word)
{
	(void)word;
	if (job_get(job)->state == JOB_HELD) {
		return 0;
	}
	if (job_get(job)->state != JOB_QUEUED) {
		return -EBUSY;
	}
	return job_transition(e, job, JOB_HELD, REASON_HELD, "%s",
			      "held; echo release > ctl lets it go");
}

static int verb_release(struct engine *e, struct job *job, const char *word)
{
	bool waits = job->run && job->run->retry_at > 0;
	int r;

	(void)word;
	if (job_get(job)->state == JOB_QUEUED) {
		return 0;
	}
	if (job_get(job)->state != JOB_HELD) {
		return -EBUSY;
	}
	r = job_transition(e, job, JOB_QUEUED,
			   waits ? REASON_WAITING_FOR_RETRY : REASON_NONE, "%s", "");
	submit_check_files(e, job);
	return r;
}

static int verb_priority(struct engine *e, struct job *job, const char *word)
{
	enum job_state state = job_get(job)->state;
	struct job_record *r;
	char *end;
	long n = strtol(word, &end, 10);

	if (!isdigit((unsigned char)word[0]) || *end || n < 0 ||
	    n > SPEC_PRIORITY_MAX) {
		return -EINVAL;
	}
	if (state != JOB_QUEUED && state != JOB_HELD) {
		return -EBUSY;
	}
	r = job_edit(e, job);
	if (!r) {
		return -ENOMEM;
	}
	r->priority = (int)n;
	if (state == JOB_QUEUED) { /* to its new place */
		schedule_dequeue(e, job);
		schedule_enqueue(e, job);
	}
	return job_event(e, job, "priority", "%ld", n);
}

static int verb_signal(struct engine *e, struct job *job, const char *word)
{
	static const char *const names[] = { "HUP",  "INT",  "QUIT", "USR1",  "USR2",
					     "TERM", "CONT", "STOP", "WINCH", "ALRM" };
	const char *name = has_prefix(word, "SIG") ? word + 3 : word;
	struct job_record *r;
	size_t i = 0;

	while (i < ARRAY_SIZE(names) && !streq(names[i], name)) {
		i++;
	}
	if (i == ARRAY_SIZE(names)) {
		return -EINVAL;
	}
	if (job_get(job)->state != JOB_RUNNING || job_get(job)->signal) {
		return -EBUSY;
	}
	r = job_edit(e, job);
	if (!r || job_set_text(&r->signal, names[i]) < 0) {
		return -ENOMEM;
	}
	job->run->wake_at = 0;
	job_wake(e, job);
	return job_event(e, job, "signal", "%s: asked for", names[i]);
}

/* --- after the end --------------------------------------------------------------- */

/* A job that failed or was cancelled goes on: it needs its spec again, and its
 * destination for itself. */
static int take_up(struct engine *e, struct job *job)
{
	enum job_state state = job_get(job)->state;
	int r;

	if (state != JOB_FAILED && state != JOB_CANCELLED) {
		return -EBUSY;
	}
	r = job->run ? 0 : run_attach_stored(e, job);
	if (r < 0) {
		return r == -ENOMEM ? r : -EIO;
	}
	return destination_find_any(e, job) ? -EEXIST : 0;
}

static void forget_cancel(struct job_record *r)
{
	r->cancel = r->cancel_now = false;
	r->retries = 0;
	(void)job_set_text(&r->signal, NULL);
}

static int verb_retry(struct engine *e, struct job *job, const char *word)
{
	int error = take_up(e, job);
	struct job_record *r;

	(void)word;
	if (error < 0) {
		return error;
	}
	r = job_edit(e, job);
	if (!r) {
		return -ENOMEM;
	}
	forget_cancel(r);
	(void)job_event(e, job, "retry", "%s", "asked for");
	error = attempt_again(e, job, 0, "");
	submit_check_files(e, job);
	return error;
}

static int verb_retry_upload(struct engine *e, struct job *job, const char *word)
{
	int error = take_up(e, job);
	struct job_facts facts;
	struct job_record *r;

	(void)word;
	if (error < 0) {
		return error;
	}
	job_get_facts(e, job, &facts);
	r = job_edit(e, job);
	if (!r || !job_may_upload_again(&facts) || !job->host) {
		return r ? -EBUSY : -ENOMEM;
	}
	r->upload_again = true;
	r->attempt.state = JOB_NEW; /* it is not over after all */
	job->run->wake_at = 0;
	job_wake(e, job);
	error = job_transition(e, job, JOB_UPLOADING, REASON_NONE, "%s",
			       "the outputs are uploaded again");
	schedule_take(job, job->host); /* a slot; who uploads has no GPUs */
	return error;
}

/* Its host is asked in this turn, and not only when it is due. */
static int verb_sync(struct engine *e, struct job *job, const char *word)
{
	(void)e;
	(void)word;
	if (!job->run || !job->run->wants_poll) {
		return -EBUSY;
	}
	job->run->poll_at = 0;
	return 0;
}

char *control_split(char *line)
{
	char *word = line + strcspn(line, " ");

	if (*word) {
		*word++ = '\0';
		word += strspn(word, " ");
	}
	return word;
}

int control_each_line(struct engine *e, char *text,
		      int (*run)(struct engine *e, void *arg, char *line), void *arg)
{
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t len = strlen(line);

		while (len > 0 && line[len - 1] == ' ') {
			line[--len] = '\0';
		}
		r = run(e, arg, line);
	}
	return r;
}

/* --- the table -------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum { WORD_NONE, WORD_MAYBE, WORD_NEEDED } word;
	int (*run)(struct engine *e, struct job *job, const char *word);
} verbs[] = {
	{ "cancel", WORD_MAYBE, verb_cancel },
	{ "hold", WORD_NONE, verb_hold },
	{ "release", WORD_NONE, verb_release },
	{ "priority", WORD_NEEDED, verb_priority },
	{ "signal", WORD_NEEDED, verb_signal },
	{ "retry", WORD_NONE, verb_retry },
	{ "retry-upload", WORD_NONE, verb_retry_upload },
	{ "sync", WORD_NONE, verb_sync },
};

/* -EINVAL: no such verb, or not with such a word. */
static int run_verb(struct engine *e, struct job *job, char *text)
{
	const char *word = control_split(text);

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!streq(verbs[i].name, text)) {
			continue;
		}
		if (word[0] ? verbs[i].word == WORD_NONE
			    : verbs[i].word == WORD_NEEDED) {
			return -EINVAL;
		}
		return verbs[i].run(e, job, word);
	}
	return -EINVAL;
}

static int run_line(struct engine *e, void *job, char *line)
{
	return run_verb(e, job, line);
}

static void handle_control(struct engine *e, struct job_request *request,
			   struct job *job)
{
	request_answer(e, &request->request,
		       control_each_line(e, request->text, run_line, job), 0);
}

void engine_control(struct engine *engine, int64_t job, const char *text, size_t len,
		    engine_reply_fn *reply, void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job };

	request.text = strndup(text, len);
	request.text_missing = !request.text;
	job_request_post(engine, handle_control, &request);
}
