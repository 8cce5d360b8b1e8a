/*
 * One verdict: from the lease, from what is known already, from Redis, or from this process's own count. GCRA: a request costs
 * one interval of each window; debts shrink as time goes on; a window is full when its debt would exceed quota × interval.
 * An ask carries our knowledge of the debt, so that a Redis that lost its memory (restart, flush) gets it back, and what was let
 * through while it did not answer, which is debited in any case.
 */
#include "gateway/limit/limits.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cache/redis.h"
#include "common/core/id.h"
#include "common/core/log.h"
#include "common/crypto/crypto.h"
#include "gateway/limit/buckets.h"

enum {
	CLIENTS_MAX = 65536,
	WAITS_MAX = 8192,
	LEASE_MS = 5000, /* what is not used by then is lost */
	LEASE_PART = 100, /* a lease is at most this part of the smallest quota: what lies unused in a process */
	PREFETCH_MIN = 4, /* leases from this size on are renewed before they are used up */
	TICK_MS = 5,
	COMMAND_MS = 200, /* longer than anybody waits: then the connection is given up */
	OFF_MS = 1000, /* after an error of Redis (out of memory, read-only) we count alone so long */
	KEY_BYTES_MAX = 160,
	DIGEST_BYTES = 16,
};
static const int64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;

/* Debits ARGV[2] requests that were let through already, then grants up to ARGV[1]; per window: interval, its quota in time, debt that
 * the asker knows of; µs. Answers the grant and
 * each window's debt. The time is Redis's own, so that gateways' clocks do not matter. */
static const char script_text[] =
    "local t=redis.call('TIME') local now=t[1]*1000000+t[2] "
    "local grant,owed=tonumber(ARGV[1]),tonumber(ARGV[2]) local tats,n={},(#ARGV-2)/3 local "
    "old=redis.call('GET',KEYS[1]) "
    "if old then for v in string.gmatch(old,'[^ ]+') do tats[#tats+1]=tonumber(v) end end "
    "for i=1,n do local k=3*i local every,cap=tonumber(ARGV[k]),tonumber(ARGV[k+1]) "
    "tats[i]=math.max(tats[i] or 0,now+tonumber(ARGV[k+2]))+owed*every "
    "grant=math.min(grant,math.floor((cap-(tats[i]-now))/every+0.000001)) end "
    "if grant<0 then grant=0 end local out,text,longest={grant},{},0 "
    "for i=1,n do tats[i]=tats[i]+grant*tonumber(ARGV[3*i]) local debt=math.ceil(tats[i]-now) "
    "out[i+1]=debt longest=math.max(longest,debt) text[i]=string.format('%.3f',tats[i]) end "
    "if longest>0 then redis.call('SET',KEYS[1],table.concat(text,' '),'PX',math.ceil(longest/1000)) end "
    "return out";
static const struct str script = { script_text, sizeof script_text - 1 };

enum outcome { ASK_GRANTED, ASK_NOTHING, ASK_FAILED, ASK_OUTCOMES };

struct limits {
	struct loop *loop;
	struct redis *redis; /* NULL: none is set */
	struct timer *timer; /* runs while questions are out */
	struct buckets *buckets;
	unsigned share;
	unsigned char key[SHA256_BYTES];
	bool freed;
	struct list busy; /* buckets that Redis owes an answer */
	unsigned asks_out;
	unsigned waits;
	int64_t off_until_ms;
	uint64_t *asks[ASK_OUTCOMES];
	uint64_t *alone;
};

static double read_clients(void *arg)
{
	const struct limits *l = arg;
	return (double)buckets_count(l->buckets);
}

static double read_shared(void *arg)
{
	const struct limits *l = arg;
	return (double)buckets_shared(l->buckets);
}

bool limits_are_shared(const struct limits *l)
{
	return l->redis && redis_connected(l->redis);
}

static double read_reachable(void *arg)
{
	return limits_are_shared(arg) ? 1 : 0;
}

static void open_metrics(struct limits *l, struct metrics *m)
{
	static const char *const names[ASK_OUTCOMES] = { "granted", "exhausted", "failed" };
	for (unsigned i = 0; i < ASK_OUTCOMES; i++) {
		struct metric_label label = { "outcome", str_of(names[i]) };
		l->asks[i] = metrics_counter(m, "yg_limit_asks_total", "Leases asked of Redis.", &label, 1);
	}
	l->alone = metrics_counter(
	    m, "yg_limit_alone_total", "Requests that this process counted by itself: no Redis.", NULL, 0);
	metrics_gauge_fn(m, "yg_limit_clients", "Clients whose limits are remembered.", NULL, 0, read_clients, l);
	metrics_counter_fn(m, "yg_limit_shared_total", "Requests of newcomers that share a limit: the table is full.",
	    NULL, 0, read_shared, l);
	metrics_gauge_fn(m, "yg_limit_redis_up", "1 when limits are kept in Redis.", NULL, 0, read_reachable, l);
}

void limits_set_key(struct limits *l, struct str key)
{
	hmac_sha256(key, STR("yangguang rate limits v1"), l->key);
}

static void destroy(struct limits *l)
{
	buckets_free(l->buckets);
	free(l);
}

static int64_t now_ns(const struct limits *l)
{
	return loop_now_ms(l->loop) * NS_PER_MS;
}

static bool has_redis(const struct limits *l)
{
	return l->redis && !l->freed && redis_connected(l->redis) && loop_now_ms(l->loop) >= l->off_until_ms;
}

static int64_t seconds_up(int64_t ns)
{
	return (ns + NS_PER_S - 1) / NS_PER_S;
}

/* The window with the least left speaks for all. */
static void tell(
    struct limits *l, const struct bucket *b, const struct rate_limit *limit, bool refused, struct limit_state *state)
{
	int64_t now = now_ns(l), least = INT64_MAX, wait_ns = 0, longest_ns = 0;
	*state = (struct limit_state){ .limit = limit };
	for (unsigned i = 0; i < limit->window_count; i++) {
		int64_t left = bucket_left(b, limit->windows, i, now);
		int64_t wait = left ? 0 : bucket_wait_ns(b, limit->windows, i, now);
		if (wait) state->violated |= 1u << i;
		if (wait > longest_ns) longest_ns = wait;
		if (left > least || (left == least && wait <= wait_ns)) continue;
		least = left;
		wait_ns = wait;
		state->window = i;
	}
	int64_t interval_ns = limit->windows[state->window].interval_ns;
	state->left = refused ? 0 : least;
	state->reset_s = seconds_up(wait_ns > interval_ns || refused ? wait_ns : interval_ns);
	if (state->reset_s < 1) state->reset_s = 1;
	if (!refused)
		state->violated = 0;
	else
		state->retry_after_s = longest_ns > wait_ns ? seconds_up(longest_ns) : state->reset_s;
}

/* By what this process knows. */
static enum limit_verdict decide(
    struct limits *l, struct bucket *b, const struct rate_limit *limit, struct limit_state *state)
{
	int64_t now = now_ns(l);
	bool refused = bucket_longest_wait_ns(b, limit, now) > 0;
	if (!refused) {
		bucket_book(b, limit, l->share, now);
		if (l->redis && b->owed < INT32_MAX) b->owed++;
	}
	tell(l, b, limit, refused, state);
	return refused ? LIMIT_REFUSE : LIMIT_PASS;
}

static enum limit_verdict count_alone(
    struct limits *l, struct bucket *b, const struct rate_limit *limit, struct limit_state *state)
{
	enum limit_verdict v = decide(l, b, limit, state);
	if (v == LIMIT_PASS) ++*l->alone;
	return v;
}

/* ── asking Redis ── */

static uint32_t lease_most(const struct rate_limit *limit)
{
	int64_t most = INT32_MAX;
	for (unsigned i = 0; i < limit->window_count; i++)
		if (limit->windows[i].quota / LEASE_PART < most) most = limit->windows[i].quota / LEASE_PART;
	return most > 1 ? (uint32_t)most : 1;
}

/* Microseconds with a fraction, as text. */
static struct str number_us(char out[32], double us)
{
	int n = snprintf(out, 32, "%.3f", us);
	return str_span(out, n > 0 && n < 32 ? (size_t)n : 0);
}

static struct str redis_key(const struct limits *l, const struct rate_limit *limit, const struct bucket *b, char *out)
{
	unsigned char mac[SHA256_BYTES];
	char hex[2 * DIGEST_BYTES];
	hmac_sha256(str_span((const char *)l->key, sizeof l->key), str_span(b->client, b->client_bytes), mac);
	id_hex(mac, DIGEST_BYTES, hex);
	int n = snprintf(out, KEY_BYTES_MAX, "yg:rate:%.*s:%.*s", STR_FMT(limit->id), (int)sizeof hex, hex);
	return str_span(out, n > 0 && n < KEY_BYTES_MAX ? (size_t)n : 0);
}

static void on_granted(void *arg, enum err status, const struct redis_reply *reply);

static bool ask(struct limits *l, struct bucket *b, const struct rate_limit *limit, uint32_t count)
{
	enum { ARGS_MAX = 3 + 3 * RATE_WINDOWS_MAX };
	char key[KEY_BYTES_MAX], numbers[2 + 3 * RATE_WINDOWS_MAX][32];
	struct str args[ARGS_MAX];
	unsigned n = 0;
	args[n++] = redis_key(l, limit, b, key);
	args[n++] = number_us(numbers[0], count);
	args[n++] = number_us(numbers[1], b->owed);
	b->asked_at_ns = now_ns(l);
	for (unsigned i = 0; i < limit->window_count; i++) {
		double interval_us = (double)limit->windows[i].interval_ns / 1000;
		int64_t owed_ns = b->owed * limit->windows[i].interval_ns * l->share;
		int64_t debt = b->paid_at_ns[i] - b->asked_at_ns - owed_ns - NS_PER_MS;
		char(*text)[32] = &numbers[2 + 3 * i];
		args[n++] = number_us(text[0], interval_us);
		args[n++] = number_us(text[1], interval_us * (double)limit->windows[i].quota);
		args[n++] = number_us(text[2], debt > 0 ? (double)debt / 1000 : 0);
	}
	if (redis_run(l->redis, script, args, 1, n, on_granted, b) != ERR_NONE) return false;
	b->owed_asked = b->owed;
	b->asking = true;
	b->overdue = false;
	if (list_empty(&l->busy)) timer_start(l->timer, LIMIT_WAIT_MS, TICK_MS);
	list_push(&l->busy, &b->busy);
	l->asks_out++;
	return true;
}

/* Takes one request from the lease, if there is a valid one. */
static bool take_lease(struct bucket *b, int64_t now_ms)
{
	if (!b->lease) return false;
	if (now_ms >= b->lease_until_ms) {
		b->lease = b->lease_size = 0; /* a slow client: no more than it asks for */
		return false;
	}
	b->lease--;
	return true;
}

static uint32_t next_lease(struct bucket *b, const struct rate_limit *limit)
{
	uint32_t most = lease_most(limit);
	b->lease_size = b->lease_size ? b->lease_size * 2 : 1;
	if (b->lease_size > most) b->lease_size = most;
	return b->lease_size > b->wait_count ? b->lease_size : b->wait_count;
}

static enum limit_verdict wait_for_redis(
    struct limits *l, struct bucket *b, const struct rate_limit *limit, struct limit_state *state, struct limit_wait *w)
{
	if (l->waits >= WAITS_MAX || (b->asking && b->overdue)) return count_alone(l, b, limit, state);
	if (!b->asking) {
		if (!ask(l, b, limit, next_lease(b, limit))) return count_alone(l, b, limit, state);
	}
	w->limit = limit;
	w->state = state;
	list_push(&b->waits, &w->link);
	b->wait_count++;
	l->waits++;
	return LIMIT_WAIT;
}

static void wake(struct limits *l, struct bucket *b, struct limit_wait *w, enum limit_verdict verdict)
{
	b->wait_count--;
	l->waits--;
	w->wake(w, verdict);
}

/* Those who waited, in their order: from the lease, or refused; for those who came when the question was on its way, once more. */
static void serve_waits(struct limits *l, struct bucket *b, bool answered)
{
	struct list *first;
	b->serving = true;
	while ((first = list_first(&b->waits))) {
		struct limit_wait *w = CONTAINER_OF(first, struct limit_wait, link);
		if (answered && take_lease(b, loop_now_ms(l->loop))) {
			list_remove(first);
			tell(l, b, w->limit, false, w->state);
			wake(l, b, w, LIMIT_PASS);
			continue;
		}
		bool full = bucket_longest_wait_ns(b, w->limit, now_ns(l)) > 0;
		if (answered && !full && (b->asking || ask(l, b, w->limit, next_lease(b, w->limit)))) break;
		list_remove(first);
		wake(l, b, w, count_alone(l, b, w->limit, w->state));
	}
	b->serving = false;
}

/* Those whose question is too old go on alone; a late answer is good for those who come then. */
static void on_timer(void *arg)
{
	struct limits *l = arg;
	int64_t now = now_ns(l);
	for (struct list *i = l->busy.next, *next; i != &l->busy; i = next) {
		struct bucket *b = CONTAINER_OF(i, struct bucket, busy);
		next = i->next;
		if (now - b->asked_at_ns < LIMIT_WAIT_MS * NS_PER_MS) return;
		b->overdue = true;
		serve_waits(l, b, false);
	}
}

static bool read_grant(struct bucket *b, const struct redis_reply *reply)
{
	if (reply->type != REDIS_ARRAY || reply->item_count < 1 || reply->item_count > 1 + RATE_WINDOWS_MAX)
		return false;
	for (unsigned i = 0; i < reply->item_count; i++)
		if (reply->items[i].type != REDIS_INTEGER || reply->items[i].integer < 0 ||
		    reply->items[i].integer > INT64_MAX / 4000)
			return false;
	b->owed -= b->owed_asked;
	for (unsigned i = 1; i < reply->item_count; i++)
		b->paid_at_ns[i - 1] = b->asked_at_ns + reply->items[i].integer * 1000;
	int64_t grant = reply->items[0].integer;
	b->lease += grant < INT32_MAX ? (uint32_t)grant : INT32_MAX;
	return true;
}

static void on_granted(void *arg, enum err status, const struct redis_reply *reply)
{
	struct bucket *b = arg;
	struct limits *l = b->limits;
	uint32_t lease = b->lease;
	l->asks_out--;
	list_remove(&b->busy);
	b->asking = false;
	if (!l->freed && list_empty(&l->busy)) timer_stop(l->timer);
	if (l->freed) {
		if (!l->asks_out) destroy(l);
		return;
	}
	bool answered = status == ERR_NONE && read_grant(b, reply);
	if (answered) {
		++*l->asks[b->lease > lease ? ASK_GRANTED : ASK_NOTHING];
		if (b->lease > lease) b->lease_until_ms = loop_now_ms(l->loop) + LEASE_MS;
	} else {
		++*l->asks[ASK_FAILED];
	}
	if (status == ERR_NONE && !answered) {
		l->off_until_ms = loop_now_ms(l->loop) + OFF_MS;
		log_line(LOG_WARN, "redis does not keep rate limits", "%.*s",
		    STR_FMT(reply->type == REDIS_FAILED ? reply->text : STR("not the answer expected")));
	}
	serve_waits(l, b, answered);
}

enum limit_verdict limits_check(struct limits *l, const struct rate_limit *limit, struct str client,
    struct limit_state *state, struct limit_wait *w)
{
	int64_t now = now_ns(l);
	bool redis = has_redis(l);
	struct bucket *b = buckets_get(l->buckets, limit, client, now, redis);
	b->limits = l;
	if (take_lease(b, loop_now_ms(l->loop))) {
		if (b->lease < b->lease_size / 2 && b->lease_size >= PREFETCH_MIN && !b->asking && redis)
			(void)ask(l, b, limit, next_lease(b, limit));
		tell(l, b, limit, false, state);
		return LIMIT_PASS;
	}
	bool room = bucket_longest_wait_ns(b, limit, now) == 0;
	if (redis && room && w) return wait_for_redis(l, b, limit, state, w);
	enum limit_verdict v = redis ? decide(l, b, limit, state) : count_alone(l, b, limit, state);
	if (redis && b->owed && !b->asking)
		(void)ask(l, b, limit, room ? next_lease(b, limit) : 0); /* the others shall know */
	return v;
}

struct limits *limits_new(struct loop *loop, const struct limits_config *config, struct metrics *m)
{
	struct limits *l = calloc(1, sizeof *l);
	CHECK(l != NULL);
	l->loop = loop;
	l->share = config->share ? config->share : 1;
	l->buckets = buckets_new(config->clients_max ? config->clients_max : CLIENTS_MAX);
	list_init(&l->busy);
	l->timer = timer_new(loop, on_timer, l);
	limits_set_key(l, config->key);
	struct redis_config redis = { .address = config->redis, .command_timeout_ms = COMMAND_MS };
	if (config->redis.n) l->redis = redis_new(loop, &redis);
	open_metrics(l, m);
	return l;
}

void limits_free(struct limits *l)
{
	if (!l || l->freed) return;
	l->freed = true;
	timer_free(l->timer);
	redis_free(l->redis);
	for (struct list *i = l->busy.next; i != &l->busy; i = i->next)
		serve_waits(l, CONTAINER_OF(i, struct bucket, busy), false);
	if (!l->asks_out) destroy(l); /* else with the last answer, which comes in this turn */
}
