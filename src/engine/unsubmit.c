/* spec.json taken away again: by rm, by mv over it from another file system, by an
 * editor that makes a backup of it. */
#include <errno.h>

#include "engine/internal.h"
#include "engine/request.h"
#include "util/clock.h"

/* The text may stay in its table: spec_size says that there is none. */
static void handle_remove_spec(struct engine *e, struct job_request *request,
			       struct job *job)
{
	struct job_record *r;

	if (job_get(job)->is_accepted) {
		request_answer(e, &request->request, -EPERM, 0);
		return;
	}
	r = job_edit(e, job);
	if (r) {
		r->spec_size = -1;
		(void)job_set_text(&r->error, NULL);
		(void)job_set_text(&r->message, "");
		r->reason = REASON_NONE;
		r->changed_ms = clock_wall_ms();
	}
	request_answer(e, &request->request, r ? 0 : -ENOMEM, 0);
}

void engine_remove_spec(struct engine *engine, int64_t job, engine_reply_fn *reply,
			void *arg)
{
	struct job_request request = { .request = { .reply = reply, .arg = arg },
				       .job = job };

	job_request_post(engine, handle_remove_spec, &request);
}
