/* Who hears of what the engine has published: the kernel's caches, those who poll,
 * those who wait, and, through the notifier, inotify. */
#pragma once

#include "engine/engine.h"

struct fs;

/* The argument is a struct fs. */
extern const struct engine_listener watch_listener;
