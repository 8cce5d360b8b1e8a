/* The keys of access tokens: read from the database when what we hold is half a minute old, made when there is none, replaced every
 * 30 days. A new key is published ten minutes before it signs, so that whoever caches the set knows it in time. */
#include "services/identity/identity.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/log.h"

enum { KEYS_FRESH_MS = 30000, KID_BYTES = 16 };

#define KEY_CONTEXT STR("identity.signing_key")

/* Takes the key of this kid out of what was held, or reads it; NULL when it cannot be read. */
static struct key *take_key(struct request *r, struct signing_keys *held, struct str kid, struct str sealed)
{
	struct str pem;
	struct key *key = NULL;
	for (unsigned i = 0; i < held->count; i++) {
		if (!held->items[i].key || !str_eq(held->items[i].kid, kid)) continue;
		key = held->items[i].key;
		held->items[i].key = NULL;
		return key;
	}
	enum err e = unseal_text(r, KEY_CONTEXT, sealed, &pem);
	if (e == ERR_NONE) {
		e = key_read_pem(pem, &key);
		crypto_wipe((char *)(uintptr_t)pem.p, pem.n);
	}
	if (e != ERR_NONE) log_line(LOG_ERROR, "signing key not readable", "%.*s: %s", STR_FMT(kid), err_info(e)->name);
	return e == ERR_NONE ? key : NULL;
}

/* The rows of signing_key_list become what we hold. */
static void load_keys(struct request *r)
{
	struct identity *context = request_context(r);
	struct signing_keys old = context->keys, *keys = &context->keys;
	/* kids are borrowed from the struct they stand in: point them into the copy */
	for (unsigned i = 0; i < old.count; i++) old.items[i].kid.p = old.kids[i];
	*keys = (struct signing_keys){ .current = -1, .read_ms = clock_mono_ms() };
	for (unsigned row = 0; row < request_rows(r) && keys->count < SIGNING_KEYS_MAX; row++) {
		struct str kid = request_column(r, row, "kid");
		struct key *key = kid.n < sizeof keys->kids[0]
				      ? take_key(r, &old, kid, request_column(r, row, "private_sealed"))
				      : NULL;
		if (!key) continue;
		unsigned at = keys->count++;
		memcpy(keys->kids[at], kid.p, kid.n);
		keys->items[at] = (struct token_key){ .kid = str_span(keys->kids[at], kid.n), .key = key };
		if (str_eq(request_column(r, row, "is_current"), STR("t"))) keys->current = (int)at;
	}
	for (unsigned i = 0; i < old.count; i++) key_free(old.items[i].key);
}

/* Sets the binds of signing_key_add. */
static enum err make_key(struct request *r)
{
	struct arena *a = request_arena(r);
	unsigned char random[KID_BYTES / 2];
	char kid[KID_BYTES];
	struct key *key;
	struct str pem = STR_NONE, jwk;
	crypto_random(random, sizeof random);
	id_hex(random, sizeof random, kid);
	TRY(key_generate(ALG_ES256, &key));
	enum err e = key_write_pem(a, key, true, &pem);
	if (e == ERR_NONE) e = key_write_jwk(a, key, str_span(kid, sizeof kid), &jwk);
	if (e == ERR_NONE) e = seal_bind(r, "flow.private_sealed", KEY_CONTEXT, pem);
	key_free(key);
	if (pem.p) crypto_wipe((char *)(uintptr_t)pem.p, pem.n);
	if (e != ERR_NONE) return e;
	request_set(r, "flow.kid", str_span(kid, sizeof kid));
	request_set(r, "flow.public_jwk", jwk);
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}

enum next keys_ask(struct request *r)
{
	const struct identity *context = request_context(r);
	struct key_work *w = request_state(r);
	if (context->keys.current >= 0 && clock_mono_ms() - context->keys.read_ms < KEYS_FRESH_MS) return NEXT_STEP;
	w->asked = true;
	return request_query(r, "signing_key_list");
}

enum next keys_take(struct request *r)
{
	const struct identity *context = request_context(r);
	struct key_work *w = request_state(r);
	if (!w->asked) return NEXT_STEP;
	load_keys(r);
	if (context->keys.current >= 0) return NEXT_STEP;
	enum err e = make_key(r);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	w->made = true;
	return request_query(r, "signing_key_add");
}

enum next keys_ask_again(struct request *r)
{
	const struct key_work *w = request_state(r);
	return w->made ? request_query(r, "signing_key_list") : NEXT_STEP;
}

enum next keys_need(struct request *r)
{
	const struct identity *context = request_context(r);
	const struct key_work *w = request_state(r);
	if (w->made) load_keys(r);
	return context->keys.current >= 0 ? NEXT_STEP : request_fail(r, ERR_UNAVAILABLE, "no key to sign with");
}

enum err access_token_sign(struct request *r, struct principal *p, struct str *out)
{
	const struct identity *context = request_context(r);
	const struct signing_keys *keys = &context->keys;
	char jti[UUID_TEXT_BYTES];
	int64_t now_s = clock_wall_s();
	id_uuid7(jti);
	p->expires_s = now_s + ACCESS_TOKEN_TTL_S;
	return token_sign(
	    request_arena(r), &context->issuer, &keys->items[keys->current], p, str_span(jti, sizeof jti), now_s, out);
}

enum err access_token_verify(struct request *r, struct str token, struct principal *out)
{
	const struct identity *context = request_context(r);
	struct token_keys keys = { context->keys.items, context->keys.count };
	return token_verify(request_arena(r), &context->issuer, &keys, token, clock_wall_s(), out);
}

enum next tokens_answer(struct request *r, struct principal *p, struct str refresh_token, struct str device_token)
{
	struct str access;
	enum err e = access_token_sign(r, p, &access);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "access_token", access);
	json_put_member_str(w, "refresh_token", refresh_token);
	json_put_member_str(w, "token_type", STR("Bearer"));
	json_put_member_i64(w, "expires_in", ACCESS_TOKEN_TTL_S);
	if (device_token.p) json_put_member_str(w, "device_token", device_token);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── job signing_keys_rotate ── */

enum next rotate_ask(struct request *r)
{
	return request_query(r, "signing_key_due");
}

enum next rotate_make(struct request *r)
{
	if (!str_eq(request_column(r, 0, "due"), STR("t"))) return NEXT_DONE;
	enum err e = make_key(r);
	return e == ERR_NONE ? request_query(r, "signing_key_add") : request_fail(r, e, NULL);
}

enum next rotate_end(struct request *r)
{
	struct identity *context = request_context(r);
	context->keys.read_ms -= KEYS_FRESH_MS; /* read them at the next use */
	if (str_eq(request_column(r, 0, "added"), STR("t")))
		log_line(LOG_INFO, "signing key added", "it signs in ten minutes");
	return NEXT_DONE;
}

/* ── job identity_prune ── */

enum next prune_run(struct request *r)
{
	return request_query(r, "identity_prune");
}

enum next prune_end(struct request *r)
{
	int64_t rows = request_column_i64(r, 0, "rows", 0);
	if (rows > 0) log_line(LOG_DEBUG, "pruned", "%lld rows", (long long)rows);
	return NEXT_DONE;
}
