/* Foreign bytes as a configuration file: it is refused with lines that say where, or
 * taken; what is then shown of it is a configuration that is taken too, and is shown
 * the same. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "memory_file.h"
#include "replay.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "fuzzed-secret";
static const char *const env[] = { "HOME=/home/user", "USER=user",
				   "AWS_ACCESS_KEY_ID=AKFUZZ",
				   "AWS_SECRET_ACCESS_KEY=fuzzed-secret", NULL };

static int load(const uint8_t *data, size_t size, struct conf **ret_conf, struct err *e)
{
	char path[MEMORY_FILE_PATH_MAX];
	int fd = memory_file_open(data, size, path);
	int r = conf_load(path, env, NULL, ret_conf, e);

	(void)close(fd);
	return r;
}

static void check_error(const struct err *e)
{
	assert(e->code < 0 && e->text[0]);
	assert(utf8_is_valid(e->text, strlen(e->text)));
}

/* Without the file's name, which is not the same. */
static const char *behind_file(const struct buf *shown)
{
	const char *text = buf_text(shown), *file = strstr(text, "\"x-file\"");

	return file ? strchr(file, '\n') : text;
}

static void check_shown(const struct conf *conf)
{
	cleanup_buf struct buf shown = BUF_INIT, again = BUF_INIT;
	cleanup_conf struct conf *same = NULL;
	struct err e = ERR_INIT;

	assert(conf_render(conf, &shown) == 0);
	assert(!strstr(buf_text(&shown), secret));
	assert(load((const uint8_t *)shown.data, shown.len, &same, &e) == 0);
	assert(conf_render(same, &again) == 0);
	assert(strcmp(behind_file(&shown), behind_file(&again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_conf struct conf *conf = NULL;
	struct err e = ERR_INIT;

	/* its files are not those of this machine; and the secret is ours alone */
	if (memmem(data, size, "environment_file", strlen("environment_file")) ||
	    memmem(data, size, secret, strlen(secret))) {
		return 0;
	}
	if (load(data, size, &conf, &e) < 0) {
		assert(!conf && !strstr(e.text, secret));
		check_error(&e);
	} else {
		check_shown(conf);
	}
	return 0;
}
