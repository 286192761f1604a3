#include "conf/option.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "conf/conf.h"
#include "util/mem.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    (INT64_C(1) << 10)
#define TIB    (INT64_C(1) << 40)

/* ---- what the strings may be ---- */

static bool consists_of(const char *text, const char *others, size_t min, size_t max)
{
	size_t len = strlen(text);

	for (const char *p = text; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr(others, *p)) {
			return false;
		}
	}
	return len >= min && len <= max;
}

static bool is_bucket(const char *text)
{
	return consists_of(text, "._-", 3, 63);
}

static bool is_region(const char *text)
{
	return consists_of(text, "_-", 1, 64);
}

/* No user name, no query: both can be secrets, and addresses are shown. */
static bool is_url(const char *text)
{
	size_t scheme = 0;

	if (strncasecmp(text, "https://", 8) == 0) {
		scheme = 8;
	} else if (strncasecmp(text, "http://", 7) == 0) {
		scheme = 7;
	}
	return scheme > 0 &&
	       (isalnum((unsigned char)text[scheme]) || text[scheme] == '[') &&
	       consists_of(text, ":/.-_~[]{}%+,;=", 8, 2048);
}

static bool is_credentials(const char *text)
{
	return streq(text, "env") || streq(text, "sts") || streq(text, "presigned");
}

/* "arn:aws:iam::123456789012:role/NAME"; Ceph has no account there. */
static bool is_role(const char *text)
{
	return has_prefix(text, "arn:") && strstr(text, ":iam:") &&
	       strstr(text, ":role/") && consists_of(text, ":/+=,.@_-", 20, 2048);
}

static bool is_address(const char *text)
{
	return text[0] != '-' && consists_of(text, ".-_:%", 1, 253);
}

static bool is_user(const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f) {
			return false;
		}
	}
	return text[0] != '\0' && strlen(text) < 256;
}

/* ---- the table ---- */

static const char *const host_key_words[] = {
	[CONF_HOST_KEY_STRICT] = "strict",
	[CONF_HOST_KEY_ACCEPT_NEW] = "accept-new",
	NULL,
};
static const char *const engine_words[] = {
	[CONF_ENGINE_AUTO] = "auto",
	[CONF_ENGINE_AWS] = "aws",
	[CONF_ENGINE_PRESIGNED] = "presigned",
	[CONF_ENGINE_RCLONE] = "rclone",
	[CONF_ENGINE_S3CMD] = "s3cmd",
	NULL,
};
static const char *const verify_words[] = {
	[CONF_VERIFY_AUTO] = "auto",
	[CONF_VERIFY_ALWAYS] = "always",
	[CONF_VERIFY_NEVER] = "never",
	NULL,
};
static const char *const log_level_words[] = {
	[CONF_LOG_ERROR] = "error",
	[CONF_LOG_WARNING] = "warning",
	[CONF_LOG_INFO] = "info",
	[CONF_LOG_DEBUG] = "debug",
	NULL,
};

#define ENV(...)	((const char *const[]){ __VA_ARGS__, NULL })
#define IN_CONF(member) offsetof(struct conf, member)
#define IN_HOST(member) offsetof(struct conf_host, member)

/* clang-format off */
static const struct option options[] = {
	{ "state_dir", OPTION_PATH, IN_CONF(state_dir),
	  .default_note = "/var/lib/jobfs for root, else $XDG_STATE_HOME/jobfs or "
	                  "~/.local/state/jobfs",
	  .help = "Where the database, the users' files and the log are. It is made "
	          "with mode 0700 and must not lie below the mount point." },

	{ "hosts.*.address", OPTION_STRING, IN_HOST(address),
	  .is_good = is_address, .expected = "a host name or an IP address",
	  .default_note = "NAME",
	  .help = "Host name, IPv4 or IPv6 address of the GPU host." },
	{ "hosts.*.port", OPTION_INT, IN_HOST(port), "22", .min = 1, .max = 65535,
	  .help = "Port of its SSH server." },
	{ "hosts.*.user", OPTION_STRING, IN_HOST(user),
	  .is_good = is_user, .expected = "a user name",
	  .default_note = "$USER, else the name of the user jobfs runs as",
	  .help = "Who to log in as; jobs run as this user." },
	{ "hosts.*.gpus", OPTION_INT, IN_HOST(gpus), "0", .min = 0, .max = 64,
	  .help = "GPUs that jobs may reserve, numbered from 0." },
	{ "hosts.*.slots", OPTION_INT, IN_HOST(slots), "1", .min = 1, .max = 1024,
	  .help = "Jobs at once." },
	{ "hosts.*.labels", OPTION_LABELS, IN_HOST(labels),
	  .help = "What is known of the host, as an object of strings." },

	{ "ssh.identity", OPTION_PATHS, IN_CONF(ssh.identity),
	  .default_note = "those that exist of ~/.ssh/id_ed25519, id_ecdsa, id_rsa",
	  .help = "Private keys, tried in this order. The passphrase of encrypted "
	          "ones is taken from the variable JOBFS_SSH_PASSPHRASE." },
	{ "ssh.known_hosts", OPTION_PATH, IN_CONF(ssh.known_hosts),
	  "~/.ssh/known_hosts",
	  .help = "The keys of the hosts, as OpenSSH keeps them." },
	{ "ssh.host_key", OPTION_WORD, IN_CONF(ssh.host_key), "strict",
	  .words = host_key_words,
	  .help = "strict refuses hosts whose key is not in known_hosts; accept-new "
	          "adds the key of a host that was never seen. A changed key is "
	          "always refused." },
	{ "ssh.agent", OPTION_BOOL, IN_CONF(ssh.agent), "true",
	  .help = "Ask the SSH agent (SSH_AUTH_SOCK) before the private keys." },
	{ "ssh.connect_timeout", OPTION_DURATION, IN_CONF(ssh.connect_timeout_ms),
	  "10s", .min = SECOND, .max = 10 * MINUTE,
	  .help = "For finding the address and making the TCP connection." },
	{ "ssh.auth_timeout", OPTION_DURATION, IN_CONF(ssh.auth_timeout_ms), "30s",
	  .min = SECOND, .max = 10 * MINUTE,
	  .help = "For key exchange and log-in." },
	{ "ssh.keepalive", OPTION_DURATION, IN_CONF(ssh.keepalive_ms), "15s",
	  .min = SECOND, .max = HOUR,
	  .help = "How often a silent connection is probed; it is given up after "
	          "three probes without an answer." },
	{ "ssh.max_channels", OPTION_INT, IN_CONF(ssh.max_channels), "8",
	  .min = 1, .max = 64,
	  .help = "Commands at once on the one connection to a host; MaxSessions of "
	          "sshd is the limit there." },

	{ "s3.bucket", OPTION_STRING, IN_CONF(s3.bucket),
	  .is_good = is_bucket,
	  .expected = "the name of a bucket: 3 to 63 letters, digits, \".\", \"_\" "
	              "and \"-\"",
	  .env = ENV("BUCKET_NAME"),
	  .help = "The bucket of paths in a spec that do not begin with s3://." },
	{ "s3.region", OPTION_STRING, IN_CONF(s3.region),
	  .is_good = is_region, .expected = "a region such as \"ap-south-1\"",
	  .env = ENV("AWS_REGION", "AWS_DEFAULT_REGION"),
	  .help = "The region of the buckets." },
	{ "s3.endpoint_url", OPTION_STRING, IN_CONF(s3.endpoint_url),
	  .is_good = is_url,
	  .expected = "http:// or https://, a host, and no user name or query",
	  .env = ENV("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), .default_note = "AWS",
	  .help = "Where S3 answers, if it is not that of AWS. The GPU hosts must "
	          "reach it too." },
	{ "s3.credentials", OPTION_STRING, IN_CONF(s3.credentials), "env",
	  .is_good = is_credentials,
	  .expected = "\"env\", \"sts\" or \"presigned\"",
	  .help = "How the transfers on the GPU hosts get credentials. env: in their "
	          "environment, from the daemon's variables AWS_ACCESS_KEY_ID, "
	          "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. sts: temporary ones of "
	          "s3.sts_role_arn, which can read the job's inputs and write to its "
	          "destination and nothing else. presigned: not at all; s3.engine is "
	          "presigned then. A spec can ask for sts or presigned where this is "
	          "env." },
	{ "s3.sts_role_arn", OPTION_STRING, IN_CONF(s3.sts_role_arn),
	  .is_good = is_role,
	  .expected = "the ARN of a role such as "
	              "\"arn:aws:iam::123456789012:role/jobs\"",
	  .help = "The role that the daemon assumes for each job with sts. It must be "
	          "allowed what the jobs do in S3, and let the daemon's user call "
	          "sts:AssumeRole." },
	{ "s3.sts_endpoint_url", OPTION_STRING, IN_CONF(s3.sts_endpoint_url),
	  .is_good = is_url,
	  .expected = "http:// or https://, a host, and no user name or query",
	  .env = ENV("AWS_ENDPOINT_URL_STS"),
	  .default_note = "the endpoint of S3, else https://sts.REGION.amazonaws.com",
	  .help = "Where STS answers. Only this daemon must reach it." },
	{ "s3.sts_duration", OPTION_DURATION, IN_CONF(s3.sts_duration_ms), "1h",
	  .min = 15 * MINUTE, .max = 12 * HOUR,
	  .help = "How long temporary credentials hold. A host gets new ones for each "
	          "phase and when they run out; the files of one input, or the "
	          "outputs, should be through within that time. The role sets a limit "
	          "too, an hour unless it was raised." },
	{ "s3.engine", OPTION_WORD, IN_CONF(s3.engine), "auto",
	  .words = engine_words,
	  .help = "What moves the data on the GPU hosts. aws: the AWS CLI, which "
	          "goes on when this daemon is away. presigned: curl 7.68 or "
	          "later with URLs that the daemon signs; nothing secret is on "
	          "the host, but outputs wait for the daemon. auto: aws, and "
	          "presigned where the CLI can neither be found nor installed "
	          "but curl is there. rclone, s3cmd: that client, which must be "
	          "on the host; for no checkpoints and no cache." },
	{ "s3.verify", OPTION_WORD, IN_CONF(s3.verify), "auto",
	  .words = verify_words,
	  .help = "When the GPU hosts compare the bytes that they got or sent with "
	          "the ETag that S3 has for them, which costs some 1.5 s of one core "
	          "a GiB. auto: always, but for large objects and for what the AWS "
	          "CLI moves where s3.endpoint_url is https, since TLS lets no byte "
	          "change on its way. never: sizes only." },
	{ "s3.environment_file", OPTION_PATH, IN_CONF(s3.environment_file),
	  .help = "A file of KEY=VALUE lines for the variables named here that the "
	          "environment lacks. Only its owner, who is root or the user jobfs "
	          "runs as, may have access to it." },

	{ "aws.install_url", OPTION_STRING, IN_CONF(aws.install_url),
	  "https://awscli.amazonaws.com/awscli-exe-linux-{arch}.zip",
	  .is_good = is_url,
	  .expected = "http:// or https://, a host, and no user name or query",
	  .help = "Where a GPU host without the AWS CLI v2 fetches it; {arch} is "
	          "replaced by x86_64 or aarch64." },
	{ "aws.bundle", OPTION_PATH, IN_CONF(aws.bundle),
	  .help = "That zip on this machine, sent over SSH instead." },

	{ "limits.files_bytes", OPTION_SIZE, IN_CONF(limits.files_bytes), "1GiB",
	  .min = 0, .max = TIB,
	  .help = "Of files/ of one job; 0 is no limit. Each file and directory "
	          "counts 4 KiB besides its bytes." },
	{ "limits.user_bytes", OPTION_SIZE, IN_CONF(limits.user_bytes), "64GiB",
	  .min = 0, .max = 1024 * TIB,
	  .help = "Of the files and specs of all jobs of one user; 0 is no limit. As "
	          "the next two it holds for root too." },
	{ "limits.user_jobs", OPTION_INT, IN_CONF(limits.user_jobs), "20000",
	  .min = 0, .max = 10000000,
	  .help = "Jobs of one user that are not finished; 0 is no limit." },
	{ "limits.user_dirs", OPTION_INT, IN_CONF(limits.user_dirs), "200000",
	  .min = 0, .max = 10000000,
	  .help = "Jobs of one user, finished ones too; 0 is no limit." },
	{ "limits.log_bytes", OPTION_SIZE, IN_CONF(limits.log_bytes), "256MiB",
	  .min = 64 * KIB, .max = TIB,
	  .help = "Of the log of one job, and of its transfer.log. A longer one loses "
	          "its middle: the first quarter and the end are kept, with a line "
	          "between them that says how many bytes were left out." },
	{ "limits.cache_bytes", OPTION_SIZE, IN_CONF(limits.cache_bytes), "100GiB",
	  .min = 0, .max = 1024 * TIB,
	  .help = "Of what a GPU host keeps of inputs with \"cache\": true, below "
	          "~/.jobfs/cache; 0 keeps nothing. The least recently used objects go "
	          "first, and before the disk has no room for the inputs of a job." },
	{ "limits.poll_interval", OPTION_DURATION, IN_CONF(limits.poll_interval_ms),
	  "2s", .min = 50, .max = HOUR,
	  .help = "How old the log and other news from a GPU host may be; when a job "
	          "begins, uploads or ends is told at once." },
	{ "limits.connect_patience", OPTION_DURATION,
	  IN_CONF(limits.connect_patience_ms), "30s", .min = 0, .max = 30 * DAY,
	  .help = "How long a job that has not started waits for its host to answer." },
	{ "limits.s3_patience", OPTION_DURATION, IN_CONF(limits.s3_patience_ms), "60s",
	  .min = 0, .max = 30 * DAY,
	  .help = "How long a job waits for S3 to answer." },
	{ "limits.stop_grace", OPTION_DURATION, IN_CONF(limits.stop_grace_ms), "30s",
	  .min = 0, .max = DAY,
	  .help = "Between SIGTERM and SIGKILL when a job is cancelled." },

	{ "limits.restart_patience", OPTION_DURATION,
	  IN_CONF(limits.restart_patience_ms), "60s", .min = SECOND, .max = DAY,
	  .help = "How long the mount waits for the next daemon when this one was "
	          "killed or left it (SIGUSR1). Programs that use it wait meanwhile; "
	          "after that they get an error. A service manager waits as long as it "
	          "likes." },

	{ "log.level", OPTION_WORD, IN_CONF(log.level), "info",
	  .words = log_level_words,
	  .help = "What the daemon logs." },
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(options) <= OPTION_COUNT_MAX,
	       "arrays by option are too small");

const struct option *option_at(size_t i)
{
	return i < ARRAY_SIZE(options) ? &options[i] : NULL;
}

const struct option *option_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (streq(options[i].name, name)) {
			return &options[i];
		}
	}
	return NULL;
}

bool option_is_of_host(const struct option *o)
{
	return has_prefix(o->name, OPTION_HOST_PREFIX);
}

const char *option_key(const struct option *o, const char *prefix, size_t *ret_len)
{
	const char *key = o->name + strlen(prefix);

	if (!has_prefix(o->name, prefix)) {
		return NULL;
	}
	*ret_len = strcspn(key, ".");
	return key;
}
