/* The file `wait` of a job: reading it ends when the job has ended, with the state.
 *
 * The problem. A shell that waits for a job can only ask again and again, unless a read
 * waits in its place. But a request of the kernel must not take long: newer kernels can
 * be told to give the whole mount up when one takes longer than some time
 * (fs.fuse.max_request_timeout), whoever waits must stay killable, and no thread of the
 * daemon can be spared to wait with him.
 *
 * The rule. A read that would have to wait is put aside, and its thread serves on. It
 * is answered, exactly once, by whoever takes it out of the list: the engine's thread
 * when the job has ended, the thread that hears of an interrupt (EINTR), or fs_serve()
 * when its slice of time is over: then, as at the end of the daemon, with an end of
 * file. So nothing was read, `read` fails, and a loop asks again:
 *
 *     until read -r state < exp1/wait || [ ! -e exp1/wait ]; do :; done
 *
 * Why this is enough. A read is put into the list before it is looked whether the job
 * has ended; so the end is seen then, or the list is seen at the end. The loop is
 * robust because each round is bounded, and costs next to nothing because it waits.
 *
 * It is not listed, so that grep -r, cp -r and tar do not wait for every job. */
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/handle.h"

struct fs;
struct waiter;
TAILQ_HEAD(waiter_list, waiter);

struct waiters {
	pthread_mutex_t lock;	 /* guards what follows; held over memory only */
	struct waiter_list list; /* the first to be answered comes first */
	bool is_ended;
	int64_t slice_ms;
	int wake_fd; /* readable when the first one came; -1: none can wait */
};

int waiters_init(struct waiters *waiters);
void waiters_fini(struct waiters *waiters);

/* Replies at once or later, or returns a negative errno. */
int wait_read(fuse_req_t req, struct handle *h, size_t size, int64_t offset);
/* The job may have ended or be gone. Any thread; waits for nothing. */
void wait_check(struct fs *fs, int64_t job);
/* Answers those whose slice is over; milliseconds until the next one, -1: none. */
int wait_expire(struct fs *fs);
/* Answers all; nobody waits any more. */
void wait_end(struct fs *fs);
