#include "fs/request.h"

#include <linux/fuse.h>
#include <string.h>

#include "fs/internal.h"

/* FUSE_UNIQUE_RESEND of kernel 6.9. */
#define RESENT (UINT64_C(1) << 63)

/* A thread serves one at a time, and libfuse hands nothing through. */
static _Thread_local struct {
	uint64_t number;
	bool is_resent;
	uint64_t poll_id;
} current;

void request_begin(const struct fuse_buf *buf)
{
	const char *data = buf->mem;
	struct fuse_in_header header;
	struct fuse_poll_in poll;

	memcpy(&header, data, sizeof(header)); /* it is never shorter */
	current.number = header.unique & ~RESENT;
	current.is_resent = header.unique & RESENT;
	current.poll_id = 0;
	if (header.opcode == FUSE_POLL && buf->size >= sizeof(header) + sizeof(poll)) {
		memcpy(&poll, data + sizeof(header), sizeof(poll));
		current.poll_id = poll.kh;
	}
}

uint64_t request_number(void)
{
	return current.number;
}

bool request_is_resent(void)
{
	return current.is_resent;
}

/* Requests are answered soon, so even of daemons that are killed from outside every
 * moment hardly two have the same one. */
enum { DEATHS_MAX = 5 };

/* Numbers are even, and who is alone with its place keeps it. */
static struct memory_resent *resent_of(struct fs *fs)
{
	return &fs->memory->head->resent[current.number / 2 % MEMORY_RESENT_MAX];
}

bool request_is_given_up(struct fs *fs)
{
	struct memory_resent *resent = resent_of(fs);

	if (!current.is_resent) {
		return false;
	}
	if (resent->number != current.number) {
		resent->times = 0;
		resent->number = current.number;
	}
	return ++resent->times >= DEATHS_MAX;
}

void request_note_patient(struct fs *fs)
{
	struct memory_resent *resent = resent_of(fs);

	if (resent->number == current.number) {
		resent->number = 0;
	}
}

uint64_t request_poll_id(void)
{
	return current.poll_id;
}

bool request_was_done(struct fs *fs, struct store_answer *ret)
{
	const struct store_answer *answer =
		current.is_resent ? memory_find_answer(fs->memory, current.number)
				  : NULL;

	if (answer) {
		*ret = *answer;
	}
	return answer != NULL;
}

int request_was_done_well(struct fs *fs)
{
	struct store_answer answer;

	if (!request_was_done(fs, &answer)) {
		return 0;
	}
	return answer.result < 0 ? answer.result : 1;
}
