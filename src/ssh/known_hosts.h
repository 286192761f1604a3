/* What a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) says of one host.
 * libssh2's own reader stops at the first bad line and knows neither @revoked nor
 * wildcards. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ssh/wire.h"
#include "util/err.h"

enum { FINGERPRINT_MAX = 64 };

struct known_key {
	size_t line; /* in the file, from 1 */
	bool revoked;
	bool any_port; /* the line names the host without its port, which is not 22 */
	char *type;    /* "ssh-ed25519" */
	struct buf blob;
};

struct known_hosts {
	struct known_key *keys; /* those of the host, in the order of the file */
	size_t count;
};

#define KNOWN_HOSTS_INIT                                                               \
	{                                                                              \
		.keys = NULL                                                           \
	}
void known_hosts_fini(struct known_hosts *k);
#define cleanup_known_hosts cleanup_(known_hosts_fini)

/* Lines that cannot be read are skipped, as ssh does. 0 or -ENOMEM. */
int known_hosts_parse(const char *text, size_t len, const char *host, int port,
		      struct known_hosts *ret_known);
/* A file that does not exist is empty. */
int known_hosts_load(const char *path, const char *host, int port,
		     struct known_hosts *ret_known, struct err *e);

enum known_verdict {
	KNOWN_MATCH,
	KNOWN_UNKNOWN,
	KNOWN_CHANGED, /* another key of the same type is there */
	KNOWN_REVOKED,
};
/* blob is the host's key; ret_key is the line that decided, NULL when UNKNOWN. */
enum known_verdict known_hosts_check(const struct known_hosts *k, struct slice blob,
				     const struct known_key **ret_key);

/* Whether the types of the host's keys are known, so that it must be asked for these.
 */
bool known_hosts_is_bound(const struct known_hosts *k);
/* Adds the comma-separated types to ask the host for, the known ones first: only those
 * when the host is bound. With the first type that libssh2 finds, the check is a fair
 * one. */
int known_hosts_types(const struct known_hosts *k, struct buf *ret_list);

/* Appends a line; creates the file (0600). */
int known_hosts_append(const char *path, const char *host, int port, struct slice blob,
		       struct err *e);

/* How the file names the host: "name" or "[name]:port", in lower case. */
int known_hosts_name(const char *host, int port, struct buf *ret_name);
/* The type that stands in front of a key blob. */
struct slice known_hosts_blob_type(struct slice blob);
/* "SHA256:..." as ssh-keygen -l prints it. */
void fingerprint(struct slice blob, char ret_text[static FINGERPRINT_MAX]);
