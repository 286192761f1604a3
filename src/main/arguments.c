#include "main/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

static const char usage_text[] =
	"usage: jobfs [-c CONFIG] [-o OPTION[,OPTION...]] [-f] [-d] [--set "
	"NAME=VALUE]\n"
	"             MOUNTPOINT\n"
	"       jobfs [-c CONFIG] [--set NAME=VALUE] --check-config [MOUNTPOINT]\n"
	"       jobfs --help | --version\n";

static const char help_text[] =
	"\n"
	"Mounts a file system of GPU jobs: mkdir makes a job, cp spec.json into it "
	"submits\n"
	"it, cat status tells how it goes. See jobfs(1).\n"
	"\n"
	"  -c, --config CONFIG   the configuration file; else $JOBFS_CONFIG, else\n"
	"                        ~/.config/jobfs/config.json, or "
	"/etc/jobfs/config.json for\n"
	"                        root, where it exists\n"
	"  -o OPTIONS            mount options of FUSE, such as allow_other\n"
	"  -f, --foreground      stay in the foreground, log to stderr\n"
	"  -d, --debug           the same, log everything, allow core dumps\n"
	"      --set NAME=VALUE  set an option of the configuration, see below\n"
	"      --check-config    check the configuration and print what is in force\n"
	"  -h, --help            print this\n"
	"  -V, --version         print the version\n"
	"\n"
	"`fusermount3 -u MOUNTPOINT` or SIGTERM ends it; jobs on the hosts go on.\n"
	"Exit codes: 0 done, 1 it failed, 2 the command line or configuration is "
	"wrong.\n"
	"\n"
	"Options of the configuration:\n"
	"\n";

enum { ARG_SET = 256, ARG_CHECK };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "debug", no_argument, NULL, 'd' },
	{ "set", required_argument, NULL, ARG_SET },
	{ "check-config", no_argument, NULL, ARG_CHECK },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int take_argument(struct arguments *args, int c)
{
	switch (c) {
	case 'c':
		args->config = optarg;
		return 0;
	case 'o':
		return buf_printf(&args->mount_options, "%s%s",
				  args->mount_options.len > 0 ? "," : "", optarg);
	case 'f':
		args->foreground = true;
		return 0;
	case 'd':
		args->foreground = true;
		args->debug = true;
		return 0;
	case ARG_SET:
		if (args->n_set == ARGUMENTS_SET_MAX) {
			(void)fprintf(stderr, "jobfs: more than %d times --set\n",
				      ARGUMENTS_SET_MAX);
			return -EINVAL;
		}
		args->set[args->n_set++] = optarg;
		return 0;
	case ARG_CHECK:
		args->check = true;
		return 0;
	case 'h':
		args->help = true;
		return 0;
	case 'V':
		args->version = true;
		return 0;
	}
	return -EINVAL; /* getopt_long has said why */
}

int arguments_parse(int argc, char **argv, struct arguments *args)
{
	int c, r = 0;

	while (r == 0 &&
	       (c = getopt_long(argc, argv, "c:o:fdhV", long_options, NULL)) != -1) {
		r = take_argument(args, c);
	}
	if (r == 0 && (args->help || args->version)) {
		return 0;
	}
	if (r == 0 && optind < argc) {
		args->mountpoint = argv[optind++];
	}
	if (r == 0 && optind < argc) {
		(void)fprintf(stderr, "jobfs: one MOUNTPOINT only: %s\n", argv[optind]);
		r = -EINVAL;
	} else if (r == 0 && !args->mountpoint && !args->check) {
		(void)fprintf(stderr, "jobfs: MOUNTPOINT is missing\n");
		r = -EINVAL;
	}
	if (r < 0) {
		(void)fputs(usage_text, stderr);
	}
	return r;
}

void arguments_fini(struct arguments *args)
{
	buf_fini(&args->mount_options);
}

int arguments_render_help(struct buf *out)
{
	(void)buf_add_str(out, usage_text);
	return buf_add_str(out, help_text);
}
