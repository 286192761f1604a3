/* The network, and what struct remote_ops promises of it: one connection a host, calls
 * as channels of it, a back-off after failures. A call is a packet there and a packet
 * back. Each may be lost, late, cut or doubled; what was sent can arrive long after
 * whoever sent it has given up, or died. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
	CONNECT_TIMEOUT_MS = 10000,
	SILENCE_MS = 45000, /* three keepalives: the connection is dead */
	CHANNELS_MAX = 8,
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 15000,
};

struct flight { /* a call that is out */
	uint64_t id;
	struct remote_call *call;
	LIST_ENTRY(flight) link;
};

struct remote {
	struct sim *sim;
	struct machine *machine;
	uint64_t session; /* of the connection, or of the attempt to make one */
	bool is_connected, is_connecting;
	int64_t retry_at, backoff_ms;
	enum remote_fault fault;
	struct remote_call *first, **last; /* those that wait */
	LIST_HEAD(, flight) flights;
	int n_flights;
	int64_t connects;
};

/* --- packets ---------------------------------------------------------------------- */

void net_drop(struct packet *p)
{
	LIST_REMOVE(p, link);
	free(p->command);
	free(p->args);
	buf_fini(&p->input);
	buf_fini(&p->reply);
	buf_fini(&p->parts[0]);
	buf_fini(&p->parts[1]);
	free(p);
}

void net_fini(struct sim *sim)
{
	struct packet *p;

	while ((p = LIST_FIRST(&sim->packets))) {
		net_drop(p);
	}
}

static struct packet *packet_new(struct machine *m, const char *command,
				 const struct buf *input, uint64_t flight)
{
	struct packet *p = calloc(1, sizeof(*p));

	assert(p);
	p->machine = m;
	p->command = strdup(command);
	p->flight = flight;
	(void)buf_add(&p->input, input->data, input->len);
	LIST_INSERT_HEAD(&m->sim->packets, p, link);
	return p;
}

/* --- giving calls back ------------------------------------------------------------ */

static void serve(struct remote *r);

static void give_back(struct remote *r, struct remote_call *call,
		      enum remote_fault fault)
{
	call->fault = fault;
	if (fault != REMOTE_OK) {
		(void)err_set(&call->error, -ECONNRESET, "host %s: simulated: %s",
			      r->machine->name, remote_fault_name(fault));
	}
	trace(r->sim, "%s back: %s", r->machine->name, remote_fault_name(fault));
	call->done(call);
	daemon_poke(r->sim);
}

static struct remote_call *take_flight(struct remote *r, struct flight *f)
{
	struct remote_call *call = f->call;

	LIST_REMOVE(f, link);
	r->n_flights--;
	free(f);
	return call;
}

static struct remote_call *pop_waiting(struct remote *r)
{
	struct remote_call *call = r->first;

	if (call) {
		r->first = call->next;
		r->last = r->first ? r->last : &r->first;
	}
	return call;
}

static void end_session(struct remote *r, enum remote_fault fault)
{
	struct flight *f;

	r->session = ++r->sim->last_id;
	r->is_connected = r->is_connecting = false;
	while ((f = LIST_FIRST(&r->flights))) {
		give_back(r, take_flight(r, f), fault);
	}
}

static void serve_moment(void *arg, uint64_t session)
{
	struct machine *m = arg;

	if (m->remote && m->remote->session == session) {
		serve(m->remote);
	}
}

void net_break(struct machine *m, const char *why)
{
	struct remote *r = m->remote;

	if (r && (r->is_connected || r->is_connecting)) {
		trace(m->sim, "%s connection lost: %s", m->name, why);
		end_session(r, REMOTE_LOST);
		sim_after(m->sim, 1, serve_moment, m, r->session);
	}
}

/* --- the way back ----------------------------------------------------------------- */

static struct flight *find_flight(struct machine *m, uint64_t id)
{
	struct flight *f = m->remote ? LIST_FIRST(&m->remote->flights) : NULL;

	while (f && f->id != id) {
		f = LIST_NEXT(f, link);
	}
	return f;
}

/* Like an engine that does not look at nonces: any reply of the host will do. */
static void forge_nonce(struct packet *p, const struct remote_call *call)
{
	char *text = p->reply.data;
	const char *verb = strstr(call->command, ".jobfs/bin/");
	char nonce[20] = "";

	if (!verb || sscanf(verb, "%*s %*s %16s", nonce) != 1 || strlen(nonce) != 16) {
		return;
	}
	while (text && (text = strstr(text, p->nonce))) {
		memcpy(text, nonce, 16);
		text += 16; /* it may be the same one */
	}
}

static void arrive_back(void *arg, uint64_t unused)
{
	struct packet *p = arg;
	struct machine *m = p->machine;
	struct flight *f = find_flight(m, p->flight);
	struct remote_call *call;

	(void)unused;
	if (!f && m->sim->options.mutant == MUTANT_ANY_NONCE && m->remote) {
		f = LIST_FIRST(&m->remote->flights);
		if (f) {
			forge_nonce(p, f->call);
		}
	}
	if (!f || m->is_down) {
		net_drop(p);
		return;
	}
	if (m->is_cut) { /* TCP tries again, until the connection is given up */
		sim_after(m->sim, 200, arrive_back, p, 0);
		return;
	}
	call = take_flight(m->remote, f);
	(void)buf_add(&call->output, p->reply.data,
		      p->cut_reply ? p->reply.len / 2 : p->reply.len);
	net_drop(p);
	give_back(m->remote, call, REMOTE_OK);
	serve(m->remote);
}

/* Mutants of the daemon that are played here, between it and the network. */
static void mutate_reply(struct packet *p)
{
	struct sim *sim = p->machine->sim;
	struct attempt *a;
	char name[NAME_MAX_SIM];

	if (sim->options.mutant == MUTANT_LOST_IS_VOID && p->lose_reply &&
	    strstr(p->command, " launch ")) {
		(void)snprintf(name, sizeof(name), "%s",
			       strstr(p->command, p->nonce) +
				       sizeof("0123456789abcdef"));
		name[strcspn(name, " ")] = '\0';
		attempt_get(p->machine, name)->seems_void = true;
	}
	if (sim->options.mutant == MUTANT_EARLY_ACK && p->args) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(p->args, ":"),
			       p->args);
		a = attempt_find(p->machine, name);
		if (a && a->end[0] && !a->plan.has_output) {
			agent_forget(a);
			a->end[0] = a->exit[0] = '\0';
		}
	}
}

void net_reply(struct packet *p)
{
	struct machine *m = p->machine;
	struct dice *d = &m->sim->dice;

	mutate_reply(p);
	if (p->no_reply) {
		net_drop(p);
	} else if (p->lose_reply) {
		if (find_flight(m, p->flight)) {
			net_break(m, "a reply was on its way");
		}
		net_drop(p);
	} else {
		machine_after(m, dice_scale(d, 1, 200), arrive_back, p, 0);
	}
}

/* --- the way there ---------------------------------------------------------------- */

static void arrive(void *arg, uint64_t session)
{
	struct packet *p = arg;
	struct machine *m = p->machine;
	bool is_connected = m->remote && m->remote->session == session;

	if (m->is_down || (m->is_cut && !is_connected)) {
		net_drop(p);
		return;
	}
	if (m->is_cut) {
		sim_after(m->sim, 200, arrive, p, session);
		return;
	}
	p->boot = m->boot;
	agent_execute(p);
}

static void lose_request(void *arg, uint64_t session)
{
	struct machine *m = arg;

	if (m->remote && m->remote->session == session) {
		net_break(m, "a request was on its way");
	}
}

static void draw_fate(struct remote *r, struct packet *p)
{
	const struct faults *f = &r->sim->faults;
	struct dice *d = &r->sim->dice;

	p->noise = dice_chance(d, f->noise);
	p->lose_reply = dice_chance(d, f->lose_reply);
	p->cut_reply = dice_chance(d, f->cut_reply);
	p->no_reply = dice_chance(d, f->no_reply);
	if (dice_chance(d, f->cut_input) && p->input.len > 0) {
		p->input_is_cut = true;
		buf_truncate(&p->input,
			     (size_t)dice_between(d, 0, (int64_t)p->input.len - 1));
	}
}

static void send_packet(struct remote *r, struct packet *p)
{
	const struct faults *f = &r->sim->faults;
	struct machine *m = r->machine;
	struct dice *d = &r->sim->dice;
	int64_t ms = dice_scale(d, 1, 100);
	const char *launch = strstr(p->command, " launch ");
	struct packet *again;

	draw_fate(r, p);
	if (dice_chance(d, f->twice)) {
		again = packet_new(m, p->command, &p->input, 0);
		machine_after(m, dice_scale(d, 1, 600000), arrive, again, 0);
	}
	if (dice_chance(d, f->lose_request)) {
		net_drop(p);
		sim_after(r->sim, ms, lose_request, m, r->session);
	} else if (dice_chance(d, f->late_request + (launch ? f->late_launch : 0))) {
		if (launch) { /* behind it: a nonce, then the attempt */
			user_loses_patience(r->sim, launch + strlen(" launch ") + 17);
		}
		sim_after(r->sim, ms, lose_request, m, r->session);
		machine_after(m, dice_scale(d, 100, 900000), arrive, p, r->session);
	} else {
		if (p->input_is_cut) {
			sim_after(r->sim, ms + 1, lose_request, m, r->session);
		}
		machine_after(m, ms, arrive, p, r->session);
	}
}

static void give_up(void *arg, uint64_t id)
{
	struct machine *m = arg;
	struct flight *f = find_flight(m, id);

	if (f) {
		give_back(m->remote, take_flight(m->remote, f), REMOTE_TIMEOUT);
		serve(m->remote);
	}
}

/* All of the input, as the connection would ask for it. */
static int read_input(struct remote_call *call)
{
	char data[4096];
	ssize_t n = 0;

	while (call->read_more &&
	       (n = call->read_more(call->arg, data, sizeof(data))) > 0) {
		(void)buf_add(&call->input, data, (size_t)n);
	}
	return (int)n;
}

static void start_call(struct remote *r, struct remote_call *call)
{
	struct flight *f = calloc(1, sizeof(*f));

	assert(f);
	if (read_input(call) < 0) {
		free(f);
		give_back(r, call, REMOTE_ABORTED);
		return;
	}
	f->id = ++r->sim->last_id;
	f->call = call;
	LIST_INSERT_HEAD(&r->flights, f, link);
	r->n_flights++;
	trace(r->sim, "%s call: %s", r->machine->name, call->command);
	sim_after(r->sim, call->timeout_ms, give_up, r->machine, f->id);
	send_packet(r, packet_new(r->machine, call->command, &call->input, f->id));
}

/* --- connecting ------------------------------------------------------------------- */

static void fail_connect(struct remote *r, enum remote_fault fault)
{
	struct remote_call *call, *first = r->first;

	r->fault = fault;
	r->backoff_ms = r->backoff_ms ? r->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (r->backoff_ms > BACKOFF_MAX_MS) {
		r->backoff_ms = BACKOFF_MAX_MS;
	}
	r->retry_at = r->sim->now + r->backoff_ms;
	r->session = ++r->sim->last_id;
	r->is_connecting = false;
	r->first = NULL;
	r->last = &r->first;
	while ((call = first)) {
		first = call->next;
		give_back(r, call, fault);
	}
}

static void connect_moment(void *arg, uint64_t session)
{
	struct machine *m = arg;
	struct remote *r = m->remote;

	if (!r || r->session != session) {
		return;
	}
	if (m->is_cut || m->is_down || m->frozen_until > m->sim->now ||
	    dice_chance(&m->sim->dice, m->sim->faults.connect)) {
		fail_connect(r, m->is_down ? REMOTE_REFUSED : REMOTE_UNREACHABLE);
		return;
	}
	r->is_connecting = false;
	r->is_connected = true;
	r->backoff_ms = 0;
	r->connects++;
	trace(m->sim, "%s connected", m->name);
	serve(r);
}

static void connect_now(struct remote *r)
{
	const struct machine *m = r->machine;
	bool hangs = m->is_cut || m->frozen_until > r->sim->now;

	r->is_connecting = true;
	r->session = ++r->sim->last_id;
	sim_after(r->sim,
		  hangs ? CONNECT_TIMEOUT_MS : dice_scale(&r->sim->dice, 5, 500),
		  connect_moment, r->machine, r->session);
}

static bool somebody_insists(const struct remote *r)
{
	for (const struct remote_call *c = r->first; c; c = c->next) {
		if (c->new_connection) {
			return true;
		}
	}
	return false;
}

static void serve(struct remote *r)
{
	struct remote_call *call;

	while (r->is_connected && r->n_flights < CHANNELS_MAX &&
	       (call = pop_waiting(r))) {
		start_call(r, call);
	}
	if (!r->first || r->is_connected || r->is_connecting) {
		return;
	}
	if (r->sim->now >= r->retry_at || somebody_insists(r)) {
		connect_now(r);
		return;
	}
	while ((call = pop_waiting(r))) {
		give_back(r, call, r->fault);
	}
}

static void silence(void *arg, uint64_t session)
{
	struct machine *m = arg;
	bool is_silent = m->is_cut || m->frozen_until > m->sim->now;

	if (m->remote && m->remote->session == session && is_silent) {
		net_break(m, "nothing heard");
	}
}

static void mend(void *arg, uint64_t since)
{
	struct machine *m = arg;

	if (m->is_cut && (uint64_t)m->cut_since == since) {
		m->is_cut = false;
		trace(m->sim, "%s can be reached again", m->name);
	}
}

/* Nothing gets through for so long; the connection may outlive it. */
void net_cut(struct machine *m, int64_t ms)
{
	trace(m->sim, "%s is cut off for %lld ms", m->name, (long long)ms);
	m->is_cut = true;
	m->cut_since = m->sim->now;
	sim_after(m->sim, ms, mend, m, (uint64_t)m->cut_since);
	net_watch(m);
}

void net_watch(struct machine *m)
{
	if (m->remote && m->remote->is_connected) {
		sim_after(m->sim, SILENCE_MS, silence, m, m->remote->session);
	}
}

/* --- the table -------------------------------------------------------------------- */

static int remote_open_sim(void *world, const struct remote_config *config,
			   struct remote **ret_remote, struct err *e)
{
	struct sim *sim = world;
	struct remote *r = calloc(1, sizeof(*r));

	if (!r) {
		return err_set(e, -ENOMEM, "no memory");
	}
	r->sim = sim;
	r->machine = &sim->machines[strtol(config->name + 1, NULL, 10)];
	r->session = ++sim->last_id;
	r->last = &r->first;
	LIST_INIT(&r->flights);
	r->machine->remote = r;
	*ret_remote = r;
	return 0;
}

static void remote_stop_sim(struct remote *r)
{
	(void)r;
}

static struct remote *remote_free_sim(struct remote *r)
{
	struct remote_call *call;

	end_session(r, REMOTE_CANCELLED);
	while ((call = pop_waiting(r))) {
		give_back(r, call, REMOTE_CANCELLED);
	}
	r->machine->remote = NULL;
	free(r);
	return NULL;
}

static void remote_submit_sim(struct remote *r, struct remote_call *call)
{
	bool is_alive = daemon_touch(r->sim);

	call->next = NULL;
	*r->last = call;
	r->last = &call->next;
	if (is_alive) {
		sim_after(r->sim, 0, serve_moment, r->machine, r->session);
	} /* else it stays here until the daemon's grave is closed */
}

static void remote_health_sim(struct remote *r, struct remote_health *ret_health)
{
	*ret_health = (struct remote_health){ .connected = r->is_connected,
					      .connects = r->connects,
					      .sessions = 8 };
}

void net_init(struct sim *sim, struct remote_ops *ret_ops)
{
	LIST_INIT(&sim->packets);
	*ret_ops = (struct remote_ops){ .world = sim,
					.open = remote_open_sim,
					.stop = remote_stop_sim,
					.free = remote_free_sim,
					.submit = remote_submit_sim,
					.get_health = remote_health_sim };
}
