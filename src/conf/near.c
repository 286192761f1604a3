/* What was probably meant by a name that does not exist. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "conf/loader.h"
#include "job/show.h"
#include "util/mem.h"

/* Letters that may differ: in a short name two already make another one. */
static int tolerance(const char *name)
{
	return strlen(name) < 5 ? 1 : 2;
}

const char *conf_nearest_key(const char *prefix, const char *key, char *ret_name)
{
	int best = tolerance(key) + 1;
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		char name[CONF_NAME_MAX];
		size_t len;
		const char *candidate = option_key(o, prefix, &len);
		int distance;

		if (!candidate) {
			continue;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, candidate);
		distance = show_distance(key, name);
		if (distance < best) {
			best = distance;
			memcpy(ret_name, name, sizeof(name));
		}
	}
	return best <= tolerance(key) ? ret_name : NULL;
}

const char *conf_nearest_option(const char *name)
{
	int best = tolerance(name) + 1;
	const char *meant = NULL;
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		int distance =
			option_is_of_host(o) ? INT_MAX : show_distance(name, o->name);

		if (distance < best) {
			best = distance;
			meant = o->name;
		}
	}
	return meant;
}
