/* Who hears of what the engine has published: the kernel's caches, those who poll,
 * those who wait, and, through the notifier, inotify. */
#pragma once

#include "engine/engine.h"

struct fs;

/* The argument is a struct fs. */
extern const struct engine_listener watch_listener;
/* A change of the job may not have been told by the daemon that died: as if all of it
 * had changed just now. Any thread. */
void watch_tell_again(struct fs *fs, const struct job_record *record);
/* The same for what is of no job: the queue, all events, the hosts. */
void watch_tell_all_again(struct fs *fs);
