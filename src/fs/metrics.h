/* `.jobfs/metrics`: what the daemon counts, in the text format of Prometheus. */
#pragma once

#include "engine/engine.h"
#include "util/buf.h"

/* Appends; 0 or negative errno. */
int metrics_render(struct engine *engine, struct buf *out);

/* Its parts. */
struct metrics_family {
	const char *name; /* ends with _total for a counter */
	const char *type; /* counter, gauge, histogram */
	const char *help; /* a sentence without a backslash or an end of line */
};
/* "# HELP" and "# TYPE" */
void metrics_add_family(struct buf *out, const struct metrics_family *family);
/* label NULL: none */
void metrics_add_int(struct buf *out, const char *name, const char *label,
		     const char *value, int64_t n);
void metrics_add_real(struct buf *out, const char *name, double n);
void metrics_add_meter(struct buf *out, const char *name, const struct meter *meter);
