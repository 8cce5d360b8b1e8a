/*
 * One link is one connection; it carries one call from its request to the end of its answer, lends the answer's memory while `done`
 * runs, and then waits a little for the next. Replies are read by reply.c, which knows them as those of a channel and a call.
 */
#include "common/http/origin.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "common/http/upstream.h"

enum {
	TICK_MS = 50,
	REQUEST_BYTES_MAX = STREAM_PENDING_MAX,
	ARENA_FIRST_BYTES = 4096,
	HEAD_BYTES_MAX = 256 * 1024,
	ADDRESS_BYTES = 128, /* more than a Unix socket's path may have */
};

enum link_state { LINK_CONNECTING, LINK_BUSY, LINK_TELLING, LINK_IDLE, LINK_GONE };

struct origin_address {
	char text[ADDRESS_BYTES];
	size_t n;
};

struct origin_link {
	struct list link; /* in origin->links or ->idle */
	struct origin *origin;
	struct stream *stream; /* NULL once gone */
	struct origin_call *call;
	enum link_state state;
	bool spoiled; /* not to be used again */
	struct origin_address to;
	int64_t since_ms;
	struct channel reader; /* reply.c's view: what is being read */
	struct upstream_call reply;
};

struct origin_call {
	struct list link; /* in origin->waiting or ->done; alone while on a connection */
	struct list live;
	struct origin *origin;
	struct origin_link *on;
	struct buf request;
	bool head_request;
	unsigned tries; /* of addresses, from first_address on: others that connect meanwhile take none of them away */
	unsigned first_address;
	int64_t deadline_ms;
	enum err status;
	upstream_done *done;
	void (*interim)(void *arg, int status, struct http_fields fields);
	void *arg;
};

struct origin {
	struct loop *loop;
	struct origin_config config;
	struct upstream shape; /* for reply.c: its limits */
	struct origin_address *addresses;
	unsigned address_count; /* 0: none is known yet, and calls wait */
	unsigned next_address;
	struct list links; /* connecting, busy or telling */
	struct list idle; /* newest last */
	struct list live;
	struct list waiting;
	struct list done;
	unsigned link_count;
	unsigned idle_count;
	unsigned waiting_count;
	struct timer *tick;
	bool ticking;
	bool freed;
	struct loop_task done_task;
	struct loop_task free_task;
	struct origin_stats stats;
};

/* ── calls ── */

static void call_end(struct origin_call *call)
{
	list_remove(&call->link);
	list_remove(&call->live);
	buf_free(&call->request);
	free(call);
}

/* Will be told from PHASE_RUN. */
static void call_done(struct origin_call *call, enum err status)
{
	struct origin *o = call->origin;
	call->status = status;
	if (status) o->stats.failed++;
	list_remove(&call->link);
	list_push(&o->done, &call->link);
	loop_push(o->loop, PHASE_RUN, &o->done_task);
}

/* ── links ── */

static void link_release(struct origin_link *k)
{
	struct origin *o = k->origin;
	list_remove(&k->link);
	arena_release(&k->reply.arena);
	buf_free(&k->reply.raw);
	buf_free(&k->reply.body);
	wire_free(k->reader.wire);
	free(k);
	o->link_count--;
	if (o->freed && !o->link_count) loop_push(o->loop, PHASE_LAST, &o->free_task);
}

static void link_close(struct origin_link *k)
{
	if (k->state == LINK_IDLE) k->origin->idle_count--;
	k->state = LINK_GONE;
	if (k->stream)
		stream_abort(k->stream); /* link_release follows from on_closed */
	else
		link_release(k);
}

static void forget_reply(struct origin_link *k)
{
	arena_reset(&k->reply.arena);
	buf_reset(&k->reply.raw);
	buf_reset(&k->reply.body);
	k->reply.reply = (struct http_reply){ 0 };
}

static void give_work(struct origin *o);

static void link_rest(struct origin_link *k)
{
	struct origin *o = k->origin;
	k->call = NULL;
	forget_reply(k);
	if (k->spoiled || !k->stream || o->freed || o->idle_count >= o->config.idle_max) {
		link_close(k);
	} else {
		k->state = LINK_IDLE;
		k->since_ms = loop_now_ms(o->loop);
		list_remove(&k->link);
		list_push(&o->idle, &k->link);
		o->idle_count++;
	}
	if (!o->freed) give_work(o);
}

/* The call has its answer, or never will. */
static void link_tell(struct origin_link *k, enum err status)
{
	struct origin_call *call = k->call;
	k->state = LINK_TELLING;
	if (status) k->spoiled = true;
	if (call)
		call_done(call, status);
	else
		link_rest(k);
}

static void on_interim(void *arg, int status, struct http_fields fields)
{
	struct origin_link *k = arg;
	if (k->call && k->call->interim) k->call->interim(k->call->arg, status, fields);
}

static void connect_elsewhere(struct origin *o, struct origin_call *call);

static void link_send(struct origin_link *k, struct origin_call *call)
{
	struct origin *o = k->origin;
	struct str request = buf_view(&call->request);
	k->call = call;
	k->state = LINK_BUSY;
	call->on = k;
	reply_begin(&k->reader);
	k->reader.interim = 0;
	k->reader.retires = false;
	k->reply.head_request = call->head_request;
	if (stream_write(k->stream, &request, 1) == ERR_NONE) {
		o->stats.sent++;
		buf_free(&call->request); /* it is never sent twice */
		return;
	}
	k->call = NULL; /* not a byte of it has left */
	link_close(k);
	connect_elsewhere(o, call);
}

static void on_data(void *arg, struct str bytes)
{
	struct origin_link *k = arg;
	if (k->state != LINK_BUSY) {
		k->spoiled = true; /* nobody asked */
		if (k->state != LINK_GONE) k->origin->stats.spoiled++;
		if (k->state == LINK_IDLE) link_close(k);
		return;
	}
	while (bytes.n && k->state == LINK_BUSY) {
		enum reply_step step = reply_step(&k->reader, &bytes);
		if (step == REPLY_BROKEN) {
			log_line(LOG_WARN, "origin broke the protocol", "%.*s", STR_FMT(k->origin->config.name));
			link_tell(k, ERR_BAD_UPSTREAM);
			return;
		}
		if (step != REPLY_DONE) continue;
		if (bytes.n) k->origin->stats.spoiled++;
		if (bytes.n || k->reader.retires) k->spoiled = true;
		link_tell(k, ERR_NONE);
	}
}

static void on_end(void *arg)
{
	struct origin_link *k = arg;
	k->spoiled = true;
	if (k->state == LINK_IDLE) link_close(k);
	if (k->state == LINK_BUSY) link_tell(k, reply_ends_with_connection(&k->reader) ? ERR_NONE : ERR_CLOSED);
}

static void on_closed(void *arg, enum err why)
{
	struct origin_link *k = arg;
	(void)why;
	k->stream = NULL;
	if (k->state == LINK_BUSY) {
		k->spoiled = true;
		link_tell(k, ERR_CLOSED);
		return;
	}
	if (k->state == LINK_IDLE || k->state == LINK_GONE) {
		if (k->state == LINK_IDLE) k->origin->idle_count--;
		link_release(k);
	}
	/* telling: link_rest sees that the stream is gone; connecting: on_connected has gone on */
}

static const struct stream_events events = { on_data, on_end, NULL, on_closed };

static bool link_connect(struct origin *o, struct origin_call *call);

/* No address left: the request was not sent anywhere. */
static void connect_elsewhere(struct origin *o, struct origin_call *call)
{
	call->on = NULL;
	while (call->tries < o->address_count)
		if (link_connect(o, call)) return;
	call_done(call, ERR_SAFE_RETRY_LATER);
}

static void on_connected(void *arg, enum err status)
{
	struct origin_link *k = arg;
	struct origin_call *call = k->call;
	if (k->state != LINK_CONNECTING) return;
	if (!status && call) {
		link_send(k, call);
		return;
	}
	k->call = NULL;
	k->state = LINK_GONE; /* the stream ends by itself when status tells of a failure */
	if (!status) stream_abort(k->stream);
	if (call) connect_elsewhere(k->origin, call);
}

static struct origin_link *link_new(struct origin *o)
{
	struct origin_link *k = calloc(1, sizeof *k);
	CHECK(k != NULL);
	k->origin = o;
	k->reader.wire = wire_new();
	list_init(&k->reader.sent); /* of one call, for ever */
	list_push(&k->reader.sent, &k->reply.link);
	k->reply.upstream = &o->shape;
	k->reply.interim = on_interim;
	k->reply.any_coding = true;
	k->reply.arg = k;
	arena_init(&k->reply.arena, ARENA_FIRST_BYTES, o->config.reply_bytes_max + HEAD_BYTES_MAX);
	buf_init(&k->reply.raw, HEAD_BYTES_MAX);
	buf_init(&k->reply.body, o->config.reply_bytes_max);
	k->since_ms = loop_now_ms(o->loop);
	list_push(&o->links, &k->link);
	o->link_count++;
	return k;
}

static struct str text_of(const struct origin_address *a)
{
	return str_span(a->text, a->n);
}

/* Tries the next address. */
static bool link_connect(struct origin *o, struct origin_call *call)
{
	struct origin_link *k = link_new(o);
	if (!call->tries) call->first_address = o->next_address++;
	k->to = o->addresses[(call->first_address + call->tries++) % o->address_count];
	k->state = LINK_CONNECTING;
	k->call = call;
	call->on = k;
	if (stream_connect(o->loop, text_of(&k->to), on_connected, &events, k, &k->stream) == ERR_NONE) return true;
	k->stream = NULL;
	k->call = NULL;
	call->on = NULL;
	link_close(k);
	return false;
}

static void start(struct origin *o, struct origin_call *call)
{
	struct list *newest = list_empty(&o->idle) ? NULL : o->idle.prev;
	if (!newest) {
		connect_elsewhere(o, call);
		return;
	}
	struct origin_link *k = CONTAINER_OF(newest, struct origin_link, link);
	list_remove(&k->link);
	list_push(&o->links, &k->link);
	o->idle_count--;
	link_send(k, call);
}

static bool has_room(const struct origin *o)
{
	return o->idle_count > 0 || (o->address_count && o->link_count < o->config.connections_max);
}

static void give_work(struct origin *o)
{
	while (!list_empty(&o->waiting) && has_room(o)) {
		struct list *item = list_shift(&o->waiting);
		o->waiting_count--;
		start(o, CONTAINER_OF(item, struct origin_call, link));
	}
}

/* ── telling ── */

static void on_done_task(struct loop_task *task)
{
	struct origin *o = CONTAINER_OF(task, struct origin, done_task);
	for (struct list *item; (item = list_shift(&o->done));) {
		struct origin_call *call = CONTAINER_OF(item, struct origin_call, link);
		struct origin_link *k = call->on;
		upstream_done *done = call->done;
		call->done = NULL;
		if (done) done(call->arg, call->status, call->status ? NULL : &k->reply.reply);
		if (o->freed) return; /* `done` freed everything */
		call_end(call);
		if (k) link_rest(k);
	}
}

/* ── time ── */

static void expire(struct origin *o, struct origin_call *call, int64_t now_ms)
{
	struct origin_link *k = call->on;
	bool connecting = k && k->state == LINK_CONNECTING;
	if (k && k->state == LINK_TELLING) return;
	if (connecting && now_ms < call->deadline_ms) {
		if (now_ms - k->since_ms < o->config.connect_timeout_ms) return;
		k->call = NULL;
		link_close(k);
		connect_elsewhere(o, call);
		return;
	}
	if (now_ms < call->deadline_ms) return;
	o->stats.timed_out++;
	if (k) {
		k->call = NULL;
		call->on = NULL;
		link_close(k);
	} else {
		o->waiting_count--;
	}
	call_done(call, ERR_TIMEOUT);
}

static void on_tick(void *arg)
{
	struct origin *o = arg;
	int64_t now_ms = loop_now_ms(o->loop);
	for (struct list *i = o->live.next, *next; i != &o->live; i = next) {
		struct origin_call *call = CONTAINER_OF(i, struct origin_call, live);
		next = i->next;
		if (call->done && !call->status) expire(o, call, now_ms);
	}
	for (struct list *i; (i = list_first(&o->idle));) {
		struct origin_link *k = CONTAINER_OF(i, struct origin_link, link);
		if (now_ms - k->since_ms < o->config.idle_ms) break;
		list_remove(&k->link);
		list_push(&o->links, &k->link);
		link_close(k);
	}
	give_work(o);
	if (!o->link_count && list_empty(&o->live)) {
		timer_stop(o->tick); /* nothing to watch: sleep */
		o->ticking = false;
	}
}

/* ── the whole ── */

static void on_free_task(struct loop_task *task)
{
	struct origin *o = CONTAINER_OF(task, struct origin, free_task);
	free(o);
}

struct origin *origin_new(struct loop *l, const struct origin_config *config)
{
	struct origin *o = calloc(1, sizeof *o);
	CHECK(o != NULL);
	o->loop = l;
	o->config = *config;
	if (!o->config.connections_max) o->config.connections_max = 256;
	if (!o->config.idle_max) o->config.idle_max = 32;
	if (!o->config.queue_max) o->config.queue_max = 1024;
	if (!o->config.reply_bytes_max) o->config.reply_bytes_max = 8 * 1024 * 1024;
	if (o->config.connect_timeout_ms <= 0) o->config.connect_timeout_ms = 1000;
	if (o->config.idle_ms <= 0) o->config.idle_ms = 2000;
	o->shape.config.reply_bytes_max = o->config.reply_bytes_max;
	o->done_task.run = on_done_task;
	o->free_task.run = on_free_task;
	list_init(&o->links);
	list_init(&o->idle);
	list_init(&o->live);
	list_init(&o->waiting);
	list_init(&o->done);
	o->tick = timer_new(l, on_tick, o);
	origin_use(o, config->addresses, config->address_count);
	o->config.addresses = NULL; /* ours are copies */
	return o;
}

static bool is_used(const struct origin *o, const struct origin_link *k)
{
	for (unsigned i = 0; i < o->address_count; i++)
		if (str_eq(text_of(&o->addresses[i]), text_of(&k->to))) return true;
	return false;
}

/* Connections to where the origin is no longer: those that rest go, the others end with their answers. */
static void leave_old_places(struct origin *o)
{
	for (struct list *i = o->links.next; i != &o->links; i = i->next) {
		struct origin_link *k = CONTAINER_OF(i, struct origin_link, link);
		if (!is_used(o, k)) k->spoiled = true;
	}
	for (struct list *i = o->idle.next, *next; i != &o->idle; i = next) {
		struct origin_link *k = CONTAINER_OF(i, struct origin_link, link);
		next = i->next;
		if (is_used(o, k)) continue;
		list_remove(&k->link);
		list_push(&o->links, &k->link);
		link_close(k);
	}
}

void origin_use(struct origin *o, const struct str *addresses, unsigned count)
{
	struct origin_address *copies = count ? calloc(count, sizeof *copies) : NULL;
	CHECK(!count || copies != NULL);
	for (unsigned i = 0; i < count; i++) {
		copies[i].n =
		    addresses[i].n < ADDRESS_BYTES ? addresses[i].n : 0; /* too long for any socket: fails to connect */
		memcpy(copies[i].text, addresses[i].p, copies[i].n);
	}
	free(o->addresses);
	o->addresses = copies;
	o->address_count = count;
	leave_old_places(o);
	if (count) give_work(o);
}

void origin_give_up(struct origin *o)
{
	for (struct list *i; !o->address_count && (i = list_shift(&o->waiting));) {
		o->waiting_count--;
		call_done(CONTAINER_OF(i, struct origin_call, link), ERR_SAFE_RETRY_LATER);
	}
}

void origin_free(struct origin *o)
{
	if (!o || o->freed) return;
	o->freed = true;
	timer_free(o->tick);
	for (struct list *i; (i = list_first(&o->live));) {
		struct origin_call *call = CONTAINER_OF(i, struct origin_call, live);
		upstream_done *done = call->done;
		if (call->on) call->on->call = NULL;
		call->done = NULL;
		if (done) done(call->arg, ERR_ABORTED, NULL);
		call_end(call);
	}
	o->idle_count = 0;
	o->link_count++; /* so that the last link does not free us yet */
	for (struct list *i = o->links.next, *next; i != &o->links; i = next) {
		next = i->next;
		link_close(CONTAINER_OF(i, struct origin_link, link));
	}
	for (struct list *i = o->idle.next, *next; i != &o->idle; i = next) {
		struct origin_link *k = CONTAINER_OF(i, struct origin_link, link);
		next = i->next;
		k->state = LINK_GONE;
		link_close(k);
	}
	free(o->addresses);
	if (!--o->link_count) loop_push(o->loop, PHASE_LAST, &o->free_task);
}

enum err origin_send(struct origin *o, const struct origin_request *r)
{
	CHECK(r->done != NULL && !o->freed);
	bool waits = o->waiting_count > 0 || !has_room(o);
	if (waits && o->waiting_count >= o->config.queue_max) return ERR_BUSY;
	struct origin_call *call = calloc(1, sizeof *call);
	CHECK(call != NULL);
	call->origin = o;
	call->done = r->done;
	call->interim = r->interim;
	call->arg = r->arg;
	call->head_request = r->head_request;
	call->deadline_ms = r->deadline_ms;
	buf_init(&call->request, REQUEST_BYTES_MAX);
	buf_str(&call->request, r->head);
	buf_str(&call->request, r->body);
	if (!buf_ok(&call->request)) {
		buf_free(&call->request);
		free(call);
		return ERR_PAYLOAD_TOO_LARGE;
	}
	list_init(&call->link);
	list_push(&o->live, &call->live);
	if (waits) {
		list_push(&o->waiting, &call->link);
		o->waiting_count++;
	} else {
		start(o, call);
	}
	if (!o->ticking) timer_start(o->tick, TICK_MS, TICK_MS);
	o->ticking = true;
	return ERR_NONE;
}

struct origin_stats origin_stats(const struct origin *o)
{
	struct origin_stats stats = o->stats;
	stats.connections = o->link_count;
	stats.queued = o->waiting_count;
	stats.addresses = o->address_count;
	for (struct list *i = o->links.next; i != &o->links; i = i->next)
		if (CONTAINER_OF(i, struct origin_link, link)->state == LINK_BUSY) stats.in_flight++;
	return stats;
}
