/* What the daemon itself asks of S3: listings. Requests are signed with SigV4 in the
 * query string (OpenSSL), carried by libcurl, answers read by expat. Blocking; one
 * client a thread. */
#pragma once

#include <stdint.h>

#include "s3/fault.h"
#include "s3/place.h"
#include "util/err.h"

enum { S3_PAGE_MAX = 1000 }; /* objects: what S3 lists at most in one answer */

struct s3_object { /* one line of a listing; valid during the callback */
	const char *key;
	const char *etag;   /* without quotes; "" when S3 gave none */
	int64_t size;	    /* bytes, 0 to 2^50 */
	int64_t modified_s; /* since 1970, by S3's clock; 0: not given */
};

/* What to list: the keys that begin with prefix and come after `after`. */
struct s3_listing {
	const char *prefix; /* "": all */
	const char *after;  /* NULL: from the start */
	int page_size;	    /* of one request, 1 to S3_PAGE_MAX */
	/* NULL, or where S3's clock is put with every page: seconds since 1970, 0 when
	 * the answer has none. */
	int64_t *ret_now_s;
	/* Called for each object; returns non-zero to stop. It may take its time. */
	int (*each)(void *arg, const struct s3_object *object);
	void *arg;
};

struct s3_client;
/* -ENOMEM, -EIO (libcurl cannot start). *ret_client is the caller's. The file named by
 * AWS_CA_BUNDLE, if set, replaces the system's certificates. The process must ignore
 * SIGPIPE: TLS writes to a socket that is gone raise it. */
int s3_client_new(struct s3_client **ret_client);
struct s3_client *s3_client_free(struct s3_client *client);
void s3_client_freep(struct s3_client **client);
#define cleanup_s3_client cleanup_(s3_client_freep)

/* How long a connection may take (10 s by default), and how long an answer may stand
 * still (30 s). An answer that moves may take any time. */
void s3_client_set_timeouts(struct s3_client *client, int connect_s, int stall_s);

/* From any thread: the running call and all later ones end with S3_STOPPED, within a
 * second or two. The client must outlive the call. */
void s3_client_cancel(struct s3_client *client);

/* Lists through ListObjectsV2, in S3's order (bytes of UTF-8), page by page: each()
 * sees a page only once all of it has arrived and has been checked, so that the keys it
 * sees do ascend, come after `after` and begin with prefix. On a fault after some
 * pages, what each() saw is right, and the listing can go on with its last key as
 * `after`. For any fault but S3_STOPPED, e->text says what S3 said, with bucket and
 * prefix, never a signed URL, signature, secret or token. */
enum s3_fault s3_list(struct s3_client *client, const struct s3_place *place,
		      const struct s3_credentials *credentials,
		      const struct s3_listing *listing, struct err *e);

struct s3_object_name; /* and s3_try_write(): s3/multipart.h */
struct s3_role;	       /* and s3_assume_role(): s3/sts.h */
struct s3_keys;
/* The functions above as a table, so that a simulation can put an S3 of its own in
 * their place. */
struct s3_ops {
	void *world; /* the first argument of open() */
	int (*open)(void *world, struct s3_client **ret_client);
	struct s3_client *(*free)(struct s3_client *client);
	void (*cancel)(struct s3_client *client);
	enum s3_fault (*list)(struct s3_client *client, const struct s3_place *place,
			      const struct s3_credentials *credentials,
			      const struct s3_listing *listing, struct err *e);
	enum s3_fault (*try_write)(struct s3_client *client,
				   const struct s3_object_name *name, struct err *e);
	enum s3_fault (*assume_role)(struct s3_client *client,
				     const struct s3_role *role,
				     const struct s3_credentials *credentials,
				     struct s3_keys *ret_keys, struct err *e);
};
extern const struct s3_ops s3_over_http;
