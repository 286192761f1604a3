/* The clients of S3 that only a user names: each is looked for on the host when a job
 * needs it, and never installed. What one of them cannot do is said here, before
 * anything moves; how it is called is a row of the agent (src/agent/client.sh). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	TOOL_TIMEOUT_MS = 60000,
	REPLY_MAX = 1 << 16,
	RETRY_MS = 5000,
	AGAIN_MS = 60000, /* so long a host is not chosen that had none */
};

bool tool_is_named(enum spec_engine engine)
{
	return engine == SPEC_ENGINE_RCLONE || engine == SPEC_ENGINE_S3CMD;
}

bool tool_is_ready(const struct host *host, enum spec_engine engine)
{
	return host && host->tools[engine].state == CLI_READY && host_may_sign(host);
}

static bool is_absent(const struct host_tool *tool)
{
	return tool->state == CLI_ABSENT && clock_ms() - tool->failed_at < AGAIN_MS;
}

/* It signs by the host's clock, as the AWS CLI does. */
const char *tool_trouble(const struct host *host, enum spec_engine engine,
			 enum job_reason *ret_reason)
{
	enum job_reason other, *reason = ret_reason ? ret_reason : &other;

	if (tool_is_named(engine) && is_absent(&host->tools[engine])) {
		*reason = REASON_CLI_INSTALL_FAILED;
		return host->tools[engine].why;
	}
	if (host->s3_trouble[0] && host->s3_reason == REASON_HOST_CLOCK) {
		*reason = REASON_HOST_CLOCK;
		return host->s3_trouble;
	}
	return NULL;
}

/* --- what it cannot do ----------------------------------------------------------- */

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f) {
			return true;
		}
	}
	return false;
}

const char *tool_refuses_key(enum spec_engine engine, const char *key)
{
	if (engine == SPEC_ENGINE_S3CMD && has_control(key)) {
		return "has a control character, which s3cmd cannot fetch (the engines "
		       "\"aws\" and \"presigned\" can)";
	}
	if (engine == SPEC_ENGINE_RCLONE && strstr(key, "\u201b")) {
		return "has the character U+201B, by which rclone quotes others, so it "
		       "cannot fetch it (the engines \"aws\" and \"presigned\" can)";
	}
	return NULL;
}

const char *tool_refuses(enum spec_engine engine, const struct spec_input *in)
{
	if (engine == SPEC_ENGINE_S3CMD && strpbrk(in->key, "*?")) {
		return "has a * or ? in its key, which s3cmd reads as a pattern (the "
		       "engines \"aws\" and \"presigned\" do not)";
	}
	return tool_refuses_key(engine, in->key);
}

/* --- is it there? ---------------------------------------------------------------- */

static void set_absent(struct host *host, enum spec_engine engine, const char *said)
{
	struct host_tool *tool = &host->tools[engine];
	const char *word = spec_engine_word(engine);
	cleanup_buf struct buf why = BUF_INIT;

	(void)buf_printf(&why,
			 "host %s: %.300s; s3.engine says \"%s\": install it there "
			 "(apt-get install %s on Debian and Ubuntu), or leave "
			 "s3.engine to be \"auto\"",
			 host->conf->name, said, word, word);
	free(tool->why);
	tool->why = strdup(buf_text(&why));
	tool->state = tool->why ? CLI_ABSENT : CLI_NEW;
	tool->failed_at = clock_ms();
	log_warning("%s", buf_text(&why));
}

static void set_ready(struct host *host, enum spec_engine engine,
		      struct call_reply *reply)
{
	struct host_tool *tool = &host->tools[engine];
	struct reply_program found;

	reply_read_program(reply, &found);
	free(tool->path);
	tool->path = strdup(found.path);
	tool->state = tool->path ? CLI_READY : CLI_NEW;
	log_info("host %s: %s is %s %s", host->conf->name, found.path,
		 spec_engine_word(engine), found.version);
}

static void handle_tool(struct engine *e, struct host *host, struct job *job,
			struct call_reply *reply)
{
	enum spec_engine engine = host->tool_asked;
	struct host_tool *tool = &host->tools[engine];

	(void)job;
	host->tool_asked = SPEC_ENGINE_UNSET;
	tool->state = CLI_NEW;
	if (reply_is(reply, "OK")) {
		set_ready(host, engine, reply);
	} else if (reply_is(reply, "ENOTOOL")) {
		set_absent(host, engine, reply->text);
	} else {
		tool->wake_at = clock_ms() + RETRY_MS;
		if (reply->fault == REMOTE_OK && !reply->has_frame) {
			host_doubt(e, host);
		}
	}
	host_wake_jobs(e, host);
}

static void ask(struct engine *e, struct host *host, enum spec_engine engine)
{
	struct call_spec spec = {
		.host = host,
		.verb = "tool",
		.args = spec_engine_word(engine),
		.timeout_ms = TOOL_TIMEOUT_MS,
		.output_max = REPLY_MAX,
		.is_probe = true,
		.handle = handle_tool,
	};

	if (host->tool_asked == SPEC_ENGINE_UNSET && call_queue(e, &spec)) {
		host->tool_asked = engine;
		host->tools[engine].state = CLI_ASKING;
	}
}

static void prepare(struct engine *e, struct host *host, enum spec_engine engine)
{
	struct host_tool *tool = &host->tools[engine];

	if (tool->wake_at > clock_ms()) {
		return;
	}
	if (!host_may_sign(host) && host->state == HOST_READY) {
		tool->wake_at = clock_ms() + RETRY_MS;
		host_send_probe(e, host); /* which says what time it is there now */
	} else if (tool->state == CLI_NEW || tool->state == CLI_ABSENT) {
		ask(e, host, engine);
	}
}

/* When its host was last found unable to do it; 0: never. */
static int64_t trouble_at(const struct host *host, enum spec_engine engine)
{
	return host->tools[engine].state == CLI_ABSENT ? host->tools[engine].failed_at
	       : host->s3_reason == REASON_HOST_CLOCK  ? host->s3_failed_at
						       : 0;
}

/* A job judges only by what was found out after it began to wait: somebody may have
 * installed it since. */
void step_wait_tool(struct engine *e, struct job *job)
{
	enum spec_engine engine = urls_engine(e, job);
	struct host *host = job->host;
	struct run *run = job->run;
	enum job_reason reason;
	const char *why;

	if (!host) {
		return;
	}
	why = tool_trouble(host, engine, &reason);
	if (why && run->cli_since > 0 && trouble_at(host, engine) >= run->cli_since &&
	    job_leave_host(e, job, reason, why)) {
		return;
	}
	if (run->cli_since == 0) {
		run->cli_since = clock_ms();
	}
	prepare(e, host, engine);
	if (host->tools[engine].state != CLI_ASKING) {
		run->wake_at = clock_ms() + RETRY_MS;
	}
}

/* --- of the host ----------------------------------------------------------------- */

void host_forget_tools(struct host *host, bool absent_only)
{
	if (host->cli == CLI_ABSENT || (!absent_only && host->cli == CLI_READY)) {
		host->cli = CLI_NEW;
	}
	for (size_t i = 0; i < SPEC_ENGINE_COUNT; i++) {
		struct host_tool *tool = &host->tools[i];

		if (tool->state == CLI_ABSENT ||
		    (!absent_only && tool->state == CLI_READY)) {
			tool->state = CLI_NEW;
		}
	}
}

void host_free_tools(struct host *host)
{
	for (size_t i = 0; i < SPEC_ENGINE_COUNT; i++) {
		free(host->tools[i].path);
		free(host->tools[i].why);
		host->tools[i] = (struct host_tool){ .path = NULL };
	}
}

int host_absent_tools(const struct host *host)
{
	int bits = 0;

	for (size_t i = 0; i < SPEC_ENGINE_COUNT; i++) {
		bits |= is_absent(&host->tools[i]) ? 1 << i : 0;
	}
	return bits;
}
