#include "fs/caller.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void *ask_for_own(void *ret)
{
	*(pid_t *)ret = caller_process(gettid());
	return NULL;
}

TEST("the process of each of its threads is found")
{
	pthread_t thread;
	pid_t process = 0;

	CHECK_INT(caller_process(getpid()), getpid());
	CHECK_INT(pthread_create(&thread, NULL, ask_for_own, &process), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(process, getpid());
}

TEST("who is unknown or gone has none")
{
	pid_t child = fork();

	if (child == 0) {
		_exit(0);
	}
	CHECK_INT(waitpid(child, NULL, 0), child);
	CHECK_INT(caller_process(child), 0);
	CHECK_INT(caller_process(0), 0);
}

TEST_MAIN
