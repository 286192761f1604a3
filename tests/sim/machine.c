/* A GPU host: its disk, its boots, and whether anything happens on it. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static void new_store(struct machine *m)
{
	(void)snprintf(m->storeid, sizeof(m->storeid), "%016x%016x", m->index + 1,
		       ++m->store_n);
}

void machine_init(struct sim *sim, struct machine *m, int index)
{
	*m = (struct machine){ .sim = sim, .index = index, .boot = 1 };
	(void)snprintf(m->name, sizeof(m->name), "h%d", index);
	m->slots = (int)dice_between(&sim->dice, 1, 4);
	m->gpus = (int)dice_between(&sim->dice, 0, 4);
	m->has_cli = dice_chance(&sim->dice, 700);
	LIST_INIT(&m->attempts);
	new_store(m);
}

void machine_fini(struct machine *m)
{
	struct attempt *a;

	while ((a = LIST_FIRST(&m->attempts))) {
		(void)attempt_free(a);
	}
}

void machine_boot_id(const struct machine *m, int boot, char *ret_text, size_t size)
{
	(void)snprintf(ret_text, size, "boot-%d-%d.1", m->index, boot);
}

static void come_up(void *arg, uint64_t boot)
{
	struct machine *m = arg;

	if (m->is_down && (uint64_t)m->boot == boot) {
		m->is_down = false;
		trace(m->sim, "%s is up again", m->name);
	}
}

void machine_reboot(struct machine *m, bool with_wipe)
{
	struct attempt *a;

	trace(m->sim, "%s %s", m->name,
	      with_wipe ? "is installed anew" : "loses power");
	m->boot++;
	m->is_down = true;
	LIST_FOREACH(a, &m->attempts, link)
	{
		attempt_die(a, with_wipe);
	}
	m->frozen_until = 0;
	if (with_wipe) {
		m->has_agent = m->has_cli = m->is_full = false;
		new_store(m);
	}
	net_break(m, "the host lost power");
	sim_after(m->sim, dice_scale(&m->sim->dice, 2000, 120000), come_up, m,
		  (uint64_t)m->boot);
}

/* All of it stops, as a machine does that is suspended, or whose disk hangs. */
void machine_freeze(struct machine *m, int64_t ms)
{
	struct attempt *a;

	trace(m->sim, "%s is frozen for %lld ms", m->name, (long long)ms);
	LIST_FOREACH(a, &m->attempts, link)
	{
		if (a->program_lives) {
			a->frozen_ms += ms;
		}
	}
	m->frozen_at = m->sim->now;
	m->frozen_until = m->sim->now + ms;
	net_watch(m);
}
