/* The pool: which address and connection a call goes to, when connections are made, and health. One coarse timer serves it all. */
#include "common/http/upstream.h"

#include <stdlib.h>

#include "common/core/id.h"
#include "common/core/log.h"

enum {
	TICK_MS = 25,
	HOPELESS_MS = 10000, /* away longer than this: calls no longer wait for it */
	TOGETHER_MAX = 32, /* calls of one turn kept on one connection, to share its write */
	PROBE_MS = 2000,
	SICK_AFTER = 2,
	IN_FLIGHT_FIRST = 1024,
	SLOW_START_MS = 10000, /* an address that is back has a tenth of its share at first, the whole one then */
	SLOW_START_LEAST_MS = SLOW_START_MS / 10
};

static bool has_room(const struct channel *ch, const struct upstream_config *config)
{
	return ch->state == CHANNEL_UP && !ch->retires && ch->in_flight < config->pipeline_max;
}

/* Within an address: the connection that will be written in this turn anyway, else the least loaded. */
static struct channel *best_channel(const struct upstream_address *a)
{
	const struct upstream_config *config = &a->upstream->config;
	struct channel *best = NULL;
	for (unsigned i = 0; i < config->connections; i++) {
		struct channel *ch = a->channels[i];
		if (!has_room(ch, config)) continue;
		if (ch->unsent_count > 0 && ch->unsent_count < TOGETHER_MAX) return ch;
		if (!best || ch->in_flight < best->in_flight) best = ch;
	}
	return best;
}

void address_back(struct upstream_address *a)
{
	if (a->upstream->config.address_count > 1) a->warm_at_ms = loop_now_ms(a->upstream->loop) + SLOW_START_MS;
}

/* What it has to do, as those see it who have their whole share. */
static unsigned load_of(struct upstream_address *a, int64_t now_ms)
{
	int64_t since_ms = SLOW_START_MS - (a->warm_at_ms - now_ms);
	if (!a->warm_at_ms || since_ms >= SLOW_START_MS) {
		a->warm_at_ms = 0;
		return a->in_flight;
	}
	if (since_ms < SLOW_START_LEAST_MS) since_ms = SLOW_START_LEAST_MS;
	return (unsigned)((a->in_flight + 1) * SLOW_START_MS / since_ms) - 1;
}

/* The address with the least to do, in turns when several have as little; one on trial comes first, or it would never end. */
static struct channel *choose(struct upstream *u)
{
	struct channel *best = NULL;
	unsigned least = 0, count = u->config.address_count, first = count > 1 ? u->turn++ % count : 0;
	int64_t now_ms = loop_now_ms(u->loop);
	for (unsigned i = 0; i < count; i++) {
		struct upstream_address *a = &u->addresses[(first + i) % count];
		bool trial = a->health.state != BREAKER_CLOSED;
		unsigned load = load_of(a, now_ms);
		if (a->sick || (best && least <= load && !trial)) continue;
		if (!health_allows(&a->health, now_ms)) continue;
		struct channel *ch = best_channel(a);
		if (!ch) continue;
		if (trial) return ch;
		best = ch;
		least = load;
	}
	return best;
}

struct channel *upstream_elsewhere(struct upstream *u, const struct upstream_address *not_there)
{
	struct channel *best = NULL;
	for (unsigned i = 0; i < u->config.address_count; i++) {
		struct upstream_address *a = &u->addresses[i];
		if (a == not_there || a->sick || a->health.state != BREAKER_CLOSED) continue;
		struct channel *ch = best_channel(a);
		if (ch && (!best || ch->in_flight < best->in_flight)) best = ch;
	}
	return best;
}

bool upstream_usable(const struct upstream *u)
{
	for (unsigned i = 0; i < u->config.address_count; i++) {
		const struct upstream_address *a = &u->addresses[i];
		for (unsigned k = 0; k < u->config.connections && !a->sick; k++)
			if (a->channels[k]->state == CHANNEL_UP) return true;
	}
	return false;
}

/* May an address be back soon? Not when all have been away for long. */
bool upstream_has_hope(const struct upstream *u)
{
	int64_t now_ms = loop_now_ms(u->loop);
	if (now_ms - u->born_ms < HOPELESS_MS || upstream_usable(u)) return true;
	for (unsigned i = 0; i < u->config.address_count; i++)
		if (u->addresses[i].last_well_ms && now_ms - u->addresses[i].last_well_ms < HOPELESS_MS) return true;
	return false;
}

static void give(struct channel *ch, struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	call->trial = health_begin(&ch->address->health);
	call->given_ms = loop_now_ms(u->loop);
	if (!call->tries) retry_budget_sent(&u->budget, call->given_ms);
	if (call->hedged) hedge_plan(call);
	channel_add(ch, call);
}

static void assign(struct upstream *u)
{
	struct upstream_call *call;
	admission_shed(u, loop_now_ms(u->loop));
	while ((call = waiting_next(u)) && admission_has_room(u, call->priority)) {
		struct channel *ch = choose(u);
		if (!ch) return;
		waiting_remove(u, call);
		give(ch, call);
	}
}

static void on_send_task(struct loop_task *task)
{
	struct upstream *u = CONTAINER_OF(task, struct upstream, send_task);
	if (u->freed) return;
	assign(u);
	for (unsigned i = 0; i < u->config.address_count; i++)
		for (unsigned k = 0; k < u->config.connections; k++) channel_flush(u->addresses[i].channels[k]);
}

static void on_probe(void *arg, enum err status, const struct http_reply *reply)
{
	struct upstream_address *a = arg;
	bool is_well = status == ERR_NONE && reply->status < 400;
	a->probing = false;
	a->sick_count = is_well ? 0 : a->sick_count + 1;
	bool is_sick = a->sick_count >= SICK_AFTER;
	if (is_sick == a->sick) return;
	if (!is_sick && !upstream_usable(a->upstream)) admission_back(a->upstream);
	a->sick = is_sick;
	if (is_well) address_back(a);
	log_line(is_well ? LOG_INFO : LOG_WARN, is_well ? "upstream is well again" : "upstream is ill", "%.*s at %.*s",
	    STR_FMT(a->upstream->config.name), STR_FMT(a->text));
	if (is_well) loop_push(a->upstream->loop, PHASE_UPSTREAM, &a->upstream->send_task);
}

void upstream_name_call(struct upstream *u, struct upstream_call *call)
{
	unsigned char number[4];
	uint32_t id = ++u->last_id;
	for (unsigned i = 0; i < sizeof number; i++) number[i] = (unsigned char)(id >> (24 - 8 * i));
	id_hex(number, sizeof number, call->id);
}

/* The name of the call goes before the head's last line. */
static void write_request(struct upstream_call *call, struct str head, struct str body)
{
	struct upstream *u = call->upstream;
	if (u->config.any_order) {
		upstream_name_call(u, call);
		buf_str(&call->request, str_span(head.p, head.n - 2));
		BUF_LIT(&call->request, CALL_FIELD ": ");
		buf_append(&call->request, call->id, sizeof call->id);
		BUF_LIT(&call->request, "\r\n\r\n");
	} else {
		buf_str(&call->request, head);
	}
	buf_str(&call->request, body);
}

static void probe(struct upstream_address *a, int64_t now_ms)
{
	struct upstream *u = a->upstream;
	if (!u->config.health_interval_ms || a->probing || now_ms - a->probed_ms < u->config.health_interval_ms) return;
	if (a->in_flight && !a->sick) return; /* its answers speak for it */
	struct channel *ch = best_channel(a);
	if (!ch) return;
	a->probed_ms = now_ms;
	a->probing = true;
	struct upstream_call *call = call_new(u);
	call->done = on_probe;
	call->arg = a;
	call->probe = true;
	call->deadline_ms = now_ms + PROBE_MS;
	if (call->deadline_ms < u->next_deadline_ms) u->next_deadline_ms = call->deadline_ms;
	struct buf head;
	buf_init(&head, 1024);
	BUF_LIT(&head, "GET ");
	buf_str(&head, u->config.health_path);
	BUF_LIT(&head, " HTTP/1.1\r\nHost: health\r\n\r\n");
	write_request(call, buf_view(&head), STR_NONE);
	buf_free(&head);
	channel_add(ch, call);
}

static bool all_up(const struct upstream *u)
{
	for (unsigned i = 0; i < u->config.address_count; i++)
		for (unsigned k = 0; k < u->config.connections; k++)
			if (u->addresses[i].channels[k]->state != CHANNEL_UP) return false;
	return true;
}

void upstream_pace(struct upstream *u)
{
	int64_t pace_ms = u->live_count || !all_up(u) ? TICK_MS : u->config.health_interval_ms;
	if (pace_ms == u->tick_ms) return;
	u->tick_ms = pace_ms;
	if (pace_ms) {
		timer_start(u->tick, pace_ms, pace_ms);
	} else {
		timer_stop(u->tick); /* nothing to watch: sleep */
	}
}

static void on_tick(void *arg)
{
	struct upstream *u = arg;
	int64_t now_ms = loop_now_ms(u->loop);
	calls_check_deadlines(u, now_ms);
	admission_shed(u, now_ms);
	for (unsigned i = 0; i < u->config.address_count; i++) {
		for (unsigned k = 0; k < u->config.connections; k++) channel_check(u->addresses[i].channels[k], now_ms);
		probe(&u->addresses[i], now_ms);
	}
	upstream_pace(u);
}

static struct upstream_config with_defaults(const struct upstream_config *given)
{
	struct upstream_config c = *given;
	if (!c.connections) c.connections = 2;
	if (!c.pipeline_max) c.pipeline_max = c.any_order ? 2048 : 512;
	if (!c.reply_bytes_max) c.reply_bytes_max = 8 * 1024 * 1024;
	if (!c.in_flight_min) c.in_flight_min = 32;
	if (!c.queue_max) c.queue_max = 4096;
	if (c.connect_timeout_ms <= 0) c.connect_timeout_ms = 1000;
	if (!c.health_path.n) c.health_interval_ms = 0;
	return c;
}

static struct str keep(struct str s)
{
	char *p = malloc(s.n + 1);
	CHECK(p != NULL);
	if (s.n) memcpy(p, s.p, s.n);
	return str_span(p, s.n);
}

static void drop(struct str s)
{
	union {
		const char *in;
		char *out;
	} cast = { s.p };
	free(cast.out);
}

static void on_free_task(struct loop_task *task)
{
	struct upstream *u = CONTAINER_OF(task, struct upstream, free_task);
	for (struct list *item; (item = list_shift(&u->spare));)
		call_free(CONTAINER_OF(item, struct upstream_call, link));
	for (unsigned i = 0; i < u->config.address_count; i++) {
		drop(u->addresses[i].text);
		free(u->addresses[i].channels);
	}
	drop(u->config.name);
	drop(u->config.health_path);
	free(u->addresses);
	free(u);
}

static void address_init(struct upstream *u, unsigned index, struct str text)
{
	struct upstream_address *a = &u->addresses[index];
	a->upstream = u;
	a->text = keep(text);
	a->channels = calloc(u->config.connections, sizeof *a->channels);
	CHECK(a->channels != NULL);
	for (unsigned k = 0; k < u->config.connections; k++) {
		a->channels[k] = channel_new(a);
		channel_connect(a->channels[k]);
	}
}

static void open_capacity(struct upstream *u)
{
	const struct upstream_config *c = &u->config;
	unsigned most = c->connections * c->address_count * c->pipeline_max;
	unsigned least = c->fixed || most < c->in_flight_min ? most : c->in_flight_min;
	if (least < 2) least = 2;
	if (most < least) most = least;
	unsigned first = most < IN_FLIGHT_FIRST ? most : IN_FLIGHT_FIRST;
	capacity_init(&u->capacity, least, first < least ? least : first, most);
}

struct upstream *upstream_new(struct loop *l, const struct upstream_config *config)
{
	struct upstream *u = calloc(1, sizeof *u);
	CHECK(u != NULL && config->address_count > 0);
	u->loop = l;
	u->config = with_defaults(config);
	u->config.name = keep(config->name);
	u->config.health_path = keep(config->health_path);
	u->config.addresses = NULL;
	u->next_deadline_ms = INT64_MAX;
	u->born_ms = loop_now_ms(l);
	u->send_task.run = on_send_task;
	u->done_task.run = calls_deliver;
	u->free_task.run = on_free_task;
	waiting_init(&u->waiting);
	open_capacity(u);
	list_init(&u->done);
	list_init(&u->live);
	list_init(&u->spare);
	u->tick = timer_new(l, on_tick, u);
	u->addresses = calloc(config->address_count, sizeof *u->addresses);
	CHECK(u->addresses != NULL);
	for (unsigned i = 0; i < config->address_count; i++) address_init(u, i, config->addresses[i]);
	upstream_pace(u);
	return u;
}

void upstream_free(struct upstream *u)
{
	if (!u || u->freed) return;
	u->freed = true;
	timer_free(u->tick);
	for (unsigned i = 0; i < u->config.address_count; i++)
		for (unsigned k = 0; k < u->config.connections; k++) channel_free(u->addresses[i].channels[k]);
	for (struct list *i; (i = list_first(&u->live));) {
		struct upstream_call *call = CONTAINER_OF(i, struct upstream_call, live);
		upstream_done *done = call->done;
		list_remove(&call->link);
		call->done = NULL;
		if (done && !call->probe) done(call->arg, ERR_ABORTED, NULL);
		call_forget(call);
	}
	/* Tasks of ours may be queued: the memory goes when all of them have run. */
	loop_push(u->loop, PHASE_LAST, &u->free_task);
}

/* Where a new call may go at once; NULL: it has to wait, unless *why says that it may not. */
static struct channel *find_place(struct upstream *u, enum call_priority priority, enum err *why)
{
	bool goes = admission_is_first(u, priority) && admission_has_room(u, priority);
	struct channel *ch = goes ? choose(u) : NULL;
	*why = ERR_NONE;
	if (ch) return ch;
	if (u->waiting.count >= u->config.queue_max)
		*why = ERR_BUSY;
	else if (!upstream_has_hope(u) || admission_is_refused(u))
		*why = ERR_SAFE_RETRY_LATER;
	else if (!admission_may_wait(u, priority))
		*why = ERR_REDUCED_CAPACITY;
	return NULL;
}

enum err upstream_send_as(struct upstream *u, struct call_kind kind, struct str head, struct str body,
    bool head_request, bool safe, int64_t deadline_ms, upstream_done *done, void *arg, struct upstream_call **out)
{
	enum err why;
	*out = NULL;
	CHECK(done != NULL && !u->freed);
	struct channel *ch = find_place(u, kind.priority, &why);
	if (why) return why;
	struct upstream_call *call = call_new(u);
	write_request(call, head, body);
	call->done = done;
	call->arg = arg;
	call->priority = kind.priority;
	call->base = kind.base;
	call->head_request = head_request;
	call->safe = safe;
	call->hedged = kind.hedged && safe && !body.n && u->config.address_count > 1;
	call->deadline_ms = deadline_ms;
	if (deadline_ms < u->next_deadline_ms) u->next_deadline_ms = deadline_ms;
	if (ch) {
		give(ch, call);
	} else {
		call_wait(call);
	}
	if (u->tick_ms != TICK_MS) upstream_pace(u);
	*out = call;
	return ERR_NONE;
}

enum err upstream_send(struct upstream *u, struct str head, struct str body, bool head_request, bool safe,
    int64_t deadline_ms, upstream_done *done, void *arg, struct upstream_call **out)
{
	struct call_kind kind = { CALL_NORMAL, NULL, false };
	return upstream_send_as(u, kind, head, body, head_request, safe, deadline_ms, done, arg, out);
}

struct upstream_stats upstream_stats(const struct upstream *u)
{
	struct upstream_stats stats = u->stats;
	stats.queued = u->waiting.count;
	stats.limit = capacity_limit(&u->capacity);
	for (unsigned i = 0; i < u->config.address_count; i++) {
		stats.in_flight += u->addresses[i].in_flight;
		stats.open += u->addresses[i].health.state != BREAKER_CLOSED;
		for (unsigned k = 0; k < u->config.connections; k++)
			if (u->addresses[i].channels[k]->state == CHANNEL_UP) stats.connections++;
	}
	return stats;
}
