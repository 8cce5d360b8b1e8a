/*
 * Fetching, keeping and asking the key set. A set is replaced as a whole. Tokens are verified synchronously, so no set is in use
 * when it goes.
 */
#include "gateway/keyring.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/json/json.h"

enum { REFRESH_MS = 60000, RETRY_MS = 1000, MISS_INTERVAL_MS = 5000, SET_BYTES_MAX = 256 * 1024, KID_BYTES_MAX = 256 };

struct keyring {
	struct internal *internal;
	struct timer *timer;
	struct arena arena; /* of the present set */
	struct token_keys keys;
	struct str text;
	bool loaded;
	bool fetching;
	int64_t last_fetch_ms;
	struct list waits;
	unsigned wait_count;
	void (*changed)(void *arg);
	void *arg;
	uint64_t *fetches[2]; /* failed, succeeded */
};

static enum err replace_set(struct keyring *k, struct str json)
{
	struct arena a;
	struct token_keys keys = { 0 };
	if (k->loaded && str_eq(json, k->text)) return ERR_NONE;
	arena_init(&a, 4096, SET_BYTES_MAX);
	struct str text = arena_str(&a, json);
	enum err e = text.p ? jwks_read(&a, text, &keys) : ERR_MEMORY;
	if (e == ERR_NONE && keys.count == 0) e = ERR_SYNTAX;
	if (e != ERR_NONE) {
		jwks_free(&keys);
		arena_release(&a);
		return e;
	}
	jwks_free(&k->keys);
	arena_release(&k->arena);
	k->arena = a;
	k->keys = keys;
	k->text = text;
	k->loaded = true;
	k->changed(k->arg);
	return ERR_NONE;
}

static void fetched(void *arg, enum err status, const struct http_reply *reply)
{
	struct keyring *k = arg;
	enum err e = status;
	if (e == ERR_NONE) e = reply->status == 200 ? replace_set(k, reply->body) : ERR_BAD_UPSTREAM;
	++*k->fetches[e == ERR_NONE];
	if (e != ERR_NONE) log_line(LOG_WARN, "key set not fetched", "%s", err_info(e)->name);
	k->fetching = false;
	timer_start(k->timer, e == ERR_NONE ? REFRESH_MS : RETRY_MS, 0);

	struct list woken, *item;
	list_init(&woken);
	while ((item = list_shift(&k->waits))) list_push(&woken, item);
	k->wait_count = 0;
	while ((item = list_shift(&woken))) {
		struct keyring_wait *w = CONTAINER_OF(item, struct keyring_wait, link);
		w->wake(w);
	}
}

void keyring_refresh(struct keyring *k)
{
	if (k->fetching) return;
	k->last_fetch_ms = loop_now_ms(k->internal->loop);
	if (internal_send(k->internal, STR("GET"), STR("/.well-known/jwks.json"), STR_NONE, fetched, k) == ERR_NONE) {
		k->fetching = true;
		timer_stop(k->timer);
	} else {
		timer_start(k->timer, RETRY_MS, 0);
	}
}

static void refresh_due(void *arg)
{
	keyring_refresh(arg);
}

struct keyring *keyring_new(struct internal *internal, struct metrics *metrics, void (*changed)(void *arg), void *arg)
{
	struct keyring *k = calloc(1, sizeof *k);
	CHECK(k != NULL);
	k->internal = internal;
	k->changed = changed;
	k->arg = arg;
	k->last_fetch_ms = INT64_MIN / 2;
	list_init(&k->waits);
	k->timer = timer_new(internal->loop, refresh_due, k);
	for (int i = 0; i < 2; i++) {
		struct metric_label l = { "outcome", i ? STR("ok") : STR("failed") };
		k->fetches[i] = metrics_counter(metrics, "yg_jwks_fetches_total", "Fetches of the key set.", &l, 1);
	}
	timer_start(k->timer, 1, 0);
	return k;
}

void keyring_free(struct keyring *k)
{
	if (!k) return;
	timer_free(k->timer);
	jwks_free(&k->keys);
	arena_release(&k->arena);
	free(k);
}

bool keyring_loaded(const struct keyring *k)
{
	return k->loaded;
}

enum err keyring_verify(const struct keyring *k, struct arena *a, const struct token_issuer *issuer, struct str token,
    int64_t now_s, struct principal *out)
{
	if (!k->loaded) return ERR_UNAVAILABLE;
	return token_verify_old(a, issuer, &k->keys, token, now_s, out);
}

/* True when the token's header names a key, and it is not in the set. What cannot be read is the verifier's to refuse. */
static bool names_unknown_key(const struct keyring *k, struct str token)
{
	struct arena a;
	struct str rest = token, head, json;
	const struct json *header;
	struct json_error error;
	bool unknown = false;
	arena_init(&a, 1024, 16 * 1024);
	if (str_cut(&rest, '.', &head) && base64url_decode(&a, head, &json) == ERR_NONE &&
	    json_read(&a, json, JSON_DEPTH_MAX, &header, &error) == ERR_NONE) {
		struct str kid = json_get_str(header, "kid");
		unknown = kid.n > 0 && kid.n <= KID_BYTES_MAX;
		for (unsigned i = 0; i < k->keys.count; i++) unknown &= !str_eq(k->keys.items[i].kid, kid);
	}
	arena_release(&a);
	return unknown;
}

bool keyring_ask(struct keyring *k, struct str token, struct keyring_wait *w)
{
	bool may_fetch = loop_now_ms(k->internal->loop) - k->last_fetch_ms >= MISS_INTERVAL_MS;
	if (!k->fetching && !may_fetch) return false;
	if (k->wait_count >= KEYRING_WAITS_MAX || !names_unknown_key(k, token)) return false;
	keyring_refresh(k);
	if (!k->fetching) return false;
	list_push(&k->waits, &w->link);
	k->wait_count++;
	return true;
}
