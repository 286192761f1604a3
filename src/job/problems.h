/* What is wrong with a document: the first problems by their place in it, and how many
 * there are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "job/json.h"
#include "util/err.h"

enum { PROBLEMS_MAX = 20 };

struct problem {
	const struct json_mark *mark; /* names the path */
	size_t at;
	char *text;
};

struct problems {
	struct problem list[PROBLEMS_MAX]; /* in the order of their places */
	size_t n;
	size_t total;
	int error; /* -ENOMEM; sticks */
};

void problems_fini(struct problems *problems);
/* Would a problem of the byte `at` be shown, or only counted? Worth asking before a
 * message that takes work. */
bool problems_would_show(const struct problems *problems, size_t at);
/* Notes a problem of the byte `at`: "what is wrong; what was expected". */
void problems_add(struct problems *problems, const struct json_mark *mark, size_t at,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* 0 when there is none; -EINVAL with a line for each in e->text: as many whole lines as
 * fit, and a last line that counts the others; -ENOMEM. */
int problems_report(const struct problems *problems, const struct json_doc *doc,
		    struct err *e);
