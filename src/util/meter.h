/* A histogram of durations: written by any thread, read by any other without a lock. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* Upper bounds, inclusive; what took longer is counted behind the last. */
enum { METER_BOUNDS = 13 };
extern const int64_t meter_bounds_us[METER_BOUNDS];

struct meter { /* zeroed: empty */
	_Atomic uint64_t counts[METER_BOUNDS + 1];
	_Atomic int64_t sum_us;
};

void meter_add(struct meter *meter, int64_t us);
/* Microseconds of a clock that is good for durations, and for nothing else: it is not
 * the one of a simulation. */
int64_t meter_clock_us(void);
