/* "header LF claims" is signed and verified: what is accepted is a valid principal. The same bytes as a raw token, and as a JWK Set. */
/* links: auth */
#include "common/auth/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct token_issuer issuer = { { "https://id.example.org", 22 }, { "https://api.example.org", 23 } };

static struct str sign_parts(struct arena *a, const struct token_key *k, struct str input)
{
	struct str header, claims, signature;
	if (!str_cut(&input, '\n', &header)) return STR_NONE;
	claims = input;
	header = base64url_encode(a, header);
	claims = base64url_encode(a, claims);
	struct str text = arena_printf(a, "%.*s.%.*s", STR_FMT(header), STR_FMT(claims));
	CHECK(key_sign(a, k->key, text, &signature) == ERR_NONE);
	signature = base64url_encode(a, signature);
	return arena_printf(a, "%.*s.%.*s", STR_FMT(text), STR_FMT(signature));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_key k = { { "k", 1 }, NULL };
	const struct token_keys keys = { &k, 1 };
	struct token_keys set;
	struct arena a;
	struct principal p;
	struct str input = str_span((const char *)data, size);
	if (!k.key) CHECK(key_generate(ALG_EDDSA, &k.key) == ERR_NONE);
	if (size > 4096) return 0;
	arena_init(&a, 4096, 4 << 20);
	CHECK(token_verify(&a, &issuer, &keys, input, 1764000000, &p) != ERR_NONE);
	enum err e = token_verify(&a, &issuer, &keys, sign_parts(&a, &k, input), 1764000000, &p);
	CHECK(e == ERR_NONE || e == ERR_TOKEN_INVALID || e == ERR_TOKEN_EXPIRED);
	CHECK((e == ERR_NONE) == (p.subject.p != NULL));
	if (e == ERR_NONE)
		CHECK(principal_is_valid(&p) && p.kind != PRINCIPAL_ANONYMOUS &&
		      p.expires_s > 1764000000 - TOKEN_SKEW_S - 1);
	if (jwks_read(&a, input, &set) == ERR_NONE) {
		CHECK(set.count <= JWKS_KEYS_MAX);
		for (unsigned i = 0; i < set.count; i++) CHECK(!key_is_private(set.items[i].key));
		jwks_free(&set);
	}
	arena_release(&a);
	return 0;
}
