/* cp -r and mv of a whole job directory from elsewhere make the job and then insist on
 * making files/ in it too, since what is in a directory that they made themselves must
 * be theirs; they fail with EEXIST where it is there already. So whoever makes a job in
 * this way is told that files/ does not exist, until he makes it. Everybody else sees
 * it from the start: mkdir j && cp train.sh j/files/ needs no second mkdir. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAKERS_MAX = 32 };

struct maker {
	int64_t job; /* 0: free */
	pid_t process;
	int64_t until;	  /* clock_ms(): process ids are used again */
	uint64_t request; /* the number of the one that made files/; 0: not yet */
};
struct makers_list { /* in the memory of the mount */
	struct maker all[MAKERS_MAX];
	unsigned next; /* the one that is replaced next */
};
struct makers {
	pthread_mutex_t lock;	  /* held over memory only */
	struct makers_list *list; /* borrowed; guarded by lock */
};

void makers_init(struct makers *makers, struct makers_list *list);
void makers_fini(struct makers *makers);
/* The process that a thread belongs to if it is a cp or mv, else 0. */
pid_t makers_process(pid_t thread);
/* process (0: nobody) made the job. */
void makers_add(struct makers *makers, int64_t job, pid_t process);
/* Is the thread's process to make files/ of the job yet? */
bool makers_expects(struct makers *makers, int64_t job, pid_t thread);
/* It did, by the request of that number. */
void makers_note_made(struct makers *makers, int64_t job, uint64_t request);
/* Was it that one? */
bool makers_was_made_by(struct makers *makers, int64_t job, uint64_t request);
