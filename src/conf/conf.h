/* The configuration: one table of options (conf/option.c), read from the command line,
 * the environment, a JSON file and defaults, in this order of precedence. Immutable
 * once made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/mem.h"

struct conf_host {
	char *name;
	char *address;
	int port;
	char *user;
	int gpus;
	int slots;     /* jobs at once */
	char **labels; /* "key=value", NULL-terminated, never NULL */
};

enum conf_host_key { CONF_HOST_KEY_STRICT, CONF_HOST_KEY_ACCEPT_NEW };
enum conf_engine {
	CONF_ENGINE_AUTO,
	CONF_ENGINE_AWS,
	CONF_ENGINE_PRESIGNED,
	CONF_ENGINE_RCLONE,
	CONF_ENGINE_S3CMD,
};
enum conf_verify { CONF_VERIFY_AUTO, CONF_VERIFY_ALWAYS, CONF_VERIFY_NEVER };
enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG };

/* Secrets live in pages that are locked, not dumped, and wiped by conf_free(). */
struct conf_secrets {
	char *access_key; /* NULL: none was given */
	char *secret_key;
	char *session_token;
	char *ssh_passphrase;
};

struct conf {
	char *config_file; /* absolute; NULL: none was read */
	char *state_dir;

	struct conf_host *hosts;
	size_t n_hosts;

	struct {
		char **identity; /* files, ~ expanded, NULL-terminated, never NULL */
		char *known_hosts;
		int host_key; /* enum conf_host_key */
		bool agent;
		int64_t connect_timeout_ms;
		int64_t auth_timeout_ms;
		int64_t keepalive_ms;
		int max_channels;
	} ssh;
	struct {
		char *bucket;		/* NULL: none */
		char *region;		/* NULL: none */
		char *endpoint_url;	/* NULL: AWS */
		char *credentials;	/* "env", "sts", "presigned" */
		char *sts_role_arn;	/* NULL: none */
		char *sts_endpoint_url; /* NULL: that of S3 */
		int64_t sts_duration_ms;
		int engine;		/* enum conf_engine */
		int verify;		/* enum conf_verify */
		char *environment_file; /* of KEY=VALUE lines; NULL: none */
	} s3;
	struct {
		char *install_url; /* of the AWS CLI v2 zip; the host replaces {arch} */
		char *bundle;	   /* a local zip, sent over SSH instead; NULL: none */
	} aws;
	struct {
		int64_t files_bytes; /* of files/ of one job; 0: no limit */
		/* of one user: bytes of files and specs, jobs that are not
		 * finished, jobs at all; 0: no limit */
		int64_t user_bytes;
		int user_jobs;
		int user_dirs;
		int64_t cache_bytes;	  /* of inputs that a host keeps; 0: none */
		int64_t log_bytes;	  /* of the log of one job */
		int64_t poll_interval_ms; /* how old news from a host may be */
		/* how long a job that has not started waits for its host ... */
		int64_t connect_patience_ms;
		int64_t s3_patience_ms;	     /* ... and for S3 to answer */
		int64_t stop_grace_ms;	     /* between TERM and KILL at a cancel */
		int64_t restart_patience_ms; /* of the mount, for the next daemon */
	} limits;
	struct {
		int level; /* enum conf_log_level */
	} log;

	struct conf_secrets secrets;
};

/* The file to read when the command line names none: $JOBFS_CONFIG; else, where it
 * exists, /etc/jobfs/config.json for root, $XDG_CONFIG_HOME/jobfs/config.json or
 * ~/.config/jobfs/config.json for others. *ret_file is the caller's, and is left alone
 * when there is none. -ENOMEM. */
int conf_find_file(const char *const *env, char **ret_file);

/* Reads file (NULL: no file), the environment env ("K=V", NULL-terminated), and `set`
 * ("name=value" of the command line, NULL-terminated; may be NULL).
 *
 * All problems are in e->text, one a line, as many as fit: "FILE:LINE:COLUMN: $.path:
 * what; what was expected" for the file, "environment: NAME: ...", "--set NAME: ...",
 * "ENVIRONMENT_FILE:LINE: ..." for the rest. No value of a secret is in it. -EINVAL,
 * -ENOMEM, or why file could not be read (-ENOENT, -EACCES, ...). */
int conf_load(const char *file, const char *const *env, const char *const *set,
	      struct conf **ret_conf, struct err *e);
struct conf *conf_free(struct conf *conf);
void conf_freep(struct conf **conf);
#define cleanup_conf cleanup_(conf_freep)

/* Appends the configuration in force as JSON that conf_load() takes; "x-file" is the
 * file it is from, "x-secrets" says "(set)" or null of each secret. */
int conf_render(const struct conf *conf, struct buf *out);
/* Appends one paragraph an option, for --help and the man page; at most 78 columns. */
int conf_render_help(struct buf *out);

/* Locks the pages of the secrets once more: a child of fork(2) has them without the
 * lock. 0 or the first negative errno; the secrets are usable all the same. */
int conf_lock_secrets(const struct conf *conf);

/* NULL when there is none of that name. */
const struct conf_host *conf_find_host(const struct conf *conf, const char *name);
/* Of its name alone, so that it is the same in every configuration that has the host.
 */
uint32_t conf_host_number(const struct conf_host *host);
/* The index of the host with that number; n_hosts when there is none. */
size_t conf_find_number(const struct conf *conf, uint32_t number);

/* Wipes the values of secret variables where the kernel shows them (/proc/PID/environ)
 * and removes them from the environment. After conf_load(), before any thread. */
void conf_scrub_environment(void);
