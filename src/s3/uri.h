/* Percent-encoding: what SigV4 wants, and what listings come in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

/* A-Z a-z 0-9 - . _ ~ : what is never encoded (RFC 3986). */
bool s3_is_unreserved(char c);

/* Appends text with all but unreserved characters (and / when keep_slash) encoded. */
int s3_encode(const char *text, bool keep_slash, struct buf *out);

/* Decodes text in place. + is a space: AWS lists a space as + and Ceph as %20, a plus
 * is %2B with both. -EBADMSG (text is half decoded): a %
 * without two hexadecimal digits, or an encoded NUL. */
int s3_decode(char *text);
