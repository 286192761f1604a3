/* A connection from nothing to logged in: dialled, keys exchanged, the host's key
 * verified, and only then ourselves proved. */
#pragma once

#include "ssh/dial.h"
#include "ssh/link.h"
#include "ssh/remote.h"

struct connector {
	const struct remote_config *config;
	struct link_counters *counters;
	struct dial dial;
};

/* Waits; at most connect_timeout_ms + auth_timeout_ms. 0 and an open link (link_close),
 * with a sentence in ret_text that says where we are; a negative errno (-ECANCELED); or
 * > 0 an enum remote_fault with its sentence. */
int connector_run(struct connector *c, struct link *ret_link, struct buf *ret_text,
		  struct err *e);
