/*
 * Who goes next, who waits and who is turned away: the queue before an upstream, by priority, and what each answer teaches the pool
 * about its capacity and the health of its addresses. A queue that has not been empty for a while is a standing one: then waiting
 * helps nobody (CoDel), and the least important are turned away first, at once.
 */
#include "common/core/id.h"
#include "common/core/log.h"
#include "common/http/upstream.h"

enum { STANDING_MS = 100, FIXED_MS = 2000, FIXED_LOW_MS = 500 };

static const enum call_priority order[CALL_PRIORITIES] = { CALL_CRITICAL, CALL_NORMAL, CALL_LOW };
/* How long a call may wait for room; with a standing queue, and without. */
static const int64_t patience_ms[CALL_PRIORITIES][2] = {
	[CALL_CRITICAL] = { 2000, 2000 },
	[CALL_NORMAL] = { 500, 50 },
	[CALL_LOW] = { 200, 0 },
};

static unsigned in_flight(const struct upstream *u)
{
	unsigned n = 0;
	for (unsigned i = 0; i < u->config.address_count; i++) n += u->addresses[i].in_flight;
	return n;
}

/* The last fifth is not for those of low priority, and those of critical priority may go a quarter beyond the limit. */
bool admission_has_room(struct upstream *u, enum call_priority priority)
{
	unsigned limit = capacity_limit(&u->capacity), n = in_flight(u);
	unsigned share = priority == CALL_CRITICAL ? limit + limit / 4
			 : priority == CALL_LOW    ? limit - limit / 5
						   : limit;
	if (n + 1 >= limit) capacity_used_up(&u->capacity);
	return n < share;
}

void waiting_init(struct waiting *w)
{
	for (unsigned i = 0; i < CALL_PRIORITIES; i++) list_init(&w->lists[i]);
}

void waiting_push(struct upstream *u, struct upstream_call *call)
{
	struct waiting *w = &u->waiting;
	call->waiting_since_ms = loop_now_ms(u->loop);
	if (!w->count) w->standing_since_ms = call->waiting_since_ms;
	list_push(&w->lists[call->priority], &call->link);
	w->count++;
	w->counts[call->priority]++;
}

void waiting_remove(struct upstream *u, struct upstream_call *call)
{
	list_remove(&call->link);
	u->waiting.count--;
	u->waiting.counts[call->priority]--;
}

struct upstream_call *waiting_next(struct upstream *u)
{
	for (unsigned i = 0; i < CALL_PRIORITIES; i++) {
		struct list *first = list_first(&u->waiting.lists[order[i]]);
		if (first) return CONTAINER_OF(first, struct upstream_call, link);
	}
	return NULL;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Waiting for a service that was away does not count: that was bridged. */
static bool is_standing(const struct upstream *u, int64_t now_ms)
{
	const struct waiting *w = &u->waiting;
	return w->count && now_ms - later(w->standing_since_ms, w->back_ms) > STANDING_MS;
}

static int64_t patience(const struct upstream *u, enum call_priority priority, bool standing)
{
	if (u->config.fixed)
		return priority == CALL_LOW ? FIXED_LOW_MS : FIXED_MS; /* slow by nature: so is its queue */
	return patience_ms[priority][standing];
}

void admission_back(struct upstream *u)
{
	u->waiting.back_ms = loop_now_ms(u->loop);
}

/* May a call of this priority go before those that wait? */
bool admission_is_first(const struct upstream *u, enum call_priority priority)
{
	for (unsigned i = 0; i < CALL_PRIORITIES; i++) {
		if (u->waiting.counts[order[i]]) return false;
		if (order[i] == priority) return true;
	}
	return true;
}

/* A new call that would have to wait: is it of any use? */
bool admission_may_wait(struct upstream *u, enum call_priority priority)
{
	if (!upstream_usable(u)) return true; /* it is away: what waits then is bridged, whatever it is */
	if (patience(u, priority, is_standing(u, loop_now_ms(u->loop))) > 0) return true;
	u->stats.shed[priority]++;
	return false;
}

/* Turns away who has waited too long, the least important first. The oldest stand first in each list. */
void admission_shed(struct upstream *u, int64_t now_ms)
{
	if (!u->waiting.count || !upstream_usable(u)) return;
	bool standing = is_standing(u, now_ms);
	for (unsigned i = CALL_PRIORITIES; i-- > 0;) {
		for (struct list *first; (first = list_first(&u->waiting.lists[order[i]]));) {
			struct upstream_call *call = CONTAINER_OF(first, struct upstream_call, link);
			int64_t since_ms = later(call->waiting_since_ms, u->waiting.back_ms);
			if (now_ms - since_ms <= patience(u, order[i], standing)) break;
			waiting_remove(u, call);
			u->stats.shed[call->priority]++;
			call_finish(call, ERR_REDUCED_CAPACITY);
		}
	}
}

/* ── what answers teach ── */

static void find_outlier(struct upstream *u, int64_t now_ms)
{
	struct health *all[ADDRESSES_COMPARED_MAX];
	unsigned count = u->config.address_count;
	if (count < 2 || count > ADDRESSES_COMPARED_MAX) return;
	for (unsigned i = 0; i < count; i++) all[i] = &u->addresses[i].health;
	int worst = health_outlier(all, count, now_ms);
	if (worst < 0) return;
	health_eject(all[worst], now_ms);
	u->stats.ejected++;
	log_line(LOG_WARN, "upstream address is ejected", "%.*s at %.*s", STR_FMT(u->config.name),
	    STR_FMT(u->addresses[worst].text));
}

void address_note(struct upstream_address *a, bool trial, enum call_outcome outcome)
{
	struct upstream *u = a->upstream;
	int64_t now_ms = loop_now_ms(u->loop);
	enum breaker_state before = a->health.state;
	if (health_end(&a->health, trial, outcome, now_ms)) {
		u->stats.opened++;
		log_line(LOG_WARN, "circuit breaker is open", "%.*s at %.*s, %lld ms", STR_FMT(u->config.name),
		    STR_FMT(a->text), (long long)a->health.open_for_ms);
	} else if (before == BREAKER_TRYING && a->health.state == BREAKER_CLOSED) {
		address_back(a);
		log_line(
		    LOG_INFO, "circuit breaker is closed", "%.*s at %.*s", STR_FMT(u->config.name), STR_FMT(a->text));
	}
	if (outcome != OUTCOME_WELL) find_outlier(u, now_ms);
}

void call_note(struct upstream_call *call, enum call_outcome outcome)
{
	struct upstream *u = call->upstream;
	int64_t now_ms = loop_now_ms(u->loop);
	if (call->probe || call->ghost) return;
	if (call->done) capacity_answered(&u->capacity, call->base, (now_ms - call->given_ms) * 1000, now_ms);
	address_note(call->channel->address, call->trial, outcome);
	call->trial = false;
}

bool admission_is_refused(struct upstream *u)
{
	int64_t now_ms = loop_now_ms(u->loop);
	bool refused = false;
	for (unsigned i = 0; i < u->config.address_count; i++) {
		struct upstream_address *a = &u->addresses[i];
		if (a->sick) continue;
		if (health_allows(&a->health, now_ms)) return false;
		refused = true;
	}
	return refused;
}
