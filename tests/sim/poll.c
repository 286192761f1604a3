/* The verb `poll`. It looks at one file after the other, and much happens in between:
 * first who lives, then the results, then the sizes of the logs. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "util/clock.h"

enum { FIRST, SECOND, LOGS };

static struct attempt *find_polled(struct machine *m, const char *spec)
{
	char name[NAME_MAX_SIM];

	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec, ":"), spec);
	return attempt_find(m, name);
}

static void add_alive(struct buf *out, const struct attempt *a)
{
	agent_add_claim(out, a);
	(void)buf_printf(out, "alive %s\n", attempt_alive(a));
}

static void add_transfer(struct buf *out, const char *name, const char *text)
{
	if (text[0]) {
		(void)buf_printf(out, "xfer %s %s%s\n", name, text,
				 streq(text, "run") ? " 0" : "");
	}
}

static void add_results(struct buf *out, const struct attempt *a)
{
	if (a->claim == CLAIM_RUN && !a->acked) {
		(void)buf_printf(out, "phase %s\n", a->phase ? a->phase : "prepare");
	}
	(void)buf_add_str(out, a->cancel ? "cancel 1\n" : "");
	(void)buf_add_str(out, a->timeout ? "timeout run\n" : "");
	for (int i = 0; i < INPUTS_MAX; i++) {
		add_transfer(out, (const char[]){ (char)('0' + i), '\0' }, a->xfer[i]);
	}
	add_transfer(out, "out", a->xfer[INPUTS_MAX]);
	(void)buf_add_str(out, a->wants_keys ? "keys 1\n" : "");
	urls_add_want(out, a);
	if (a->exit[0]) {
		(void)buf_printf(out, "exit %s\n", a->exit);
	}
	if (a->end[0]) {
		(void)buf_printf(out, "end %s\n", a->end);
	}
	if (a->most_printed > 0) { /* whether the spec has checkpoints or not */
		(void)buf_printf(out, "checkpoint %lld 17 1 %s\n",
				 (long long)(a->most_printed / 100 + 1),
				 a->most_printed % 2 ? "ok" : "failed");
	}
}

static void add_log(struct buf *out, const struct attempt *a, int64_t offset,
		    int64_t size, int64_t max)
{
	int64_t n = size - offset < max ? size - offset : max;
	char *data;

	if (n <= 0) {
		return;
	}
	(void)buf_printf(out, "data log %lld\n", (long long)n);
	data = buf_reserve(out, (size_t)n);
	for (int64_t i = 0; data && i < n; i++) {
		data[i] = attempt_log_byte(a, offset + i);
	}
	out->len += (size_t)n;
	(void)buf_add_char(out, '\n');
}

static void add_transfer_log(struct buf *out, int64_t offset, int64_t size)
{
	if (size <= offset) {
		return;
	}
	(void)buf_printf(out, "data tlog %lld\n", (long long)(size - offset));
	for (; offset < size; offset++) {
		(void)buf_add_char(out, (char)('A' + offset % 26));
	}
	(void)buf_add_char(out, '\n');
}

/* Metrics are every second byte of the log. */
static void add_metrics(struct buf *out, const struct attempt *a, int64_t offset,
			int64_t size, int64_t max)
{
	int64_t n = size - offset < max ? size - offset : max;

	(void)buf_printf(out, "metrics %lld\n", (long long)size);
	if (n <= 0) {
		return;
	}
	(void)buf_printf(out, "data metrics %lld\n", (long long)n);
	for (int64_t i = 0; i < n; i++) {
		(void)buf_add_char(out, attempt_log_byte(a, 2 * (offset + i)));
	}
	(void)buf_add_char(out, '\n');
}

/* spec: ATT:LOGOFF:TLOGOFF:MAX[:METRICSOFF] */
static void add_logs(struct buf *out, struct attempt *a, const char *spec)
{
	int64_t size = a->program_lives ? attempt_printed(a) : a->log_size;
	char *end;
	int64_t offset = strtoll(strchr(spec, ':') + 1, &end, 10);
	int64_t transfer_offset = strtoll(end + 1, &end, 10);
	int64_t max = strtoll(end + 1, &end, 10);

	a->most_printed = a->most_printed > size ? a->most_printed : size;
	if (a->machine->sim->options.mutant == MUTANT_LOG_OFFSET && offset > 0) {
		offset--;
	}
	(void)buf_printf(out, "log %lld\ntlog %lld\n", (long long)size,
			 (long long)a->transfer_size);
	add_log(out, a, offset, size, max);
	add_transfer_log(out, transfer_offset, a->transfer_size);
	if (*end == ':') {
		add_metrics(out, a, strtoll(end + 1, NULL, 10), size / 2, max);
	}
}

/* One part an attempt, ended by a NUL. */
static void read_parts(struct packet *p, struct buf *out,
		       void (*add)(struct buf *, const struct attempt *))
{
	char *copy = strdup(p->args), *rest = copy, *spec;

	while ((spec = strsep(&rest, " "))) {
		const struct attempt *a = find_polled(p->machine, spec);

		if (a) {
			add(out, a);
		}
		(void)buf_add_char(out, '\0');
	}
	free(copy);
}

static void finish(struct packet *p)
{
	struct machine *m = p->machine;
	const char *alive = buf_text(&p->parts[0]), *results = buf_text(&p->parts[1]);
	char *copy = strdup(p->args), *rest = copy, *spec, boot[32];

	agent_begin_frame(p);
	machine_boot_id(m, m->boot, boot, sizeof(boot));
	(void)buf_printf(&p->reply, "now %lld\nboot %s\nstoreid %s\n",
			 (long long)clock_wall_ms() / 1000, boot, m->storeid);
	while ((spec = strsep(&rest, " "))) {
		struct attempt *a = find_polled(m, spec);

		(void)buf_printf(&p->reply, "attempt %.*s\n", (int)strcspn(spec, ":"),
				 spec);
		(void)buf_add_str(&p->reply, *alive ? alive : "claim none\nalive 0\n");
		(void)buf_add_str(&p->reply, results);
		if (a) {
			add_logs(&p->reply, a, spec);
		} else {
			(void)buf_add_str(&p->reply, "log 0\ntlog 0\n");
		}
		alive += strlen(alive) + 1;
		results += strlen(results) + 1;
	}
	free(copy);
	agent_reply(p, "OK", NULL);
}

static void read_alive(struct packet *p)
{
	read_parts(p, &p->parts[0], add_alive);
}

static void read_results(struct packet *p)
{
	read_parts(p, &p->parts[1], add_results);
}

static void take_stage(void *arg, uint64_t stage)
{
	struct packet *p = arg;
	bool is_wrong = p->machine->sim->options.mutant == MUTANT_RESULTS_FIRST;

	if (p->boot != p->machine->boot) {
		net_drop(p); /* the shell that ran it is gone */
		return;
	}
	if (stage == FIRST) {
		(is_wrong ? read_results : read_alive)(p);
	} else if (stage == SECOND) {
		(is_wrong ? read_alive : read_results)(p);
	} else {
		finish(p);
		return;
	}
	machine_after(p->machine, dice_scale(&p->machine->sim->dice, 1, 40), take_stage,
		      p, stage + 1);
}

void poll_begin(struct packet *p, const char *args)
{
	p->args = strdup(args);
	take_stage(p, FIRST);
}
