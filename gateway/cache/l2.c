/*
 * Looking up in Redis. The names of Vary decide under which name an answer stands; they are guessed from what was seen before, asked
 * for in the same round trip, and the answer is looked for again where the guess was wrong. Invariant: a call is told once, and goes
 * to the spare ones only when no answer is owed to it.
 */
#include "gateway/cache/l2_state.h"

#include <stdlib.h>

#include "common/core/id.h"
#include "common/crypto/crypto.h"

enum {
	REMEMBERED_MAX = 16384,
	CALL_FIRST_BYTES = 2048,
	CALL_BYTES_MAX = 2 * 1024 * 1024,
	BULK_QUEUE_MAX = 1000,
	BULK_TIMEOUT_MS = 1000,
	FAILURES_MAX = 5,
	PAUSE_FIRST_MS = 250,
	PAUSE_MOST_MS = 5000,
	SCRATCH_BYTES_MAX = L2_BLOB_BYTES_MAX + 64 * 1024
};

/* ---- names ---- */

void l2_hash(struct str key, char out[L2_HASH_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	sha256(key, digest);
	id_hex(digest, L2_HASH_BYTES / 2, out);
}

struct str l2_name(char kind, const char hash[L2_HASH_BYTES], const struct str *variant, char out[L2_KEY_NAME_BYTES])
{
	size_t n = 6;
	memcpy(out, "yg:?:{", n);
	out[3] = kind;
	memcpy(out + n, hash, L2_HASH_BYTES);
	n += L2_HASH_BYTES;
	out[n++] = '}';
	if (!variant) return str_span(out, n);
	out[n++] = ':';
	if (variant->n == 0) return str_span(out, n);
	l2_hash(*variant, out + n);
	return str_span(out, n + L2_HASH_BYTES);
}

void l2_remember(struct l2 *l, const char hash[L2_HASH_BYTES], struct str vary)
{
	if (vary.n > L2_VARY_BYTES_MAX) return;
	struct l2_names *names = lru_put(&l->remembered, str_span(hash, L2_HASH_BYTES));
	l->usual.n = names->n = (uint16_t)vary.n;
	if (vary.n) memcpy(names->text, vary.p, vary.n);
	if (vary.n) memcpy(l->usual.text, vary.p, vary.n);
}

void l2_recall(struct l2 *l, const char hash[L2_HASH_BYTES], struct l2_names *out)
{
	const struct l2_names *names = lru_get(&l->remembered, str_span(hash, L2_HASH_BYTES));
	if (!names) names = &l->usual;
	out->n = names->n;
	memcpy(out->text, names->text, names->n);
}

/* ---- breaker: a mute Redis costs a few requests their ten milliseconds, not all of them ---- */

bool l2_breaker_allows(struct l2 *l)
{
	struct l2_breaker *b = &l->breaker;
	int64_t now_ms = loop_now_ms(l->loop);
	if (b->failures < FAILURES_MAX) return true;
	if (now_ms < b->shut_until_ms) {
		++*l->spared;
		return false;
	}
	b->trying = true; /* one tries for all, after each pause */
	b->shut_until_ms = now_ms + b->pause_ms;
	return true;
}

void l2_breaker_note(struct l2 *l, bool good)
{
	struct l2_breaker *b = &l->breaker;
	int64_t now_ms = loop_now_ms(l->loop);
	if (good) {
		*b = (struct l2_breaker){ .pause_ms = PAUSE_FIRST_MS };
	} else if (b->failures < FAILURES_MAX) {
		if (++b->failures == FAILURES_MAX) b->shut_until_ms = now_ms + b->pause_ms;
	} else if (b->trying) {
		b->trying = false;
		b->pause_ms = b->pause_ms * 2 < PAUSE_MOST_MS ? b->pause_ms * 2 : PAUSE_MOST_MS;
		b->shut_until_ms = now_ms + b->pause_ms;
	}
}

/* ---- calls ---- */

void l2_let_go(struct l2 *l)
{
	if (l->freed && list_empty(&l->calls) && l->owed == 0) loop_push(l->loop, PHASE_LAST, &l->release_task);
}

struct l2_call *l2_call_new(struct l2 *l, struct str key, void *arg)
{
	struct list *item = list_shift(&l->spare);
	struct l2_call *c = item ? CONTAINER_OF(item, struct l2_call, link) : calloc(1, sizeof *c);
	CHECK(c != NULL);
	if (!item) arena_init(&c->arena, CALL_FIRST_BYTES, CALL_BYTES_MAX);
	c->l2 = l;
	c->done = NULL;
	c->leased = NULL;
	c->arg = arg;
	c->told = c->filled = c->given_up = c->waits_for_message = false;
	c->owed = 0;
	c->key = arena_str(&c->arena, key);
	c->value_bytes = STR_NONE;
	l2_hash(key, c->hash);
	list_init(&c->wait.link);
	list_push(&l->calls, &c->link);
	return c;
}

void l2_call_put(struct l2_call *c)
{
	if (!c->told || c->owed) return;
	arena_reset(&c->arena);
	list_remove(&c->link);
	list_push(&c->l2->spare, &c->link);
	l2_let_go(c->l2);
}

bool l2_call_tell(struct l2_call *c)
{
	if (c->told) return false;
	c->told = true;
	waits_remove(&c->wait);
	return true;
}

void l2_cancel(struct l2_call *c)
{
	if (l2_call_tell(c)) l2_call_put(c);
}

/* ---- looking up ---- */

static void miss(struct l2_call *c, uint64_t *counter)
{
	if (!l2_call_tell(c)) return;
	++*counter;
	c->done(c->arg, NULL);
}

static void hit(struct l2_call *c, struct tags_stamp stamp)
{
	struct l2_hit h = { .blob = c->value.blob,
		.vary = str_span(c->names.text, c->names.n),
		.response_time_us = c->value.response_time_us,
		.stamp = stamp,
		.tags = c->value.tags,
		.tag_count = c->value.tag_count };
	if (!l2_call_tell(c)) return;
	++*c->l2->hits;
	c->done(c->arg, &h);
}

static void on_late(struct wait *w)
{
	struct l2_call *c = CONTAINER_OF(w, struct l2_call, wait);
	struct l2 *l = c->l2;
	if (!l->freed) l2_breaker_note(l, false);
	miss(c, l->late);
	l2_call_put(c);
}

static void on_verified(void *arg, enum tags_verdict verdict, int64_t seq)
{
	struct l2_call *c = arg;
	c->owed--;
	if (verdict == TAGS_CURRENT)
		hit(c, (struct tags_stamp){ seq, tags_now(c->l2->tags).local });
	else
		miss(c, c->l2->stale);
	l2_call_put(c);
}

/* The value was made before what this process can judge: Redis must say whether its tags were purged since. */
static void verify(struct l2_call *c)
{
	struct tags_stamp stamp = { c->value.seq, tags_now(c->l2->tags).local };
	struct str kept = arena_str(&c->arena, c->value_bytes);
	if (!kept.p || !l2_value_read(kept, &c->value) ||
	    tags_verify(c->l2->tags, stamp, c->value.tags, c->value.tag_count, on_verified, c) != ERR_NONE) {
		miss(c, c->l2->stale);
		return;
	}
	c->owed++;
}

/* What is in Redis was purged by number only: a purge of this process that has none yet counts too (local 0). */
static void judge(struct l2_call *c)
{
	struct tags_stamp stamp = { c->value.seq, 0 };
	uint32_t slots[TAGS_PER_ENTRY_MAX];
	for (unsigned i = 0; i < c->value.tag_count; i++) slots[i] = tags_slot(c->value.tags[i]);
	switch (tags_check(c->l2->tags, &stamp, slots, c->value.tag_count)) {
	case TAGS_CURRENT:
		hit(c, stamp);
		break;
	case TAGS_PURGED:
		miss(c, c->l2->stale);
		break;
	case TAGS_UNSURE:
		verify(c);
		break;
	}
}

static void take_value(struct l2_call *c, const struct redis_reply *reply)
{
	if (c->told) return;
	c->value_bytes = reply->type == REDIS_STRING ? reply->text : STR_NONE;
	if (!c->value_bytes.p || !l2_value_read(c->value_bytes, &c->value) || !str_eq(c->value.key, c->key) ||
	    !str_eq(c->value.variant, c->variant_text))
		miss(c, c->l2->misses);
	else
		judge(c);
}

static void on_value(void *arg, enum err status, const struct redis_reply *reply)
{
	struct l2_call *c = arg;
	c->owed--;
	if (status == ERR_NONE)
		take_value(c, reply);
	else
		miss(c, c->l2->misses);
	l2_call_put(c);
}

/* The variant's text under the names that c->names holds. */
static bool choose_variant(struct l2_call *c)
{
	struct str text = c->variant(c->arg, str_span(c->names.text, c->names.n));
	if (!text.p || text.n > L2_VARIANT_BYTES_MAX) return false;
	c->variant_text = arena_str(&c->arena, text);
	return c->variant_text.p != NULL;
}

static bool ask_again(struct l2_call *c, struct str vary)
{
	char name[L2_KEY_NAME_BYTES];
	if (vary.n > L2_VARY_BYTES_MAX) return false;
	l2_remember(c->l2, c->hash, vary);
	c->names.n = (uint16_t)vary.n;
	if (vary.n) memcpy(c->names.text, vary.p, vary.n);
	if (!choose_variant(c)) return false;
	const struct str args[] = { STR("GET"), l2_name('v', c->hash, &c->variant_text, name) };
	if (redis_send(c->l2->redis, args, 2, on_value, c) != ERR_NONE) return false;
	c->owed++;
	return true;
}

static void take_both(struct l2_call *c, const struct redis_reply *reply)
{
	if (c->told) return;
	const struct redis_reply *names = reply->type == REDIS_ARRAY && reply->item_count == 2 ? reply->items : NULL;
	if (!names || names->type != REDIS_STRING) {
		miss(c, c->l2->misses);
	} else if (str_eq(names->text, str_span(c->names.text, c->names.n))) {
		l2_remember(c->l2, c->hash, names->text);
		take_value(c, names + 1);
	} else if (!ask_again(c, names->text)) {
		miss(c, c->l2->misses);
	}
}

static void on_both(void *arg, enum err status, const struct redis_reply *reply)
{
	struct l2_call *c = arg;
	c->owed--;
	if (!c->told) l2_breaker_note(c->l2, status == ERR_NONE && reply->type == REDIS_ARRAY);
	if (status == ERR_NONE)
		take_both(c, reply);
	else
		miss(c, c->l2->misses);
	l2_call_put(c);
}

static enum err ask_both(struct l2_call *c)
{
	char m[L2_KEY_NAME_BYTES], v[L2_KEY_NAME_BYTES];
	if (!c->key.p || !choose_variant(c)) return ERR_NOT_FOUND;
	const struct str args[] = { STR("MGET"), l2_name('m', c->hash, NULL, m),
		l2_name('v', c->hash, &c->variant_text, v) };
	return redis_send(c->l2->redis, args, 3, on_both, c);
}

enum err l2_get(struct l2 *l, struct str key, l2_variant *variant, int64_t deadline_ms, l2_done *done, void *arg,
    struct l2_call **call)
{
	int64_t most_ms = loop_now_ms(l->loop) + L2_DEADLINE_MS;
	CHECK(variant && done && !l->freed);
	if (key.n > L2_KEY_BYTES_MAX || !redis_connected(l->redis)) return ERR_UNAVAILABLE;
	if (!l2_breaker_allows(l)) return ERR_BUSY;
	struct l2_call *c = l2_call_new(l, key, arg);
	c->done = done;
	c->variant = variant;
	c->wait.expired = on_late;
	l2_recall(l, c->hash, &c->names);
	enum err e = ask_both(c);
	if (e != ERR_NONE) {
		c->told = true;
		l2_call_put(c);
		return e;
	}
	c->owed++;
	waits_add(&l->waits, &c->wait, deadline_ms < most_ms ? deadline_ms : most_ms);
	if (call) *call = c;
	return ERR_NONE;
}

/* ---- life ---- */

static uint64_t *counter(struct metrics *m, const char *name, const char *help, const char *label, const char *value)
{
	struct metric_label l = { label, str_of(value) };
	return metrics_counter(m, name, help, &l, 1);
}

static void open_metrics(struct l2 *l, struct metrics *m)
{
	static const char gets[] = "yg_cache_l2_gets_total", gets_help[] = "Look-ups in Redis by outcome.";
	static const char puts_[] = "yg_cache_l2_fills_total", puts_help[] = "Answers for Redis by outcome.";
	static const char leases[] = "yg_cache_l2_leases_total", leases_help[] = "Leases by outcome.";
	l->hits = counter(m, gets, gets_help, "outcome", "hit");
	l->misses = counter(m, gets, gets_help, "outcome", "miss");
	l->stale = counter(m, gets, gets_help, "outcome", "purged");
	l->spared = counter(m, gets, gets_help, "outcome", "spared");
	l->late = counter(m, gets, gets_help, "outcome", "late");
	l->stored = counter(m, puts_, puts_help, "outcome", "stored");
	l->outdated = counter(m, puts_, puts_help, "outcome", "outdated");
	l->dropped = counter(m, puts_, puts_help, "outcome", "dropped");
	l->refused = counter(m, puts_, puts_help, "outcome", "refused");
	l->leases_taken = counter(m, leases, leases_help, "outcome", "taken");
	l->leases_filled = counter(m, leases, leases_help, "outcome", "filled");
	l->leases_alone = counter(m, leases, leases_help, "outcome", "alone");
}

static void on_release(struct loop_task *task)
{
	struct l2 *l = CONTAINER_OF(task, struct l2, release_task);
	struct list *item;
	CHECK(list_empty(&l->calls) && l->owed == 0);
	while ((item = list_shift(&l->spare))) {
		struct l2_call *c = CONTAINER_OF(item, struct l2_call, link);
		arena_release(&c->arena);
		free(c);
	}
	lru_free(&l->remembered);
	buf_free(&l->scratch);
	free(l);
}

struct l2 *l2_new(const struct l2_config *config)
{
	struct redis_config bulk = {
		.address = config->redis, .command_timeout_ms = BULK_TIMEOUT_MS, .queue_max = BULK_QUEUE_MAX
	};
	struct l2 *l = calloc(1, sizeof *l);
	CHECK(l != NULL && tags_redis(config->tags));
	l->loop = config->loop;
	l->tags = config->tags;
	l->redis = tags_redis(config->tags);
	l->bulk = redis_new(l->loop, &bulk);
	if (!l->bulk) {
		free(l);
		return NULL;
	}
	waits_init(&l->waits, l->loop);
	lru_init(&l->remembered, REMEMBERED_MAX, L2_HASH_BYTES, sizeof(struct l2_names));
	list_init(&l->calls);
	list_init(&l->spare);
	l->breaker.pause_ms = PAUSE_FIRST_MS;
	l->release_task.run = on_release;
	buf_init(&l->scratch, SCRATCH_BYTES_MAX);
	open_metrics(l, config->metrics);
	l2_leases_open(l);
	return l;
}

void l2_free(struct l2 *l)
{
	if (!l || l->freed) return;
	l->freed = true;
	redis_free(l->bulk);
	tags_on_filled(l->tags, NULL, NULL);
	waits_deinit(&l->waits); /* each a miss */
	l2_let_go(l);
}
