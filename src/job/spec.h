/* spec.json: the bytes a user wrote, checked and made into one immutable struct. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job/state.h"
#include "util/buf.h"
#include "util/err.h"

enum {
	SPEC_SIZE_MAX = 1 << 20, /* bytes of spec.json */
	SPEC_DEPTH_MAX = 16,
	SPEC_PRIORITY_DEFAULT = 50,
	SPEC_PRIORITY_MAX = 100,
};

struct spec_pair { /* of labels and env, in the order of the document */
	char *name;
	char *value;
};

struct spec_input {
	char *name;	/* the key in "inputs" */
	char *variable; /* name in upper case, other bytes than [A-Z0-9] as _:
			   JOB_INPUT_<it> */
	char *bucket;
	char *key;  /* without a leading slash; ends in / or is empty for a prefix */
	char *path; /* where it lands, below the job's directory, no slash at the end */
	bool is_prefix;
	bool is_cached; /* kept on the host for other jobs */
};

enum spec_engine { /* what moves the data on the GPU host */
		   SPEC_ENGINE_UNSET,
		   SPEC_ENGINE_AUTO,
		   SPEC_ENGINE_AWS,	  /* the AWS CLI */
		   SPEC_ENGINE_PRESIGNED, /* curl, with URLs that jobfs signs */
		   /* the clients that only a user names (engine/tool.c) */
		   SPEC_ENGINE_RCLONE,
		   SPEC_ENGINE_S3CMD,
		   SPEC_ENGINE_COUNT,
};

/* As a spec has it, and the agent; "" for SPEC_ENGINE_UNSET. */
const char *spec_engine_word(enum spec_engine engine);
/* UNSET: it is none. */
enum spec_engine spec_engine_of(const char *word);

enum spec_program {
	SPEC_SCRIPT, /* a file below files/ */
	SPEC_SHELL,  /* text for sh -e */
	SPEC_ARGV,
};

struct spec_timeouts { /* of a phase; 0: none */
	int64_t queue_ms;
	int64_t prepare_ms;
	int64_t download_ms;
	int64_t run_ms; /* setup and program */
	int64_t upload_ms;
	int64_t stop_grace_ms;	/* -1: of the configuration */
	int64_t unreachable_ms; /* after which a silent host has lost the job */
};

struct spec_retry {
	int max_attempts; /* 1: it is not tried again */
	bool has_on;
	uint64_t on;		/* bits of enum job_reason */
	uint64_t exit_codes[4]; /* bits of 0 to 255 */
	int64_t backoff_ms;	/* before the second attempt; then it doubles */
};

struct spec_checkpoints {
	char *path;   /* below the job's directory */
	char *bucket; /* where they go */
	char *prefix; /* as destination_prefix */
	int64_t interval_ms;
	int64_t settle_ms; /* so long a file must not have changed */
	bool resume;
};

struct spec {
	struct spec_pair *labels;
	size_t n_labels;
	char *host; /* NULL: any */
	int gpus;   /* 0: none is reserved */

	struct spec_input *inputs;
	size_t n_inputs;

	enum spec_program program;
	char *script; /* SPEC_SCRIPT: path below files/; SPEC_SHELL: the text */
	char **argv;  /* SPEC_ARGV: program and its arguments, NULL-terminated */
	char **args;  /* SPEC_SCRIPT, SPEC_SHELL: arguments, NULL-terminated, never NULL
		       */
	char *setup;  /* NULL: none */
	struct spec_pair *env;
	size_t n_env;
	char *image; /* NULL: no container */

	bool has_outputs;
	char *output_path;	  /* below the job's directory; "output" by default */
	char *destination_bucket; /* of outputs */
	char *destination_prefix; /* {job} and {id} not replaced yet; ends in /, or is
				     empty */
	char **exclude;		  /* patterns, NULL-terminated, never NULL */

	bool has_checkpoints;
	struct spec_checkpoints checkpoints;

	char **metrics; /* files below the job's directory, or patterns of the shell;
			   NULL-terminated, never NULL */

	char *s3_region;	    /* NULL: of the configuration */
	char *s3_endpoint;	    /* NULL: of the configuration */
	enum spec_engine s3_engine; /* SPEC_ENGINE_UNSET: of the configuration */
	bool s3_urls_only;	    /* the host gets no credentials */
	bool s3_is_sts;		    /* it gets temporary ones, of this job only */

	int priority;	 /* 0 to 100: of jobs that wait, the higher goes first */
	bool is_held;	 /* it waits for `release` */
	bool is_dry_run; /* it is planned, nothing is launched */
	struct spec_timeouts timeouts;
	struct spec_retry retry;
};

/* What a spec is checked against, besides its own rules. */
struct spec_context {
	const char *default_bucket;    /* NULL: s3:// must be written out */
	const char *const *host_names; /* NULL-terminated */
	/* GPUs that the host has */
	int (*host_gpus)(const void *arg, const char *host);
	int max_gpus; /* of the best host */
	const void *arg;
	/* It was accepted before: what it says of hosts is not checked again, since the
	 * configuration may have changed. */
	bool was_accepted;
};

/* Where the document stands while it is being written. */
enum spec_shape {
	SPEC_INCOMPLETE, /* more bytes can make it whole (so does an empty text) */
	SPEC_COMPLETE,	 /* the top-level value is closed, or can never be right */
};
enum spec_shape spec_shape(const char *text, size_t len);

/* The same while a text grows: each byte is fed once, in order. */
struct spec_scan {
	enum spec_shape shape;
	size_t len;	  /* bytes fed */
	unsigned depth;	  /* open brackets */
	unsigned objects; /* a bit for each: 1 for {, the innermost is bit 0 */
	bool in_string;
	bool in_escape;
};
/* clang-format off */
#define SPEC_SCAN_INIT { .shape = SPEC_INCOMPLETE }
/* clang-format on */
enum spec_shape spec_scan_feed(struct spec_scan *scan, const char *text, size_t len);

/* Makes a spec of len bytes of text. *ret_spec is the caller's (spec_free).
 * -EINVAL: e->text holds one line per problem (up to 20), each
 *   "spec.json:LINE:COLUMN: $.json.path: what is wrong; what was expected"
 * -EFBIG, -ENOMEM. LINE and COLUMN count from 1, COLUMN in bytes. */
int spec_parse(const char *text, size_t len, const struct spec_context *context,
	       struct spec **ret_spec, struct err *e);
struct spec *spec_free(struct spec *spec);
void spec_freep(struct spec **spec);
#define cleanup_spec cleanup_(spec_freep)

/* Appends a destination's prefix with {job} and {id} replaced; NULL is empty. */
int spec_expand_destination(const char *text, const char *job, const char *id,
			    struct buf *out);

/* Does the spec want another attempt after such a failure? exit_code: of the program,
 * -1 for none. Without "on" only what may pass by itself is tried again, and only when
 * no code of the user's can have run. */
bool spec_retries(const struct spec_retry *retry, enum job_reason reason, int exit_code,
		  bool may_have_run);

/* Is name fit for a job? NULL when it is, else a sentence that says why not. */
const char *spec_job_name_problem(const char *name);
