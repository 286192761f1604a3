#include "main/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/fs.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/notify.h"

#define WAKE_SIGNAL (SIGRTMIN + 1)

enum {
	BEATS = 4, /* in the time that the watchdog grants */
	FOREVER_MS = 3600 * 1000,
};

struct keeper {
	struct engine *engine;
	const char *mountpoint;
	void (*on_hangup)(void *arg);
	void *arg;
	pthread_t thread;
	int64_t beat_ms; /* 0: there is no watchdog */
	atomic_bool is_stopping;

	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool is_asked; /* under lock: the engine has not answered yet */
};

static void on_answer(void *arg, int result, int64_t id)
{
	struct keeper *k = arg;

	(void)result; /* any answer shows that its thread turns */
	(void)id;
	(void)pthread_mutex_lock(&k->lock);
	k->is_asked = false;
	(void)pthread_cond_signal(&k->answered);
	(void)pthread_mutex_unlock(&k->lock);
}

/* Waits for the answer as long as it takes: without it there is nothing else to do. */
static bool engine_turns(struct keeper *k)
{
	(void)pthread_mutex_lock(&k->lock);
	k->is_asked = true;
	(void)pthread_mutex_unlock(&k->lock);
	engine_ping(k->engine, on_answer, k);
	(void)pthread_mutex_lock(&k->lock);
	while (k->is_asked && !k->is_stopping) {
		(void)pthread_cond_wait(&k->answered, &k->lock);
	}
	(void)pthread_mutex_unlock(&k->lock);
	return !k->is_stopping;
}

static bool mount_answers(const struct keeper *k)
{
	bool does = fs_answers_at(k->mountpoint);

	if (!does && fs_is_mounted_at(k->mountpoint)) {
		log_warning("watchdog: the mount at %s does not answer", k->mountpoint);
	}
	return does;
}

static void beat(struct keeper *k)
{
	if (engine_turns(k) && mount_answers(k) && !k->is_stopping) {
		(void)notify_send("WATCHDOG=1");
	}
}

static void *keeper_run(void *arg)
{
	struct keeper *k = arg;
	int64_t wait_ms = k->beat_ms > 0 ? k->beat_ms : FOREVER_MS;
	struct timespec wait = { .tv_sec = wait_ms / 1000,
				 .tv_nsec = wait_ms % 1000 * 1000000 };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, WAKE_SIGNAL);
	while (!k->is_stopping) {
		int signal = sigtimedwait(&set, NULL, &wait);

		if (signal == SIGHUP) {
			k->on_hangup(k->arg);
		} else if (signal < 0 && errno == EAGAIN && k->beat_ms > 0) {
			beat(k);
		}
	}
	return NULL;
}

static int start_thread(struct keeper *k)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&k->thread, NULL, keeper_run, k);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0) {
		(void)pthread_setname_np(k->thread, "keeper");
	}
	return -r;
}

static struct keeper *keeper_destroy(struct keeper *k)
{
	(void)pthread_mutex_destroy(&k->lock);
	(void)pthread_cond_destroy(&k->answered);
	free(k);
	return NULL;
}

int keeper_start(struct engine *engine, const char *mountpoint,
		 void (*on_hangup)(void *arg), void *arg, struct keeper **ret_keeper,
		 struct err *e)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!k) {
		return err_set(e, -ENOMEM, "no memory");
	}
	k->engine = engine;
	k->mountpoint = mountpoint;
	k->on_hangup = on_hangup;
	k->arg = arg;
	k->beat_ms = notify_watchdog_ms() / BEATS;
	(void)pthread_mutex_init(&k->lock, NULL);
	(void)pthread_cond_init(&k->answered, NULL);
	r = start_thread(k);
	if (r < 0) {
		(void)keeper_destroy(k);
		return err_set(e, r, "cannot start the keeper's thread: %s",
			       strerror(-r));
	}
	*ret_keeper = k;
	return 0;
}

void keeper_stop(struct keeper *k)
{
	if (!k) {
		return;
	}
	(void)pthread_mutex_lock(&k->lock);
	k->is_stopping = true;
	(void)pthread_cond_signal(&k->answered);
	(void)pthread_mutex_unlock(&k->lock);
	(void)pthread_kill(k->thread, WAKE_SIGNAL);
}

struct keeper *keeper_free(struct keeper *k)
{
	if (!k) {
		return NULL;
	}
	keeper_stop(k);
	(void)pthread_join(k->thread, NULL);
	return keeper_destroy(k);
}
