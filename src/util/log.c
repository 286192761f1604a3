#include "util/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

static const struct {
	const char *word;
	int syslog; /* the number of the level in syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

static _Atomic int log_threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_threshold = (int)level;
}

enum log_level log_get_level(void)
{
	return (enum log_level)log_threshold;
}

/* One write(2) a line, so that lines of several threads never mix. */
void log_write(enum log_level level, const char *format, ...)
{
	char line[4096], when[CLOCK_TEXT_MAX];
	size_t used;
	va_list args;

	if ((int)level > log_threshold) {
		return;
	}
	if (getenv("JOURNAL_STREAM")) {
		(void)snprintf(line, sizeof(line), "<%d>", levels[level].syslog);
	} else {
		clock_format(clock_wall_ms(), when);
		(void)snprintf(line, sizeof(line), "%s %s: ", when, levels[level].word);
	}
	used = strlen(line);
	va_start(args, format);
	(void)vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	used = strlen(line);
	line[used++] = '\n';
	(void)!write(STDERR_FILENO, line, used);
}
