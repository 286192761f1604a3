/* The simulation: the real engine and the real store in a world that is made up.
 *
 * One thread. Time is a number that jumps to the next thing that happens (timeline),
 * and all chance comes out of one seed (dice), so a seed is a whole history: the same
 * seed gives the same trace, today and tomorrow. Around the engine stand fakes behind
 * the same tables of functions as the real things:
 *
 *     net      connections that delay, lose, cut and repeat  (struct remote_ops)
 *     agent    the verbs of src/agent/PROTOCOL.md on hosts that die and come back
 *     urls     who moves data there by URLs, as some lives of the daemon have it
 *     bucket   an S3 that refuses and forgets                (struct s3_ops)
 *     disk     a disk that is full, is locked, or stops in the middle of a commit
 * (SQLite)
 *
 * nemesis breaks things until chaos_end; then everything is mended and every job has to
 * end. The ledger knows what really happened, and after each turn of the engine
 * compares what it says: it looks at the world and at published records, never at the
 * engine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "engine/engine.h"
#include "job/state.h"
#include "s3/client.h"
#include "ssh/remote.h"
#include "util/buf.h"

struct sim;
struct machine;
struct attempt;

/* --- dice.c: chance -------------------------------------------------------------- */

struct dice {
	uint64_t state;
};

struct dice dice_of(uint64_t seed, const char *name); /* a stream of its own */
uint64_t dice_next(struct dice *d);
int64_t dice_between(struct dice *d, int64_t low, int64_t high); /* both are possible */
bool dice_chance(struct dice *d, int per_mille);
/* As often in 1..10 as in 10..100: waits are short mostly and very long at times. */
int64_t dice_scale(struct dice *d, int64_t low, int64_t high);

/* --- timeline.c: what happens next ----------------------------------------------- */

typedef void moment_fn(void *arg, uint64_t tag);

struct moment {
	int64_t at;	/* clock_ms() */
	uint64_t order; /* of two at the same time */
	moment_fn *run;
	void *arg;
	uint64_t tag;
	struct machine *where; /* frozen, it happens later; NULL: nowhere */
};

struct timeline {
	struct moment *heap;
	size_t n, capacity;
	uint64_t n_made;
};

void timeline_fini(struct timeline *t);
void sim_after(struct sim *sim, int64_t ms, moment_fn *run, void *arg, uint64_t tag);
void machine_after(struct machine *m, int64_t ms, moment_fn *run, void *arg,
		   uint64_t tag);
/* Goes to the next moment and lets it happen. false: there is none before `until`. */
bool sim_advance(struct sim *sim, int64_t until);

/* --- faults.c: how bad this seed's world is --------------------------------------- */

struct faults {
	/* of a call, per mille */
	int lose_request, late_request, late_launch, cut_input, twice;
	int lose_reply, cut_reply, no_reply, noise;
	int connect; /* of a connection */
	/* of what S3 is asked or given, per mille */
	int s3_busy, lost_upload;
	/* mean time between two of them in ms, 0: never */
	int64_t crash, stop, cut, freeze, reboot, wipe, kill_runner, kill_inner,
		kill_worker;
	int64_t host_disk_full, s3_down, s3_denied, disk_full, disk_locked, disk_error;
};

void faults_draw(struct sim *sim);
void nemesis_start(struct sim *sim);
void nemesis_mend(struct sim *sim);

/* --- mutant.c: bugs on purpose ---------------------------------------------------- */

enum mutant {
	MUTANT_NONE,
	MUTANT_NO_GATE,
	MUTANT_SECOND_WRITER,
	MUTANT_RESULTS_FIRST,
	MUTANT_EMPTY_VOID,
	MUTANT_SAME_BOOT,
	MUTANT_LOG_OFFSET,
	MUTANT_LOST_IS_VOID,
	MUTANT_EARLY_ACK,
	MUTANT_ANY_NONCE,
	MUTANT_BLIND_VERIFY,
	MUTANT_OLD_OUTPUTS,
	MUTANT_NO_SYNC,
	MUTANT_EXTRA_SLOT,
	MUTANT_COUNT,
};
const char *mutant_name(enum mutant mutant);
const char *mutant_text(enum mutant mutant);	/* what it does wrong */
enum mutant mutant_from_name(const char *name); /* MUTANT_COUNT: there is none */

/* --- attempt.c: the life of an attempt on its host -------------------------------- */

enum claim { CLAIM_NONE, CLAIM_VOID, CLAIM_RUN };
enum { INPUTS_MAX = 6, OUTPUTS_MAX = 4, NAME_MAX_SIM = 64 };

/* What the payload's plan says. */
struct plan {
	int n_inputs;
	char inputs[INPUTS_MAX][96]; /* s3:// */
	int64_t run_limit_ms, grace_ms;
	uint64_t gpus;
	bool has_output, is_presigned;
	char destination[256]; /* bucket/prefix/ */
};

/* What its program does; a function of the attempt's name. */
struct fate {
	int64_t run_ms;
	int code;
	int64_t log_bytes;
	enum { TERM_DIES, TERM_TRAPS, TERM_IGNORED } on_term;
	int64_t term_ms;
	int trap_code;
	int n_outputs;
	int64_t sizes[OUTPUTS_MAX];
};

struct attempt {
	struct machine *machine;
	LIST_ENTRY(attempt) link;
	char name[NAME_MAX_SIM]; /* "<key>-<n>" */
	bool is_wiped;		 /* the disk it was on is gone */

	/* files of the host */
	struct buf payload;
	bool has_payload, is_planned;
	struct plan plan;
	enum claim claim;
	char claim_nonce[20];
	int claim_boot;
	const char *phase;
	char xfer[INPUTS_MAX + 1][32]; /* the last one: "out" */
	bool cancel, timeout, acked;
	char exit[64], end[64];
	bool is_listed;
	bool wants_keys; /* it waits for new credentials before it uploads */
	struct {	 /* presigned: what it waits for, and who moves the data */
		const char *kind; /* download, upload; NULL: nothing */
		int n;
		bool is_served, is_taken;
		int failures;
		uint64_t worker;	 /* moments of an earlier one are stale */
		struct buf first, batch; /* what came with the launch, and last */
		bool has[INPUTS_MAX], sent[OUTPUTS_MAX];
	} want;
	int64_t log_size, transfer_size;

	/* processes */
	bool runner_lives, uploader_lives, inner_lives, program_lives;
	uint64_t carrier; /* of runner or uploader: moments of an earlier one are stale
			   */
	uint64_t program; /* the same for the program */
	uint64_t killer;  /* the same for a cancel */
	bool is_terminated; /* had its TERM */
	int64_t kill_at;    /* when KILL comes; 0: nobody kills */
	int next_output;
	int upload_code;

	/* what really happened */
	struct fate fate;
	int starts;
	int64_t started_at, stopped_at; /* of the program */
	int64_t frozen_ms;		/* of its time so far */
	int64_t printed;		/* bytes, once it stopped */
	int true_code;			/* -1: never ended by itself or by TERM */
	bool ended_before_cancel, timed_out, is_voided;
	bool seems_void;      /* MUTANT_LOST_IS_VOID */
	int64_t most_printed; /* that a poll has seen; a power cut may take it back */
	bool was_hurt;	      /* something of it was killed from outside */
	bool upload_failed;   /* or lost what it said it had uploaded */
	bool download_failed;
};

struct attempt *attempt_get(struct machine *m, const char *name); /* makes it */
struct attempt *attempt_find(struct machine *m, const char *name);
struct attempt *attempt_free(struct attempt *a);
bool attempt_read_plan(struct attempt *a);
void attempt_claim(struct attempt *a, const char *nonce); /* the runner begins */
void attempt_take_over(struct attempt *a);		  /* the uploader begins */
void attempt_renew(struct attempt *a); /* credentials came for who waits */
void attempt_kill_tree(struct attempt *a, int64_t grace_ms);
void attempt_signal(struct attempt *a, const char *name); /* its program lives */
void attempt_kill_runner(struct attempt *a);
void attempt_kill_inner(struct attempt *a, bool with_program);
void attempt_die(struct attempt *a, bool with_files); /* the machine went down */
const char *attempt_alive(const struct attempt *a);   /* the word of `poll` */
/* What the program has printed by now. */
int64_t attempt_printed(const struct attempt *a);
char attempt_log_byte(const struct attempt *a, int64_t offset);

/* To be called by who moved the data of a runner that waits. */
bool attempt_is_carried(const struct attempt *a); /* somebody waits */
void attempt_downloaded(struct attempt *a, bool is_whole);
void attempt_uploaded(struct attempt *a, int code); /* 0, or that of the S3 tool */

/* --- urls.c: presigned transfers -------------------------------------------------- */

void urls_want(struct attempt *a, const char *kind);
void urls_end(struct attempt *a); /* nothing is wanted any more */
void urls_worker_dies(struct attempt *a);
void urls_add_want(struct buf *out, const struct attempt *a);
/* A batch of size bytes came for the nth want; false: it was cut short. */
bool urls_take(struct attempt *a, int n, const char *batch, int64_t size);

/* --- agent.c, poll.c: the verbs ----------------------------------------------------
 */

struct packet { /* a call on its way, and the reply to it */
	struct machine *machine;
	LIST_ENTRY(packet) link;
	uint64_t flight; /* of the call; 0: nobody waits for the reply */
	char *command;
	char nonce[20];
	struct buf input, reply;
	bool input_is_cut;
	bool lose_reply, cut_reply, no_reply, noise;
	int boot; /* in which it runs */
	/* of `poll`: its arguments, and what it has read so far */
	char *args;
	struct buf parts[2];
};

/* Replies with net_reply(), mostly at once. */
void agent_execute(struct packet *p);
void agent_begin_frame(struct packet *p);
void agent_add_claim(struct buf *out, const struct attempt *a);
void agent_reply(struct packet *p, const char *code, const char *message);
void agent_forget(struct attempt *a); /* all but the tombstone */
void poll_begin(struct packet *p, const char *args);

struct machine {
	struct sim *sim;
	int index;
	char name[8];
	int slots, gpus;
	char storeid[36];
	int store_n, boot;
	bool has_agent, has_cli, is_down, is_full, is_cut;
	int64_t frozen_at, frozen_until, cut_since;
	LIST_HEAD(, attempt) attempts;
	struct remote *remote; /* the running daemon's connection, NULL: none */
};

void machine_init(struct sim *sim, struct machine *m, int index);
void machine_fini(struct machine *m);
void machine_reboot(struct machine *m, bool with_wipe);
void machine_freeze(struct machine *m, int64_t ms);
void machine_boot_id(const struct machine *m, int boot, char *ret_text, size_t size);

/* --- net.c, bucket.c, disk.c ------------------------------------------------------ */

void net_init(struct sim *sim, struct remote_ops *ret_ops);
void net_fini(struct sim *sim);
void net_reply(struct packet *p); /* it is on its way back; takes over the packet */
void net_drop(struct packet *p);
void net_break(struct machine *m,
	       const char *why); /* the connection, if there is one */
void net_cut(struct machine *m, int64_t ms);
void net_watch(struct machine *m); /* it went silent: the connection dies of that */

struct bucket_object {
	char *key; /* bucket/key */
	int64_t size;
	bool is_lost; /* S3 said that it has it, and has not */
	int64_t modified_s;
	char writer[NAME_MAX_SIM]; /* the attempt */
};
struct bucket {
	struct bucket_object *objects; /* in the order of keys */
	size_t n, capacity;
	bool is_down, is_denied;
};
void bucket_init(struct sim *sim, struct s3_ops *ret_ops);
void bucket_fini(struct bucket *b);
/* 0, or the exit code of the S3 tool. */
int bucket_put(struct sim *sim, const char *key, int64_t size, const char *writer,
	       bool *ret_lost);
int bucket_get(struct sim *sim, const char *uri);
/* From that attempt. */
bool bucket_has(const struct bucket *b, const char *key, int64_t size,
		const char *writer);

struct disk;
int disk_new(struct sim *sim, struct disk **ret_disk);
struct disk *disk_free(struct disk *disk);
enum disk_fault { DISK_OK, DISK_FULL, DISK_LOCKED, DISK_ERROR };
void disk_set_fault(struct disk *disk, enum disk_fault fault);
/* What a disk that lies about sync loses when the daemon crashes. */
void disk_forget(struct disk *disk);

/* --- daemon.c: lives of the engine ------------------------------------------------ */

struct daemon {
	struct conf *conf;
	struct engine_ports ports;
	struct remote_ops ssh;
	struct s3_ops s3;
	struct store *store;
	struct engine *engine; /* NULL: it is down */
	struct dice engines;   /* how data is to move, in each of its lives */
	uint64_t life;	       /* how often it was started */
	bool is_dead;	       /* crashed: nothing it does has an effect any more */
	int fuse; /* it dies at the nth thing that it does outside; 0: it does not */
	int64_t step_at; /* of the next turn; 0: none is planned */
	uint64_t step_n;
	bool has_news;
	int idle_turns; /* in a row, that nothing asked for */
	bool works;
	int64_t turns;
};

int daemon_init(struct sim *sim);
void daemon_fini(struct sim *sim);
void daemon_start(void *sim, uint64_t life);
void daemon_crash(struct sim *sim);
void daemon_stop(struct sim *sim);
/* There is news: a turn is due soon. */
void daemon_poke(struct sim *sim);
/* The daemon does something that has an effect outside; false: it is dead. */
bool daemon_touch(struct sim *sim);

/* --- user.c: who asks for jobs ---------------------------------------------------- */

struct user_job {
	struct sim *sim;
	int index;
	char name[16];
	struct buf spec;
	bool is_missing_input; /* names one that S3 has not */
	bool has_outputs;
	bool has_metrics;
	int n_attempts;	     /* that its spec allows */
	bool retries_code_1; /* else no exit code */
	int64_t id;
	char key[20];
	bool is_accepted;	 /* close(2) returned 0 */
	bool cancel_asked;	 /* perhaps without an answer */
	bool cancel_heard;	 /* answered 0 */
	bool term_asked;	 /* as a signal */
	struct job_record *seen; /* the last that was published */
	bool is_final;		 /* and was judged */
	bool is_settled;	 /* nothing of it is left to look at */
	int asks;
};

void user_start(struct sim *sim);
void user_fini(struct sim *sim);
/* The launch of this attempt is on its way for long: perhaps its cancel overtakes it.
 */
void user_loses_patience(struct sim *sim, const char *attempt);
struct user_job *user_find(struct sim *sim, const char *key);

/* --- ledger.c: what must hold ----------------------------------------------------- */

/* A program was started; before anything else of it happens. */
void ledger_start(struct attempt *a);
void ledger_voided(struct attempt *a);
/* After each turn, after each start of the daemon. */
void ledger_look(struct sim *sim);
void ledger_restart(struct sim *sim);
void ledger_end(struct sim *sim);
bool ledger_all_done(struct sim *sim);

/* --- sim.c ------------------------------------------------------------------------ */

struct sim_options {
	uint64_t seed;
	int n_jobs, n_machines; /* 0: the seed decides */
	enum mutant mutant;
	bool is_calm; /* no faults */
	bool is_traced;
	const char *dir; /* for the state directory; emptied by each run */
};

struct sim {
	struct sim_options options;
	struct dice dice, names;
	int64_t now, chaos_end;
	bool is_mended;
	struct timeline timeline;
	struct faults faults;
	struct machine *machines;
	int n_machines;
	struct bucket bucket;
	struct disk *disk;
	struct daemon daemon;
	struct user_job *jobs;
	int n_jobs;
	int cancel_soon; /* per mille of the jobs that are, just after they were
			    accepted */
	LIST_HEAD(, packet) packets;
	uint64_t last_id; /* of flights and the like */
	int64_t steps;
	uint64_t digest; /* of the trace */
	bool has_failed;
	char failure[512];
	int n_by_state[JOB_STATE_COUNT];
};

struct sim_result {
	bool has_failed;
	char failure[512];
	uint64_t digest;
	int64_t steps, virtual_ms, turns, lives;
	int n_jobs;
	int n_by_state[JOB_STATE_COUNT];
};
int sim_empty_dir(const char *path);
void sim_run(const struct sim_options *options, struct sim_result *ret_result);

/* Do the hosts of this seed get temporary credentials? */
static inline bool sim_has_sts(const struct sim *sim)
{
	return sim->options.seed % 3 == 1;
}

void trace(struct sim *sim, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* An invariant is broken; the first one counts. */
void violation(struct sim *sim, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
