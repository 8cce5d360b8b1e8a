/* The life of one call: made from recycled memory, waiting or on a connection, given back to its caller exactly once. */
#include <stdlib.h>

#include "common/core/id.h"
#include "common/http/upstream.h"

enum {
	BRIDGE_MS = 2000, /* how long calls wait for a service that is restarting */
	TRIES_MAX = 3,
	REST_MS = 25, /* before a repetition, at most; twice as much each time */
	SPARE_CALLS_MAX = 512,
	CALL_FIRST_BYTES = 4096,
	REQUEST_BYTES_MAX = 64 * 1024 * 1024,
};

struct upstream_call *call_new(struct upstream *u)
{
	struct list *item = list_shift(&u->spare);
	struct upstream_call *call;
	if (item) {
		u->spare_count--;
		call = CONTAINER_OF(item, struct upstream_call, link);
	} else {
		call = calloc(1, sizeof *call);
		CHECK(call != NULL);
		size_t bytes_max = u->config.reply_bytes_max;
		arena_init(&call->arena, CALL_FIRST_BYTES, bytes_max + 256 * 1024);
		buf_init(&call->request, REQUEST_BYTES_MAX);
		buf_init(&call->raw, 64 * 1024);
		buf_init(&call->body, bytes_max);
		list_init(&call->link);
	}
	call->upstream = u;
	list_push(&u->live, &call->live);
	u->live_count++;
	return call;
}

void call_free(struct upstream_call *call)
{
	arena_release(&call->arena);
	buf_free(&call->request);
	buf_free(&call->raw);
	buf_free(&call->body);
	free(call);
}

static void forget_reply(struct upstream_call *call)
{
	arena_reset(&call->arena);
	buf_reset(&call->raw);
	buf_reset(&call->body);
	call->reply = (struct http_reply){ 0 };
}

void call_forget(struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	list_remove(&call->live);
	u->live_count--;
	if (u->spare_count >= SPARE_CALLS_MAX) {
		call_free(call);
		return;
	}
	forget_reply(call);
	buf_reset(&call->request);
	*call = (struct upstream_call){
		.arena = call->arena, .request = call->request, .raw = call->raw, .body = call->body
	};
	list_push(u->spare.next, &call->link); /* to the front: the one used last is in the cache */
	u->spare_count++;
}

void call_finish(struct upstream_call *call, enum err status)
{
	struct upstream *u = call->upstream;
	if (call->twin && hedge_settles(call, status)) return;
	if (!call->done) {
		call_forget(call);
		return;
	}
	if (status) u->stats.failed++;
	call->base = NULL;
	call->state = CALL_DONE;
	call->status = status;
	call->channel = NULL;
	list_push(&u->done, &call->link);
	loop_push(u->loop, PHASE_RUN, &u->done_task);
}

void calls_deliver(struct loop_task *task)
{
	struct upstream *u = CONTAINER_OF(task, struct upstream, done_task);
	for (struct list *item; (item = list_shift(&u->done));) {
		struct upstream_call *call = CONTAINER_OF(item, struct upstream_call, link);
		upstream_done *done = call->done;
		call->done = NULL; /* from here on upstream_cancel would be too late */
		done(call->arg, call->status, call->status ? NULL : &call->reply);
		if (u->freed) return; /* `done` freed the pool, and that forgot the call */
		call_forget(call);
	}
}

void call_wait(struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	call->state = CALL_WAITING;
	call->channel = NULL;
	call->wait_until_ms = loop_now_ms(u->loop) + BRIDGE_MS;
	if (call->wait_until_ms > call->deadline_ms) call->wait_until_ms = call->deadline_ms;
	if (call->wait_until_ms < u->next_deadline_ms) u->next_deadline_ms = call->wait_until_ms;
	waiting_push(u, call);
}

/* A repetition comes a moment later, at a time of its own, and only within the budget: an outage is not made worse by us. */
static void rest(struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	int64_t now_ms = loop_now_ms(u->loop);
	uint8_t jitter;
	if (!retry_budget_take(&u->budget, now_ms)) {
		u->stats.unrepeated++;
		call_finish(call, ERR_SAFE_RETRY_LATER);
		return;
	}
	id_random(&jitter, sizeof jitter);
	u->stats.retried++;
	call->state = CALL_RESTING;
	call->channel = NULL;
	call->wait_until_ms = now_ms + (REST_MS * (int64_t)jitter / 256 << call->tries);
	if (call->wait_until_ms > call->deadline_ms) call->wait_until_ms = call->deadline_ms;
	if (call->wait_until_ms < u->next_deadline_ms) u->next_deadline_ms = call->wait_until_ms;
}

void call_return(struct upstream_call *call, bool processed)
{
	struct upstream *u = call->upstream;
	forget_reply(call);
	if (!call->done) {
		call_forget(call);
		return;
	}
	if (call->probe || call->twin) { /* of two, neither is repeated: there is the other */
		call_finish(call, ERR_CLOSED);
		return;
	}
	if (processed && !call->safe) {
		call_finish(call, ERR_CLOSED);
		return;
	}
	if (call->tries >= TRIES_MAX || u->waiting.count >= u->config.queue_max || !upstream_has_hope(u)) {
		call_finish(call, ERR_SAFE_RETRY_LATER);
		return;
	}
	if (call->tries && processed) {
		rest(call);
		return;
	}
	if (call->tries) u->stats.retried++;
	call_wait(call);
	loop_push(u->loop, PHASE_UPSTREAM, &u->send_task);
}

void call_swap_reply(struct upstream_call *a, struct upstream_call *b)
{
	struct upstream_call was = *a;
	a->arena = b->arena;
	a->raw = b->raw;
	a->body = b->body;
	a->reply = b->reply;
	b->arena = was.arena;
	b->raw = was.raw;
	b->body = was.body;
	b->reply = was.reply;
}

/* The place on the connection stays taken: the answer may still come and must not be given to a neighbour. A stand-in without a
 * caller takes it, together with what has been read of the answer. */
void call_leave_ghost(struct upstream_call *call)
{
	struct upstream_call *ghost = call_new(call->upstream);
	ghost->channel = call->channel;
	ghost->state = CALL_SENT;
	ghost->ghost = true;
	ghost->deadline_ms = call->deadline_ms;
	ghost->head_request = call->head_request;
	memcpy(ghost->id, call->id, sizeof ghost->id);
	call_swap_reply(ghost, call);
	if (call->channel->reading == call) call->channel->reading = ghost;
	list_push(&call->link, &ghost->link); /* just before it */
	list_remove(&call->link);
}

static void expire(struct upstream_call *call, int64_t now_ms)
{
	struct upstream *u = call->upstream;
	if (call->state == CALL_DONE || !call->done) return;
	if (call->state == CALL_RESTING && now_ms < call->deadline_ms) {
		if (now_ms < call->wait_until_ms) return;
		call_wait(call);
		loop_push(u->loop, PHASE_UPSTREAM, &u->send_task);
		return;
	}
	if (call->state == CALL_WAITING) {
		if (now_ms < call->wait_until_ms) return;
		waiting_remove(u, call);
		call_finish(call, now_ms >= call->deadline_ms ? ERR_TIMEOUT : ERR_SAFE_RETRY_LATER);
		return;
	}
	if (call->hedge_at_ms && now_ms >= call->hedge_at_ms) hedge_begin(call, now_ms);
	if (now_ms < call->deadline_ms) return;
	if (!call->second) u->stats.timed_out++;
	if (call->state == CALL_UNSENT) {
		channel_withdraw(call);
	} else if (call->state == CALL_SENT) {
		call_note(call, OUTCOME_FAILED);
		call_leave_ghost(call);
	}
	call_finish(call, ERR_TIMEOUT);
}

static int64_t due_ms(const struct upstream_call *call)
{
	if (call->state == CALL_DONE || !call->done) return INT64_MAX;
	if (call->state == CALL_WAITING || call->state == CALL_RESTING) return call->wait_until_ms;
	return call->hedge_at_ms && call->hedge_at_ms < call->deadline_ms ? call->hedge_at_ms : call->deadline_ms;
}

void calls_check_deadlines(struct upstream *u, int64_t now_ms)
{
	if (now_ms < u->next_deadline_ms) return;
	for (struct list *i = u->live.next, *next; i != &u->live; i = next) {
		next = i->next;
		expire(CONTAINER_OF(i, struct upstream_call, live), now_ms);
	}
	u->next_deadline_ms = INT64_MAX;
	for (struct list *i = u->live.next; i != &u->live; i = i->next) {
		int64_t due = due_ms(CONTAINER_OF(i, struct upstream_call, live));
		if (due < u->next_deadline_ms) u->next_deadline_ms = due;
	}
}

void upstream_cancel(struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	if (!call->done) return; /* inside its own `done` */
	if (call->twin) hedge_cancel(call);
	call->done = NULL;
	call->base = NULL;
	switch (call->state) {
	case CALL_SENT:
		return; /* its place on the connection stays taken */
	case CALL_UNSENT:
		channel_withdraw(call);
		break;
	case CALL_WAITING:
		waiting_remove(u, call);
		break;
	case CALL_RESTING:
		break;
	case CALL_DONE:
		list_remove(&call->link);
		break;
	}
	call_forget(call);
}
