/* What the files of the store share; seen by nobody else. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>

#include "store/store.h"

/* Every statement is prepared once a connection and kept. */
enum store_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_ADD_JOB,
	SQL_PUT_JOB,
	SQL_RENAME_JOB,
	SQL_RESERVE_JOBS,
	SQL_PUT_ATTEMPT,
	SQL_LOAD_JOBS,
	SQL_DELETE_JOB,
	SQL_DELETE_ATTEMPTS,
	SQL_DELETE_SPEC,
	SQL_DELETE_CHUNKS,
	SQL_DELETE_FILES,
	SQL_LIST_JOB_FILES,
	SQL_PUT_SPEC,
	SQL_GET_SPEC,
	SQL_LAST_CHUNK,
	SQL_ADD_CHUNK,
	SQL_PUT_CHUNK,
	SQL_READ_CHUNKS,
	SQL_TRIM_CHUNKS,
	SQL_ADD_FILE,
	SQL_PUT_FILE,
	SQL_DELETE_FILE,
	SQL_GET_FILE,
	SQL_FIND_FILE,
	SQL_LIST_FILES,
	SQL_LIST_FILES_OF_JOB,
	SQL_LIST_FILES_OF_USER,
	SQL_SUM_SPECS,
	SQL_GET_ATTEMPT,
	SQL_ADD_LEFTOVER,
	SQL_DELETE_LEFTOVER,
	SQL_LIST_LEFTOVERS,
	SQL_ADD_DRAINED,
	SQL_DELETE_DRAINED,
	SQL_GET_DRAINED,
	SQL_PUT_ANSWERS,
	SQL_GET_ANSWERS,
	STORE_SQL_COUNT,
};

struct store_connection {
	sqlite3 *db;
	sqlite3_stmt *statements[STORE_SQL_COUNT];
	struct store_connection *next; /* in the pool */
};

struct store {
	char *path; /* of the database */
	int lock_fd;
	int files_fd;
	int wal_fd;		/* of its own, for store_sync() */
	_Atomic int sync_error; /* what that said once: negative errno */
	struct store_connection writer;
	struct {		/* the writer's thread */
		int pages;	/* of the log at the last checkpoint */
		int told_pages; /* of which a warning spoke, 0: none did */
	} wal;
	/* The thread that is in a transaction, 0: none. Its reads go through the
	 * writer, so that it sees what it wrote. */
	_Atomic pid_t writer_tid;
	int64_t jobs_to;	    /* ids up to that one are reserved */
	char *sql[STORE_SQL_COUNT]; /* the text of each statement */

	pthread_mutex_t mutex; /* guards what follows */
	struct store_connection *idle;
};

/* The statement, reset and without values; NULL: e says why. */
sqlite3_stmt *store_prepare(struct store *s, struct store_connection *c,
			    enum store_sql which, struct err *e);
/* Runs a statement that gives no row. */
int store_run(struct store_connection *c, sqlite3_stmt *statement, struct err *e);
/* Statements as text, and the number that one gives. */
int store_run_text(struct store_connection *c, const char *sql, struct err *e);
int store_read_number(struct store_connection *c, const char *sql, int64_t *ret_n);
/* SQLite's error as negative errno and sentence. */
int store_error(const struct store_connection *c, struct err *e);

/* A read connection from the pool, and back. NULL on failure. */
struct store_connection *store_reader_get(struct store *s);
void store_reader_put(struct store *s, struct store_connection *c);

/* store/query.c */
/* A reader with the statement prepared; *ret_row is NULL and nothing held on failure.
 */
struct store_connection *store_query(struct store *s, enum store_sql which,
				     sqlite3_stmt **ret_row);
/* Steps a query of at most one row, which take() gets, and gives the reader back. What
 * take() returned; -ENOENT: there is no row. */
int store_get_one(struct store *s, struct store_connection *c, sqlite3_stmt *row,
		  int (*take)(sqlite3_stmt *row, void *arg), void *arg);

/* Takes STATE_DIR/lock; -EBUSY: another daemon has it, by its pid. */
int store_lock(const char *state_dir, int *ret_fd, struct err *e);
/* Has the log of the writer checkpointed, and warns when it grows. */
void store_watch_wal(struct store *s);
int store_gather_log(struct store *s); /* of the writer; negative errno */
int store_open_wal(struct store *s);   /* once there is one; negative errno */

/* Makes s->sql out of the tables of columns. */
int store_make_job_sql(struct store *s);
