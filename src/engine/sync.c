/* Waiting for the disk. What a turn has committed survives the death of the daemon at
 * once, and a power cut only after an fdatasync(2), which takes longer than the turn.
 * So nobody is answered and no host is called before it; but while it runs, beside the
 * engine's thread, that one makes the directories that are asked for meanwhile, which
 * nobody was promised anything about (turn.c). The kernel lets one mkdir(2) at a time
 * into a directory, so many writers would otherwise wait for each other's disk.
 *
 * When it fails, nobody knows what the disk has, and asking again does not tell: the
 * kernel throws away what it could not write. So the daemon ends, as other databases
 * do, and the next one goes by what it reads. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/internal.h"
#include "util/log.h"
#include "util/meter.h"

static void *run(void *arg)
{
	struct engine *e = arg;
	int r;

	(void)pthread_mutex_lock(&e->mailbox_lock);
	for (;;) {
		while (e->sync.state != SYNC_WANTED && !e->sync.is_stopping) {
			(void)pthread_cond_wait(&e->sync.wanted, &e->mailbox_lock);
		}
		if (e->sync.state != SYNC_WANTED) {
			break;
		}
		(void)pthread_mutex_unlock(&e->mailbox_lock);
		r = store_sync(e->store);
		(void)pthread_mutex_lock(&e->mailbox_lock);
		e->sync.result = r;
		e->sync.state = SYNC_DONE;
		(void)pthread_cond_signal(&e->mailbox_filled);
	}
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	return NULL;
}

int sync_start(struct engine *e)
{
	int r;

	(void)pthread_cond_init(&e->sync.wanted, NULL);
	r = pthread_create(&e->sync.thread, NULL, run, e);
	e->sync.is_started = r == 0;
	if (r == 0) {
		(void)pthread_setname_np(e->sync.thread, "sync");
	}
	return -r;
}

void sync_stop(struct engine *e)
{
	if (!e->sync.is_started) {
		return;
	}
	(void)pthread_mutex_lock(&e->mailbox_lock);
	e->sync.is_stopping = true;
	(void)pthread_cond_signal(&e->sync.wanted);
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	(void)pthread_join(e->sync.thread, NULL);
	(void)pthread_cond_destroy(&e->sync.wanted);
	e->sync.is_started = false;
}

/* Appends what was posted, or waits until the disk is done; true: that it is. */
static bool wait_beside(struct engine *e, struct event_list *events)
{
	bool is_done;

	(void)pthread_mutex_lock(&e->mailbox_lock);
	while (STAILQ_EMPTY(&e->mailbox) && e->sync.state != SYNC_DONE) {
		(void)pthread_cond_wait(&e->mailbox_filled, &e->mailbox_lock);
	}
	STAILQ_CONCAT(events, &e->mailbox);
	is_done = e->sync.state == SYNC_DONE;
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	return is_done;
}

static void want(struct engine *e)
{
	(void)pthread_mutex_lock(&e->mailbox_lock);
	e->sync.state = SYNC_WANTED;
	(void)pthread_cond_signal(&e->sync.wanted);
	(void)pthread_mutex_unlock(&e->mailbox_lock);
}

/* What is no light event is left to the next turn, before what came later. */
static void give_back(struct engine *e, struct event_list *events)
{
	(void)pthread_mutex_lock(&e->mailbox_lock);
	STAILQ_CONCAT(events, &e->mailbox);
	STAILQ_CONCAT(&e->mailbox, events);
	e->sync.state = SYNC_IDLE;
	(void)pthread_mutex_unlock(&e->mailbox_lock);
}

static int sync_beside(struct engine *e)
{
	struct event_list events = STAILQ_HEAD_INITIALIZER(events);
	bool was_light = false;

	want(e);
	while (!wait_beside(e, &events)) {
		was_light |= engine_turn_lightly(e, &events);
	}
	was_light |= engine_turn_lightly(e, &events);
	give_back(e, &events);
	e->sync.is_busy = was_light;
	return e->sync.result;
}

static bool has_light(struct engine *e)
{
	const struct event *event;
	bool has = false;

	(void)pthread_mutex_lock(&e->mailbox_lock);
	STAILQ_FOREACH(event, &e->mailbox, link)
	{
		has |= event->is_light;
	}
	(void)pthread_mutex_unlock(&e->mailbox_lock);
	return has;
}

/* One writer waits for his own disk only: to have another thread do it would cost him a
 * switch to it and back. */
static int sync_here(struct engine *e)
{
	int r = store_sync(e->store);

	e->sync.is_busy = has_light(e);
	return r;
}

void engine_sync(struct engine *e)
{
	int64_t begun_us = meter_clock_us();
	int r = e->sync.is_started && e->sync.is_busy ? sync_beside(e) : sync_here(e);

	if (r < 0) {
		log_error("the job database cannot be written to disk: %s; jobfs ends, "
			  "for what the disk has is not known. Look at the disk, and "
			  "start jobfs again: it goes by what it reads there",
			  strerror(-r));
		_exit(EXIT_FAILURE);
	}
	meter_add(&e->stats.syncs, meter_clock_us() - begun_us);
}
