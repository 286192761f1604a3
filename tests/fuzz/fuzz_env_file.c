/* Foreign bytes as a file of variables: it is refused with lines that say where, or
 * taken, and then every line is NAME=VALUE. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "conf/env_file.h"
#include "memory_file.h"
#include "replay.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const struct env_file *file)
{
	assert(file->lines);
	for (size_t i = 0; file->lines[i]; i++) {
		const char *equals = strchr(file->lines[i], '=');

		assert(equals && equals > file->lines[i]);
		for (const char *c = file->lines[i]; c < equals; c++) {
			assert(*c > ' ' && *c < 0x7f);
		}
	}
}

static void check_problems(const struct buf *problems, const char *path)
{
	const char *line = buf_text(problems), *end;

	assert(*line);
	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert(end && has_prefix(line, path));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct env_file file = { .text = NULL };
	cleanup_buf struct buf problems = BUF_INIT;
	char path[MEMORY_FILE_PATH_MAX];
	int fd = memory_file_open(data, size, path);
	int r = env_file_read(path, &file, &problems);

	(void)close(fd);
	assert(r == 0 || r == -EINVAL);
	if (r == 0) {
		assert(problems.len == 0);
		check_lines(&file);
	} else {
		check_problems(&problems, path);
	}
	env_file_fini(&file);
	return 0;
}
