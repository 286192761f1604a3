#include "job/spec.h"

#include <string.h>

#include "job/show.h"
#include "util/utf8.h"

enum { NAME_LEN_MAX = 255 }; /* bytes: NAME_MAX */

const char *spec_job_name_problem(const char *name)
{
	size_t len = strlen(name);

	if (len == 0) {
		return "the name of a job must not be empty";
	}
	if (len > NAME_LEN_MAX) {
		return "the name of a job must not be longer than 255 bytes";
	}
	if (name[0] == '.') {
		return "the name of a job must not begin with a dot";
	}
	if (!utf8_is_valid(name, len)) {
		return "the name of a job must be valid UTF-8";
	}
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '/') {
			return "the name of a job must not hold a slash";
		}
		if (show_control_len(name + i, len - i) > 0) {
			return "the name of a job must not hold control characters "
			       "(such as line "
			       "breaks)";
		}
	}
	return NULL;
}
