/* How many jobs each user has, for the limits: counted with every record that is
 * published, so that making a job asks one number and not the table of jobs. */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

struct owner {
	uid_t uid;
	int jobs;
	int active; /* of these, not finished */
};

static struct owner *find(const struct engine *e, uid_t uid)
{
	for (size_t i = 0; i < e->n_owners; i++) {
		if (e->owners[i].uid == uid) {
			return &e->owners[i];
		}
	}
	return NULL;
}

static struct owner *add(struct engine *e, uid_t uid)
{
	struct owner *owners =
		reallocarray(e->owners, e->n_owners + 1, sizeof(*owners));

	if (!owners) {
		return NULL;
	}
	e->owners = owners;
	owners[e->n_owners] = (struct owner){ .uid = uid };
	return &owners[e->n_owners++];
}

int owner_count(struct engine *e, const struct job_record *record)
{
	struct owner *owner = find(e, record->uid);

	owner = owner ? owner : add(e, record->uid);
	if (!owner) {
		return -ENOMEM;
	}
	owner->jobs++;
	owner->active += !job_state_is_final(record->state);
	return 0;
}

void owner_discount(struct engine *e, const struct job_record *record)
{
	struct owner *owner = find(e, record->uid);

	if (owner) {
		owner->jobs--;
		owner->active -= !job_state_is_final(record->state);
	}
}

int owner_check(const struct engine *e, uid_t uid)
{
	const struct owner *owner = find(e, uid);
	int jobs = e->conf->limits.user_dirs, active = e->conf->limits.user_jobs;

	if (owner && ((jobs > 0 && owner->jobs >= jobs) ||
		      (active > 0 && owner->active >= active))) {
		return -EDQUOT;
	}
	return 0;
}
