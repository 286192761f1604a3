/* The engine: the one thread that changes jobs. Others ask it by requests, which are
 * answered after the commit, and read published records, which never change. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "engine/stats.h"
#include "job/record.h"
#include "job/spec.h"
#include "store/store.h"
#include "util/buf.h"
#include "util/err.h"

struct engine;
struct remote_ops;
struct s3_ops;

/* The world outside; a simulation has one of its own. Borrowed until engine_free(). */
struct engine_ports {
	const struct remote_ops *ssh;
	const struct s3_ops *s3;
};

/* conf and store are borrowed until engine_free(). Loads all jobs; starts no thread.
 * ports NULL: hosts over SSH, S3 over HTTP. */
int engine_new(const struct conf *conf, struct store *store,
	       const struct engine_ports *ports, struct engine **ret_engine,
	       struct err *e);
int engine_start(struct engine *engine, struct err *e);
/* Answers what was asked before, refuses what comes after (-ESHUTDOWN), ends the
 * threads. Jobs on the hosts go on. */
void engine_stop(struct engine *engine);
struct engine *engine_free(struct engine *engine);

/* In place of engine_start(), for a simulation: no thread of the engine's own, all
 * below is called by one. */
int engine_begin(struct engine *engine, struct err *e);
/* One turn with all that was posted; clock_ms() of when the next is due without news.
 */
int64_t engine_step(struct engine *engine);
/* Does the next piece of a worker's work; false: there is none. */
bool engine_work(struct engine *engine);

/* --- requests: any thread; none blocks ------------------------------------------- */

/* Called once, in the engine's thread, after the commit. result: 0 or negative errno;
 * id: of what was made, else 0. */
typedef void engine_reply_fn(void *arg, int result, int64_t id);

struct engine_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* permission bits, umask applied */
};

/* -EEXIST, -EINVAL (name), -ENAMETOOLONG, -EDQUOT (limits.user_jobs, user_dirs) */
void engine_make_job(struct engine *engine, const char *name,
		     const struct engine_owner *owner, engine_reply_fn *reply,
		     void *arg);
/* -EBUSY while it is not finished (NEW is removed), -ENOTEMPTY when `files` of a NEW
 * job holds something. */
void engine_remove_job(struct engine *engine, int64_t job, engine_reply_fn *reply,
		       void *arg);
/* -EEXIST, -EINVAL; a job that is active keeps the name it told its host. */
void engine_rename_job(struct engine *engine, int64_t job, const char *name,
		       engine_reply_fn *reply, void *arg);
void engine_chown_job(struct engine *engine, int64_t job,
		      const struct engine_owner *owner, engine_reply_fn *reply,
		      void *arg);
/* The whole document, which becomes what spec.json holds. spec: what it says, if that
 * is known to be right, and is taken over; NULL: the engine parses it. 0: accepted;
 * -EINVAL: refused, `error` says why; -EPERM: one was accepted before; -EFBIG, -ENOSPC,
 * -EIO. */
void engine_save_spec(struct engine *engine, int64_t job, const struct buf *text,
		      struct spec *spec, engine_reply_fn *reply, void *arg);
/* The same of a document of which that is only the beginning, as the whole is longer
 * than a spec may be: refused, even if its beginning is a spec. */
void engine_refuse_spec(struct engine *engine, int64_t job, const struct buf *text,
			engine_reply_fn *reply, void *arg);
/* The same with the content of a file beside spec.json, which it replaces (rename); the
 * reply's id is the file's. */
void engine_save_spec_file(struct engine *engine, int64_t job, int64_t file,
			   engine_reply_fn *reply, void *arg);
/* spec.json goes, and `error` with it, as if it was never written. 0; -EPERM: it was
 * accepted. */
void engine_remove_spec(struct engine *engine, int64_t job, engine_reply_fn *reply,
			void *arg);
/* spec.json becomes a file beside it, as editors do to have a backup: the row, and the
 * text, which may be one that was not saved yet. As engine_make_file() and
 * engine_remove_spec(). */
void engine_rename_spec(struct engine *engine, const struct store_file *file,
			const char *text, size_t len, engine_reply_fn *reply,
			void *arg);
/* The next spec of the job is written by this process, a copying program (cp -r of a
 * whole job directory): what it copies after spec.json belongs to the job too, so the
 * job waits with REASON_WAITING_FOR_FILES until the process has ended. Before
 * engine_save_spec(). */
void engine_note_copier(struct engine *engine, int64_t job, pid_t process);
/* Verbs of `ctl`, a line each, in their order up to the first that fails: -EINVAL: no
 * such verb; -EBUSY: not in this state; -EOPNOTSUPP. */
void engine_control(struct engine *engine, int64_t job, const char *text, size_t len,
		    engine_reply_fn *reply, void *arg);

/* The same for the `ctl` of a host, by its index, or of all of them. -EINVAL: no such
 * verb; -ENOSPC, -EIO; of backup: as store_backup(). */
enum { ENGINE_ALL_HOSTS = -1 };
void engine_control_host(struct engine *engine, size_t host, const char *text,
			 size_t len, engine_reply_fn *reply, void *arg);

/* What `reload` does, in the engine's thread; 0 or negative errno. Before
 * engine_start(). */
void engine_set_reload(struct engine *engine, int (*reload)(void *arg), void *arg);

/* Changes nothing: the reply shows that the engine's thread turns. */
void engine_ping(struct engine *engine, engine_reply_fn *reply, void *arg);

/* Files of the user. -EPERM: below files/ of an accepted job; -EEXIST, -ENOENT,
 * -ENOTEMPTY. The content is made (empty) before the row. */
void engine_make_file(struct engine *engine, const struct store_file *file,
		      engine_reply_fn *reply, void *arg);
void engine_remove_file(struct engine *engine, int64_t file, bool is_rmdir,
			engine_reply_fn *reply, void *arg);
/* Within one job; replaces what is there unless no_replace. */
void engine_rename_file(struct engine *engine, int64_t file, int64_t parent,
			const char *name, bool no_replace, engine_reply_fn *reply,
			void *arg);
void engine_chown_file(struct engine *engine, int64_t file,
		       const struct engine_owner *owner, engine_reply_fn *reply,
		       void *arg);
/* A file below files/ was written and closed: a job that waits for it may go. */
void engine_file_closed(struct engine *engine, int64_t job);

/* --- news ------------------------------------------------------------------------- */

/* Called in the engine's thread, once what they tell of is published and before those
 * who asked for it are answered. They must not wait for anything. */
struct engine_listener {
	/* The job as it was (NULL: it is new) and as it is (NULL: it is gone);
	 * borrowed. */
	void (*job_changed)(void *arg, const struct job_record *before,
			    const struct job_record *after);
	void (*queue_changed)(void *arg);
	void (*events_grew)(void *arg); /* the daemon's own timeline */
	void (*host_changed)(void *arg, size_t host);
	/* Is it a path of what the listener shows? A backup into that would wait for
	 * itself. NULL: none is. */
	bool (*has_path)(void *arg, const char *path);
	/* By which asker and number a request is known whose answer reply gets: what is
	 * answered is then kept with the change itself (store_put_answers()). NULL or
	 * false: it need not be. */
	bool (*get_number)(void *arg, engine_reply_fn *reply, const void *reply_arg,
			   uint64_t *ret_asker, uint64_t *ret_number);
};
/* Before engine_start(). The listener is borrowed until engine_stop(). */
void engine_set_listener(struct engine *engine, const struct engine_listener *listener,
			 void *arg);

/* --- snapshots: any thread; never wait for I/O ----------------------------------- */

/* A reference, or NULL. */
struct job_record *engine_get_job(struct engine *engine, int64_t id);
struct job_record *engine_find_job(struct engine *engine, const char *name);
/* Up to max jobs with an id above `after`, in the order of ids; references. */
size_t engine_list_jobs(struct engine *engine, int64_t after,
			struct job_record **ret_jobs, size_t max);
size_t engine_count_jobs(struct engine *engine);
/* The same of the jobs in one state. */
size_t engine_list_state(struct engine *engine, enum job_state state, int64_t after,
			 struct job_record **ret_jobs, size_t max);
size_t engine_count_state(struct engine *engine, enum job_state state);
size_t engine_count_queue(struct engine *engine);
/* 1-based place in the queue, 0: not queued. */
size_t engine_queue_position(struct engine *engine, int64_t id);
/* Appends the file `.jobfs/queue`: "PLACE\tNAME\tREASON\tMESSAGE\n" for each job that
 * is queued, then with "-" for those that are held. */
int engine_render_queue(struct engine *engine, struct buf *out);

struct engine_host {
	const struct conf_host *conf;
	/* "down", "drained" ("draining" while it has jobs), "up", "idle" (never asked
	 * yet): the first that is true */
	const char *status;
	bool is_up;		 /* it answered when it was last asked */
	bool is_drained;	 /* it takes no new jobs */
	char text[ERR_TEXT_MAX]; /* why it is down, "" */
	int slots_used;
	int gpus_used;
	int64_t connects;
	uint64_t bytes_in, bytes_out;
};
/* index below conf->n_hosts. */
void engine_get_host(struct engine *engine, size_t index, struct engine_host *ret_host);

/* What a spec is checked against here; valid until engine_free(). */
void engine_get_spec_context(const struct engine *engine,
			     struct spec_context *ret_context);

/* Valid until engine_free(). */
const struct engine_stats *engine_get_stats(const struct engine *engine);

struct store *engine_store(struct engine *engine);
const struct conf *engine_conf(struct engine *engine);
