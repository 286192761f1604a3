#include "s3/xml.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <expat.h>

#include "s3/uri.h"
#include "util/buf.h"

enum {
	PATH_MAX_BYTES = 256,	   /* of names from the root on: bounds the depth too */
	TEXT_MAX_BYTES = 8192,	   /* of one element; a key is 3 x 1024 at most */
	STORE_MAX_BYTES = 8 << 20, /* keys, etags and the token of a page */
	FEED_MAX_BYTES = 1 << 20,  /* expat counts in int */
	PROBLEM_MAX = 200,
};

static const int64_t size_max = INT64_C(1)
				<< 50; /* a sum of thousands is no overflow */

/* The elements that are read; what S3 says besides is skipped. */
enum field {
	FIELD_NONE,
	FIELD_ENCODING,
	FIELD_TRUNCATED,
	FIELD_TOKEN,
	FIELD_KEY,
	FIELD_ETAG,
	FIELD_SIZE,
	FIELD_MODIFIED,
	FIELD_CODE,
	FIELD_MESSAGE,
	FIELD_REGION,
	FIELD_REQUEST_ID,
};

static const char path_object[] = "/ListBucketResult/Contents";

static const struct {
	const char *path;
	enum field field;
} fields[] = {
	{ "/ListBucketResult/EncodingType", FIELD_ENCODING },
	{ "/ListBucketResult/IsTruncated", FIELD_TRUNCATED },
	{ "/ListBucketResult/NextContinuationToken", FIELD_TOKEN },
	{ "/ListBucketResult/Contents/Key", FIELD_KEY },
	{ "/ListBucketResult/Contents/ETag", FIELD_ETAG },
	{ "/ListBucketResult/Contents/Size", FIELD_SIZE },
	{ "/ListBucketResult/Contents/LastModified", FIELD_MODIFIED },
	{ "/Error/Code", FIELD_CODE },
	{ "/Error/Message", FIELD_MESSAGE },
	{ "/Error/Region", FIELD_REGION },
	{ "/Error/RequestId", FIELD_REQUEST_ID },
};

enum { NOWHERE = 0 }; /* of the store: an empty text stands there */

struct row { /* texts are offsets into the store */
	size_t key;
	size_t etag;
	int64_t size; /* -1: not given */
	int64_t modified_s;
};

struct s3_xml {
	XML_Parser parser;
	struct buf path;  /* "/ListBucketResult/Contents" */
	struct buf text;  /* of the element being read */
	struct buf store; /* texts with their NULs */
	enum field field; /* that is being read */
	bool is_text_too_long;

	enum s3_document document;
	struct row rows[S3_PAGE_MAX];
	size_t n_rows;
	bool is_url_encoded;
	bool has_truncated;
	bool is_truncated;
	size_t token;
	struct s3_error error; /* its texts */

	int failed; /* 0 or a negative errno */
	char problem[PROBLEM_MAX];
};

/* ---- failing ---- */

static int xml_fail(struct s3_xml *xml, int code, const char *problem)
{
	if (xml->failed == 0) {
		xml->failed = code;
		(void)snprintf(xml->problem, sizeof(xml->problem), "%s", problem);
		(void)XML_StopParser(xml->parser, XML_FALSE);
	}
	return xml->failed;
}

static int xml_fail_memory(struct s3_xml *xml)
{
	return xml_fail(xml, -ENOMEM, "out of memory");
}

static int xml_fail_name(struct s3_xml *xml, const char *before, const char *name)
{
	char problem[PROBLEM_MAX];

	(void)snprintf(problem, sizeof(problem), "%s%.80s> in place of a listing",
		       before, name);
	return xml_fail(xml, -EBADMSG, problem);
}

/* ---- fields ---- */

static enum field field_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (streq(fields[i].path, path)) {
			return fields[i].field;
		}
	}
	return FIELD_NONE;
}

static size_t store_text(struct s3_xml *xml, const char *text, size_t len)
{
	size_t at = xml->store.len;

	(void)buf_add(&xml->store, text, len);
	(void)buf_add_char(&xml->store, '\0');
	if (xml->store.error == -EFBIG) {
		(void)xml_fail(xml, -EBADMSG, "more text than a page can hold");
	} else if (xml->store.error) {
		(void)xml_fail_memory(xml);
	}
	return xml->failed ? NOWHERE : at;
}

static size_t store_etag(struct s3_xml *xml)
{
	const char *text = buf_text(&xml->text);
	size_t len = xml->text.len;

	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	return store_text(xml, text, len);
}

static void truncated_take(struct s3_xml *xml)
{
	const char *text = buf_text(&xml->text);

	xml->has_truncated = true;
	xml->is_truncated = streq(text, "true");
	if (!xml->is_truncated && !streq(text, "false")) {
		(void)xml_fail(xml, -EBADMSG, "IsTruncated is neither true nor false");
	}
}

static int64_t size_take(struct s3_xml *xml)
{
	const char *text = buf_text(&xml->text);
	int64_t size = 0;
	size_t n;

	for (n = 0; text[n] >= '0' && text[n] <= '9' && size <= size_max; n++) {
		size = size * 10 + (text[n] - '0');
	}
	if (n == 0 || text[n] || size > size_max) {
		(void)xml_fail(xml, -EBADMSG, "a Size is not a number of bytes");
		return -1;
	}
	return size;
}

/* "2026-01-31T23:59:59.000Z"; what is none counts as not given. */
static int64_t time_take(const struct s3_xml *xml)
{
	struct tm tm = { .tm_isdst = 0 };
	const char *end = strptime(buf_text(&xml->text), "%Y-%m-%dT%H:%M:%S", &tm);
	time_t s = end && (*end == '.' || *end == 'Z') ? timegm(&tm) : 0;

	return s > 0 ? s : 0;
}

/* What does not fit is dropped rather than cut: half a secret could not be recognised.
 */
static void error_take(struct s3_xml *xml, char *to, size_t size)
{
	if (!xml->is_text_too_long && xml->text.len < size) {
		memcpy(to, buf_text(&xml->text), xml->text.len + 1);
	}
}

static void field_take(struct s3_xml *xml)
{
	struct row *row = &xml->rows[xml->n_rows];
	struct s3_error *error = &xml->error;

	if (xml->is_text_too_long && xml->document == S3_DOCUMENT_LISTING) {
		(void)xml_fail(xml, -EBADMSG, "an element is too long");
		return;
	}
	switch (xml->field) {
	case FIELD_NONE:
		break;
	case FIELD_ENCODING:
		xml->is_url_encoded = streq(buf_text(&xml->text), "url");
		break;
	case FIELD_TRUNCATED:
		truncated_take(xml);
		break;
	case FIELD_TOKEN:
		xml->token = store_text(xml, buf_text(&xml->text), xml->text.len);
		break;
	case FIELD_KEY:
		row->key = store_text(xml, buf_text(&xml->text), xml->text.len);
		break;
	case FIELD_ETAG:
		row->etag = store_etag(xml);
		break;
	case FIELD_SIZE:
		row->size = size_take(xml);
		break;
	case FIELD_MODIFIED:
		row->modified_s = time_take(xml);
		break;
	case FIELD_CODE:
		error_take(xml, error->code, sizeof(error->code));
		break;
	case FIELD_MESSAGE:
		error_take(xml, error->message, sizeof(error->message));
		break;
	case FIELD_REGION:
		error_take(xml, error->region, sizeof(error->region));
		break;
	case FIELD_REQUEST_ID:
		error_take(xml, error->request_id, sizeof(error->request_id));
		break;
	}
}

static const char *store_get(const struct s3_xml *xml, size_t at)
{
	return xml->store.data + at;
}

static void row_begin(struct s3_xml *xml)
{
	if (xml->n_rows == S3_PAGE_MAX) {
		(void)xml_fail(xml, -EBADMSG, "more objects than a page can hold");
		return;
	}
	xml->rows[xml->n_rows] =
		(struct row){ .key = NOWHERE, .etag = NOWHERE, .size = -1 };
}

static void row_end(struct s3_xml *xml)
{
	const struct row *row = &xml->rows[xml->n_rows];

	if (!*store_get(xml, row->key)) {
		(void)xml_fail(xml, -EBADMSG, "an object has no Key");
	} else if (row->size < 0) {
		(void)xml_fail(xml, -EBADMSG, "an object has no Size");
	} else {
		xml->n_rows++;
	}
}

/* ---- what expat calls ---- */

static void root_begin(struct s3_xml *xml, const char *name)
{
	if (streq(name, "ListBucketResult")) {
		xml->document = S3_DOCUMENT_LISTING;
	} else if (streq(name, "Error")) {
		xml->document = S3_DOCUMENT_ERROR;
	} else {
		(void)xml_fail_name(xml, "<", name);
	}
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct s3_xml *xml = arg;

	(void)attributes;
	if (xml->failed) {
		return;
	}
	if (xml->path.len == 0) {
		root_begin(xml, name);
	}
	(void)buf_add_char(&xml->path, '/');
	(void)buf_add_str(&xml->path, name);
	if (xml->path.error) {
		(void)xml_fail(xml, -EBADMSG, "its elements lie too deep");
	} else if (xml->field != FIELD_NONE) {
		(void)xml_fail(xml, -EBADMSG, "an element is where text should be");
	} else if (streq(buf_text(&xml->path), path_object)) {
		row_begin(xml);
	} else {
		xml->field = field_find(buf_text(&xml->path));
		xml->is_text_too_long = false;
		buf_truncate(&xml->text, 0);
	}
}

static void on_text(void *arg, const XML_Char *text, int len)
{
	struct s3_xml *xml = arg;

	if (xml->failed || xml->field == FIELD_NONE) {
		return;
	}
	if (xml->text.len + (size_t)len > TEXT_MAX_BYTES) {
		xml->is_text_too_long = true;
	} else if (buf_add(&xml->text, text, (size_t)len) < 0) {
		(void)xml_fail_memory(xml);
	}
}

static void on_end(void *arg, const XML_Char *name)
{
	struct s3_xml *xml = arg;

	if (xml->failed) {
		return;
	}
	field_take(xml);
	xml->field = FIELD_NONE;
	if (!xml->failed && streq(buf_text(&xml->path), path_object)) {
		row_end(xml);
	}
	buf_truncate(&xml->path, xml->path.len - strlen(name) - 1);
}

/* S3 sends none, and without one there are no entities to blow up. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
		       const XML_Char *public_id, int has_subset)
{
	(void)system_id;
	(void)public_id;
	(void)has_subset;
	(void)xml_fail_name(arg, "<!DOCTYPE ", name);
}

/* ---- the module's front ---- */

int s3_xml_new(struct s3_xml **ret_xml)
{
	cleanup_s3_xml struct s3_xml *xml = calloc(1, sizeof(*xml));

	if (!xml) {
		return -ENOMEM;
	}
	xml->path.max = PATH_MAX_BYTES;
	xml->store.max = STORE_MAX_BYTES;
	xml->parser = XML_ParserCreate("UTF-8");
	if (!xml->parser || buf_add_char(&xml->store, '\0') < 0) {
		return -ENOMEM;
	}
	XML_SetUserData(xml->parser, xml);
	XML_SetElementHandler(xml->parser, on_start, on_end);
	XML_SetCharacterDataHandler(xml->parser, on_text);
	XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
	*ret_xml = steal_ptr(&xml);
	return 0;
}

struct s3_xml *s3_xml_free(struct s3_xml *xml)
{
	if (xml) {
		if (xml->parser) {
			XML_ParserFree(xml->parser);
		}
		buf_fini(&xml->path);
		buf_fini(&xml->text);
		buf_fini(&xml->store);
		free(xml);
	}
	return NULL;
}

void s3_xml_freep(struct s3_xml **xml)
{
	*xml = s3_xml_free(*xml);
}

static int xml_parse(struct s3_xml *xml, const char *data, size_t len, bool is_last)
{
	char problem[PROBLEM_MAX];

	if (xml->failed ||
	    XML_Parse(xml->parser, data, (int)len, is_last) != XML_STATUS_ERROR) {
		return xml->failed;
	}
	if (XML_GetErrorCode(xml->parser) == XML_ERROR_NO_MEMORY) {
		return xml_fail_memory(xml);
	}
	(void)snprintf(problem, sizeof(problem), "it is not XML (%s in line %lu)",
		       XML_ErrorString(XML_GetErrorCode(xml->parser)),
		       (unsigned long)XML_GetCurrentLineNumber(xml->parser));
	return xml_fail(xml, -EBADMSG, problem);
}

int s3_xml_feed(struct s3_xml *xml, const void *data, size_t len)
{
	const char *bytes = data;

	while (len > 0 && !xml->failed) {
		size_t n = len < FEED_MAX_BYTES ? len : FEED_MAX_BYTES;

		(void)xml_parse(xml, bytes, n, false);
		bytes += n;
		len -= n;
	}
	return xml->failed;
}

/* Only now: EncodingType may stand behind the keys. */
static int keys_decode(struct s3_xml *xml)
{
	for (size_t i = 0; i < xml->n_rows; i++) {
		if (s3_decode(xml->store.data + xml->rows[i].key) < 0) {
			return xml_fail(xml, -EBADMSG,
					"a Key is not encoded as it says");
		}
	}
	return 0;
}

int s3_xml_finish(struct s3_xml *xml)
{
	if (xml_parse(xml, "", 0, true) < 0 || xml->document == S3_DOCUMENT_ERROR) {
		return xml->failed;
	}
	if (!xml->has_truncated) {
		return xml_fail(xml, -EBADMSG, "IsTruncated is missing");
	}
	if (xml->is_truncated && !*store_get(xml, xml->token)) {
		return xml_fail(xml, -EBADMSG,
				"it is not the last page and names no next one");
	}
	return xml->is_url_encoded ? keys_decode(xml) : 0;
}

const char *s3_xml_problem(const struct s3_xml *xml)
{
	return xml->problem;
}

enum s3_document s3_xml_document(const struct s3_xml *xml)
{
	return xml->document;
}

size_t s3_xml_count(const struct s3_xml *xml)
{
	return xml->n_rows;
}

struct s3_object s3_xml_object(const struct s3_xml *xml, size_t i)
{
	const struct row *row = &xml->rows[i];

	assert(i < xml->n_rows);
	return (struct s3_object){
		.key = store_get(xml, row->key),
		.etag = store_get(xml, row->etag),
		.size = row->size,
		.modified_s = row->modified_s,
	};
}

const char *s3_xml_next_token(const struct s3_xml *xml)
{
	return xml->is_truncated ? store_get(xml, xml->token) : NULL;
}

void s3_xml_get_error(const struct s3_xml *xml, struct s3_error *error)
{
	const struct s3_error *said = &xml->error;

	memcpy(error->code, said->code, sizeof(error->code));
	memcpy(error->message, said->message, sizeof(error->message));
	if (*said->region) {
		memcpy(error->region, said->region, sizeof(error->region));
	}
	if (*said->request_id) {
		memcpy(error->request_id, said->request_id, sizeof(error->request_id));
	}
}
