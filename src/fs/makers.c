#include "fs/makers.h"

#include "fs/caller.h"
#include "util/clock.h"
#include "util/mem.h"

enum { PATIENCE_MS = 60 * 1000 };

void makers_init(struct makers *makers, struct makers_list *list)
{
	makers->list = list;
	(void)pthread_mutex_init(&makers->lock, NULL);
}

void makers_fini(struct makers *makers)
{
	(void)pthread_mutex_destroy(&makers->lock);
}

pid_t makers_process(pid_t thread)
{
	char name[CALLER_NAME_MAX];

	caller_name(thread, name);
	return streq(name, "cp") || streq(name, "mv") ? caller_process(thread) : 0;
}

void makers_add(struct makers *makers, int64_t job, pid_t process)
{
	if (process == 0) {
		return;
	}
	(void)pthread_mutex_lock(&makers->lock);
	makers->list->all[makers->list->next++ % MAKERS_MAX] = (struct maker){
		.job = job, .process = process, .until = clock_ms() + PATIENCE_MS
	};
	(void)pthread_mutex_unlock(&makers->lock);
}

/* The lock is held. */
static struct maker *find(struct makers *makers, int64_t job)
{
	for (int i = 0; i < MAKERS_MAX; i++) {
		if (makers->list->all[i].job == job) {
			return &makers->list->all[i];
		}
	}
	return NULL;
}

bool makers_expects(struct makers *makers, int64_t job, pid_t thread)
{
	const struct maker *maker;
	pid_t process = 0;

	(void)pthread_mutex_lock(&makers->lock);
	maker = find(makers, job);
	if (maker && maker->request == 0 && clock_ms() < maker->until) {
		process = maker->process;
	}
	(void)pthread_mutex_unlock(&makers->lock);
	return process != 0 && caller_process(thread) == process;
}

void makers_note_made(struct makers *makers, int64_t job, uint64_t request)
{
	struct maker *maker;

	(void)pthread_mutex_lock(&makers->lock);
	maker = find(makers, job);
	if (maker) {
		maker->request = request;
	}
	(void)pthread_mutex_unlock(&makers->lock);
}

bool makers_was_made_by(struct makers *makers, int64_t job, uint64_t request)
{
	const struct maker *maker;
	bool was;

	(void)pthread_mutex_lock(&makers->lock);
	maker = find(makers, job);
	was = maker && maker->request == request;
	(void)pthread_mutex_unlock(&makers->lock);
	return was;
}
