/* Base64 (RFC 4648, section 4) that refuses what is not: OpenSSL's decoder takes white
 * space and forgets how much of the last block was padding. */
#pragma once

#include <stddef.h>

#include "util/buf.h"

int base64_encode(const char *data, size_t len, struct buf *ret_text);
/* -EINVAL when text is not base64. Padding must be there. ret_data is reserved at once,
 * so that buf_wipe() leaves no copy. */
int base64_decode(const char *text, size_t len, struct buf *ret_data);
