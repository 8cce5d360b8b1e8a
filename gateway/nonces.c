/* SET yg:nonce:<digest> NX PX in Redis, then POST /internal/signature-nonces/claim {"digest"}: 204 or 409. */
#include "gateway/nonces.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cache/redis.h"
#include "common/core/id.h"
#include "common/core/log.h"

enum { DIGEST_HEX_BYTES = 2 * SHA256_BYTES, CLAIMS_MAX = 1024, KEY_PREFIX_BYTES = 9, REDIS_TIMEOUT_MS = 20 };
/* Longer than any signature can be accepted: made up to five minutes ahead of our clock, good for five minutes. */
#define KEEP_MS "900000"

struct claim {
	struct list link;
	struct nonces *owner; /* NULL: only the answer of Redis is still awaited, by nobody */
	struct nonce_wait *wait;
	bool marked; /* Redis has it */
	char key[KEY_PREFIX_BYTES + DIGEST_HEX_BYTES];
};

struct nonces {
	struct internal *internal;
	struct redis *redis;
	struct list claims;
	unsigned count;
};

struct nonces *nonces_new(struct internal *internal, struct str redis)
{
	struct nonces *n = calloc(1, sizeof *n);
	CHECK(n != NULL);
	n->internal = internal;
	list_init(&n->claims);
	if (redis.n)
		n->redis = redis_new(
		    internal->loop, &(struct redis_config){ .address = redis, .command_timeout_ms = REDIS_TIMEOUT_MS });
	return n;
}

static void wake(struct claim *c, enum err outcome)
{
	struct nonce_wait *w = c->wait;
	list_remove(&c->link);
	c->owner->count--;
	c->owner = NULL;
	w->outcome = outcome;
	w->wake(w);
}

static struct str digest_of(const struct claim *c)
{
	return str_span(c->key + KEY_PREFIX_BYTES, DIGEST_HEX_BYTES);
}

static void forgotten(void *arg, enum err status, const struct redis_reply *reply)
{
	(void)arg, (void)status, (void)reply;
}

/* Nobody knows whether it was used: PostgreSQL decides when it comes again, so Redis must not say no before. */
static void unmark(struct claim *c)
{
	struct str args[] = { STR("DEL"), str_span(c->key, sizeof c->key) };
	if (c->marked && c->owner->redis &&
	    redis_send(c->owner->redis, args, ARRAY_LEN(args), forgotten, NULL) != ERR_NONE)
		log_line(LOG_DEBUG, "nonce stays marked", "Redis went away");
}

static void decided(void *arg, enum err status, const struct http_reply *reply)
{
	struct claim *c = arg;
	enum err outcome = ERR_UNAVAILABLE;
	if (status == ERR_NONE && reply->status == 204) outcome = ERR_NONE;
	if (status == ERR_NONE && reply->status == 409) outcome = ERR_SIGNATURE_REPLAYED;
	if (outcome == ERR_UNAVAILABLE) {
		log_line(LOG_WARN, "nonce not claimed", "%s %d", err_info(status)->name, reply ? reply->status : 0);
		unmark(c);
	}
	wake(c, outcome);
	free(c);
}

static enum err decide(struct claim *c)
{
	char body[DIGEST_HEX_BYTES + 32];
	int n = snprintf(body, sizeof body, "{\"digest\":\"%.*s\"}", STR_FMT(digest_of(c)));
	return internal_send_once(c->owner->internal, STR("POST"), STR("/internal/signature-nonces/claim"),
	    str_span(body, (size_t)n), decided, c);
}

static void marked(void *arg, enum err status, const struct redis_reply *reply)
{
	struct claim *c = arg;
	if (!c->owner) { /* the gateway ends */
		free(c);
		return;
	}
	bool known = status == ERR_NONE && reply->type == REDIS_NIL;
	c->marked = status == ERR_NONE && reply->type == REDIS_STATUS;
	enum err e = known ? ERR_SIGNATURE_REPLAYED : decide(c);
	if (e == ERR_NONE) return;
	if (!known) unmark(c);
	wake(c, known ? e : ERR_UNAVAILABLE);
	free(c);
}

static bool ask_redis(struct claim *c)
{
	struct str args[] = { STR("SET"), str_span(c->key, sizeof c->key), STR("1"), STR("NX"), STR("PX"),
		STR(KEEP_MS) };
	struct redis *r = c->owner->redis;
	return r && redis_send(r, args, ARRAY_LEN(args), marked, c) == ERR_NONE;
}

enum err nonces_claim(struct nonces *n, const unsigned char digest[SHA256_BYTES], struct nonce_wait *w)
{
	if (n->count >= CLAIMS_MAX) return ERR_BUSY;
	struct claim *c = calloc(1, sizeof *c);
	if (!c) return ERR_MEMORY;
	c->owner = n;
	c->wait = w;
	memcpy(c->key, "yg:nonce:", KEY_PREFIX_BYTES);
	id_hex(digest, SHA256_BYTES, c->key + KEY_PREFIX_BYTES);
	list_push(&n->claims, &c->link);
	n->count++;
	enum err e = ask_redis(c) ? ERR_NONE : decide(c);
	if (e == ERR_NONE) return ERR_NONE;
	list_remove(&c->link);
	n->count--;
	free(c);
	return e;
}

void nonces_free(struct nonces *n)
{
	struct list *item;
	if (!n) return;
	redis_free(n->redis);
	n->redis = NULL;
	while ((item = list_first(&n->claims))) wake(CONTAINER_OF(item, struct claim, link), ERR_UNAVAILABLE);
	free(n);
}
