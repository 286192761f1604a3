/* A binary heap of moments. */
#include <assert.h>
#include <stdlib.h>

#include "sim.h"

static bool is_before(const struct moment *a, const struct moment *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct timeline *t, struct moment m)
{
	size_t i = t->n++;

	if (t->n > t->capacity) {
		t->capacity = t->capacity ? t->capacity * 2 : 256;
		t->heap = realloc(t->heap, t->capacity * sizeof(*t->heap));
		assert(t->heap);
	}
	m.order = t->n_made++;
	for (; i > 0 && is_before(&m, &t->heap[(i - 1) / 2]); i = (i - 1) / 2) {
		t->heap[i] = t->heap[(i - 1) / 2];
	}
	t->heap[i] = m;
}

static struct moment pop(struct timeline *t)
{
	struct moment first = t->heap[0], last = t->heap[--t->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < t->n) {
		if (child + 1 < t->n &&
		    is_before(&t->heap[child + 1], &t->heap[child])) {
			child++;
		}
		if (!is_before(&t->heap[child], &last)) {
			break;
		}
		t->heap[i] = t->heap[child];
		i = child;
	}
	t->heap[i] = last;
	return first;
}

void timeline_fini(struct timeline *t)
{
	free(t->heap);
}

void sim_after(struct sim *sim, int64_t ms, moment_fn *run, void *arg, uint64_t tag)
{
	push(&sim->timeline,
	     (struct moment){
		     .at = sim->now + ms, .run = run, .arg = arg, .tag = tag });
}

void machine_after(struct machine *m, int64_t ms, moment_fn *run, void *arg,
		   uint64_t tag)
{
	push(&m->sim->timeline, (struct moment){ .at = m->sim->now + ms,
						 .run = run,
						 .arg = arg,
						 .tag = tag,
						 .where = m });
}

bool sim_advance(struct sim *sim, int64_t until)
{
	struct timeline *t = &sim->timeline;
	struct moment m;

	if (t->n == 0 || t->heap[0].at > until) {
		return false;
	}
	m = pop(t);
	sim->now = m.at > sim->now ? m.at : sim->now;
	if (m.where && m.where->frozen_until > sim->now) {
		m.at = m.where->frozen_until;
		push(t, m);
		return true;
	}
	sim->steps++;
	m.run(m.arg, m.tag);
	return true;
}
