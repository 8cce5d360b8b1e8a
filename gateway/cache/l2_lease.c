/*
 * Leases: of several processes that miss the same expensive answer, one asks the service. The others wait for a message that it was
 * stored, or that it will not be; not long, and never without going themselves in the end.
 */
#include "gateway/cache/l2_state.h"

#include <stdio.h>

#include "common/core/id.h"

enum { TOKEN_BYTES = 16, LEASE_MS_MAX = 60000 };

/* KEYS: f. ARGV: token, hash, channel. Only the holder may give it up. */
static const char end_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
				 "redis.call('DEL', KEYS[1]) "
				 "redis.call('PUBLISH', ARGV[3], 'n ' .. ARGV[2]) "
				 "return 1";

static struct str token_text(uint64_t token, char out[TOKEN_BYTES])
{
	id_hex(&token, sizeof token, out);
	return str_span(out, TOKEN_BYTES);
}

static void tell(struct l2_call *c, enum l2_lease outcome)
{
	struct l2 *l = c->l2;
	if (!l2_call_tell(c)) return;
	++*(outcome == L2_LEASE_OURS     ? l->leases_taken
	    : outcome == L2_LEASE_FILLED ? l->leases_filled
					 : l->leases_alone);
	c->leased(c->arg, outcome, outcome == L2_LEASE_OURS ? c->token : 0);
}

static void on_late(struct wait *w)
{
	struct l2_call *c = CONTAINER_OF(w, struct l2_call, wait);
	tell(c, L2_LEASE_NONE);
	l2_call_put(c);
}

/* A lease that came too late for whom it was for is given up again. */
static void take_answer(struct l2_call *c, const struct redis_reply *reply)
{
	if (reply->type == REDIS_STATUS) {
		if (c->told)
			l2_lease_end(c->l2, c->key, c->token);
		else
			tell(c, L2_LEASE_OURS);
	} else if (reply->type != REDIS_NIL) {
		tell(c, L2_LEASE_NONE);
	} else if (c->filled) {
		tell(c, L2_LEASE_FILLED);
	} else if (c->given_up) {
		tell(c, L2_LEASE_NONE);
	} else {
		c->waits_for_message = true;
	}
}

static void on_answer(void *arg, enum err status, const struct redis_reply *reply)
{
	struct l2_call *c = arg;
	c->owed--;
	if (status == ERR_NONE)
		take_answer(c, reply);
	else
		tell(c, L2_LEASE_NONE);
	l2_call_put(c);
}

static void hear(struct l2_call *c, bool stored)
{
	if (c->told || !c->leased) return;
	if (c->waits_for_message) {
		tell(c, stored ? L2_LEASE_FILLED : L2_LEASE_NONE);
		l2_call_put(c);
	} else if (stored) {
		c->filled = true;
	} else {
		c->given_up = true;
	}
}

static void on_message(void *arg, struct str hash, bool stored)
{
	struct l2 *l = arg;
	struct list heard, *item;
	list_init(&heard);
	for (struct list *i = l->calls.next, *next; i != &l->calls; i = next) {
		next = i->next;
		if (memcmp(CONTAINER_OF(i, struct l2_call, link)->hash, hash.p, L2_HASH_BYTES) != 0) continue;
		list_remove(i);
		list_push(&heard, i);
	}
	while ((item = list_shift(&heard))) { /* telling one may begin, end or cancel others */
		list_push(&l->calls, item);
		hear(CONTAINER_OF(item, struct l2_call, link), stored);
	}
}

void l2_leases_open(struct l2 *l)
{
	tags_on_filled(l->tags, on_message, l);
}

enum err l2_lease_take(
    struct l2 *l, struct str key, int64_t lease_ms, l2_leased *done, void *arg, struct l2_call **call)
{
	char name[L2_KEY_NAME_BYTES], token[TOKEN_BYTES], ms[PURGE_NUMBER_BYTES];
	CHECK(done && lease_ms > 0 && lease_ms <= LEASE_MS_MAX && !l->freed);
	if (key.n > L2_KEY_BYTES_MAX || !redis_connected(l->redis) || !tags_in_step(l->tags)) return ERR_UNAVAILABLE;
	struct l2_call *c = l2_call_new(l, key, arg);
	c->leased = done;
	c->wait.expired = on_late;
	id_random(&c->token, sizeof c->token);
	int n = snprintf(ms, sizeof ms, "%lld", (long long)lease_ms);
	const struct str args[] = { STR("SET"), l2_name('f', c->hash, NULL, name), token_text(c->token, token),
		STR("NX"), STR("PX"), str_span(ms, (size_t)n) };
	enum err e = c->key.p ? redis_send(l->redis, args, ARRAY_LEN(args), on_answer, c) : ERR_MEMORY;
	if (e != ERR_NONE) {
		c->told = true;
		l2_call_put(c);
		return e;
	}
	c->owed++;
	waits_add(&l->waits, &c->wait, loop_now_ms(l->loop) + L2_LEASE_WAIT_MS);
	if (call) *call = c;
	return ERR_NONE;
}

static void on_ended(void *arg, enum err status, const struct redis_reply *reply)
{
	struct l2 *l = arg;
	(void)status;
	(void)reply;
	l->owed--;
	l2_let_go(l);
}

void l2_lease_end(struct l2 *l, struct str key, uint64_t token)
{
	char hash[L2_HASH_BYTES], name[L2_KEY_NAME_BYTES], text[TOKEN_BYTES];
	if (l->freed) return;
	l2_hash(key, hash);
	const struct str args[] = { l2_name('f', hash, NULL, name), token_text(token, text),
		str_span(hash, L2_HASH_BYTES), PURGE_CHANNEL };
	if (redis_run(l->redis, str_span(end_script, sizeof end_script - 1), args, 1, ARRAY_LEN(args), on_ended, l) ==
	    ERR_NONE)
		l->owed++; /* else it ends by itself */
}
