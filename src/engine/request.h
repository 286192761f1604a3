/* A request about one job; how the files of the engine post and take them. */
#pragma once

#include "engine/internal.h"

struct job_request {
	struct request request; /* first: it is the event */
	void (*handle)(struct engine *e, struct job_request *request, struct job *job);
	int64_t job; /* 0: none; the handler gets NULL */
	struct engine_owner owner;
	char *text;	   /* owned: a name, a document, a verb */
	struct spec *spec; /* owned: what the document says, NULL: not known */
	size_t len;
	bool text_missing; /* there was no memory for it */
	int64_t file, parent;
	size_t host; /* its index; beyond the last: all */
	struct store_file row;
	bool flag;
};

/* Copies *what, which gives its text and its spec away. */
void job_request_post(struct engine *e,
		      void (*handle)(struct engine *, struct job_request *,
				     struct job *),
		      const struct job_request *what);
/* A row for a file of the user, with an empty content; sets row->id. */
int file_add(struct engine *e, struct job *job, struct store_file *row);
void job_request_handle(struct engine *e, struct event *event);
