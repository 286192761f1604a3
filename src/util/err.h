/* An error as a code for the program and a sentence for the user. */
#pragma once

#include <stdarg.h>

enum { ERR_TEXT_MAX = 3500 };

struct err {
	int code;		 /* negative errno, 0 when unset */
	char text[ERR_TEXT_MAX]; /* UTF-8, no newline at the end, never a secret */
};

#define ERR_INIT                                                                       \
	{                                                                              \
		.code = 0, .text = ""                                                  \
	}

/* Both return code, so that a caller can write: return err_set(e, -EIO, "...").
 * e may be NULL: then only the code travels. Text that is too long is cut. */
int err_set(struct err *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts context in front of what e says: "CONTEXT: TEXT". */
int err_prefix(struct err *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
