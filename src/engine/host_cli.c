/* The AWS CLI of a host: is there one, and if not, one is installed for its user. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	CLI_TIMEOUT_MS = 60000,
	INSTALL_TIMEOUT_MS = 30 * 60000,
	RETRY_MS = 5000,
};

static void set_cli(struct engine *e, struct host *host, struct call_reply *reply)
{
	struct reply_program found;

	reply_read_program(reply, &found);
	free(host->cli_path);
	host->cli_path = strdup(found.path);
	host->cli = host->cli_path ? CLI_READY : CLI_NEW;
	if (host->s3_reason == REASON_CLI_INSTALL_FAILED) {
		host_clear_s3_trouble(host);
	}
	log_info("host %s: %s is %s", host->conf->name, found.path, found.version);
	host_wake_jobs(e, host);
}

/* Without an answer the host itself is asked again; jobs hear of what it said. */
static void cli_failed(struct engine *e, struct host *host,
		       const struct call_reply *reply, const char *what)
{
	host->cli = CLI_NEW;
	host->cli_wake_at = clock_ms() + RETRY_MS;
	if (reply->fault == REMOTE_OK && !reply->has_frame) {
		host_doubt(e, host);
	} else if (reply->fault == REMOTE_OK || reply->fault == REMOTE_ABORTED) {
		char text[ERR_TEXT_MAX];

		(void)snprintf(text, sizeof(text), "host %s %s: %.3000s",
			       host->conf->name, what,
			       reply->text[0] ? reply->text : reply->frame.code);
		host_set_s3_trouble(host, REASON_CLI_INSTALL_FAILED, text);
		log_warning("%s", text);
	}
	host_wake_jobs(e, host);
}

static void handle_install(struct engine *e, struct host *host, struct job *job,
			   struct call_reply *reply)
{
	(void)job;
	if (reply_is(reply, "OK")) {
		log_info("host %s: installed the AWS CLI", host->conf->name);
		set_cli(e, host, reply);
		return;
	}
	cli_failed(e, host, reply, "has no AWS CLI, and it could not be installed");
}

static ssize_t read_bundle(void *arg, char *data, size_t len)
{
	ssize_t n = read(*(const int *)arg, data, len);

	return n < 0 ? -errno : n;
}

static void free_bundle(void *arg)
{
	closep(arg);
	free(arg);
}

/* stdin: the zip itself, or the URL where the host finds it. */
static int add_bundle(struct engine *e, struct remote_call *call)
{
	const char *path = e->conf->aws.bundle;
	struct stat st;
	int *fd;

	if (!path) {
		return buf_printf(&call->input, "url %s\n", e->conf->aws.install_url);
	}
	fd = malloc(sizeof(*fd));
	if (!fd) {
		return -ENOMEM;
	}
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	call_set_reader(call, read_bundle, fd, free_bundle);
	if (*fd < 0 || fstat(*fd, &st) < 0) {
		return -errno;
	}
	return buf_printf(&call->input, "data %lld\n", (long long)st.st_size);
}

void host_install_cli(struct engine *e, struct host *host)
{
	struct remote_call *call =
		host_call(e, host, "install", INSTALL_TIMEOUT_MS, handle_install);

	if (!call) {
		return;
	}
	log_info("host %s has no AWS CLI: installing it", host->conf->name);
	host->cli = CLI_INSTALLING;
	if (add_bundle(e, call) < 0) {
		log_error("cannot read aws.bundle %s: %s", e->conf->aws.bundle,
			  strerror(errno));
	}
}

static void handle_cli(struct engine *e, struct host *host, struct job *job,
		       struct call_reply *reply)
{
	(void)job;
	if (reply_is(reply, "OK")) {
		set_cli(e, host, reply);
	} else if (reply_is(reply, "ENOAWS")) {
		host->cli = CLI_ABSENT; /* who needs it has it installed */
		host_wake_jobs(e, host);
	} else {
		cli_failed(e, host, reply, "could not be asked for its AWS CLI");
	}
}

void host_prepare_cli(struct engine *e, struct host *host)
{
	if (host->cli_wake_at > clock_ms()) {
		return;
	}
	if (!host_may_sign(host) && host->state == HOST_READY) {
		host->cli_wake_at = clock_ms() + RETRY_MS;
		host_send_probe(e, host); /* which says what time it is there now */
	} else if (host->cli == CLI_NEW) {
		if (host_call(e, host, "aws", CLI_TIMEOUT_MS, handle_cli)) {
			host->cli = CLI_ASKING;
		}
	}
}
