#include "job/frame.h"

#include <errno.h>

#include "test.h"

#define NONCE "0123456789abcdef"
#define BEGIN "@@" NONCE " BEGIN\n"
#define END   "@@" NONCE " END OK\n"

static int open_text(const char *text, struct frame *frame)
{
	return frame_open(text, strlen(text), NONCE, frame);
}

TEST("a frame gives its items in order")
{
	struct frame frame;
	struct frame_item item;
	char text[32];

	CHECK_INT(open_text(BEGIN "boot b.1\nflag\nlog 42\n" END, &frame), 0);
	CHECK_STR(frame.code, "OK");
	CHECK(frame_next(&frame, &item) == 1 && frame_item_is(&item, "boot"));
	frame_item_text(&item, text, sizeof(text));
	CHECK_STR(text, "b.1");
	CHECK(frame_next(&frame, &item) == 1 && frame_item_is(&item, "flag"));
	CHECK_INT(item.value_len, 0);
	CHECK(frame_next(&frame, &item) == 1);
	CHECK_INT(frame_item_number(&item), 42);
	CHECK_INT(frame_next(&frame, &item), 0);
}

TEST("noise before the frame is skipped, even without a newline")
{
	struct frame frame;

	CHECK_INT(open_text("Welcome!\nmotd" BEGIN END "bye", &frame), 0);
}

TEST("a data block may hold anything, the frame's own words too")
{
	static const char text[] = BEGIN "data log 30\n" BEGIN "\0\xff..\n\n" END;
	struct frame frame;
	struct frame_item item;

	CHECK_INT(sizeof(BEGIN) - 1, 25);
	CHECK_INT(frame_open(text, sizeof(text) - 1, NONCE, &frame), 0);
	CHECK(frame_next(&frame, &item) == 1 && item.is_data);
	CHECK(frame_item_is(&item, "log"));
	CHECK_INT(item.value_len, 30);
	CHECK_INT(frame_next(&frame, &item), 0);
}

TEST("every prefix of an answer is no answer")
{
	static const char text[] = "motd\n" BEGIN "a b\ndata log 3\nx\ny\n" END;
	struct frame frame;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		CHECK(frame_open(text, n, NONCE, &frame) < 0);
	}
	CHECK_INT(frame_open(text, sizeof(text) - 1, NONCE, &frame), 0);
}

TEST("an answer to another call is no answer")
{
	struct frame frame;

	CHECK_INT(open_text("@@fedcba9876543210 BEGIN\n@@fedcba9876543210 END OK\n",
			    &frame),
		  -ENOMSG);
}

TEST("a data block longer than the frame is malformed")
{
	struct frame frame;

	CHECK_INT(open_text(BEGIN "data log 9999\nabc\n" END, &frame), -EBADMSG);
	CHECK_INT(open_text(BEGIN "data log -1\nabc\n" END, &frame), -EBADMSG);
	CHECK_INT(open_text(BEGIN "data log 99999999999999999999\n\n" END, &frame),
		  -EBADMSG);
	CHECK_INT(open_text(BEGIN "data log\n" END, &frame), -EBADMSG);
}

TEST("a number is all digits or none at all")
{
	static const char *const wrong[] = { "", "-1", "1x", " 1",
					     "9999999999999999999" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct frame_item item = { .value = wrong[i],
					   .value_len = strlen(wrong[i]) };

		CHECK_INT(frame_item_number(&item), -1);
	}
}

TEST_MAIN
