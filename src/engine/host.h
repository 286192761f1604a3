/* Hosts as the engine knows them; part of internal.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "job/frame.h"
#include "job/spec.h"
#include "ssh/remote.h"

struct call_reply;
struct engine;
struct job;

/* What of a host decides which jobs may start there. */
struct host_room {
	int slots_used;
	uint64_t gpus_used;
	int state, cli, absent_tools;
	bool is_in_trouble, is_drained, has_s3_trouble, has_curl;
};

enum host_state { HOST_NEW, HOST_PROBING, HOST_BOOTING, HOST_READY };
enum cli_state { CLI_NEW, CLI_ASKING, CLI_ABSENT, CLI_INSTALLING, CLI_READY };

/* A client of S3 that a user names: it is looked for, never installed. */
struct host_tool {
	enum cli_state state;
	char *path;
	int64_t wake_at;   /* of the next try to ask for it */
	int64_t failed_at; /* clock_ms() when it was not found */
	char *why;	   /* then: what is said of it */
};

struct host {
	struct engine *engine;
	const struct conf_host *conf;
	struct remote_config remote_config;
	struct remote *remote;
	enum host_state state;
	enum cli_state cli;
	int64_t wake_at; /* of the next try to probe; 0: at once */
	bool boot_tried; /* the agent was sent after the last probe that found none */
	bool poll_is_out;
	bool poll_again;   /* something happened while it was out */
	bool watch_is_out; /* engine/watch.c */
	bool is_watched;   /* it was, since it was probed */
	int64_t watch_at;  /* clock_ms() before which it is not */
	char storeid[64];
	char *cli_path;
	struct host_tool tools[SPEC_ENGINE_COUNT];
	enum spec_engine tool_asked; /* one at a time; SPEC_ENGINE_UNSET: none */
	bool has_curl;		 /* one that is new enough for presigned transfers */
	int64_t cli_wake_at;	 /* of the next try */
	int64_t free_bytes;	 /* of its disk */
	int64_t cache_bytes;	 /* of its cache of inputs, what no job has too */
	int64_t cache_all_bytes; /* all of it */
	int64_t free_at;	 /* clock_ms() when it said so; 0: never */
	/* why it cannot move data (no AWS CLI, a clock that S3 refuses), "" when it can
	 */
	char s3_trouble[ERR_TEXT_MAX];
	enum job_reason s3_reason;
	int64_t s3_failed_at; /* clock_ms() when that was found out */
	int64_t skew_s;	      /* its clock minus ours, at the last word of it */
	/* the last trouble, "" when the host answers */
	enum remote_fault fault;
	enum job_reason reason;
	char trouble[ERR_TEXT_MAX];
	int64_t trouble_ms; /* wall clock since when; 0: none */
	bool is_full;	    /* the trouble is its disk: it answers all the same */
	int64_t failed_at;  /* clock_ms() of the last trouble */
	int slots_used;
	uint64_t gpus_used;    /* bits */
	struct host_room room; /* as schedule() saw it last */
	bool view_changed;     /* in this turn */
	bool is_drained;       /* it takes no new jobs */
	bool was_drained;      /* as it is on disk */
};

/* engine/host_cli.c */
void host_install_cli(struct engine *e, struct host *host);
void host_prepare_cli(struct engine *e, struct host *host); /* towards CLI_READY */

/* engine/tool.c */
void host_forget_tools(struct host *host, bool absent_only);
void host_free_tools(struct host *host);
int host_absent_tools(const struct host *host); /* bits */

/* engine/host.c */
int host_init(struct engine *e, struct host *host, const struct conf_host *conf,
	      struct err *err);
void host_fini(struct host *host);
struct host *host_find(struct engine *e, const char *name); /* NULL: there is none */
void host_prepare(struct engine *e, struct host *host);	    /* towards HOST_READY */
void host_send_probe(struct engine *e, struct host *host);
/* Jobs that it has are asked about, cancelled and acknowledged there. New ones need
 * HOST_READY. */
bool host_answers(const struct host *host);
/* A call of the host's own; NULL: no memory. */
struct remote_call *host_call(struct engine *e, struct host *host, const char *verb,
			      int64_t timeout_ms,
			      void (*handle)(struct engine *, struct host *,
					     struct job *, struct call_reply *));
void host_wake_jobs(struct engine *e, struct host *host); /* those that it has */
/* Why it cannot move data, and that it can. */
void host_set_s3_trouble(struct host *host, enum job_reason reason, const char *text);
void host_clear_s3_trouble(struct host *host);
/* One call came back well or not: keeps the host's trouble and that of its jobs. */
void host_answered(struct engine *e, struct host *host);
/* What the job's error says of the host is over, unless it is what the host refused:
 * that is over when the host does it, whatever else it answers. */
void host_clear_trouble(struct engine *e, const struct host *host, struct job *job);
void host_note_store(struct host *host, const struct frame_item *item);
/* "free_kb N", and behind it, if there is a cache, "cache_kb N ALL"; others are not
 * looked at */
void host_note_disk(struct host *host, const struct frame_item *item);
/* "now SECONDS": is its clock near enough to ours for S3? */
void host_note_clock(struct host *host, const struct frame_item *item);
bool host_may_sign(const struct host *host); /* by its clock */
void host_failed(struct engine *e, struct host *host, enum remote_fault fault,
		 const char *text);
/* It answered with something else than a frame: it is probed before anything else is
 * sent, by the jobs that are woken for that. */
void host_doubt(struct engine *e, struct host *host);
enum job_reason host_fault_reason(enum remote_fault fault);
bool host_fault_is_permanent(enum remote_fault fault);
