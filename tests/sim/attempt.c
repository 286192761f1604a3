/* The life of an attempt on its host: the runner (or an uploader in its place) carries
 * it through download, run and upload; the inner wrapper waits for the program and
 * writes its exit; each of them can be killed at any moment and leaves what is on the
 * disk. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/record.h"
#include "sim.h"

enum stage {
	STAGE_UNPACK,
	STAGE_DOWNLOADED,
	STAGE_START,
	STAGE_EXEC,
	STAGE_AFTER_EXIT,
	STAGE_UPLOAD,
	STAGE_TAKE_OVER,
};
enum { STAGE_BITS = 3 };

/* --- names and plans -------------------------------------------------------------- */

/* Every attempt of a job writes the same files, of the same sizes. */
static void draw_outputs(struct fate *f, uint64_t seed, const char *name)
{
	char key[NAME_MAX_SIM];
	struct dice d;

	(void)snprintf(key, sizeof(key), "outputs %.*s", JOB_KEY_LEN, name);
	d = dice_of(seed, key);
	f->n_outputs = (int)dice_between(&d, 0, OUTPUTS_MAX);
	for (int i = 0; i < f->n_outputs; i++) {
		f->sizes[i] = dice_scale(&d, 1, 1 << 26) - 1; /* none comes in parts */
	}
}

static struct fate draw_fate(uint64_t seed, const char *name)
{
	struct dice d = dice_of(seed, name);
	struct fate f = { .run_ms = dice_scale(&d, 5, 60000),
			  .log_bytes = dice_scale(&d, 1, 20000),
			  .term_ms = dice_scale(&d, 1, 5000) };
	static const int codes[] = { 1, 1, 1, 1, 2, 127, 137, 139, 255 };

	if (dice_chance(&d, 350)) {
		f.code = codes[dice_between(&d, 0, ARRAY_SIZE(codes) - 1)];
	}
	if (dice_chance(&d, 200)) {
		f.log_bytes = 0;
	}
	f.on_term = dice_chance(&d, 600)   ? TERM_DIES
		    : dice_chance(&d, 500) ? TERM_TRAPS
					   : TERM_IGNORED;
	f.trap_code = dice_chance(&d, 500) ? 0 : 3;
	draw_outputs(&f, seed, name);
	return f;
}

struct attempt *attempt_find(struct machine *m, const char *name)
{
	struct attempt *a;

	LIST_FOREACH(a, &m->attempts, link)
	{
		if (!a->is_wiped && streq(a->name, name)) {
			return a;
		}
	}
	return NULL;
}

struct attempt *attempt_get(struct machine *m, const char *name)
{
	struct attempt *a = attempt_find(m, name);

	if (a) {
		return a;
	}
	a = calloc(1, sizeof(*a));
	assert(a);
	a->machine = m;
	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	a->fate = draw_fate(m->sim->options.seed, name);
	a->true_code = -1;
	LIST_INSERT_HEAD(&m->attempts, a, link);
	return a;
}

struct attempt *attempt_free(struct attempt *a)
{
	LIST_REMOVE(a, link);
	buf_fini(&a->payload);
	buf_fini(&a->want.first);
	buf_fini(&a->want.batch);
	free(a);
	return NULL;
}

/* The rest of the line that begins with `begin`, out of the quotes. */
static const char *find_line(const char *text, const char *begin, char *ret,
			     size_t size)
{
	const char *p = strstr(text, begin);
	size_t n;

	ret[0] = '\0';
	if (!p) {
		return NULL;
	}
	p += strlen(begin);
	n = strcspn(p, "'");
	(void)snprintf(ret, size, "%.*s", (int)n, p);
	return p + n;
}

bool attempt_read_plan(struct attempt *a)
{
	const char *text = buf_text(&a->payload), *p = text;
	struct plan *plan = &a->plan;
	char word[256], gpus[64];

	if (!has_prefix(text, "jobfs 1 ")) {
		return false;
	}
	*plan = (struct plan){ .n_inputs = 0 };
	(void)find_line(text, "\nRUN_LIMIT='", word, sizeof(word));
	plan->run_limit_ms = strtol(word, NULL, 10) * 1000;
	(void)find_line(text, "\nGRACE='", word, sizeof(word));
	plan->grace_ms = strtol(word, NULL, 10) * 1000;
	(void)find_line(text, "\nGPUS='", gpus, sizeof(gpus));
	for (char *g = gpus; *g; g += strcspn(g, ","), g += *g == ',') {
		plan->gpus |= UINT64_C(1) << strtol(g, NULL, 10);
	}
	(void)find_line(text, "\nENGINE='", word, sizeof(word));
	plan->is_presigned = streq(word, "presigned");
	(void)find_line(text, "\nDEST='s3://", plan->destination,
			sizeof(plan->destination));
	plan->has_output = plan->destination[0] != '\0';
	while (plan->n_inputs < INPUTS_MAX && (p = strstr(p, "\ninput '"))) {
		p = find_line(p, " 's3://", plan->inputs[plan->n_inputs++],
			      sizeof(plan->inputs[0]));
	}
	a->is_planned = true;
	return true;
}

/* --- what is written -------------------------------------------------------------- */

char attempt_log_byte(const struct attempt *a, int64_t offset)
{
	unsigned salt = (unsigned char)a->name[0] + 7u * (unsigned char)a->name[3] +
			3u * (unsigned char)a->name[strlen(a->name) - 1];
	unsigned i = (unsigned)offset;

	return (char)(i % 61 == 60 ? '\n'
				   : 'a' + (salt + i * 7 + i / 61 + i / 997) % 26);
}

int64_t attempt_printed(const struct attempt *a)
{
	const struct machine *m = a->machine;
	int64_t ran = m->sim->now - a->started_at - a->frozen_ms;

	if (!a->program_lives) {
		return a->printed;
	}
	if (m->frozen_until > m->sim->now) { /* frozen_ms has all of it already */
		ran += m->frozen_until - m->sim->now;
	}
	ran = ran < 0 ? 0 : ran > a->fate.run_ms ? a->fate.run_ms : ran;
	return a->fate.log_bytes * ran / a->fate.run_ms;
}

/* A result waits in memory until the disk takes it; a reserve makes that rare. */
static void settle(char *file, size_t size, const char *text)
{
	if (!file[0]) {
		(void)snprintf(file, size, "%s", text);
	}
}

static void set_exit(struct attempt *a, const char *text)
{
	if (a->machine->sim->options.mutant == MUTANT_SECOND_WRITER) {
		a->exit[0] = '\0';
	}
	if (!a->exit[0]) {
		trace(a->machine->sim, "%s %s: exit: %s", a->machine->name, a->name,
		      text);
		a->ended_before_cancel = !a->cancel;
	}
	settle(a->exit, sizeof(a->exit), text);
}

static void finish(struct attempt *a, const char *text)
{
	if (a->cancel && !a->exit[0]) {
		text = "cancelled";
	}
	a->phase = "end";
	settle(a->end, sizeof(a->end), text);
	a->runner_lives = a->uploader_lives = a->wants_keys = false;
	a->carrier++;
	a->kill_at = 0;
	urls_end(a);
	trace(a->machine->sim, "%s %s: end: %s", a->machine->name, a->name, a->end);
}

/* --- the program ------------------------------------------------------------------ */

static void carrier_moment(void *arg, uint64_t tag);

static void carry(struct attempt *a, enum stage stage, int64_t ms)
{
	machine_after(a->machine, ms, carrier_moment, a,
		      a->carrier << STAGE_BITS | (uint64_t)stage);
}

bool attempt_is_carried(const struct attempt *a)
{
	return a->runner_lives || a->uploader_lives;
}

/* The inner wrapper heard of the end, or the runner saw that nobody will tell. */
static void note_exit(void *arg, uint64_t tag)
{
	struct attempt *a = arg;
	char text[32];

	if (tag != a->program || a->program_lives) {
		return;
	}
	if (a->inner_lives) {
		a->inner_lives = false;
		(void)snprintf(text, sizeof(text), "exit %d", a->true_code);
		set_exit(a, text);
	} else if (a->runner_lives && !a->exit[0]) {
		set_exit(a, "lost inner-killed");
	}
	if (a->runner_lives && a->exit[0]) {
		carry(a, STAGE_AFTER_EXIT, dice_between(&a->machine->sim->dice, 1, 50));
	}
}

static void end_program(struct attempt *a, int code)
{
	struct dice *d = &a->machine->sim->dice;

	a->log_size = a->printed = attempt_printed(a);
	a->program_lives = false;
	a->stopped_at = a->machine->sim->now;
	a->true_code = code;
	a->program++;
	a->kill_at = 0;
	trace(a->machine->sim, "%s %s: program ended with %d", a->machine->name,
	      a->name, code);
	machine_after(a->machine, dice_between(d, 1, a->inner_lives ? 5 : 1000),
		      note_exit, a, a->program);
}

static void program_ends(void *arg, uint64_t tag)
{
	struct attempt *a = arg;

	if (tag == a->program && a->program_lives) {
		a->frozen_ms = 0; /* what it had to print is printed */
		end_program(a, a->fate.code);
	}
}

static void trap_ends(void *arg, uint64_t tag)
{
	struct attempt *a = arg;

	if (tag == a->program && a->program_lives) {
		end_program(a, a->fate.on_term == TERM_TRAPS ? a->fate.trap_code : 143);
	}
}

static void kill_program(void *arg, uint64_t tag)
{
	struct attempt *a = arg;

	if (tag == a->killer && a->program_lives) {
		end_program(a, 137);
	}
}

static void time_out(void *arg, uint64_t tag)
{
	struct attempt *a = arg;

	if (tag == a->program && a->program_lives && !a->exit[0]) {
		trace(a->machine->sim, "%s %s: the run limit", a->machine->name,
		      a->name);
		a->timeout = a->timed_out = true;
		attempt_kill_tree(a, a->plan.grace_ms);
	}
}

static void terminate(struct attempt *a)
{
	a->is_terminated = true;
	if (a->fate.on_term != TERM_IGNORED) {
		machine_after(a->machine, a->fate.term_ms, trap_ends, a, a->program);
	}
}

void attempt_signal(struct attempt *a, const char *name)
{
	const struct user_job *j = user_find(a->machine->sim, a->name);

	if (!streq(name, "term")) {
		return;
	}
	if (!j || !j->term_asked) {
		violation(a->machine->sim, "%s gets a TERM that nobody asked for",
			  a->name);
	}
	if (!a->is_terminated) {
		terminate(a);
	}
}

/* TERM now, KILL after the grace; what starts meanwhile gets both as well. */
void attempt_kill_tree(struct attempt *a, int64_t grace_ms)
{
	int64_t now = a->machine->sim->now;

	if (a->kill_at && a->kill_at <= now + grace_ms) {
		return;
	}
	a->kill_at = now + grace_ms;
	a->killer++;
	if (a->program_lives && !a->is_terminated && grace_ms > 0) {
		terminate(a);
	}
	if (a->program_lives) {
		machine_after(a->machine, grace_ms, kill_program, a, a->killer);
	}
	if (a->phase && streq(a->phase, "download") && attempt_is_carried(a)) {
		urls_end(a);
		a->carrier++; /* the transfers end at once, and with them the wait */
		carry(a, STAGE_DOWNLOADED, 30);
	}
}

static void start_program(struct attempt *a)
{
	struct sim *sim = a->machine->sim;

	a->starts++;
	ledger_start(a);
	if (a->program_lives) {
		return; /* a second start beside the first: the ledger knows */
	}
	a->started_at = sim->now;
	a->inner_lives = a->program_lives = true;
	a->program++;
	machine_after(a->machine, a->fate.run_ms, program_ends, a, a->program);
	if (a->plan.run_limit_ms) {
		machine_after(a->machine, a->plan.run_limit_ms, time_out, a,
			      a->program);
	}
	if (a->kill_at) {
		int64_t left = a->kill_at - sim->now;

		if (left > 0) {
			terminate(a);
		}
		machine_after(a->machine, left > 0 ? left : 20, kill_program, a,
			      a->killer);
	}
}

/* --- stages of the runner --------------------------------------------------------- */

static int n_download_failures(struct attempt *a)
{
	int failures = 0;

	for (int i = 0; i < a->plan.n_inputs; i++) {
		int code = a->cancel ? 143
				     : bucket_get(a->machine->sim, a->plan.inputs[i]);

		a->transfer_size += 40;
		(void)snprintf(a->xfer[i], sizeof(a->xfer[i]),
			       code ? "fail %d 0" : "ok %d", code ? code : 1);
		failures += code != 0;
	}
	return failures;
}

static void unpack(struct attempt *a)
{
	struct dice *d = &a->machine->sim->dice;

	a->has_payload = false;
	if (!attempt_read_plan(a)) {
		finish(a, "payload-failed unknown format");
		return;
	}
	if (a->plan.n_inputs == 0) {
		carry(a, STAGE_START, 1);
		return;
	}
	a->phase = "download";
	for (int i = 0; i < a->plan.n_inputs; i++) {
		(void)snprintf(a->xfer[i], sizeof(a->xfer[i]), "run");
	}
	if (!a->plan.is_presigned) {
		carry(a, STAGE_DOWNLOADED, dice_scale(d, 5, 60000));
		return;
	}
	urls_want(a, "download");
	if (a->want.first.len > 0) {
		(void)urls_take(a, a->want.n, buf_text(&a->want.first),
				(int64_t)a->want.first.len);
	}
}

void attempt_downloaded(struct attempt *a, bool is_whole)
{
	for (int i = 0; i < a->plan.n_inputs; i++) {
		(void)snprintf(a->xfer[i], sizeof(a->xfer[i]),
			       a->want.has[i] ? "ok 1" : "fail 22 0");
	}
	if (is_whole) {
		carry(a, STAGE_START, 1);
		return;
	}
	a->download_failed = true;
	finish(a, "download-failed");
}

static void list_outputs(struct attempt *a)
{
	if (!a->plan.has_output) {
		finish(a, "ok");
		return;
	}
	a->phase = "upload";
	a->is_listed = true;
	a->next_output = 0;
	if (a->fate.n_outputs == 0) {
		finish(a, "ok");
		return;
	}
	(void)snprintf(a->xfer[INPUTS_MAX], sizeof(a->xfer[0]), "run");
	a->transfer_size += 60;
	if (a->plan.is_presigned) {
		urls_want(a, "upload");
		return;
	}
	if (sim_has_sts(a->machine->sim) && dice_chance(&a->machine->sim->dice, 400)) {
		a->wants_keys = true;
		return;
	}
	carry(a, STAGE_UPLOAD, dice_scale(&a->machine->sim->dice, 5, 20000));
}

void attempt_renew(struct attempt *a)
{
	if (a->wants_keys && attempt_is_carried(a)) {
		a->wants_keys = false;
		carry(a, STAGE_UPLOAD, dice_scale(&a->machine->sim->dice, 5, 20000));
	}
}

void attempt_uploaded(struct attempt *a, int code)
{
	char text[32] = "ok";

	a->upload_failed |= code != 0;
	(void)snprintf(a->xfer[INPUTS_MAX], sizeof(a->xfer[0]),
		       code ? "fail %d 0" : "ok %d", code);
	if (code) {
		(void)snprintf(text, sizeof(text), "upload-failed %d", code);
	}
	finish(a, text);
}

static void upload_next(struct attempt *a)
{
	struct sim *sim = a->machine->sim;
	char key[400];
	bool is_lost;
	int code;

	(void)snprintf(key, sizeof(key), "%sout-%d", a->plan.destination,
		       a->next_output);
	code = bucket_put(sim, key, a->fate.sizes[a->next_output], a->name, &is_lost);
	a->upload_failed |= is_lost;
	if (!code && ++a->next_output < a->fate.n_outputs) {
		carry(a, STAGE_UPLOAD, dice_scale(&sim->dice, 5, 2000));
	} else {
		attempt_uploaded(a, code);
	}
}

static bool may_have_run(const struct attempt *a)
{
	return a->phase && (streq(a->phase, "run") || streq(a->phase, "upload") ||
			    streq(a->phase, "end"));
}

static void take_over(struct attempt *a)
{
	bool is_rebooted = a->claim_boot != a->machine->boot;
	const char *why = is_rebooted ? "rebooted" : "runner-killed";
	char text[64];

	if (has_prefix(a->end, "upload-failed")) {
		a->end[0] = '\0';
	}
	if (!may_have_run(a)) {
		(void)snprintf(text, sizeof(text), "lost %s", why);
		finish(a, text);
		return;
	}
	(void)snprintf(text, sizeof(text), "lost %s", why);
	if (!a->exit[0] || a->machine->sim->options.mutant == MUTANT_SECOND_WRITER) {
		set_exit(a, text);
	}
	list_outputs(a);
}

static void carrier_moment(void *arg, uint64_t tag)
{
	struct attempt *a = arg;

	if (tag >> STAGE_BITS != a->carrier || !attempt_is_carried(a)) {
		return;
	}
	switch ((enum stage)(tag & ((1 << STAGE_BITS) - 1))) {
	case STAGE_UNPACK:
		unpack(a);
		break;
	case STAGE_DOWNLOADED:
		if (n_download_failures(a) > 0) {
			a->download_failed = true;
			finish(a, "download-failed");
		} else {
			carry(a, STAGE_START, 1);
		}
		break;
	case STAGE_START:
		if (a->cancel) {
			finish(a, "cancelled");
			break;
		}
		a->phase = "run";
		carry(a, STAGE_EXEC, dice_between(&a->machine->sim->dice, 1, 10));
		break;
	case STAGE_EXEC:
		start_program(a);
		break;
	case STAGE_AFTER_EXIT:
		list_outputs(a);
		break;
	case STAGE_UPLOAD:
		upload_next(a);
		break;
	case STAGE_TAKE_OVER:
		take_over(a);
		break;
	}
}

void attempt_claim(struct attempt *a, const char *nonce)
{
	a->claim = CLAIM_RUN;
	a->claim_boot = a->machine->boot;
	(void)snprintf(a->claim_nonce, sizeof(a->claim_nonce), "%s", nonce);
	a->runner_lives = true;
	a->carrier++;
	trace(a->machine->sim, "%s %s: claimed", a->machine->name, a->name);
	carry(a, STAGE_UNPACK, dice_between(&a->machine->sim->dice, 5, 50));
}

void attempt_take_over(struct attempt *a)
{
	a->uploader_lives = true;
	a->carrier++;
	carry(a, STAGE_TAKE_OVER, dice_between(&a->machine->sim->dice, 1, 20));
}

/* --- death ------------------------------------------------------------------------ */

void attempt_kill_runner(struct attempt *a)
{
	a->was_hurt = true;
	a->runner_lives = a->uploader_lives = a->wants_keys = false;
	a->carrier++;
	trace(a->machine->sim, "%s %s: runner killed", a->machine->name, a->name);
}

void attempt_kill_inner(struct attempt *a, bool with_program)
{
	struct dice *d = &a->machine->sim->dice;

	a->was_hurt = true;
	a->inner_lives = false;
	trace(a->machine->sim, "%s %s: inner wrapper killed%s", a->machine->name,
	      a->name, with_program ? ", and its program" : "");
	if (with_program && a->program_lives) {
		end_program(a, 137);
		a->true_code = -1;
	} else if (!a->program_lives) {
		machine_after(a->machine, dice_between(d, 1, 1000), note_exit, a,
			      a->program);
	}
}

/* A power cut may take what was printed last; claim, exit and end were synced. */
void attempt_die(struct attempt *a, bool with_files)
{
	struct dice *d = &a->machine->sim->dice;

	a->is_wiped |= with_files;
	if (!attempt_is_carried(a) && !a->inner_lives && !a->program_lives) {
		return;
	}
	a->was_hurt = true;
	a->log_size = attempt_printed(a);
	if (a->program_lives) {
		a->printed = a->log_size;
		a->stopped_at = a->machine->sim->now;
		if (dice_chance(d, 300)) {
			a->log_size = dice_between(d, 0, a->log_size);
		}
	}
	a->runner_lives = a->uploader_lives = a->inner_lives = a->program_lives = false;
	a->wants_keys = false;
	urls_worker_dies(a);
	a->kill_at = 0;
	a->carrier++;
	a->program++;
	a->killer++;
}

const char *attempt_alive(const struct attempt *a)
{
	if (a->end[0]) {
		return "done";
	}
	if (a->claim != CLAIM_RUN) {
		return "0";
	}
	if (attempt_is_carried(a)) {
		return "1";
	}
	if (a->claim_boot != a->machine->boot) {
		return a->machine->sim->options.mutant == MUTANT_SAME_BOOT ? "1"
									   : "rebooted";
	}
	return a->program_lives || a->inner_lives ? "orphan" : "0";
}
