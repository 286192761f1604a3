/* What the files of the engine share; seen by nobody else.
 *
 * One turn of the engine: take the events that were posted, let each change working
 * copies of jobs, decide what every touched job does next, commit all of it in one
 * transaction, publish the new records, answer the requests, and only then let calls to
 * hosts and to S3 leave. So nothing is visible or has an effect elsewhere that is not
 * on disk here. If the commit fails, the working copies are dropped and the turn never
 * was. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "engine/batch.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "job/decide.h"
#include "job/frame.h"
#include "s3/client.h"
#include "s3/multipart.h"
#include "s3/sts.h"
#include "ssh/remote.h"

struct job;
struct host;
struct call_reply;

/* --- events: whatever the engine's thread has to hear ---------------------------- */

struct event {
	void (*handle)(struct engine *e, struct event *event); /* engine's thread */
	/* Frees it without an effect: the engine ends, and the next one asks again.
	 * NULL: it must be handled (somebody waits for an answer). */
	void (*drop)(struct event *event);
	/* It only makes what has no effect anywhere yet: its commit does not wait for
	 * the disk. */
	bool is_light;
	STAILQ_ENTRY(event) link;
};
STAILQ_HEAD(event_list, event);

/* Any thread. -ESHUTDOWN after engine_stop(): then the event was not taken. */
int engine_post(struct engine *e, struct event *event);

/* A request of the file system; embedded in one of engine/request.c's own. */
struct request {
	struct event event;
	engine_reply_fn *reply;
	void *arg;
	int result;
	int64_t id;
	bool is_refusal_kept; /* the refusal itself is on disk (a wrong spec) */
	void (*free)(struct request *request);
	STAILQ_ENTRY(request) link; /* in the turn's list of answers */
};
STAILQ_HEAD(request_list, request);

/* The request is answered after the commit of this turn, and freed. */
void request_answer(struct engine *e, struct request *request, int result, int64_t id);

/* --- work for the worker threads: local disk and S3 ------------------------------ */

struct task {
	struct event event;				      /* how it comes back */
	void (*run)(struct task *task, struct s3_client *s3); /* worker's thread */
	/* by task_queue() */
	int64_t job;
	struct run *asker; /* a reference */
	STAILQ_ENTRY(task) link;
};
STAILQ_HEAD(task_list, task);

struct workers;
enum { WORKERS_DEFAULT = 6, WORKERS_NONE = 0 /* but workers_run_one() */ };
int workers_start(struct engine *e, int n_threads, struct workers **ret_workers,
		  struct err *e_);
void workers_submit(struct workers *w, struct task *task);
/* In the caller's thread; false: nothing waits. */
bool workers_run_one(struct workers *w);
/* Makes the tasks that run give up, and does not wait for them. */
void workers_cancel(struct workers *w);
/* Waits for the tasks that run; those that wait are not run but come back all the same.
 */
struct workers *workers_stop(struct workers *w);

/* --- jobs ------------------------------------------------------------------------ */

/* As a host knows it: "<key>-<n>". */
enum { ATTEMPT_NAME_MAX = JOB_KEY_LEN + 16 };

/* A log as it is on the host; offsets there. */
struct log_source {
	int64_t size;
	struct job_gap hole; /* given back to the host's disk */
	int64_t asked;	     /* where the bytes of the poll under way begin */
};

struct payload; /* what is sent to the host, engine/payload.c */

/* What S3 said of an input. */
struct input_listed {
	int64_t bytes;
	int64_t count;		/* of objects */
	bool is_cached;		/* it is in run.index */
	char etag[S3_ETAG_MAX]; /* hex and a hyphen; "": of a prefix, or another one */
};

/* What is known of an active job and need not survive: it is learned again. */
struct run {
	int refs;   /* the job's, and one of each task; engine's thread only */
	int64_t id; /* of this process: an answer belongs to the run that asked */
	struct spec *spec;
	char *destination;    /* s3:// with {job} and {id} replaced; NULL: no outputs */
	char *checkpoints;    /* the same of its checkpoints */
	bool waits_for_files; /* the script that the spec names is not in files/ yet */
	bool is_busy;	    /* a call or task is under way; its answer wakes the job */
	int64_t wake_at;    /* clock_ms() before which nothing is tried; 0: at once */
	int64_t trouble_at; /* since when the present step fails; 0: it does not */
	int tries;	    /* of the present step, since trouble_at */
	bool is_refused;    /* the host answered, and could not do the present step */
	bool inputs_checked;
	struct input_listed *listed; /* of each input; NULL: not inputs_checked */
	int64_t input_bytes;	     /* of all; 0: not known, or none */
	int64_t cached_bytes;	     /* of these, what is in the index */
	struct buf index;	     /* of inputs that may be cached, for the host */
	bool room_checked;
	int64_t outputs_since_s; /* see struct job_attempt */
	struct payload *payload;
	bool payload_sent;
	bool is_polled;
	bool is_void;
	bool cancel_sent, cancel_now_asked, cancel_now_sent;
	bool cancel_noted; /* the host has the cancel, whoever sent it */
	int64_t host_since,
		cli_since;   /* since when it waits for them; 0: it does not */
	uint64_t told_facts; /* QUEUED: of engine.waiting, by which its reason is */
	int64_t retry_at; /* QUEUED: clock_ms() before which it is not tried; 0: none */
	int64_t limit_at; /* when timeouts.queue or .prepare is over; 0: never */
	int64_t queue_ends_at; /* .queue, however often it is queued; 0: never */
	int64_t silent_at;     /* since when its host does not answer; 0: it does */
	enum job_alive alive;
	bool wants_poll;
	int64_t poll_at, poll_interval_ms;
	struct log_source logs[STREAM_OF_HOST_COUNT];
	bool has_manifest;
	bool checkpoint_failed;	 /* in the last round */
	size_t n_lost;		 /* outputs that the host could not even read */
	char lost[256];		 /* the first: "KIND PATH" */
	struct buf manifest;	 /* what the host uploaded: "SIZE PATH\0" */
	enum spec_engine engine; /* says the payload */
	struct {		 /* presigned URLs, by the last poll */
		bool is_open;
		bool is_outputs;
		enum batch_checkpoint checkpoint;
		bool has_list; /* of what is wanted for checkpoints */
		struct buf list;
		int64_t n;	   /* its number */
		int64_t from;	   /* objects that need none any more */
		uint64_t from_sum; /* of these; 0: not known */
	} want;
	struct buf urls;  /* the batch for `want`, until the host has it; secret */
	struct buf begun; /* uploads in parts: "ID PATH\0" */
	struct {	  /* engine/keys.c */
		struct s3_keys have; /* for the host, until it has them */
		int64_t until;	     /* clock_ms() until which they hold */
		bool are_wanted;     /* by the host, said the last poll */
		int64_t retry_at; /* clock_ms() before which STS is not asked for it */
		bool is_told;	  /* the job says why there are none */
	} keys;
};

struct job {
	struct job_record
		*published;	    /* guarded by engine.table_lock for other threads */
	struct job_record *working; /* this turn's private copy, NULL: unchanged */
	struct run *run;   /* active jobs, and final ones that await their ack */
	pid_t copier;	   /* still copies into files/; 0: nobody */
	struct host *host; /* whose slot it has, or had until the ack */
	bool has_slot;
	uint64_t gpus_held; /* bits */
	bool is_new;	    /* made in this turn; guarded by engine.table_lock */
	bool is_removed;    /* in this turn */
	bool run_is_over;   /* in this turn: its run goes once that is on disk */
	TAILQ_ENTRY(job) queue_link; /* engine.queue, while is_queued */
	TAILQ_ENTRY(job) dirty_link; /* engine.dirty, while working */
	TAILQ_ENTRY(job) wake_link;  /* engine.awake, while is_awake */
	TAILQ_ENTRY(job) run_link;   /* engine.running, while is_running */
	TAILQ_ENTRY(job) fresh_link; /* engine.fresh, while is_fresh */
	TAILQ_ENTRY(job) copy_link;  /* engine.copied, while copier */
	bool is_queued, is_awake, is_running, is_fresh;
	struct job *destination_next; /* chain of the table of destinations */
	struct job *name_next;	      /* chain of the table of names */
};
TAILQ_HEAD(job_list, job);

/* --- the engine ------------------------------------------------------------------ */

struct state_index { /* the jobs of one state, by id */
	struct job **jobs;
	size_t n, capacity;
};

struct leftover;
TAILQ_HEAD(leftover_list, leftover);
struct call;
STAILQ_HEAD(call_list, call);

/* What leaves once the turn that thought of it is on disk. */
struct outbox {
	struct request_list answers;
	struct call_list calls;
	struct task_list tasks;
	struct buf dead_files; /* ids of files whose contents go */
};

struct engine {
	const struct conf *conf;
	struct store *store;
	struct engine_ports ports;
	const char **host_names;
	struct host *hosts;
	size_t n_hosts;
	struct workers *workers;
	const struct engine_listener *listener; /* NULL: nobody listens */
	void *listener_arg;
	struct engine_stats stats;

	pthread_t thread;
	bool is_started;
	pthread_mutex_t mailbox_lock;
	pthread_cond_t mailbox_filled;
	struct event_list mailbox; /* guarded by mailbox_lock, as is_closed */
	bool is_closed;
	atomic_bool is_stopping; /* changed under mailbox_lock */
	struct {		 /* engine/sync.c; guarded by mailbox_lock */
		pthread_t thread;
		bool is_started; /* engine's thread only, as is_busy */
		bool is_busy;	 /* directories were asked for during the last one */
		bool is_stopping;
		enum { SYNC_IDLE, SYNC_WANTED, SYNC_DONE } state;
		int result;
		pthread_cond_t wanted;
	} sync;

	/* engine's thread only */
	int64_t last_run;
	struct job_list queue; /* QUEUED jobs, in the order in which they get slots */
	struct job_list dirty;
	struct job_list awake; /* jobs whose next step is to be decided */
	struct job_list
		running;	/* jobs with a `run` that are neither QUEUED nor HELD */
	struct job_list fresh;	/* of the queue: not looked at yet, in its order */
	struct job_list copied; /* whose files a program is copying */
	struct job **destinations; /* hash of the runs' destinations */
	size_t n_destinations;	   /* buckets, a power of two */
	size_t n_with_destination;
	struct leftover_list leftovers;
	struct outbox out;  /* of this turn */
	struct outbox held; /* of one that is committed and waits for the disk */
	bool is_draining;   /* answers only: nothing new is started */
	bool in_transaction;
	bool is_light;		   /* this turn does not wait for the disk */
	struct request *collector; /* who has asked in this turn for engine_collect() */
	int (*reload)(void *arg);
	void *reload_arg;
	int64_t locked_at; /* since when another program has the database; 0: none */
	int turn_error;	   /* the first failure of the database in this turn */
	struct err turn_err;
	bool queue_changed;
	size_t queue_grew; /* jobs at its end that are not published, if that is all */
	bool files_are_unsure;	/* who waits for files is to be looked at again */
	bool schedule_is_stale; /* the whole queue is to be looked at */
	uint64_t blocked;	/* bits of hosts that some queued job waits for */
	int64_t queue_due_at;	/* when something is due for a queued job */
	struct { /* engine/waiting.c: what the reasons of queued jobs depend on */
		uint64_t hash;	  /* of the facts */
		uint64_t facts;	  /* their number; 0: they were never looked at */
		bool is_behind;	  /* not every job was told */
		int64_t again_at; /* when the next are */
	} waiting;
	bool is_mended;	 /* what the last daemon left half done; once that is on disk */
	int64_t mend_at; /* else: of the next try */
	int64_t last_job;			      /* the highest id of one */
	struct buf daemon_events;		      /* lines of this turn */
	size_t n_daemon_events;			      /* of these */
	int64_t daemon_events_size, daemon_event_seq; /* as they are on disk */

	pthread_rwlock_t table_lock; /* guards what follows for other threads */
	struct job **jobs;	     /* by id */
	size_t n_jobs, jobs_capacity;
	struct state_index states[JOB_STATE_COUNT]; /* of what is published */
	struct job **names;			    /* hash of published names */
	size_t n_names;				    /* buckets, a power of two */
	struct owner *owners; /* engine's thread only, as the next */
	size_t n_owners;
	int64_t *queue_ids;
	size_t n_queue_ids, queue_capacity;
	struct engine_host *host_views;
};

/* engine/engine.c */
void engine_mend_jobs(struct engine *e); /* once, in the first turn that commits */

/* engine/turn.c */
int engine_write(struct engine *e); /* begins the turn's transaction; negative errno */
void engine_fail_turn(struct engine *e, int error, const struct err *err);
struct job_record *job_edit(struct engine *e, struct job *job); /* NULL: no memory */
const struct job_record *job_get(const struct job *job);
void job_wake(struct engine *e, struct job *job);
void engine_turn(struct engine *e, struct event_list *events);
/* A turn of the light ones among the events, which are taken; false: there is none. It
 * may be in the midst of another one that waits for the disk. */
bool engine_turn_lightly(struct engine *e, struct event_list *events);
/* Frees a job and takes it out of every list and table. */
void job_discard(struct engine *e, struct job *job);

/* engine/sync.c */
int sync_start(struct engine *e); /* negative errno */
void sync_stop(struct engine *e);
/* What was committed is on disk when it returns; light turns are held meanwhile. */
void engine_sync(struct engine *e);

/* engine/publish.c: after a commit, and after each turn */
void engine_publish_jobs(struct engine *e);
void engine_publish_rest(struct engine *e); /* the queue and the hosts */

/* engine/table.c; the engine's thread needs no lock to read */
struct job *table_get(const struct engine *e, int64_t id);
/* Of jobs in the order of their ids: the index of the first with an id above `after`.
 */
size_t table_position(struct job *const *jobs, size_t n, int64_t after);
struct job *table_find(const struct engine *e, const char *name);
int table_add(struct engine *e, struct job *job);
void table_remove(struct engine *e, struct job *job);
void table_publish(struct engine *e, struct job *job);
void table_publish_queue(struct engine *e);
void table_publish_hosts(struct engine *e); /* sets view_changed */
void table_fini(struct engine *e);

/* engine/state_index.c: for the table, which has the lock. -ENOMEM */
int state_index_add(struct engine *e, struct job *job);
void state_index_remove(struct engine *e, struct job *job);
void state_index_fini(struct engine *e);

/* engine/owner.c: for the table. -ENOMEM */
int owner_count(struct engine *e, const struct job_record *record);
void owner_discount(struct engine *e, const struct job_record *record);
/* May the user have one more job? -EDQUOT */
int owner_check(const struct engine *e, uid_t uid);

/* engine/event.c */
int job_event(struct engine *e, struct job *job, const char *type, const char *format,
	      ...) __attribute__((format(printf, 4, 5)));
int job_transition(struct engine *e, struct job *job, enum job_state state,
		   enum job_reason reason, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Shows why the job does not get on; no transition. NULL text: all is well. */
int job_trouble(struct engine *e, struct job *job, enum job_reason reason,
		const char *text);
int job_append(struct engine *e, struct job *job, enum job_stream stream,
	       const char *data, size_t len);
/* The turn's lines of `.jobfs/events.jsonl`: before its commit, and after it. */
void daemon_events_put(struct engine *e);
void daemon_events_keep(struct engine *e, bool is_committed);

/* engine/schedule.c */
void schedule(struct engine *e);
/* The job may start by now; the scheduler looks at it again. */
void schedule_look_again(struct engine *e, struct job *job);
/* Wakes queued jobs whose limit is over. */
void schedule_wake_due(struct engine *e);
void schedule_rebuild(struct engine *e); /* from the records that are on disk */
void schedule_enqueue(struct engine *e, struct job *job);
void schedule_dequeue(struct engine *e, struct job *job);
/* When a host in trouble is to be asked again, since jobs wait for any, or something is
 * due for one of those. */
int64_t schedule_deadline(const struct engine *e, int64_t at);
void schedule_take(struct job *job, struct host *host); /* a slot, and its GPUs */
void schedule_release(struct engine *e, struct job *job);
/* Could the job run on another host, which is in no trouble that is known? */
bool schedule_has_other(const struct engine *e, const struct job *job);
void schedule_release_gpus(struct job *job);
/* Could it run on the host, by its spec? */
bool schedule_is_candidate(const struct host *host, const struct spec *spec);
/* Does the host not answer, or can it not do what the job needs? */
bool schedule_is_in_trouble(const struct host *host, const struct run *run);

/* engine/waiting.c: why a queued job is not on a host */
void waiting_look(struct engine *e);		      /* at the hosts */
void waiting_show(struct engine *e, struct job *job); /* if it says nothing yet */
void waiting_tell(struct engine *e);		      /* the others, some a turn */
void waiting_renew(struct engine *e);		      /* a turn did not happen */
int64_t waiting_deadline(const struct engine *e, int64_t at);

/* engine/run.c */
/* Gives the job a `run` with its spec, which it takes over. */
int run_attach(struct engine *e, struct job *job, struct spec *spec);
/* The same with the spec read from the store; what the spec says of hosts is not
 * checked again, since the configuration may have changed. */
int run_attach_stored(struct engine *e, struct job *job);
void run_detach(struct engine *e, struct job *job);
/* Its state is a new one, or its run: in or out of the list of those that run. */
void run_follow(struct engine *e, struct job *job);
struct run *run_ref(struct run *run);
struct run *run_unref(struct run *run); /* NULL is fine */
/* Is the job under way, or has its host still to be told that it is over? */
bool run_is_needed(const struct job_record *r);
/* Forgets what was learned, after a turn that did not happen. */
void run_renew(struct engine *e, struct job *job);
/* s3:// of the outputs and checkpoints, with {job} and {id} replaced. -ENOMEM */
int run_set_destination(struct engine *e, struct job *job);
bool run_needs_s3(const struct run *run);
int64_t run_grace_ms(const struct engine *e, const struct run *run);
/* Are all bytes of both logs, as far as the host has told of them, in the store? */
bool run_has_logs(const struct job *job);
void run_get_place(const struct engine *e, const struct spec *spec, const char *bucket,
		   struct s3_place *ret_place);

/* engine/task.c */
/* For after this turn's commit; the run is busy until task_job(). */
void task_queue(struct engine *e, struct job *job, struct task *task);
/* The job that asked, if it still waits for this answer; or NULL. */
struct job *task_asker(struct engine *e, const struct task *task);
/* The same, once: its run is busy no more, and it is awake. */
struct job *task_job(struct engine *e, const struct task *task);
void task_fini(struct task *task);

/* engine/advance.c: decides and takes the next step of a job */
void job_advance(struct engine *e, struct job *job);
void job_get_facts(const struct engine *e, const struct job *job,
		   struct job_facts *ret_facts);
void job_finish(struct engine *e, struct job *job, struct job_verdict verdict,
		const char *detail);
/* The present step failed. Permanent: the job fails now, unless it may be running; else
 * it is tried again until patience_ms is over. false: it is not tried again, and the
 * job's run may be another one. */
bool job_step_failed(struct engine *e, struct job *job, enum job_reason reason,
		     int64_t patience_ms, const char *text);
/* Its host cannot move data: the job goes to another one that can, and fails without
 * one, unless it may be running. true: it left the step. */
bool job_leave_host(struct engine *e, struct job *job, enum job_reason reason,
		    const char *why);
void job_step_done(struct job *job);
void job_retry_later(struct job *job);

/* engine/attempt.c: one attempt follows another */
/* From the commit of this turn on it exists: it will be launched under this name and no
 * other, however often this daemon dies. */
void attempt_begin(struct engine *e, struct job *job);
/* The attempt's row says how it ended. */
void attempt_close(struct engine *e, struct job *job, struct job_verdict verdict,
		   const char *text);
/* The job waits for a host again, at clock_ms() + wait_ms at the earliest; what is left
 * of its last attempt is forgotten by its host. */
int attempt_again(struct engine *e, struct job *job, int64_t wait_ms, const char *text);
/* After such a failure, if its spec wants that: true. */
bool attempt_retry(struct engine *e, struct job *job, struct job_verdict verdict,
		   const char *text);

/* engine/control.c: cuts a line after its first word and returns the rest, which may be
 * empty */
char *control_split(char *line);
/* Verbs, a line each; what the first ones did stays when a later one fails. The text is
 * taken apart. */
int control_each_line(struct engine *e, char *text,
		      int (*run)(struct engine *e, void *arg, char *line), void *arg);

/* engine/limit.c: time-outs of the phases that pass here, not on the host */
void limit_follow(struct job *job); /* its state is a new one */
/* When something of the job is due, at most `at`. */
int64_t run_deadline(const struct job *job, int64_t at);
/* Silence of the host, and its end. */
void limit_note_silence(struct job *job, bool is_silent);
bool limit_silence_is_over(const struct run *run);
bool limit_is_over(const struct run *run);

/* engine/drain.c */
int drain_load(struct engine *e, struct err *err);
/* of one host, or NULL: of all */
int drain_set(struct engine *e, struct host *one, bool is_drained);
void drain_keep(struct engine *e, bool is_committed); /* at the end of a turn */
/* A job that waits for its drained host, which knows nothing of it, queues again: true.
 */
bool drain_leave(struct engine *e, struct job *job);

/* engine/daemon_control.c: when somebody has asked for it, gives back to the disk what
 * is not used any more; between a turn's commit and its answers */
void engine_collect(struct engine *e);

/* engine/leftover.c: attempts that hosts have still to forget */
int leftovers_load(struct engine *e);
/* Of the job's attempt, if its host may know it. */
void leftover_add(struct engine *e, const struct job *job);
void leftovers_advance(struct engine *e);
void leftovers_keep(struct engine *e, bool is_committed); /* at the end of a turn */
int64_t leftovers_deadline(const struct engine *e, int64_t at);
void leftovers_fini(struct engine *e);

/* engine/log.c */
int64_t log_head_bytes(const struct conf *conf); /* kept of a log that is too long */
int64_t log_tail_bytes(const struct conf *conf);
/* From where the host is to be asked; notes it. */
int64_t log_next_offset(const struct engine *e, struct job *job,
			enum job_stream stream);
/* Bytes from the offset that was asked for. */
int log_take(struct engine *e, struct job *job, enum job_stream stream,
	     const char *data, size_t len);
bool log_is_cut(const struct job *job);
bool log_is_whole(const struct job *job, enum job_stream stream);

/* engine/explain.c; detail: what the caller knows besides, "" for nothing */
void job_explain(const struct engine *e, const struct job *job, struct job_verdict v,
		 const char *detail, struct buf *out);

/* engine/step.c */
void step_put(struct engine *e, struct job *job);
void step_launch(struct engine *e, struct job *job);
void step_cancel(struct engine *e, struct job *job);
void step_signal(struct engine *e, struct job *job);
void step_upload(struct engine *e, struct job *job);
void step_manifest(struct engine *e, struct job *job);
void step_ack(struct engine *e, struct job *job);

/* engine/call.c: one verb of the agent */
struct call_reply {
	enum remote_fault fault; /* not REMOTE_OK: no answer came */
	const char *text; /* a sentence when there is a fault, or the agent's message */
	bool has_frame;
	struct frame frame;  /* when has_frame; borrowed during the handler */
	const char *noise;   /* what was printed in place of a frame */
	const char *subject; /* of the call */
};
struct call_spec {
	struct host *host;
	const char *verb;
	const char *args; /* "" for none; [0-9a-z.:- ] only */
	int64_t timeout_ms;
	size_t output_max;
	int64_t job;			/* 0: the host's own */
	int64_t run;			/* the run of the job that asks */
	char subject[ATTEMPT_NAME_MAX]; /* of a call without a job, "" for none */
	bool is_probe; /* an answer alone does not mean that the host is fit */
	/* engine's thread; job is NULL when it is gone or has another run by now */
	void (*handle)(struct engine *e, struct host *host, struct job *job,
		       struct call_reply *reply);
};
/* Queues the call for after this turn's commit. The call is returned so that its input
 * can be filled in; NULL on no memory. */
struct remote_call *call_queue(struct engine *e, const struct call_spec *spec);
/* More input, after call->input; release(arg) when the call is over. */
void call_set_reader(struct remote_call *remote,
		     ssize_t (*read_more)(void *arg, char *data, size_t len), void *arg,
		     void (*release)(void *arg));
const char *call_nonce(const struct remote_call *remote);
struct call *call_pop(struct engine *e); /* NULL: none is queued */
void call_send(struct engine *e, struct call *call);
void call_drop(struct engine *e, struct call *call);
bool reply_is(const struct call_reply *reply, const char *code);
struct reply_program { /* one that was found on the host */
	char path[4096], version[256];
};
void reply_read_program(struct call_reply *reply, struct reply_program *ret_program);
/* AK, SK, ST lines, XP of temporary ones, and END. */
int call_add_secrets(struct remote_call *remote,
		     const struct s3_credentials *credentials, int64_t life_s);

/* engine/step.c, of other files too */
struct remote_call *step_call(struct engine *e, struct job *job,
			      const struct call_spec *what, const char *more_args);
/* A verb was not answered, or with an error: says so; it is tried again. */
void step_failed(struct engine *e, struct host *host, struct job *job, const char *verb,
		 struct call_reply *reply);

/* engine/urls.c: presigned transfers */
struct batch_order;
/* May a host have URLs only, and no credentials? */
bool urls_only(const struct engine *e, const struct spec *spec);
/* What moves the job's data on its host; SPEC_ENGINE_AUTO: not known yet. What an
 * attempt began with it ends with, whatever the configuration says by now. */
enum spec_engine urls_engine(const struct engine *e, const struct job *job);
/* The same by configuration and spec alone. */
enum spec_engine urls_engine_asked(const struct engine *e, const struct spec *spec);
/* Checkpoints need credentials on the host, and no daemon: the AWS CLI makes them. */
bool urls_may_checkpoint(const struct engine *e, const struct spec *spec);
bool urls_may_cache(const struct engine *e, const struct spec *spec);
bool urls_tool_is_ready(const struct engine *e, const struct job *job);
/* Can the host not move the data of such a run, by what is known of it? */
bool urls_are_hindered(const struct host *host, const struct run *run);
void urls_note_curl(struct host *host, const char *version);
void urls_note_want(struct run *run, const char *text); /* "": nothing */
void urls_note_begun(struct run *run, const struct frame_item *item);
void urls_forget(struct run *run); /* the batch */
/* Takes the batch that it will want first; it is empty when there is none. */
void urls_keep_first(struct run *run, struct buf *urls);
bool urls_go_with_launch(const struct run *run);
void urls_order(const struct engine *e, const struct job *job,
		struct batch_order *ret_order);
void step_urls(struct engine *e, struct job *job);
void step_abort(struct engine *e, struct job *job);

/* engine/tool.c: the clients of S3 that only a user names */
bool tool_is_named(enum spec_engine engine); /* is it one of these? */
bool tool_is_ready(const struct host *host, enum spec_engine engine);
/* Why the host cannot use it, by what is known; NULL: nothing is known against it. */
const char *tool_trouble(const struct host *host, enum spec_engine engine,
			 enum job_reason *ret_reason);
/* Why it cannot bring the input; NULL: it can. */
const char *tool_refuses(enum spec_engine engine, const struct spec_input *in);
/* Why it cannot bring an object below a prefix; NULL: it can. */
const char *tool_refuses_key(enum spec_engine engine, const char *key);
void step_wait_tool(struct engine *e, struct job *job);

/* engine/keys.c: credentials, the daemon's and those that the host gets */
struct s3_credentials keys_of_daemon(const struct engine *e);
/* Are they temporary ones? */
bool keys_are_used(const struct engine *e, const struct job *job);
/* Must some be had before the host can be told any? */
bool keys_are_missing(const struct engine *e, const struct job *job);
bool keys_are_due(const struct run *run); /* the host waits for them */
/* Appends why none could ever be had for the job, or nothing. */
void keys_check(const struct engine *e, const struct job *job, struct buf *why);
/* The input of a call that takes credentials: those of the daemon, or the temporary
 * ones. */
void keys_attach(struct engine *e, struct job *job, struct remote_call *call);
void keys_forget(struct run *run); /* wiped: the host has them */
void step_keys(struct engine *e, struct job *job);
void step_renew(struct engine *e, struct job *job);

/* engine/inquiry.c: of the job, when S3 or STS did not do as asked */
enum job_reason inspect_reason(enum s3_fault fault, enum job_reason otherwise);

/* engine/agent.c: the agent's text, built in */
const char *agent_hash(void); /* 16 hex digits */
const char *agent_text(size_t *ret_len);

/* engine/destination.c: which jobs with a run write to which place */
int destination_add(struct engine *e, struct job *job); /* -ENOMEM */
void destination_remove(struct engine *e, struct job *job);
/* Another job that is not finished and writes to the same place; NULL: none. */
struct job *destination_find_other(const struct engine *e, const struct job *job);
/* The same of where its checkpoints go. */
struct job *destination_find_checkpoints(const struct engine *e, const struct job *job);
/* Either of both. */
struct job *destination_find_any(const struct engine *e, const struct job *job);

/* engine/submit.c: files/ changed; a queued job may have what it waits for */
void submit_check_files(struct engine *e, struct job *job);
/* process: 0 when nobody copies any more. */
void submit_set_copier(struct engine *e, struct job *job, pid_t process);
/* Looks at the jobs that wait for a copying program, and after a turn that did not
 * happen at all that wait for files; when to look again, at most `at`.
 */
void submit_check_copiers(struct engine *e);
int64_t submit_deadline(const struct engine *e, int64_t at);

/* engine/poll.c */
void poll_hosts(struct engine *e);

/* engine/watch.c: hosts with jobs say when something happens to one of them */
void watch_hosts(struct engine *e);
void watch_poll_now(struct engine *e, struct host *host); /* all jobs that it has */

/* engine/payload.c */
void payload_prepare(struct engine *e, struct job *job);
struct payload *payload_free(struct payload *payload);
int64_t payload_size(const struct payload *payload);
const char *payload_digest(const struct payload *payload); /* SHA-256 in hex */
/* What the host compares with ETags: all, small or none. */
const char *payload_verify_word(const struct engine *e, const struct s3_place *place);
/* Makes it the input of a call. 0 or negative errno. */
int payload_attach(struct payload *payload, struct remote_call *remote);

/* engine/dry_run.c: a dry run says what it would do, and is over */
void dry_run_finish(struct engine *e, struct job *job);

/* engine/room.c: do the inputs fit on the host's disk? */
/* false: the answer wakes the job. */
bool room_check(struct engine *e, struct job *job);
/* Did the host say a moment ago that it has no room for the run's inputs? */
bool room_is_short(const struct host *host, const struct run *run);

/* What only S3 can say: engine/preflight.c before a job, engine/inspect.c behind it */
void preflight(struct engine *e, struct job *job);
void inspect_outputs(struct engine *e, struct job *job);

/* "<key>-<n>", the name of the attempt on the host. */
void attempt_name(const struct job_record *r, char ret_name[static ATTEMPT_NAME_MAX]);
