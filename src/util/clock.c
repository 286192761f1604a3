#include "util/clock.h"

#include <stdio.h>
#include <time.h>

static const struct clock_source *simulated;

void clock_set_source(const struct clock_source *source)
{
	simulated = source;
}

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_ms(void)
{
	return simulated ? simulated->ms(simulated->arg) : read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
	return simulated ? simulated->wall_ms(simulated->arg)
			 : read_clock(CLOCK_REALTIME);
}

void clock_format(int64_t wall_ms, char ret_text[static CLOCK_TEXT_MAX])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm)) {
		ret_text[0] = '\0';
		return;
	}
	(void)snprintf(ret_text, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		       (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100,
		       tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
		       tm.tm_sec % 100, (int)(wall_ms % 1000));
}
