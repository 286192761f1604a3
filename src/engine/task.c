/* Tasks and those who ask for them. A task reads in a worker's thread what belongs to
 * the run that asked (its spec, its destination, its manifest), so it holds that run:
 * a job that is removed or tried again meanwhile only lets go of it. */
#include "engine/internal.h"

void task_queue(struct engine *e, struct job *job, struct task *task)
{
	task->job = job_get(job)->id;
	task->asker = run_ref(job->run);
	job->run->is_busy = true;
	STAILQ_INSERT_TAIL(&e->out.tasks, task, link);
}

struct job *task_asker(struct engine *e, const struct task *task)
{
	struct job *job = table_get(e, task->job);

	return job && job->run == task->asker ? job : NULL;
}

struct job *task_job(struct engine *e, const struct task *task)
{
	struct job *job = task_asker(e, task);

	if (job) {
		job->run->is_busy = false;
		job_wake(e, job);
	}
	return job;
}

void task_fini(struct task *task)
{
	task->asker = run_unref(task->asker);
}
