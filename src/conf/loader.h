/* How a configuration is put together: what the sources share. For conf/ only.
 *
 * Each source notes what is wrong with it and goes on, so that one run tells
 * everything; no configuration with a problem leaves conf_load(). A source never
 * replaces a value that came from one of a higher rank, so the order in which they are
 * read does not matter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "job/json.h"
#include "job/problems.h"
#include "util/buf.h"

enum conf_rank {		 /* the higher one wins */
		 CONF_RANK_FILE, /* or default */
		 CONF_RANK_ENVIRONMENT_FILE,
		 CONF_RANK_ENVIRONMENT,
		 CONF_RANK_COMMAND_LINE,
};

struct conf_loader {
	struct conf *conf;
	const char *const *env;
	char *home;				/* NULL: not known */
	char *user;				/* likewise */
	enum conf_rank ranks[OPTION_COUNT_MAX]; /* by row: where the value is from */

	struct buf text; /* of the configuration file, comments blanked */
	struct json_doc doc;
	struct problems problems; /* of doc */
	struct buf others;	  /* lines about everything else */
	size_t n_others;
	int code;  /* why a file could not be read, negative errno */
	int error; /* -ENOMEM; sticks */
};

/* Notes a problem that has no place in the configuration file: one line without its
 * end. */
void conf_loader_problem(struct conf_loader *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Sets an option of the daemon, unless its value is of a higher rank. where ("--set
 * log.level") begins the message when text is not such a value. */
void conf_loader_set(struct conf_loader *l, const struct option *o, const char *text,
		     enum conf_rank rank, const char *where);
/* Sets the default, where the table has one; base is a struct conf or conf_host. */
void conf_loader_set_default(struct conf_loader *l, const struct option *o, void *base);
/* Appends "found X; expected Y". */
int conf_loader_mismatch(const struct option *o, const char *text, struct buf *out);

/* file.c: the JSON file. */
void conf_read_file(struct conf_loader *l, const char *file);
/* environment.c: variables for options, the environment file, secrets. */
void conf_read_environment(struct conf_loader *l);

/* near.c: the option, or the key below prefix, that was probably meant; NULL when none
 * is near. ret_name has room for CONF_NAME_MAX bytes. */
enum { CONF_NAME_MAX = 64 };
const char *conf_nearest_key(const char *prefix, const char *key, char *ret_name);
const char *conf_nearest_option(const char *name);
