#include "fs/json_out.h"

#include <inttypes.h>

#include "util/clock.h"

static void begin(struct json_out *j, const char *key)
{
	if (j->has_member) {
		(void)buf_add_char(j->out, ',');
	}
	j->has_member = true;
	if (key) {
		(void)buf_add_json_str(j->out, key);
		(void)buf_add_char(j->out, ':');
	}
}

void json_open(struct json_out *j, const char *key, char bracket)
{
	begin(j, key);
	(void)buf_add_char(j->out, bracket);
	j->has_member = false;
}

void json_close(struct json_out *j, char bracket)
{
	(void)buf_add_char(j->out, bracket);
	j->has_member = true;
}

void json_null(struct json_out *j, const char *key)
{
	begin(j, key);
	(void)buf_add_str(j->out, "null");
}

void json_str(struct json_out *j, const char *key, const char *value)
{
	if (!value) {
		json_null(j, key);
		return;
	}
	begin(j, key);
	(void)buf_add_json_str(j->out, value);
}

void json_int(struct json_out *j, const char *key, int64_t value)
{
	begin(j, key);
	(void)buf_printf(j->out, "%" PRId64, value);
}

void json_bool(struct json_out *j, const char *key, bool value)
{
	begin(j, key);
	(void)buf_add_str(j->out, value ? "true" : "false");
}

void json_time(struct json_out *j, const char *key, int64_t wall_ms)
{
	char text[CLOCK_TEXT_MAX];

	if (wall_ms == 0) {
		json_null(j, key);
		return;
	}
	clock_format(wall_ms, text);
	json_str(j, key, text);
}
