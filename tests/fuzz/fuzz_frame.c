/* Foreign bytes as the answer of an agent: every item lies inside of it, in order, and
 * what is read of an item is whole. The first bytes are not part of it: they are where
 * it is cut, so that every cut of a good answer is tried too. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "job/decide.h"
#include "job/frame.h"
#include "replay.h"

#define NONCE "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct frame_item *item, size_t room)
{
	char text[64];

	memset(text, '#', sizeof(text));
	frame_item_text(item, text, room);
	assert(memchr(text, '\0', room));
	for (size_t i = room; i < sizeof(text); i++) {
		assert(text[i] == '#');
	}
	(void)job_exit_parse(text);
	(void)job_end_parse(text);
}

/* Returns where the item ends. */
static const char *check_item(const struct frame_item *item, const char *from,
			      const char *end)
{
	assert(item->key >= from && item->key + item->key_len <= end);
	assert(item->value >= item->key && item->value + item->value_len <= end);
	assert(item->is_data || !memchr(item->value, '\n', item->value_len));
	assert(frame_item_number(item) >= -1);
	check_text(item, 1);
	check_text(item, 8);
	check_text(item, 64);
	return item->value + item->value_len;
}

static void check_answer(const char *data, size_t size)
{
	struct frame frame;
	struct frame_item item;
	const char *at = data;
	int r = frame_open(data, size, NONCE, &frame);

	if (r < 0) {
		assert(r == -ENOMSG || r == -EBADMSG);
		return;
	}
	assert(memchr(frame.code, '\0', sizeof(frame.code)));
	assert(frame.next >= data && frame.end <= data + size);
	while ((r = frame_next(&frame, &item)) > 0) {
		at = check_item(&item, at, data + size);
	}
	assert(r == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size > 2 ? (size_t)data[0] << 8 | data[1] : 0;

	if (size > 2) {
		data += 2;
		size -= 2;
	}
	check_answer((const char *)data, size);
	check_answer((const char *)data, cut < size ? size - cut : 0);
	return 0;
}
