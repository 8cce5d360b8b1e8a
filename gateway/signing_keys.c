/* POST /internal/signing-keys/resolve {"keyid"}: 200 with the public key and its owner, 404 when no such key is live. */
#include "gateway/signing_keys.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/map.h"
#include "common/json/json.h"
#include "gateway/questions.h"

enum { FRESH_S = 30, FRESH_UNKNOWN_S = 5, REPLY_BYTES_MAX = 64 * 1024, QUESTIONS_MAX = 64, WAITS_MAX = 1024 };

struct entry {
	struct list link; /* the least recently used first */
	struct arena arena; /* what the principal and alg point to */
	struct str keyid, alg;
	struct key *key;
	struct principal principal;
	int64_t fresh_s;
};

struct signing_keys {
	struct questions *questions;
	struct list entries;
	unsigned entry_count;
	struct lru unknown; /* keyid → int64_t, until when it is not asked about again */
};

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

static enum err learn_reply(void *arg, struct str keyid, const struct http_reply *reply)
{
	struct signing_keys *k = arg;
	if (reply->status == 404) {
		learn_unknown(k, keyid);
		return ERR_NONE;
	}
	if (reply->status != 200) return ERR_BAD_UPSTREAM;
	return learn_key(k, keyid, reply->body) == ERR_NONE ? ERR_NONE : ERR_BAD_UPSTREAM;
}

enum err signing_keys_ask(struct signing_keys *k, struct str keyid, struct credential_wait *w)
{
	CHECK(signing_keys_well_formed(keyid)); /* it needs no escapes */
	return questions_ask(k->questions, keyid, w);
}

/* ── the whole ── */

struct signing_keys *signing_keys_new(struct internal *internal)
{
	struct signing_keys *k = calloc(1, sizeof *k);
	CHECK(k != NULL);
	k->questions = questions_new(&(struct questions_config){ .internal = internal,
	    .path = STR("/internal/signing-keys/resolve"),
	    .member = "keyid",
	    .what = "signing key not resolved",
	    .questions_max = QUESTIONS_MAX,
	    .waits_max = WAITS_MAX,
	    .learn = learn_reply,
	    .arg = k });
	list_init(&k->entries);
	lru_init(&k->unknown, SIGNING_KEYS_UNKNOWN_MAX, KEYID_BYTES_MAX, sizeof(int64_t));
	return k;
}

void signing_keys_free(struct signing_keys *k)
{
	if (!k) return;
	questions_free(k->questions);
	drop_all(k);
	lru_free(&k->unknown);
	free(k);
}
