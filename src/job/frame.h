/* Answers of the remote agent: frames in a stream that may begin with anything
 * (src/agent/PROTOCOL.md). Pure: foreign bytes in, items out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { FRAME_NONCE_LEN = 16, FRAME_CODE_MAX = 32 };

struct frame {
	const char *next; /* the first item that was not read yet; borrowed */
	const char *end;  /* of the items */
	char code[FRAME_CODE_MAX];
};

struct frame_item {
	const char *key; /* borrowed, key_len bytes, not NUL-terminated */
	size_t key_len;
	const char *value; /* the rest of the line, or the bytes of a data block */
	size_t value_len;
	int is_data; /* key is the block's name */
};

/* Finds the frame with this nonce. 0; -ENOMSG: there is none (no BEGIN line: the agent
 * did not run); -EBADMSG: it is cut or malformed. */
int frame_open(const char *data, size_t len, const char *nonce,
	       struct frame *ret_frame);
/* 1: *ret_item is the next item; 0: there is no more. */
int frame_next(struct frame *frame, struct frame_item *ret_item);

int frame_item_is(const struct frame_item *item, const char *key);
/* A non-negative decimal number that is the whole value, or -1. */
int64_t frame_item_number(const struct frame_item *item);
/* Copies the value as text, cut to size. */
void frame_item_text(const struct frame_item *item, char *ret_text, size_t size);
