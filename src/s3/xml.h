/* Reads the two documents that a listing request gets, ListBucketResult and Error, as
 * their bytes come. Nothing in them is believed: sizes, counts and lengths have limits,
 * and a document that is anything else is a problem with a sentence. Hides expat. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/client.h"
#include "s3/fault.h"
#include "util/mem.h"

enum s3_document {
	S3_DOCUMENT_NONE, /* no element yet, or not one of S3's */
	S3_DOCUMENT_LISTING,
	S3_DOCUMENT_ERROR,
};

struct s3_xml;
/* -ENOMEM. *ret_xml is the caller's. */
int s3_xml_new(struct s3_xml **ret_xml);
struct s3_xml *s3_xml_free(struct s3_xml *xml);
void s3_xml_freep(struct s3_xml **xml);
#define cleanup_s3_xml cleanup_(s3_xml_freep)

/* -EBADMSG, -ENOMEM; sticks. */
int s3_xml_feed(struct s3_xml *xml, const void *data, size_t len);
/* After the last byte: 0 when the document is whole and makes sense, else as above. */
int s3_xml_finish(struct s3_xml *xml);
/* What is wrong, as the end of a sentence; "" when nothing is. */
const char *s3_xml_problem(const struct s3_xml *xml);

enum s3_document s3_xml_document(const struct s3_xml *xml);

/* Of a listing that finished with 0. Texts are borrowed from xml. */
size_t s3_xml_count(const struct s3_xml *xml); /* at most S3_PAGE_MAX */
struct s3_object s3_xml_object(const struct s3_xml *xml, size_t i);
const char *s3_xml_next_token(const struct s3_xml *xml); /* NULL: that was all */

/* Fills in what an Error document said as far as it was read; leaves the rest. */
void s3_xml_get_error(const struct s3_xml *xml, struct s3_error *error);
