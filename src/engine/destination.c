/* The places that jobs write their outputs to: two jobs that are under way must not
 * share one, or neither could be believed. */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"
#include "util/hash.h"

enum { BUCKETS_MIN = 64 };

static struct job **bucket_of(struct job **buckets, size_t n, const struct job *job)
{
	return &buckets[hash_text(job->run->destination) & (n - 1)];
}

static int grow(struct engine *e)
{
	size_t n = e->n_destinations ? e->n_destinations * 2 : BUCKETS_MIN;
	struct job **buckets;

	if (e->n_with_destination < e->n_destinations) {
		return 0;
	}
	buckets = calloc(n, sizeof(struct job *));
	if (!buckets) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < e->n_destinations; i++) {
		struct job *next;

		for (struct job *job = e->destinations[i]; job; job = next) {
			struct job **bucket = bucket_of(buckets, n, job);

			next = job->destination_next;
			job->destination_next = *bucket;
			*bucket = job;
		}
	}
	free(e->destinations);
	e->destinations = buckets;
	e->n_destinations = n;
	return 0;
}

int destination_add(struct engine *e, struct job *job)
{
	struct job **bucket;

	if (!job->run->destination) {
		return 0;
	}
	if (grow(e) < 0) {
		return -ENOMEM;
	}
	bucket = bucket_of(e->destinations, e->n_destinations, job);
	job->destination_next = *bucket;
	*bucket = job;
	e->n_with_destination++;
	return 0;
}

void destination_remove(struct engine *e, struct job *job)
{
	struct job **p;

	if (!job->run->destination || e->n_destinations == 0) {
		return;
	}
	p = bucket_of(e->destinations, e->n_destinations, job);
	while (*p && *p != job) {
		p = &(*p)->destination_next;
	}
	if (*p) {
		*p = job->destination_next;
		e->n_with_destination--;
	}
}

struct job *destination_find_checkpoints(const struct engine *e, const struct job *job)
{
	const char *uri = job->run->checkpoints;

	if (!uri || job->run->spec->is_dry_run) {
		return NULL;
	}
	for (size_t i = 0; i < e->n_jobs; i++) { /* few jobs have any */
		struct job *other = e->jobs[i];

		if (other == job || !other->run || other->run->spec->is_dry_run ||
		    job_state_is_final(job_get(other)->state)) {
			continue;
		}
		if ((other->run->checkpoints && streq(other->run->checkpoints, uri)) ||
		    (other->run->destination && streq(other->run->destination, uri))) {
			return other;
		}
	}
	return NULL;
}

struct job *destination_find_other(const struct engine *e, const struct job *job)
{
	struct job *other;

	if (!job->run->destination || job->run->spec->is_dry_run ||
	    e->n_destinations == 0) {
		return NULL;
	}
	other = *bucket_of(e->destinations, e->n_destinations, job);
	while (other && (other == job || other->run->spec->is_dry_run ||
			 job_state_is_final(job_get(other)->state) ||
			 !streq(other->run->destination, job->run->destination))) {
		other = other->destination_next;
	}
	return other;
}

struct job *destination_find_any(const struct engine *e, const struct job *job)
{
	struct job *other = destination_find_other(e, job);

	return other ? other : destination_find_checkpoints(e, job);
}
