/*
 * A read that takes longer than most of its kind is asked at another address too, and the first answer counts. Not when there is much to
 * do, and only within the budget of repetitions: who is slow because all are is not helped by being asked twice.
 */
#include "common/http/upstream.h"

enum { HEDGE_LEAST_MS = 25, NAME_FROM_END = 12 /* the name, and the end of the head */ };

void hedge_plan(struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	const struct latency_base *base = call->base;
	call->hedge_at_ms = 0;
	if (!base || base->answers < LATENCY_ANSWERS_ENOUGH || call->twin) return;
	int64_t after_ms = (int64_t)(base->p95_us / 1000) + 1;
	call->hedge_at_ms = call->given_ms + (after_ms > HEDGE_LEAST_MS ? after_ms : HEDGE_LEAST_MS);
	if (call->hedge_at_ms < u->next_deadline_ms) u->next_deadline_ms = call->hedge_at_ms;
}

/* Its outcome is the first one's. */
static void nobody(void *arg, enum err status, const struct http_reply *reply)
{
	(void)arg;
	(void)status;
	(void)reply;
}

void hedge_begin(struct upstream_call *call, int64_t now_ms)
{
	struct upstream *u = call->upstream;
	call->hedge_at_ms = 0;
	bool begun = call->raw.n || (call->channel && call->channel->reading == call);
	if (call->state != CALL_SENT || call->twin || begun || now_ms >= call->deadline_ms) return;
	struct channel *ch = upstream_elsewhere(u, call->channel->address);
	if (!ch || u->waiting.count || !admission_has_room(u, CALL_LOW) || !retry_budget_take(&u->budget, now_ms))
		return;
	struct upstream_call *second = call_new(u);
	buf_str(&second->request, buf_view(&call->request));
	if (u->config.any_order) {
		upstream_name_call(u, second);
		memcpy(second->request.p + second->request.n - NAME_FROM_END, second->id, sizeof second->id);
	}
	second->done = nobody;
	second->second = true;
	second->head_request = call->head_request;
	second->priority = call->priority;
	second->deadline_ms = call->deadline_ms;
	second->given_ms = now_ms;
	second->twin = call;
	call->twin = second;
	u->stats.hedged++;
	channel_add(ch, second);
}

static void part(struct upstream_call *first, struct upstream_call *second)
{
	first->twin = second->twin = NULL;
}

/* Wherever it is, it stands on no list then. */
static void take_back(struct upstream_call *call)
{
	if (call->state == CALL_UNSENT) {
		channel_withdraw(call);
	} else if (call->state == CALL_WAITING) {
		waiting_remove(call->upstream, call);
	} else if (call->state == CALL_SENT) {
		int64_t now_ms = loop_now_ms(call->upstream->loop);
		capacity_answered(&call->upstream->capacity, call->base, (now_ms - call->given_ms) * 1000, now_ms);
		health_release(&call->channel->address->health, call->trial);
		call->trial = false;
		call_leave_ghost(call);
	}
}

static void second_is_over(struct upstream_call *first, struct upstream_call *second, enum err status)
{
	bool waited = first->state == CALL_RESTING;
	part(first, second);
	if (status == ERR_NONE) {
		first->upstream->stats.hedges_won++;
		take_back(first);
		call_swap_reply(first, second);
		call_forget(second);
		call_finish(first, ERR_NONE);
		return;
	}
	call_forget(second);
	if (waited) call_finish(first, first->twin_status);
}

bool hedge_settles(struct upstream_call *call, enum err status)
{
	if (call->second) {
		second_is_over(call->twin, call, status);
		return true;
	}
	struct upstream *u = call->upstream;
	if (status == ERR_NONE || loop_now_ms(u->loop) >= call->deadline_ms) {
		hedge_cancel(call);
		return false;
	}
	call->state = CALL_RESTING; /* until the second is over, or its time is */
	call->channel = NULL;
	call->twin_status = status;
	call->wait_until_ms = call->deadline_ms;
	return true;
}

void hedge_cancel(struct upstream_call *first)
{
	struct upstream_call *second = first->twin;
	part(first, second);
	upstream_cancel(second);
}
