/* The verbs of src/agent/PROTOCOL.md, at the level of frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/digest.h"
#include "sim.h"
#include "util/clock.h"

/* --- replies ---------------------------------------------------------------------- */

void agent_begin_frame(struct packet *p)
{
	if (p->noise) {
		(void)buf_add_str(&p->reply,
				  "Last login: never\n@@0123 BEGIN\n\001\xff");
	}
	(void)buf_printf(&p->reply, "\n@@%s BEGIN\n", p->nonce);
}

void agent_reply(struct packet *p, const char *code, const char *message)
{
	trace(p->machine->sim, "%s: %s: %s", p->machine->name, p->command, code);
	if (message) {
		(void)buf_printf(&p->reply, "message %s\n", message);
	}
	(void)buf_printf(&p->reply, "@@%s END %s\n", p->nonce, code);
	net_reply(p);
}

static void say_nothing(struct packet *p, const char *noise)
{
	trace(p->machine->sim, "%s: %s: no frame", p->machine->name, p->command);
	(void)buf_add_str(&p->reply, noise);
	net_reply(p);
}

/* What stands behind the secrets; NULL when these are not whole. */
static const char *after_end_line(const struct packet *p)
{
	char end[40];
	const char *found;

	(void)snprintf(end, sizeof(end), "END %s\n", p->nonce);
	found = strstr(buf_text(&p->input), end);
	return found ? found + strlen(end) : NULL;
}

static bool has_end_line(const struct packet *p)
{
	return after_end_line(p) != NULL;
}

/* With a role no host ever gets the daemon's own, and with URLs none at all. */
static void check_secrets(const struct packet *p, const char *name)
{
	const struct attempt *a = attempt_find(p->machine, name);
	const char *text = buf_text(&p->input);

	if (a && strstr(buf_text(&a->payload), "\nENGINE='presigned'") &&
	    strstr(text, "AK ")) {
		violation(p->machine->sim, "%s gets credentials, and has URLs", name);
	}
	if (sim_has_sts(p->machine->sim) && strstr(text, "AK ") && has_end_line(p) &&
	    (strstr(text, "AK simulated") || !strstr(text, "\nXP "))) {
		violation(p->machine->sim, "%s gets the credentials of the daemon",
			  name);
	}
}

void agent_add_claim(struct buf *out, const struct attempt *a)
{
	char boot[32];

	switch (a->seems_void ? CLAIM_VOID : a->claim) {
	case CLAIM_NONE:
		(void)buf_add_str(out, "claim none\n");
		break;
	case CLAIM_VOID:
		(void)buf_add_str(out, "claim void cancel\n");
		break;
	case CLAIM_RUN:
		machine_boot_id(a->machine, a->claim_boot, boot, sizeof(boot));
		(void)buf_printf(out, "claim run %s 77 1 77 %s\n", a->claim_nonce,
				 boot);
		break;
	}
}

/* --- the host's own ----------------------------------------------------------------
 */

static void cmd_probe(struct packet *p)
{
	struct machine *m = p->machine;
	char boot[32];

	if (m->is_full) {
		(void)buf_printf(&p->reply, "storeid %s\n", m->storeid);
		agent_reply(p, "EDISK", "cannot write a file");
		return;
	}
	machine_boot_id(m, m->boot, boot, sizeof(boot));
	(void)buf_printf(&p->reply,
			 "storeid %s\nboot %s\nnow %lld\nuid 1000\nhome /\n"
			 "arch x86_64\nfree_kb 1000000\ndocker none\ncurl 7.88.1\n"
			 "gpus %d\n",
			 m->storeid, boot, (long long)clock_wall_ms() / 1000, m->gpus);
	agent_reply(p, "OK", NULL);
}

static void cmd_aws(struct packet *p)
{
	if (!p->machine->has_cli) {
		agent_reply(p, "ENOAWS", "no AWS CLI");
		return;
	}
	(void)buf_add_str(&p->reply, "path /usr/bin/aws\nversion 2.15.0\n");
	agent_reply(p, "OK", NULL);
}

static void cmd_install(struct packet *p)
{
	p->machine->has_cli = true;
	cmd_aws(p);
}

static void send_agent(struct packet *p)
{
	struct machine *m = p->machine;
	/* the name is the hash of the text, so a part of it gets none */
	if (m->is_full || p->input_is_cut) {
		agent_reply(p, m->is_full ? "EDISK" : "ETRUNC", NULL);
		return;
	}
	m->has_agent = true;
	agent_reply(p, "OK", NULL);
}

static void watch_ends(void *arg, uint64_t has_news)
{
	struct packet *p = arg;

	if (p->boot != p->machine->boot) {
		net_drop(p); /* the shell that slept is gone */
		return;
	}
	(void)buf_add_str(&p->reply, has_news ? "news 1\n" : "");
	agent_reply(p, "OK", NULL);
}

/* What it says is a hint, so it may as well come at any time. */
static void cmd_watch(struct packet *p, const char *seconds)
{
	struct dice *d = &p->machine->sim->dice;

	machine_after(p->machine, dice_between(d, 1, strtoll(seconds, NULL, 10) * 1000),
		      watch_ends, p, dice_chance(d, 500));
}

/* --- put, launch, cancel, upload, ack ----------------------------------------------
 */

static void cmd_put(struct packet *p, const char *name, const char *size)
{
	struct attempt *a = attempt_get(p->machine, name);

	if (a->claim != CLAIM_NONE) {
		agent_reply(p, "OK", NULL);
	} else if (p->machine->is_full) {
		agent_reply(p, "EDISK", "no room");
	} else if ((long long)p->input.len != strtoll(size, NULL, 10)) {
		agent_reply(p, "ETRUNC", "the payload came cut short");
	} else {
		buf_truncate(&a->payload, 0);
		(void)buf_add(&a->payload, p->input.data, p->input.len);
		a->has_payload = true;
		agent_reply(p, "OK", NULL);
	}
}

static bool has_digest(const struct attempt *a, const char *want)
{
	cleanup_s3_digest struct s3_digest *digest = NULL;
	char hex[S3_DIGEST_HEX_SIZE] = "";

	return s3_digest_new(&digest) == 0 &&
	       s3_digest_add(digest, a->payload.data, a->payload.len) == 0 &&
	       s3_digest_hex(digest, hex) == 0 && streq(hex, want);
}

/* URLs that came behind END with the launch; cut short they are none. */
static void take_first_urls(struct packet *p, struct attempt *a, const char *size)
{
	const char *urls = after_end_line(p);

	buf_truncate(&a->want.first, 0);
	if ((long long)strlen(urls) == strtoll(size, NULL, 10)) {
		(void)buf_add(&a->want.first, urls, strlen(urls));
	}
}

static void cmd_launch(struct packet *p, const char *name, const char *sha256,
		       const char *urls_size)
{
	struct attempt *a = attempt_get(p->machine, name);
	bool has_gate = p->machine->sim->options.mutant != MUTANT_NO_GATE;

	if (a->claim != CLAIM_NONE && (has_gate || a->claim == CLAIM_VOID)) {
		agent_add_claim(&p->reply, a);
		agent_reply(p, a->claim == CLAIM_RUN ? "OK" : "VOIDED", NULL);
	} else if (!a->has_payload && a->claim == CLAIM_NONE) {
		agent_reply(p, "ENOPAYLOAD", "there is no payload");
	} else if (!has_digest(a, sha256)) {
		agent_reply(p, "EPAYLOAD", "the payload is not the one announced");
	} else if (!has_end_line(p)) {
		agent_reply(p, "ESTREAM", "the stream ended before END");
	} else if (p->machine->is_full) {
		agent_reply(p, "EDISK", "cannot write the claim");
	} else {
		take_first_urls(p, a, urls_size);
		attempt_claim(a, p->nonce);
		agent_add_claim(&p->reply, a);
		agent_reply(p, "OK", NULL);
	}
}

static void claim_void(struct attempt *a)
{
	if (a->machine->sim->options.mutant != MUTANT_EMPTY_VOID) {
		a->claim = CLAIM_VOID;
	}
}

static void cmd_cancel(struct packet *p, const char *name, const char *grace)
{
	struct attempt *a = attempt_get(p->machine, name);
	if (a->claim == CLAIM_NONE && p->machine->is_full) {
		agent_reply(p, "EDISK", "cannot write the claim");
		return;
	}
	if (a->claim == CLAIM_NONE || a->claim == CLAIM_VOID) {
		claim_void(a);
		ledger_voided(a);
		agent_reply(p, "VOIDED", NULL);
		return;
	}
	if (!a->acked && !a->exit[0]) {
		a->cancel = true;
	}
	if (!a->acked && !a->end[0] && a->claim_boot == p->machine->boot) {
		attempt_kill_tree(a, strtol(grace, NULL, 10) * 1000);
	}
	agent_reply(p, "OK", NULL);
}

static void cmd_signal(struct packet *p, const char *name, const char *signal)
{
	struct attempt *a = attempt_get(p->machine, name);

	if (a->claim != CLAIM_RUN) {
		agent_reply(p, "ENOCLAIM", "never launched");
	} else if (!a->program_lives) {
		agent_reply(p, "ENORUN", "the program does not run");
	} else {
		attempt_signal(a, signal);
		agent_reply(p, "OK", NULL);
	}
}

static void cmd_upload(struct packet *p, const char *name)
{
	struct attempt *a = attempt_get(p->machine, name);
	const char *alive = attempt_alive(a);

	if (a->claim != CLAIM_RUN) {
		agent_reply(p, a->claim == CLAIM_VOID ? "VOIDED" : "ENOCLAIM", NULL);
	} else if (a->acked) {
		agent_reply(p, "EACKED", "already acknowledged");
	} else if (a->end[0] && !has_prefix(a->end, "upload-failed")) {
		agent_reply(p, "OK", NULL);
	} else if (streq(alive, "orphan") && !a->exit[0]) {
		agent_reply(p, "EALIVE", "the program still runs");
	} else if (streq(alive, "1")) {
		agent_reply(p, a->uploader_lives ? "OK" : "EALIVE", "the runner lives");
	} else if (!has_end_line(p)) {
		agent_reply(p, "ESTREAM", "the stream ended before END");
	} else {
		attempt_take_over(a);
		agent_reply(p, "OK", NULL);
	}
}

static void cmd_renew(struct packet *p, const char *name)
{
	if (!has_end_line(p)) {
		agent_reply(p, "ESTREAM", "the stream ended before END");
		return;
	}
	attempt_renew(attempt_get(p->machine, name));
	agent_reply(p, "OK", NULL);
}

static void cmd_urls(struct packet *p, const char *name, const char *n,
		     const char *size)
{
	struct attempt *a = attempt_get(p->machine, name);

	if (urls_take(a, atoi(n), buf_text(&p->input), strtoll(size, NULL, 10))) {
		agent_reply(p, "OK", NULL);
	} else {
		agent_reply(p, "ESTREAM", "the URLs came cut short");
	}
}

static void cmd_manifest(struct packet *p, const char *name)
{
	const struct attempt *a = attempt_get(p->machine, name);
	cleanup_buf struct buf list = BUF_INIT;

	if (!a->is_listed || a->acked) {
		agent_reply(p, "ENOMANIFEST", "the outputs were not listed yet");
		return;
	}
	for (int i = 0; i < a->fate.n_outputs; i++) {
		(void)buf_printf(&list, "%lld out-%d", (long long)a->fate.sizes[i], i);
		(void)buf_add_char(&list, '\0');
	}
	(void)buf_printf(&p->reply, "data manifest %zu\n", list.len);
	(void)buf_add(&p->reply, list.data, list.len);
	(void)buf_add_str(&p->reply, "\ndata skipped 0\n\n");
	agent_reply(p, "OK", NULL);
}

void agent_forget(struct attempt *a)
{
	a->acked = true;
	a->phase = NULL;
	a->cancel = a->timeout = a->is_listed = a->has_payload = false;
	a->wants_keys = false;
	urls_end(a);
	for (int i = 0; i <= INPUTS_MAX; i++) {
		a->xfer[i][0] = '\0';
	}
	a->log_size = a->transfer_size = 0;
}

static void cmd_ack(struct packet *p, const char *name, const char *force)
{
	struct attempt *a = attempt_get(p->machine, name);
	bool is_forced = streq(force, "force");

	if (is_forced && a->claim == CLAIM_NONE) {
		claim_void(a);
	}
	if (!a->acked && a->claim == CLAIM_NONE) {
		agent_reply(p, "ENOCLAIM", "never launched");
		return;
	}
	if (!a->acked && a->claim == CLAIM_RUN) {
		if (streq(attempt_alive(a), "1")) {
			agent_reply(p, "EALIVE", "the runner lives");
			return;
		}
		if (!a->end[0] && !is_forced) {
			agent_reply(p, "ENOEND", "it has no end");
			return;
		}
	}
	agent_forget(a);
	agent_reply(p, "OK", NULL);
}

/* --- which verb ------------------------------------------------------------------- */

struct words {
	const char *hash, *verb, *first, *second, *third;
};

static void run_verb(struct packet *p, const struct words *w)
{
	if (streq(w->verb, "probe")) {
		cmd_probe(p);
	} else if (streq(w->verb, "aws")) {
		cmd_aws(p);
	} else if (streq(w->verb, "install")) {
		cmd_install(p);
	} else if (streq(w->verb, "watch")) {
		cmd_watch(p, w->first);
	} else if (streq(w->verb, "put")) {
		cmd_put(p, w->first, w->second);
	} else if (streq(w->verb, "launch")) {
		check_secrets(p, w->first);
		cmd_launch(p, w->first, w->second, w->third);
	} else if (streq(w->verb, "urls")) {
		cmd_urls(p, w->first, w->second, w->third);
	} else if (streq(w->verb, "cancel")) {
		cmd_cancel(p, w->first, w->second);
	} else if (streq(w->verb, "signal")) {
		cmd_signal(p, w->first, w->second);
	} else if (streq(w->verb, "renew")) {
		check_secrets(p, w->first);
		cmd_renew(p, w->first);
	} else if (streq(w->verb, "upload")) {
		check_secrets(p, w->first);
		cmd_upload(p, w->first);
	} else if (streq(w->verb, "manifest")) {
		cmd_manifest(p, w->first);
	} else if (streq(w->verb, "ack")) {
		cmd_ack(p, w->first, w->second);
	} else {
		agent_reply(p, "EVERB", NULL);
	}
}

static const char *next_word(char **rest)
{
	char *word = strsep(rest, " ");

	return word ? word : "";
}

/* "exec /bin/sh .jobfs/bin/HASH VERB NONCE ARG...", or the command that sends the
 * agent, which has its nonce in "echo @@NONCE BEGIN". */
void agent_execute(struct packet *p)
{
	static const char exec[] = "exec /bin/sh .jobfs/bin/";
	cleanup_free char *copy = strdup(p->command);
	char *rest = copy + strlen(exec);
	const char *mark = strstr(p->command, "@@");
	struct words w;

	if (!has_prefix(p->command, exec)) {
		(void)snprintf(p->nonce, sizeof(p->nonce), "%.16s",
			       mark ? mark + 2 : "");
		p->command[0] = '\0';
		agent_begin_frame(p);
		send_agent(p);
		return;
	}
	w.hash = next_word(&rest);
	w.verb = next_word(&rest);
	(void)snprintf(p->nonce, sizeof(p->nonce), "%s", next_word(&rest));
	if (!p->machine->has_agent) {
		say_nothing(p, "sh: 0: cannot open .jobfs/bin: No such file\n");
		return;
	}
	if (streq(w.verb, "poll")) {
		poll_begin(p, rest ? rest : "");
		return;
	}
	w.first = next_word(&rest);
	w.second = next_word(&rest);
	w.third = next_word(&rest);
	agent_begin_frame(p);
	run_verb(p, &w);
}
