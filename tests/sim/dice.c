/* SplitMix64 (Steele, Lea, Flood 2014): small, fast, and good enough for schedules. */
#include <math.h>

#include "sim.h"

uint64_t dice_next(struct dice *d)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

struct dice dice_of(uint64_t seed, const char *name)
{
	struct dice d = { .state = seed };

	for (; *name; name++) {
		d.state = (dice_next(&d) ^ (unsigned char)*name);
	}
	return d;
}

int64_t dice_between(struct dice *d, int64_t low, int64_t high)
{
	return low + (int64_t)(dice_next(d) % (uint64_t)(high - low + 1));
}

bool dice_chance(struct dice *d, int per_mille)
{
	return per_mille > 0 && dice_between(d, 0, 999) < per_mille;
}

int64_t dice_scale(struct dice *d, int64_t low, int64_t high)
{
	double fraction = (double)(dice_next(d) >> 11) / (double)(UINT64_C(1) << 53);

	return (int64_t)((double)low * pow((double)high / (double)low, fraction));
}
