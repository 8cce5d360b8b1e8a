/* JWK Sets (RFC 7517): the keys that others may verify our tokens with, and how the gateway learns them. */
#include "common/auth/token.h"

#include "common/json/json.h"

enum { JWKS_DEPTH_MAX = 6 };

static struct str member(const struct json *jwk, const char *name)
{
	return json_get_str(jwk, name);
}

static bool may_verify(const struct json *jwk)
{
	const struct json *operations = json_get(jwk, STR("key_ops"));
	struct str use = member(jwk, "use");
	if (use.p && !str_eq(use, STR("sig"))) return false;
	if (!operations) return true;
	for (const struct json *op = json_first(operations); op; op = json_next(op))
		if (str_eq(json_string(op), STR("verify"))) return true;
	return false;
}

static bool is_known_type(const struct json *jwk)
{
	struct str kty = member(jwk, "kty"), crv = member(jwk, "crv");
	return (str_eq(kty, STR("EC")) && str_eq(crv, STR("P-256"))) ||
	       (str_eq(kty, STR("OKP")) && str_eq(crv, STR("Ed25519"))) || str_eq(kty, STR("RSA"));
}

/* A key may be declared for one algorithm only; it must be the one we use it with. */
static bool alg_fits(const struct json *jwk, const struct key *k)
{
	static const struct str names[] = { [ALG_RS256] = { "RS256", 5 },
		[ALG_ES256] = { "ES256", 5 },
		[ALG_EDDSA] = { "EdDSA", 5 },
		[ALG_PS512] = { "PS512", 5 } };
	const struct json *alg = json_get(jwk, STR("alg"));
	return !alg || str_eq(json_string(alg), names[key_alg(k)]);
}

static bool has_kid(const struct token_key *items, unsigned count, struct str kid)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq(items[i].kid, kid)) return true;
	return false;
}

static enum err read_keys(struct arena *a, const struct json *list, struct token_key *items, unsigned *count)
{
	for (const struct json *jwk = json_first(list); jwk; jwk = json_next(jwk)) {
		struct str kid = member(jwk, "kid");
		if (json_type(jwk) != JSON_OBJECT || json_get(jwk, STR("d"))) return ERR_SYNTAX;
		if (!kid.n || !is_known_type(jwk) || !may_verify(jwk)) continue;
		if (*count == JWKS_KEYS_MAX || has_kid(items, *count, kid)) return ERR_SYNTAX;
		struct token_key *to = &items[*count];
		enum err e = key_read_jwk(member(jwk, "kty"), member(jwk, "crv"), member(jwk, "x"), member(jwk, "y"),
		    member(jwk, "n"), member(jwk, "e"), &to->key);
		if (e != ERR_NONE) return ERR_SYNTAX;
		(*count)++;
		to->kid = arena_str(a, kid);
		if (!to->kid.p) return ERR_MEMORY;
		if (!alg_fits(jwk, to->key)) return ERR_SYNTAX;
	}
	return ERR_NONE;
}

enum err jwks_read(struct arena *a, struct str json, struct token_keys *out)
{
	const struct json *root;
	struct json_error ignored;
	*out = (struct token_keys){ 0 };
	if (json.n > JWKS_BYTES_MAX) return ERR_SYNTAX;
	enum err e = json_read(a, json, JWKS_DEPTH_MAX, &root, &ignored);
	if (e != ERR_NONE) return e == ERR_MEMORY ? e : ERR_SYNTAX;
	const struct json *list = json_get(root, STR("keys"));
	if (!list || json_type(list) != JSON_ARRAY) return ERR_SYNTAX;
	struct token_key *items = arena_array(a, JWKS_KEYS_MAX, sizeof *items);
	unsigned count = 0;
	if (!items) return ERR_MEMORY;
	e = read_keys(a, list, items, &count);
	*out = (struct token_keys){ items, count };
	if (e != ERR_NONE) jwks_free(out);
	return e;
}

void jwks_free(struct token_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++) key_free(keys->items[i].key);
	*keys = (struct token_keys){ 0 };
}

enum err jwks_write(struct arena *a, const struct token_keys *keys, struct str *out)
{
	struct str text = STR("");
	for (unsigned i = 0; i < keys->count; i++) {
		struct str jwk;
		TRY(key_write_jwk(a, keys->items[i].key, keys->items[i].kid, &jwk));
		text = arena_printf(a, "%.*s%s%.*s", STR_FMT(text), i ? "," : "", STR_FMT(jwk));
		if (!text.p) return ERR_MEMORY;
	}
	*out = arena_printf(a, "{\"keys\":[%.*s]}", STR_FMT(text));
	return out->p ? ERR_NONE : ERR_MEMORY;
}
