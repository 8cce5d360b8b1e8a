/* One pipelined connection to a service. Calls are written in one go per turn and answered in order; when the connection is lost,
 * each call without an answer goes back to the pool, which knows what may be repeated. */
#include <stdlib.h>

#include "common/core/id.h"
#include "common/core/log.h"
#include "common/http/upstream.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 5000,
	BACKOFF_LOCAL_MS = 200,
	BACKOFF_WANTED_MS = 250, /* while calls wait, so that a restart of the service is noticed soon */
	OVERDUE_MS = 1000,
	PARTS_MAX = 256,
};

struct channel *channel_new(struct upstream_address *address)
{
	struct channel *ch = calloc(1, sizeof *ch);
	CHECK(ch != NULL);
	ch->address = address;
	ch->wire = wire_new();
	list_init(&ch->unsent);
	list_init(&ch->sent);
	return ch;
}

void channel_free(struct channel *ch)
{
	ch->address = NULL;
	if (ch->stream) {
		stream_abort(ch->stream);
		return;
	}
	wire_free(ch->wire);
	free(ch);
}

/* The address failed: wait longer each time, never in step with others. */
static void back_off(struct upstream_address *a)
{
	int64_t ms = BACKOFF_FIRST_MS;
	for (unsigned i = 0; i < a->failures && ms < BACKOFF_MAX_MS; i++) ms *= 2;
	if (ms > BACKOFF_MAX_MS) ms = BACKOFF_MAX_MS;
	/* Trying a Unix socket costs a system call and hurts nobody: a service that is back is found at once. */
	if (str_starts(a->text, STR("unix:")) && ms > BACKOFF_LOCAL_MS) ms = BACKOFF_LOCAL_MS;
	if (a->upstream->waiting.count && ms > BACKOFF_WANTED_MS) ms = BACKOFF_WANTED_MS;
	uint8_t jitter;
	id_random(&jitter, sizeof jitter);
	a->failures++;
	a->retry_at_ms = loop_now_ms(a->upstream->loop) + ms / 2 + ms * jitter / 512;
}

/* Calls that were on their way share one fate: it counts as one failure, or a restart would look like an outage. */
static void note_break(struct channel *ch, bool processed)
{
	bool told = false;
	for (struct list *i = ch->sent.next; i != &ch->sent; i = i->next) {
		struct upstream_call *call = CONTAINER_OF(i, struct upstream_call, link);
		if (call->ghost || call->probe) continue;
		if (processed && (!told || call->trial))
			address_note(ch->address, call->trial, OUTCOME_FAILED);
		else
			health_release(&ch->address->health, call->trial);
		call->trial = false;
		told = true;
	}
}

/* Did the answer to this one begin? Until its head tells whose it is, it is taken for the oldest's. */
static bool has_begun(const struct channel *ch, const struct upstream_call *call)
{
	return call == ch->reading || call->raw.n > 0;
}

static void return_all(struct channel *ch, bool processed)
{
	struct list sent, unsent;
	list_init(&sent);
	list_init(&unsent);
	note_break(ch, processed);
	/* Off the channel first: the pool may hand calls to other channels while we go on. */
	for (struct list *i; (i = list_shift(&ch->sent));) list_push(&sent, i);
	for (struct list *i; (i = list_shift(&ch->unsent));) list_push(&unsent, i);
	ch->address->in_flight -= ch->in_flight;
	ch->in_flight = ch->unsent_count = 0;
	for (struct list *i; (i = list_shift(&sent));) {
		struct upstream_call *call = CONTAINER_OF(i, struct upstream_call, link);
		if (has_begun(ch, call)) call->safe = false; /* half an answer is one: never asked for again */
		call_return(call, processed || has_begun(ch, call));
	}
	for (struct list *i; (i = list_shift(&unsent));) {
		struct upstream_call *call = CONTAINER_OF(i, struct upstream_call, link);
		health_release(&ch->address->health, call->trial);
		call->trial = false;
		call_return(call, false);
	}
}

void channel_break(struct channel *ch)
{
	if (ch->state == CHANNEL_CLOSING || ch->state == CHANNEL_DOWN) return;
	/* What never answered anything since it connected is ill; what did has merely gone away. */
	if (ch->answered_once) {
		ch->address->failures = 0;
	} else {
		back_off(ch->address);
	}
	bool processed = !ch->retires;
	if (ch->state == CHANNEL_UP) {
		ch->address->up_count--;
		ch->address->last_well_ms = loop_now_ms(ch->address->upstream->loop);
	}
	ch->state = CHANNEL_CLOSING;
	stream_abort(ch->stream);
	upstream_pace(ch->address->upstream);
	return_all(ch, processed);
}

static enum call_outcome outcome_of(const struct upstream_call *call, enum err status)
{
	int s = call->reply.status;
	if (status) return OUTCOME_FAILED;
	return s == 500 || (s >= 502 && s <= 504) ? OUTCOME_BAD : OUTCOME_WELL;
}

/* Takes a call that has its answer off the channel. */
static void complete(struct channel *ch, struct upstream_call *call, enum err status)
{
	call_note(call, outcome_of(call, status));
	list_remove(&call->link);
	ch->in_flight--;
	ch->address->in_flight--;
	ch->answered_once = true;
	ch->address->failures = 0;
	ch->address->last_well_ms = loop_now_ms(ch->address->upstream->loop);
	reply_begin(ch);
	call_finish(call, status);
}

/* Whose reply it was; one that broke before it said so is the oldest's. */
static struct upstream_call *answered_call(struct channel *ch)
{
	return ch->reading ? ch->reading : CONTAINER_OF(ch->sent.next, struct upstream_call, link);
}

static void on_data(void *arg, struct str bytes)
{
	struct channel *ch = arg;
	if (!ch->address || ch->state != CHANNEL_UP) return;
	struct upstream *u = ch->address->upstream;
	while (bytes.n) {
		if (list_empty(&ch->sent)) {
			/* Nobody asked: the answers before are good, the connection is not. */
			channel_break(ch);
			return;
		}
		enum reply_step step = reply_step(ch, &bytes);
		if (step == REPLY_MORE) continue;
		struct upstream_call *call = answered_call(ch);
		if (step == REPLY_BROKEN) {
			log_line(LOG_WARN, "upstream broke the protocol", "%.*s at %.*s", STR_FMT(u->config.name),
			    STR_FMT(ch->address->text));
			complete(ch, call, ERR_BAD_UPSTREAM);
			ch->answered_once = ch->retires = false;
			channel_break(ch);
			return;
		}
		complete(ch, call, ERR_NONE);
		if (ch->retires) {
			channel_break(ch);
			return;
		}
	}
	if (u->waiting.count) loop_push(u->loop, PHASE_UPSTREAM, &u->send_task);
}

static void on_end(void *arg)
{
	struct channel *ch = arg;
	if (!ch->address || ch->state != CHANNEL_UP) return;
	if (!list_empty(&ch->sent) && reply_ends_with_connection(ch)) complete(ch, ch->reading, ERR_NONE);
	channel_break(ch);
}

static void on_closed(void *arg, enum err why)
{
	struct channel *ch = arg;
	(void)why;
	if (!ch->address) {
		wire_free(ch->wire);
		free(ch);
		return;
	}
	if (ch->state == CHANNEL_UP || ch->state == CHANNEL_CONNECTING) channel_break(ch);
	ch->state = CHANNEL_DOWN;
	ch->stream = NULL;
}

static void on_connected(void *arg, enum err status)
{
	struct channel *ch = arg;
	if (!ch->address || ch->state != CHANNEL_CONNECTING || status) return; /* on_closed follows */
	struct upstream *u = ch->address->upstream;
	if (!upstream_usable(u)) admission_back(u);
	ch->state = CHANNEL_UP;
	/* The first connection after a time without any: it was started anew. */
	if (ch->address->last_well_ms && ch->address->up_count == 0) address_back(ch->address);
	ch->address->up_count++;
	ch->address->last_well_ms = loop_now_ms(u->loop);
	if (u->waiting.count) loop_push(u->loop, PHASE_UPSTREAM, &u->send_task);
}

void channel_connect(struct channel *ch)
{
	static const struct stream_events events = { on_data, on_end, NULL, on_closed };
	struct upstream *u = ch->address->upstream;
	ch->retires = ch->answered_once = ch->names_calls = ch->names_none = false;
	ch->interim = 0;
	reply_begin(ch);
	ch->connecting_since_ms = loop_now_ms(u->loop);
	if (stream_connect(u->loop, ch->address->text, on_connected, &events, ch, &ch->stream)) {
		back_off(ch->address);
		return;
	}
	ch->state = CHANNEL_CONNECTING;
}

void channel_add(struct channel *ch, struct upstream_call *call)
{
	struct upstream *u = ch->address->upstream;
	call->channel = ch;
	call->state = CALL_UNSENT;
	list_push(&ch->unsent, &call->link);
	ch->unsent_count++;
	ch->in_flight++;
	ch->address->in_flight++;
	loop_push(u->loop, PHASE_UPSTREAM, &u->send_task);
}

void channel_withdraw(struct upstream_call *call)
{
	struct channel *ch = call->channel;
	CHECK(call->state == CALL_UNSENT);
	list_remove(&call->link);
	health_release(&ch->address->health, call->trial);
	call->trial = false;
	ch->unsent_count--;
	ch->in_flight--;
	ch->address->in_flight--;
	call->channel = NULL;
}

void channel_flush(struct channel *ch)
{
	while (ch->state == CHANNEL_UP && !list_empty(&ch->unsent)) {
		struct str parts[PARTS_MAX];
		unsigned count = 0;
		for (struct list *i = ch->unsent.next; i != &ch->unsent && count < PARTS_MAX; i = i->next)
			parts[count++] = buf_view(&CONTAINER_OF(i, struct upstream_call, link)->request);
		enum err e = stream_write(ch->stream, parts, count);
		if (e == ERR_BUSY) return; /* the peer does not read: they leave later, or run out of time */
		if (e) {
			channel_break(ch); /* nothing of these was sent */
			return;
		}
		for (unsigned i = 0; i < count; i++) {
			struct list *item = list_shift(&ch->unsent);
			struct upstream_call *call = CONTAINER_OF(item, struct upstream_call, link);
			call->state = CALL_SENT;
			call->tries++;
			list_push(&ch->sent, item);
		}
		ch->unsent_count -= count;
		ch->address->upstream->stats.sent += count;
	}
}

void channel_check(struct channel *ch, int64_t now_ms)
{
	const struct upstream_config *config = &ch->address->upstream->config;
	if (ch->state == CHANNEL_CONNECTING && now_ms - ch->connecting_since_ms >= config->connect_timeout_ms)
		channel_break(ch);
	if (ch->state == CHANNEL_DOWN && now_ms >= ch->address->retry_at_ms) channel_connect(ch);
	if (ch->state != CHANNEL_UP) return;
	struct list *first = list_first(&ch->sent);
	if (first && now_ms > CONTAINER_OF(first, struct upstream_call, link)->deadline_ms + OVERDUE_MS) {
		ch->answered_once = false; /* a peer that hangs is ill */
		channel_break(ch);
	} else if (!list_empty(&ch->unsent)) {
		channel_flush(ch);
	}
}
