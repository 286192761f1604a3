#include "s3/leaves.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <string.h>

#include <expat.h>

#include "util/buf.h"

enum {
	PATH_BYTES_MAX = 256,  /* of names from the root on: bounds the depth too */
	TEXT_BYTES_MAX = 8192, /* of one element; a key is 3 x 1024 at most */
	FEED_BYTES_MAX = 1 << 20,
};

struct s3_leaves {
	XML_Parser parser;
	s3_leaf_fn *each;
	void *arg;
	struct buf path;
	struct buf text;
	bool has_bytes;
	int failed; /* 0 or a negative errno */
};

static void fail(struct s3_leaves *leaves, int code)
{
	if (leaves->failed == 0) {
		leaves->failed = code;
		(void)XML_StopParser(leaves->parser, XML_FALSE);
	}
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct s3_leaves *leaves = arg;

	(void)attributes;
	(void)buf_add_char(&leaves->path, '/');
	if (buf_add_str(&leaves->path, name) < 0) {
		fail(leaves, leaves->path.error == -EFBIG ? -EBADMSG : -ENOMEM);
	}
	buf_truncate(&leaves->text, 0);
}

static void on_text(void *arg, const XML_Char *text, int len)
{
	struct s3_leaves *leaves = arg;

	if (buf_add(&leaves->text, text, (size_t)len) < 0) {
		fail(leaves, leaves->text.error == -EFBIG ? -EBADMSG : -ENOMEM);
	}
}

static const char *trim(struct buf *text)
{
	const char *start = buf_text(text);

	while (text->len > 0 && strchr(" \t\r\n", text->data[text->len - 1])) {
		buf_truncate(text, text->len - 1);
	}
	return start + strspn(start, " \t\r\n");
}

static void on_end(void *arg, const XML_Char *name)
{
	struct s3_leaves *leaves = arg;

	if (leaves->failed == 0) {
		leaves->each(leaves->arg, buf_text(&leaves->path), trim(&leaves->text));
		buf_truncate(&leaves->path, leaves->path.len - strlen(name) - 1);
		buf_truncate(&leaves->text, 0);
	}
}

/* An entity of the document's own can be made to fill any memory; S3 has none. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
		       const XML_Char *public_id, int has_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_subset;
	fail(arg, -EBADMSG);
}

/* ---- memory: a document of STS holds secrets ---- */

static void wiping_free(void *memory)
{
	if (memory) {
		explicit_bzero(memory, malloc_usable_size(memory));
		free(memory);
	}
}

static void *wiping_realloc(void *memory, size_t size)
{
	void *more = malloc(size);
	size_t have = memory ? malloc_usable_size(memory) : 0;

	if (more && memory) {
		memcpy(more, memory, have < size ? have : size);
		wiping_free(memory);
	}
	return more;
}

static const XML_Memory_Handling_Suite wiping = { malloc, wiping_realloc, wiping_free };

int s3_leaves_new(s3_leaf_fn *each, void *arg, struct s3_leaves **ret_leaves)
{
	cleanup_s3_leaves struct s3_leaves *leaves = calloc(1, sizeof(*leaves));

	if (!leaves) {
		return -ENOMEM;
	}
	leaves->parser = XML_ParserCreate_MM(NULL, &wiping, NULL);
	/* at once: growing would leave copies behind */
	if (!leaves->parser || !buf_reserve(&leaves->text, TEXT_BYTES_MAX)) {
		return -ENOMEM;
	}
	leaves->each = each;
	leaves->arg = arg;
	leaves->path.max = PATH_BYTES_MAX;
	leaves->text.max = TEXT_BYTES_MAX;
	XML_SetUserData(leaves->parser, leaves);
	XML_SetElementHandler(leaves->parser, on_start, on_end);
	XML_SetCharacterDataHandler(leaves->parser, on_text);
	XML_SetStartDoctypeDeclHandler(leaves->parser, on_doctype);
	*ret_leaves = steal_ptr(&leaves);
	return 0;
}

struct s3_leaves *s3_leaves_free(struct s3_leaves *leaves)
{
	if (leaves) {
		if (leaves->parser) {
			XML_ParserFree(leaves->parser);
		}
		buf_fini(&leaves->path);
		buf_wipe(&leaves->text);
		free(leaves);
	}
	return NULL;
}

void s3_leaves_freep(struct s3_leaves **leaves)
{
	*leaves = s3_leaves_free(*leaves);
}

static int parse(struct s3_leaves *leaves, const char *data, size_t len, bool is_last)
{
	enum XML_Status status =
		XML_Parse(leaves->parser, data, (int)len, is_last ? 1 : 0);

	if (leaves->failed == 0 && status != XML_STATUS_OK) {
		leaves->failed = XML_GetErrorCode(leaves->parser) == XML_ERROR_NO_MEMORY
					 ? -ENOMEM
					 : -EBADMSG;
	}
	return leaves->failed;
}

int s3_leaves_feed(struct s3_leaves *leaves, const void *data, size_t len)
{
	const char *at = data;

	leaves->has_bytes |= len > 0;
	while (len > 0 && leaves->failed == 0) { /* expat counts in int */
		size_t n = len < FEED_BYTES_MAX ? len : FEED_BYTES_MAX;

		(void)parse(leaves, at, n, false);
		at += n;
		len -= n;
	}
	return leaves->failed;
}

int s3_leaves_finish(struct s3_leaves *leaves)
{
	if (leaves->failed == 0 && leaves->has_bytes) {
		(void)parse(leaves, "", 0, true);
	}
	return leaves->failed;
}
