/* How long the kernel may believe what it was told, and what it may keep. */
#pragma once

#include <stdbool.h>

struct object;

/* Seconds. */
double cache_attr_timeout(const struct object *o);
double cache_entry_timeout(const struct object *o);
/* May it keep what was read? Then it does not ask again. */
bool cache_keeps_content(const struct object *o);
