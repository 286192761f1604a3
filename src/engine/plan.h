/* The text of a plan (src/agent/PROTOCOL.md): sh functions in which every string of the
 * user stands in single quotes. Pure; a failure sticks in the buffer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/spec.h"
#include "util/buf.h"

/* NAME='value'; NULL is empty. */
void plan_var(struct buf *plan, const char *name, const char *value);

struct plan_file { /* below files/ */
	const char *path;
	mode_t mode;
	bool is_dir;
	int64_t offset; /* in the payload; its width in the text is fixed, so that the
			   length of the plan does not depend on it */
	int64_t size;
};
void plan_file(struct buf *plan, const struct plan_file *file);

/* The functions that only the spec decides; begins by closing the one before. */
void plan_spec(struct buf *plan, const struct spec *spec);
