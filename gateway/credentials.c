/*
 * The memory of verified credentials: one bounded LRU for tokens (by the whole token) and one for API keys (by SHA-256, so that
 * no key is kept). An entry holds the caller's principal and its sealed identity, made anew every 30 s of use. Expiry and
 * revocation are checked on every use; a change of keys flushes all.
 */
#include "gateway/credentials.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/map.h"
#include "gateway/api_keys.h"

enum { PARTS_BYTES_MAX = 1664, SEALED_BYTES_MAX = 1792, RESEAL_S = 30, TOKEN_END_BYTES = 32 /* of its signature */ };

/* What is remembered of one credential; it stays where it was filled. */
enum { PART_COUNT = 6 };
struct memory {
	bool filled;
	enum err verdict; /* ERR_NONE, or the refusal remembered */
	struct principal principal; /* its texts are in `text` */
	int64_t fresh_s; /* API keys: ask again after this */
	int64_t sealed_until_s;
	uint16_t text_bytes;
	uint16_t sealed_bytes;
	char text[PARTS_BYTES_MAX];
	char sealed[SEALED_BYTES_MAX];
};

struct credentials {
	const struct str *seal_key;
	struct keyring *keyring;
	struct revocations *revocations;
	struct api_keys *api_keys;
	struct token_issuer issuer;
	struct lru tokens;
	struct lru keys;
	struct lru unknown_keys; /* int64_t: until when; apart, so that who guesses drives no partner's key out */
	struct memory anonymous;
	uint64_t *hits;
	uint64_t *misses;
};

static struct str *parts_of(struct principal *p, unsigned i)
{
	struct str *const parts[PART_COUNT] = { &p->subject, &p->organization, &p->scopes, &p->session, &p->client,
		&p->certificates };
	return parts[i];
}

/* False when it does not fit: then it is not remembered. */
static bool memory_fill(struct memory *m, const struct principal *from)
{
	size_t n = 0;
	*m = (struct memory){ .principal = *from };
	for (unsigned i = 0; i < PART_COUNT; i++) {
		struct str *part = parts_of(&m->principal, i);
		if (part->n > sizeof m->text - n) return false;
		if (part->n) memcpy(m->text + n, part->p, part->n);
		if (part->p) part->p = m->text + n;
		n += part->n;
	}
	m->text_bytes = (uint16_t)n;
	m->filled = true;
	return true;
}

/* Seals anew when the last seal is old; false when it does not fit. */
static bool memory_seal(struct memory *m, struct str key, struct arena *a, int64_t now_s)
{
	if (m->sealed_bytes && now_s <= m->sealed_until_s) return true;
	struct str sealed = identity_seal(a, key, &m->principal, now_s);
	if (!sealed.p || sealed.n > sizeof m->sealed) return false;
	memcpy(m->sealed, sealed.p, sealed.n);
	m->sealed_bytes = (uint16_t)sealed.n;
	m->sealed_until_s = now_s + RESEAL_S;
	return true;
}

/* Copies into the arena, since the entry may be evicted while the request waits. */
static enum err memory_give(struct memory *m, struct str key, struct arena *a, int64_t now_s, struct caller *out)
{
	size_t text_bytes = m->text_bytes;
	if (!memory_seal(m, key, a, now_s)) return ERR_MEMORY;
	char *copy = arena_alloc(a, text_bytes + m->sealed_bytes + 1);
	if (!copy) return ERR_MEMORY;
	str_put(str_put(copy, str_span(m->text, text_bytes)), str_span(m->sealed, m->sealed_bytes));
	out->principal = m->principal;
	for (unsigned i = 0; i < PART_COUNT; i++) {
		struct str *part = parts_of(&out->principal, i);
		if (part->p) part->p = copy + (part->p - m->text);
	}
	out->identity = str_span(copy + text_bytes, m->sealed_bytes);
	return ERR_NONE;
}

static enum err give_large(
    struct credentials *c, struct arena *a, const struct principal *p, int64_t now_s, struct caller *out)
{
	out->principal = *p;
	out->identity = identity_seal(a, *c->seal_key, p, now_s);
	if (out->identity.p) return ERR_NONE;
	return a->overflow ? ERR_MEMORY : ERR_TOKEN_INVALID; /* a principal that cannot be sealed is none */
}

/* Expiry and revocation: asked at every use. `fresh_s`: of an API key, which the identity service vouched for a moment ago; 0. */
static enum err check_alive(struct credentials *c, const struct principal *p, int64_t fresh_s, int64_t now_s)
{
	if (p->expires_s && now_s >= p->expires_s) return ERR_TOKEN_EXPIRED; /* no leeway: the identity ends with it */
	return revocations_check(
	    c->revocations, p->session, fresh_s ? now_s : p->expires_s - ACCESS_TOKEN_TTL_S, now_s);
}

static enum err use_memory(struct credentials *c, struct memory *m, struct arena *a, int64_t now_s, struct caller *out)
{
	if (m->verdict != ERR_NONE) return m->verdict;
	TRY(check_alive(c, &m->principal, m->fresh_s, now_s));
	return memory_give(m, *c->seal_key, a, now_s, out);
}

enum err credentials_anonymous(struct credentials *c, struct arena *a, int64_t now_s, struct caller *out)
{
	return memory_give(&c->anonymous, *c->seal_key, a, now_s, out);
}

enum err credentials_token(struct credentials *c, struct arena *a, struct str token, int64_t now_s, struct caller *out)
{
	if (token.n > TOKEN_BYTES_MAX) return ERR_TOKEN_INVALID;
	struct memory *m = lru_get(&c->tokens, token);
	if (!m) return ERR_RETRY;
	++*c->hits;
	return use_memory(c, m, a, now_s, out);
}

enum err credentials_verify(struct credentials *c, struct arena *a, struct str token, int64_t now_s, struct caller *out)
{
	struct principal p;
	++*c->misses;
	enum err e = keyring_verify(c->keyring, a, &c->issuer, token, now_s, &p);
	if (e != ERR_NONE && e != ERR_TOKEN_EXPIRED) return e;
	/* Also of who is refused: an old token that comes again and again costs no second signature check. */
	struct memory *m = lru_put(&c->tokens, token);
	bool kept = m && memory_fill(m, &p);
	if (e == ERR_NONE) e = check_alive(c, &p, 0, now_s);
	if (kept && e == ERR_NONE && memory_seal(m, *c->seal_key, a, now_s))
		return memory_give(m, *c->seal_key, a, now_s, out);
	if (m && (!kept || e == ERR_NONE)) lru_remove(&c->tokens, token);
	return e == ERR_NONE ? give_large(c, a, &p, now_s, out) : e;
}

enum err credentials_api_key(struct credentials *c, struct arena *a, struct str key, int64_t now_s, struct caller *out)
{
	char hex[API_KEY_HEX_BYTES];
	if (!api_keys_well_formed(key)) return ERR_TOKEN_INVALID;
	api_keys_hash(key, hex);
	struct memory *m = lru_get(&c->keys, str_span(hex, sizeof hex));
	if (!m) {
		const int64_t *until_s = lru_get(&c->unknown_keys, str_span(hex, sizeof hex));
		if (!until_s || now_s > *until_s) return ERR_RETRY;
		++*c->hits;
		return ERR_TOKEN_INVALID;
	}
	if (now_s > m->fresh_s) return ERR_RETRY;
	++*c->hits;
	return use_memory(c, m, a, now_s, out);
}

enum err credentials_resolve(struct credentials *c, struct str key, struct credential_wait *w)
{
	++*c->misses;
	return api_keys_ask(c->api_keys, key, w);
}

enum err credentials_vouch(
    struct credentials *c, struct arena *a, const struct principal *p, int64_t now_s, struct caller *out)
{
	struct principal copy = *p;
	TRY(check_alive(c, p, now_s, now_s));
	for (unsigned i = 0; i < PART_COUNT; i++) *parts_of(&copy, i) = arena_str(a, *parts_of(&copy, i));
	return a->overflow ? ERR_MEMORY : give_large(c, a, &copy, now_s, out);
}

/* Called by api_keys.c with what the identity service said. `p` is NULL for "no such key". */
static void learn_api_key(void *arg, struct str hex, const struct principal *p, int64_t fresh_s)
{
	struct credentials *c = arg;
	if (!p) {
		lru_remove(&c->keys, hex);
		int64_t *until_s = lru_put(&c->unknown_keys, hex);
		if (until_s) *until_s = fresh_s;
		return;
	}
	struct memory *m = lru_put(&c->keys, hex);
	if (!m) return;
	if (!memory_fill(m, p)) *m = (struct memory){ .filled = true, .verdict = ERR_INTERNAL };
	m->fresh_s = fresh_s;
}

static void init_caches(struct credentials *c)
{
	struct principal nobody = { .kind = PRINCIPAL_ANONYMOUS };
	lru_init(&c->tokens, TOKENS_MAX, TOKEN_BYTES_MAX, sizeof(struct memory));
	lru_hash_end(&c->tokens, TOKEN_END_BYTES);
	lru_init(&c->keys, API_KEYS_MAX, API_KEY_HEX_BYTES, sizeof(struct memory));
	lru_init(&c->unknown_keys, API_KEYS_MAX, API_KEY_HEX_BYTES, sizeof(int64_t));
	CHECK(memory_fill(&c->anonymous, &nobody));
}

void credentials_flush(struct credentials *c)
{
	lru_free(&c->tokens);
	lru_free(&c->keys);
	lru_free(&c->unknown_keys);
	init_caches(c);
}

static double read_held(void *arg)
{
	struct credentials *c = arg;
	return (double)(c->tokens.count + c->keys.count);
}

struct credentials *credentials_new(struct internal *internal, struct keyring *keyring, struct revocations *revocations,
    const struct token_issuer *issuer, struct metrics *metrics)
{
	struct credentials *c = calloc(1, sizeof *c);
	struct metric_label hit = { "outcome", STR("hit") }, miss = { "outcome", STR("miss") };
	CHECK(c != NULL);
	c->seal_key = internal->seal_key;
	c->keyring = keyring;
	c->revocations = revocations;
	c->issuer = *issuer;
	c->api_keys = api_keys_new(internal, learn_api_key, c);
	init_caches(c);
	c->hits = metrics_counter(metrics, "yg_auth_cache_total", "Credentials looked up in memory.", &hit, 1);
	c->misses = metrics_counter(metrics, "yg_auth_cache_total", "Credentials looked up in memory.", &miss, 1);
	metrics_gauge_fn(metrics, "yg_auth_cache_entries", "Credentials remembered.", NULL, 0, read_held, c);
	return c;
}

void credentials_free(struct credentials *c)
{
	if (!c) return;
	api_keys_free(c->api_keys);
	lru_free(&c->tokens);
	lru_free(&c->keys);
	lru_free(&c->unknown_keys);
	free(c);
}

/* ── what the client shows ── */

static bool take_scheme(struct str value, struct str scheme, struct str *secret)
{
	if (value.n <= scheme.n || value.p[scheme.n] != ' ' || !str_eq_ci(str_span(value.p, scheme.n), scheme))
		return false;
	*secret = str_trim(str_from(value, scheme.n + 1));
	return true;
}

enum err credential_read(struct http_fields fields, struct credential *out)
{
	struct str authorization = STR_NONE, api_key = STR_NONE;
	unsigned given = 0, signature = 0; /* 1 when there is one, in its two fields */
	*out = (struct credential){ .kind = CREDENTIAL_NONE };
	for (unsigned i = 0; i < fields.count; i++) {
		struct str name = fields.items[i].name;
		if (name.n == 13 && str_eq_ci(name, STR("authorization")))
			authorization = fields.items[i].value, given++;
		else if (name.n == 9 && str_eq_ci(name, STR("x-api-key")))
			api_key = str_trim(fields.items[i].value), given++;
		else if ((name.n == 9 && str_eq_ci(name, STR("signature"))) ||
			 (name.n == 15 && str_eq_ci(name, STR("signature-input"))))
			signature = 1;
	}
	given += signature;
	if (given == 0) return ERR_NONE;
	if (given > 1) return ERR_MALFORMED_REQUEST;
	if (signature)
		out->kind = CREDENTIAL_SIGNATURE;
	else if (api_key.p)
		*out = (struct credential){ CREDENTIAL_API_KEY, api_key };
	else if (take_scheme(authorization, STR("Bearer"), &out->secret))
		out->kind = CREDENTIAL_TOKEN;
	else if (take_scheme(authorization, STR("ApiKey"), &out->secret))
		out->kind = CREDENTIAL_API_KEY;
	else
		*out = (struct credential){ CREDENTIAL_OTHER, authorization };
	return ERR_NONE;
}
