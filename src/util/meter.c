#include "util/meter.h"

#include <time.h>

const int64_t meter_bounds_us[METER_BOUNDS] = {
	100,	500,	 1000,	  5000,	    10000,    50000,	100000,
	500000, 1000000, 5000000, 10000000, 30000000, 60000000,
};

void meter_add(struct meter *meter, int64_t us)
{
	int i = 0;

	while (i < METER_BOUNDS && us > meter_bounds_us[i]) {
		i++;
	}
	(void)atomic_fetch_add_explicit(&meter->counts[i], 1, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&meter->sum_us, us, memory_order_relaxed);
}

int64_t meter_clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
