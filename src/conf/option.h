/* The options of the configuration: one table, and how a value of each type is read,
 * checked, stored and shown. Who adds an option adds a member to struct conf and a row
 * here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

enum option_type {
	OPTION_STRING,
	OPTION_PATH,  /* absolute, or ~/...; stored absolute */
	OPTION_PATHS, /* char **, NULL-terminated */
	OPTION_BOOL,
	OPTION_INT,	 /* int */
	OPTION_DURATION, /* int64_t, ms */
	OPTION_SIZE,	 /* int64_t, bytes */
	OPTION_WORD,	 /* int, place among words */
	OPTION_LABELS,	 /* char **, "key=value", NULL-terminated */
};

struct option {
	const char *name; /* "s3.region"; of each host: "hosts.*.port" */
	enum option_type type;
	size_t offset;		  /* in struct conf, or struct conf_host */
	const char *default_text; /* as --set takes it; NULL: none, or made elsewhere */
	const char *default_note; /* for people, instead of default_text */
	int64_t min, max;	  /* OPTION_INT, OPTION_DURATION, OPTION_SIZE */
	const char *const *words; /* OPTION_WORD; NULL-terminated */
	bool (*is_good)(const char *text); /* OPTION_STRING; NULL: any */
	const char *expected;		   /* OPTION_STRING: "a region" */
	const char *const
		*env; /* variables, NULL-terminated, the first wins; NULL: none */
	const char *help;
};

#define OPTION_HOST_PREFIX "hosts.*."

/* Row i; NULL behind the last one. */
const struct option *option_at(size_t i);
enum { OPTION_COUNT_MAX = 64 };
/* By its whole name; NULL when there is none. */
const struct option *option_find(const char *name);
bool option_is_of_host(const struct option *o);
/* The key of the option, or of what it is in, in the object that prefix ("", "s3.",
 * ...) stands for; its length in *ret_len. NULL when it is not in there. */
const char *option_key(const struct option *o, const char *prefix, size_t *ret_len);

/* Reads text as a value into base (a struct conf or conf_host) in place of what was
 * there. home replaces ~, may be NULL. -EINVAL: text is no such value; -ENOMEM. */
int option_set(const struct option *o, const char *text, const char *home, void *base);
/* Appends one item to a list: a path, or "key=value". */
int option_add_item(const struct option *o, const char *text, const char *home,
		    void *base);
/* Makes a list without items in place of what was there. -ENOMEM. */
int option_make_empty(const struct option *o, void *base);
/* Frees what is there. */
void option_clear(const struct option *o, void *base);

/* Appends what a value should be: "a duration from 1s to 10m, such as 90 or \"10m\"".
 */
int option_add_expected(const struct option *o, struct buf *out);
/* Appends "integer, 1 to 64" for help. */
int option_add_type(const struct option *o, struct buf *out);
/* Appends the value in force as JSON. */
int option_add_value(const struct option *o, const void *base, struct buf *out);
