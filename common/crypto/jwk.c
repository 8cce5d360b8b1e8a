/* Public keys as JSON Web Keys (RFC 7517, 7518, 8037). JSON itself is read by the caller; here are only members. */
#include "common/crypto/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "common/crypto/engine.h"

enum { JWK_ARENA_BYTES_MAX = 16 * 1024, RSA_BYTES_MAX = RSA_BITS_MAX / 8 };

static struct str bignum_member(struct arena *a, const EVP_PKEY *pkey, const char *param, int fixed_bytes)
{
	BIGNUM *v = NULL;
	unsigned char bytes[RSA_BYTES_MAX];
	if (EVP_PKEY_get_bn_param(pkey, param, &v) != 1) return STR_NONE;
	int n = fixed_bytes ? fixed_bytes : BN_num_bytes(v);
	bool ok = n <= (int)sizeof bytes && BN_bn2binpad(v, bytes, n) == n;
	BN_free(v);
	return ok ? base64url_encode(a, str_span((const char *)bytes, (size_t)n)) : STR_NONE;
}

/* Ids of ours are plain words: nothing to escape. */
static bool is_plain_id(struct str kid)
{
	for (size_t i = 0; i < kid.n; i++)
		if (kid.p[i] <= ' ' || kid.p[i] > '~' || kid.p[i] == '"' || kid.p[i] == '\\') return false;
	return kid.n > 0;
}

enum err key_write_jwk(struct arena *a, const struct key *k, struct str kid, struct str *out)
{
	*out = STR_NONE;
	if (!is_plain_id(kid)) return ERR_SYNTAX;
	struct str x, y;
	unsigned char raw[ED25519_KEY_BYTES];
	size_t n = sizeof raw;
	switch (k->alg) {
	case ALG_RS256:
	case ALG_PS512:
		x = bignum_member(a, k->pkey, OSSL_PKEY_PARAM_RSA_N, 0);
		y = bignum_member(a, k->pkey, OSSL_PKEY_PARAM_RSA_E, 0);
		if (!x.p || !y.p) return ERR_CRYPTO;
		*out = arena_printf(a,
		    "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%.*s\",\"alg\":\"%s\",\"use\":\"sig\",\"kid\":\"%.*"
		    "s\"}",
		    STR_FMT(x), STR_FMT(y), k->alg == ALG_PS512 ? "PS512" : "RS256", STR_FMT(kid));
		break;
	case ALG_ES256:
		x = bignum_member(a, k->pkey, OSSL_PKEY_PARAM_EC_PUB_X, EC_COORDINATE_BYTES);
		y = bignum_member(a, k->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, EC_COORDINATE_BYTES);
		if (!x.p || !y.p) return ERR_CRYPTO;
		*out = arena_printf(a,
		    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"%.*s\",\"alg\":\"ES256\",\"use\":\"sig\","
		    "\"kid\":\"%.*s\"}",
		    STR_FMT(x), STR_FMT(y), STR_FMT(kid));
		break;
	case ALG_EDDSA:
		if (EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) != 1 || n != sizeof raw) return ERR_CRYPTO;
		x = base64url_encode(a, str_span((const char *)raw, n));
		*out = arena_printf(a,
		    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%.*s\",\"alg\":\"EdDSA\",\"use\":\"sig\",\"kid\":\"%."
		    "*s\"}",
		    STR_FMT(x), STR_FMT(kid));
		break;
	}
	return out->p ? ERR_NONE : ERR_MEMORY;
}

static EVP_PKEY *build(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	if (!c || EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(c);
	return pkey;
}

static EVP_PKEY *build_ec(struct str x, struct str y)
{
	unsigned char point[1 + 2 * EC_COORDINATE_BYTES] = { 4 }; /* uncompressed */
	char group[] = "prime256v1";
	if (x.n != EC_COORDINATE_BYTES || y.n != EC_COORDINATE_BYTES) return NULL;
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + EC_COORDINATE_BYTES, y.p, y.n);
	OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point), OSSL_PARAM_END };
	return build("EC", params);
}

static EVP_PKEY *build_rsa(struct str n, struct str e)
{
	if (n.n == 0 || n.n > RSA_BYTES_MAX || e.n == 0 || e.n > 8) return NULL;
	if (!n.p[0] || !e.p[0]) return NULL; /* RFC 7518 2: no leading zero octets */
	BIGNUM *modulus = BN_bin2bn(engine_bytes(n), (int)n.n, NULL);
	BIGNUM *exponent = BN_bin2bn(engine_bytes(e), (int)e.n, NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	CHECK(modulus && exponent && b);
	CHECK(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) == 1);
	CHECK(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent) == 1);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	CHECK(params != NULL);
	EVP_PKEY *pkey = build("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(modulus);
	BN_free(exponent);
	return pkey;
}

static enum err decode_and_build(
    struct arena *a, struct str kty, struct str crv, const struct str members[4], EVP_PKEY **pkey)
{
	struct str first, second;
	if (str_eq(kty, STR("RSA"))) {
		TRY(base64url_decode(a, members[2], &first));
		TRY(base64url_decode(a, members[3], &second));
		*pkey = build_rsa(first, second);
	} else if (str_eq(kty, STR("EC")) && str_eq(crv, STR("P-256"))) {
		TRY(base64url_decode(a, members[0], &first));
		TRY(base64url_decode(a, members[1], &second));
		*pkey = build_ec(first, second);
	} else if (str_eq(kty, STR("OKP")) && str_eq(crv, STR("Ed25519"))) {
		TRY(base64url_decode(a, members[0], &first));
		if (first.n == ED25519_KEY_BYTES)
			*pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, engine_bytes(first), first.n);
	}
	return ERR_NONE;
}

enum err key_read_jwk(
    struct str kty, struct str crv, struct str x, struct str y, struct str n, struct str e, struct key **out)
{
	struct arena scratch;
	EVP_PKEY *pkey = NULL;
	*out = NULL;
	crypto_init();
	arena_init(&scratch, 2048, JWK_ARENA_BYTES_MAX);
	enum err status = decode_and_build(&scratch, kty, crv, (const struct str[]){ x, y, n, e }, &pkey);
	arena_release(&scratch);
	if (status != ERR_NONE) return ERR_CRYPTO;
	return key_adopt(pkey, false, out);
}
