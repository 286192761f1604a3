/* The command line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

enum { ARGUMENTS_SET_MAX = 64 };

struct arguments {	    /* borrowed from argv */
	const char *config; /* NULL: none was named */
	const char *mountpoint;
	struct buf mount_options;		/* of all -o, comma-separated */
	const char *set[ARGUMENTS_SET_MAX + 1]; /* "NAME=VALUE", NULL-terminated */
	size_t n_set;
	bool foreground;
	bool debug;
	bool check;
	bool help;
	bool version;
};

/* Zeroed *args is the caller's, who calls arguments_fini() in any case. What is wrong
 * is printed on stderr with the usage: -EINVAL, -ENOMEM. With help or version nothing
 * else is looked at. */
int arguments_parse(int argc, char **argv, struct arguments *args);
void arguments_fini(struct arguments *args);

/* Appends what --help says before the options of the configuration. */
int arguments_render_help(struct buf *out);
