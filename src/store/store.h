/* SQLite: the one place where state lives. One writer (the engine's thread), many
 * readers (any thread; each takes a read connection of a pool for the length of one
 * call). Contents of files/ are plain files below STATE_DIR/files, named by their id.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/record.h"
#include "util/buf.h"
#include "util/err.h"

struct store;

/* Opens or makes STATE_DIR/jobfs.db, migrates it, and takes STATE_DIR/lock.
 * -EBUSY: another daemon has it; -EPROTO: made by a newer jobfs; -EUCLEAN: damaged. */
int store_open(const char *state_dir, struct store **ret_store, struct err *e);
struct store *store_close(struct store *s);

/* --- the writer's side: the engine's thread only ------------------------------------
 */

/* -EAGAIN after a quarter of a second: another program has the database locked. */
int store_begin(struct store *s, struct err *e);
/* It survives the death of the daemon then, and a power cut once store_sync() was
 * called after it. */
int store_commit(struct store *s, struct err *e);
void store_rollback(struct store *s);

/* The highest id that a job ever had. */
int store_last_job(struct store *s, int64_t *ret_id);
/* A new row; gives record->id the next one if it is 0. -EEXIST: id, name or key is
 * taken. */
int store_add_job(struct store *s, struct job_record *record, struct err *e);
/* All but its name, which is for store_rename_job(): -EEXIST. */
int store_put_job(struct store *s, const struct job_record *record, struct err *e);
int store_rename_job(struct store *s, int64_t job, const char *name, struct err *e);
/* The row of record->attempt alone: the job goes on without it. */
int store_put_attempt(struct store *s, const struct job_record *record, struct err *e);
/* With all that belongs to it, except the contents on disk: their ids are appended to
 * *ret_files as int64_t. */
int store_delete_job(struct store *s, int64_t job, struct buf *ret_files,
		     struct err *e);
int store_put_spec(struct store *s, int64_t job, const char *text, size_t len,
		   struct err *e);
/* Appends at offset, which must be the stream's size: -ESTALE otherwise. job 0 is the
 * daemon's own events. */
int store_append(struct store *s, int64_t job, enum job_stream stream, int64_t offset,
		 const void *data, size_t len, struct err *e);

/* An attempt that its host has still to forget. */
struct store_leftover {
	char attempt[64]; /* its name there */
	char host[256];
	bool kill; /* it may live */
};
int store_add_leftover(struct store *s, const struct store_leftover *leftover,
		       struct err *e);
int store_delete_leftover(struct store *s, const char *attempt, struct err *e);

/* A host that takes no new jobs, by its name. */
int store_set_drained(struct store *s, const char *host, bool is_drained,
		      struct err *e);

/* The stream goes on at offset, beyond its size: what is between was never had. */
int store_skip(struct store *s, int64_t job, enum job_stream stream, int64_t offset,
	       struct err *e);
/* Lets go of the chunks that lie in the gap as a whole. */
int store_trim(struct store *s, int64_t job, enum job_stream stream,
	       const struct job_gap *gap, struct err *e);

/* What the last turn answered, for a daemon that takes over a mount whose requests may
 * not have heard of it. */
struct store_answer {
	uint64_t asker;	 /* whose numbers these are */
	uint64_t number; /* of the request; never 0 */
	int64_t id;	 /* of what was made, else 0 */
	int32_t result;	 /* 0 or negative errno */
	int32_t unused;	 /* 0 */
};
/* In place of those of the turn before. */
int store_put_answers(struct store *s, const struct store_answer *answers, size_t n,
		      struct err *e);

/* A user's own file or directory. */
enum { FILE_PARENT_JOB = 0, FILE_PARENT_FILES = 1, FILE_ID_FIRST = 16 };
struct store_file {
	int64_t id; /* >= FILE_ID_FIRST, never used again */
	int64_t job;
	int64_t parent; /* FILE_PARENT_JOB: beside spec.json; FILE_PARENT_FILES: in
			   files/ */
	bool is_dir;
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	char name[256];
};
int store_add_file(struct store *s, struct store_file *file,
		   struct err *e); /* -EEXIST */
int store_put_file(struct store *s, const struct store_file *file, struct err *e);
int store_delete_file(struct store *s, int64_t id, struct err *e);

/* Any thread, also beside a transaction: what was committed before the call is on disk
 * when it returns 0. After an error nobody knows what is, and a later call does not
 * tell: the kernel forgets what it could not write. */
int store_sync(struct store *s);

/* Between transactions: gives back to the disk what is not used any more. It can take
 * seconds, and who wants to commit meanwhile waits. */
struct store_freed {
	int64_t n_files; /* contents that no row has */
	int64_t bytes;	 /* of them, and of the database and its log */
};
int store_collect(struct store *s, struct store_freed *ret_freed, struct err *e);

/* Any thread: makes dir, an absolute path of nothing, a state directory with what was
 * committed; jobs that were queued are held in it. -EEXIST, -ENOENT, -ENOSPC, ...,
 * -ESHUTDOWN: *stop became true; then nothing is left of it. */
int store_backup(struct store *s, const char *dir, const atomic_bool *stop,
		 struct err *e);

/* --- the readers' side: any thread ---------------------------------------------------
 */

/* All jobs in the order of their ids; each() takes over the reference. */
int store_load_jobs(struct store *s, int (*each)(void *arg, struct job_record *record),
		    void *arg, struct err *e);
int store_list_leftovers(struct store *s,
			 int (*each)(void *arg, const struct store_leftover *leftover),
			 void *arg);
int store_is_drained(struct store *s, const char *host); /* 0, 1, or negative errno */
/* Only id, attempt and transfers are set. -ENOENT: there was none with that number. */
int store_get_attempt(struct store *s, int64_t job, int n,
		      struct job_record **ret_record);
/* Up to max of the last turn that had any; how many, or negative errno. */
ssize_t store_get_answers(struct store *s, struct store_answer *ret_answers,
			  size_t max);
int store_read_spec(struct store *s, int64_t job, struct buf *out);
/* Up to len bytes from offset; fewer at the end. Bytes read or negative errno. */
ssize_t store_read_stream(struct store *s, int64_t job, enum job_stream stream,
			  int64_t offset, char *data, size_t len);
int64_t store_stream_size(struct store *s, int64_t job, enum job_stream stream);
int store_get_file(struct store *s, int64_t id,
		   struct store_file *ret_file); /* -ENOENT */
int store_find_file(struct store *s, int64_t job, int64_t parent, const char *name,
		    struct store_file *ret_file); /* -ENOENT */
/* Children in the order of their ids, after id `after`; each() non-zero stops. */
int store_list_files(struct store *s, int64_t job, int64_t parent, int64_t after,
		     int (*each)(void *arg, const struct store_file *file), void *arg);

/* All files and directories of a job, or of all jobs of a user, in no order; each()
 * non-zero stops. */
int store_list_job_files(struct store *s, int64_t job,
			 int (*each)(void *arg, const struct store_file *file),
			 void *arg);
int store_list_user_files(struct store *s, uid_t uid,
			  int (*each)(void *arg, const struct store_file *file),
			  void *arg);
/* The bytes of the specs of all jobs of a user. */
int store_sum_specs(struct store *s, uid_t uid, int64_t *ret_bytes);

/* On the disk: of the database, and of its write-ahead log; 0 where it is not known. */
void store_get_bytes(const struct store *s, int64_t *ret_database, int64_t *ret_log);

/* The directory of contents, open; borrowed until store_close(). The content of file id
 * is the plain file "<id>" in it. */
int store_files_fd(const struct store *s);
