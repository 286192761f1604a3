/* Two clocks: one for decisions, which no one can set and which counts suspended time,
 * and one for people. All times are int64_t milliseconds. */
#pragma once

#include <stdint.h>

enum { CLOCK_TEXT_MAX = 32 };

/* CLOCK_BOOTTIME: for deadlines and intervals. */
int64_t clock_ms(void);
/* Milliseconds since 1970-01-01 UTC: for display only, never for a decision. */
int64_t clock_wall_ms(void);

static inline int64_t clock_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A simulation's time in place of the kernel's. Before any thread reads a clock, and by
 * one thread only; NULL: the kernel's again. */
struct clock_source {
	int64_t (*ms)(void *arg);
	int64_t (*wall_ms)(void *arg);
	void *arg;
};
void clock_set_source(const struct clock_source *source); /* borrowed */

/* RFC 3339 in UTC with milliseconds: 2026-01-31T12:00:00.000Z */
void clock_format(int64_t wall_ms, char ret_text[static CLOCK_TEXT_MAX]);
