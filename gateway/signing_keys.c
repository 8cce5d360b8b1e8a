/* POST /internal/signing-keys/resolve {"keyid"}: 200 with the public key and its owner, 404 when no such key is live. */
#include "gateway/signing_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/map.h"
#include "common/json/json.h"

enum { FRESH_S = 30, FRESH_UNKNOWN_S = 5, REPLY_BYTES_MAX = 64 * 1024, FLIGHTS_MAX = 64, WAITS_MAX = 1024 };

struct entry {
	struct list link; /* the least recently used first */
	struct arena arena; /* what the principal and alg point to */
	struct str keyid, alg;
	struct key *key;
	struct principal principal;
	int64_t fresh_s;
};

struct flight {
	struct list link;
	struct signing_keys *owner;
	struct list waits;
	char keyid[KEYID_BYTES_MAX];
	size_t keyid_bytes;
};

struct signing_keys {
	struct internal *internal;
	struct list entries;
	unsigned entry_count;
	struct lru unknown; /* keyid → int64_t, until when it is not asked about again */
	struct list flights;
	unsigned flight_count, wait_count;
};

struct signing_keys *signing_keys_new(struct internal *internal)
{
	struct signing_keys *k = calloc(1, sizeof *k);
	CHECK(k != NULL);
	k->internal = internal;
	list_init(&k->entries);
	list_init(&k->flights);
	lru_init(&k->unknown, SIGNING_KEYS_UNKNOWN_MAX, KEYID_BYTES_MAX, sizeof(int64_t));
	return k;
}

static void drop(struct signing_keys *k, struct entry *e)
{
	list_remove(&e->link);
	k->entry_count--;
	key_free(e->key);
	arena_release(&e->arena);
	free(e);
}

static void drop_all(struct signing_keys *k)
{
	struct list *item;
	while ((item = list_first(&k->entries))) drop(k, CONTAINER_OF(item, struct entry, link));
}

void signing_keys_flush(struct signing_keys *k)
{
	drop_all(k);
	lru_free(&k->unknown);
	lru_init(&k->unknown, SIGNING_KEYS_UNKNOWN_MAX, KEYID_BYTES_MAX, sizeof(int64_t));
}

void signing_keys_free(struct signing_keys *k)
{
	struct list *item;
	if (!k) return;
	while ((item = list_shift(&k->flights))) free(CONTAINER_OF(item, struct flight, link));
	drop_all(k);
	lru_free(&k->unknown);
	free(k);
}

bool signing_keys_well_formed(struct str keyid)
{
	if (keyid.n < KEYID_BYTES_MIN || keyid.n > KEYID_BYTES_MAX) return false;
	for (size_t i = 0; i < keyid.n; i++) {
		char c = keyid.p[i], lower = (char)(c | 0x20);
		bool alnum = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
		if (!alnum && (i == 0 || (c != '.' && c != '_' && c != ':' && c != '-'))) return false;
	}
	return true;
}

static struct entry *find_entry(struct signing_keys *k, struct str keyid)
{
	for (struct list *i = k->entries.prev; i != &k->entries; i = i->prev) {
		struct entry *e = CONTAINER_OF(i, struct entry, link);
		if (str_eq(e->keyid, keyid)) return e;
	}
	return NULL;
}

enum err signing_keys_get(struct signing_keys *k, struct str keyid, int64_t now_s, struct signing_key *out)
{
	struct entry *e = find_entry(k, keyid);
	if (e && now_s <= e->fresh_s) {
		list_remove(&e->link);
		list_push(&k->entries, &e->link);
		*out = (struct signing_key){ e->key, e->alg, &e->principal };
		return ERR_NONE;
	}
	const int64_t *until_s = lru_get(&k->unknown, keyid);
	return until_s && now_s <= *until_s ? ERR_SIGNATURE_INVALID : ERR_RETRY;
}

/* ── what the identity service says ── */

static bool alg_fits(struct str alg, struct key *key)
{
	switch (key_alg(key)) {
	case ALG_EDDSA:
		return str_eq(alg, STR("ed25519"));
	case ALG_ES256:
		return str_eq(alg, STR("ecdsa-p256-sha256"));
	case ALG_RS256:
		return str_eq(alg, STR("rsa-pss-sha512")) && key_use_pss(key) == ERR_NONE;
	case ALG_PS512:
		break;
	}
	return false;
}

static enum err read_key(struct entry *e, const struct json *v)
{
	int64_t expires_us = 0;
	struct arena *a = &e->arena;
	if (!clock_parse_rfc3339(json_get_str(v, "expires_at"), &expires_us)) return ERR_SYNTAX;
	e->alg = arena_str(a, json_get_str(v, "alg"));
	e->principal = (struct principal){
		.kind = PRINCIPAL_PARTNER,
		.subject = arena_str(a, json_get_str(v, "subject")),
		.organization = arena_str(a, json_get_str(v, "organization")),
		.scopes = arena_str(a, json_get_str(v, "scopes")),
		.session = arena_str(a, json_get_str(v, "key_id")),
		.client = arena_str(a, json_get_str(v, "client_id")),
		.certificates = arena_str(a, json_get_str(v, "certificates")),
		.expires_s = expires_us / 1000000,
	};
	if (!e->principal.subject.n || !e->principal.session.n) return ERR_SYNTAX;
	TRY(key_read_pem(json_get_str(v, "public_key"), &e->key));
	return alg_fits(e->alg, e->key) ? ERR_NONE : ERR_CRYPTO;
}

static enum err learn_key(struct signing_keys *k, struct str keyid, struct str body)
{
	const struct json *v;
	struct json_error error;
	struct entry *e = calloc(1, sizeof *e), *old = find_entry(k, keyid);
	CHECK(e != NULL);
	arena_init(&e->arena, 4096, REPLY_BYTES_MAX);
	list_push(&k->entries, &e->link);
	k->entry_count++;
	if (old) drop(k, old);
	enum err failed = json_read(&e->arena, body, JSON_DEPTH_MAX, &v, &error);
	if (failed == ERR_NONE) failed = read_key(e, v);
	e->keyid = arena_str(&e->arena, keyid);
	if (failed == ERR_NONE && e->arena.overflow) failed = ERR_MEMORY;
	if (failed != ERR_NONE) {
		drop(k, e);
		return failed;
	}
	e->fresh_s = clock_wall_s() + FRESH_S;
	if (k->entry_count > SIGNING_KEYS_MAX) drop(k, CONTAINER_OF(list_first(&k->entries), struct entry, link));
	return ERR_NONE;
}

static void learn_unknown(struct signing_keys *k, struct str keyid)
{
	struct entry *old = find_entry(k, keyid);
	int64_t *until_s = lru_put(&k->unknown, keyid);
	if (old) drop(k, old);
	if (until_s) *until_s = clock_wall_s() + FRESH_UNKNOWN_S;
}

static enum err learn_reply(struct flight *f, const struct http_reply *reply)
{
	struct str keyid = str_span(f->keyid, f->keyid_bytes);
	if (reply->status == 404) {
		learn_unknown(f->owner, keyid);
		return ERR_NONE;
	}
	if (reply->status != 200) return ERR_BAD_UPSTREAM;
	return learn_key(f->owner, keyid, reply->body) == ERR_NONE ? ERR_NONE : ERR_BAD_UPSTREAM;
}

static void resolved(void *arg, enum err status, const struct http_reply *reply)
{
	struct flight *f = arg;
	struct list *item;
	enum err e = status == ERR_NONE ? learn_reply(f, reply) : ERR_UNAVAILABLE;
	if (e != ERR_NONE)
		log_line(LOG_WARN, "signing key not resolved", "%s", err_info(status == ERR_NONE ? e : status)->name);
	list_remove(&f->link);
	f->owner->flight_count--;
	while ((item = list_shift(&f->waits))) {
		struct credential_wait *w = CONTAINER_OF(item, struct credential_wait, link);
		f->owner->wait_count--;
		w->outcome = e;
		w->wake(w);
	}
	free(f);
}

static struct flight *find_flight(struct signing_keys *k, struct str keyid)
{
	for (struct list *i = k->flights.next; i != &k->flights; i = i->next) {
		struct flight *f = CONTAINER_OF(i, struct flight, link);
		if (str_eq(str_span(f->keyid, f->keyid_bytes), keyid)) return f;
	}
	return NULL;
}

static enum err start_flight(struct signing_keys *k, struct str keyid, struct flight **out)
{
	char body[KEYID_BYTES_MAX + 32];
	if (k->flight_count >= FLIGHTS_MAX) return ERR_BUSY;
	struct flight *f = calloc(1, sizeof *f);
	if (!f) return ERR_MEMORY;
	f->owner = k;
	f->keyid_bytes = keyid.n;
	memcpy(f->keyid, keyid.p, keyid.n);
	list_init(&f->waits);
	/* a well-formed keyid needs no escapes */
	int n = snprintf(body, sizeof body, "{\"keyid\":\"%.*s\"}", STR_FMT(keyid));
	enum err e = internal_send(
	    k->internal, STR("POST"), STR("/internal/signing-keys/resolve"), str_span(body, (size_t)n), resolved, f);
	if (e != ERR_NONE) {
		free(f);
		return e;
	}
	list_push(&k->flights, &f->link);
	k->flight_count++;
	*out = f;
	return ERR_NONE;
}

enum err signing_keys_ask(struct signing_keys *k, struct str keyid, struct credential_wait *w)
{
	CHECK(signing_keys_well_formed(keyid));
	if (k->wait_count >= WAITS_MAX) return ERR_BUSY;
	struct flight *f = find_flight(k, keyid);
	if (!f) TRY(start_flight(k, keyid, &f));
	list_push(&f->waits, &w->link);
	k->wait_count++;
	return ERR_NONE;
}
