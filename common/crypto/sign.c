/* Signing and verifying with a key's one algorithm. ECDSA goes over the wire as JOSE wants it (r||s), inside OpenSSL as DER. */
#include "common/crypto/key.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "common/crypto/engine.h"

enum { SIGNATURE_BYTES_MAX = RSA_BITS_MAX / 8, ECDSA_DER_BYTES_MAX = 72 };

static bool es256_to_raw(const unsigned char *der, size_t n, unsigned char raw[ES256_SIGNATURE_BYTES])
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool ok =
	    s && BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, EC_COORDINATE_BYTES) == EC_COORDINATE_BYTES &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + EC_COORDINATE_BYTES, EC_COORDINATE_BYTES) == EC_COORDINATE_BYTES;
	ECDSA_SIG_free(s);
	return ok;
}

/* DER INTEGER of 32 big-endian bytes; returns the end. */
static unsigned char *put_integer(unsigned char *to, const unsigned char *from)
{
	size_t n = EC_COORDINATE_BYTES;
	while (n > 1 && from[0] == 0) from++, n--;
	size_t sign = from[0] >> 7;
	*to++ = 0x02;
	*to++ = (unsigned char)(n + sign);
	if (sign) *to++ = 0;
	memcpy(to, from, n);
	return to + n;
}

/* At most 2 + 2 * (2 + 33) bytes, so every length is one byte. Out-of-range values are left to OpenSSL, which refuses them. */
static size_t es256_to_der(struct str raw, unsigned char der[ECDSA_DER_BYTES_MAX])
{
	unsigned char *end = put_integer(der + 2, engine_bytes(raw));
	end = put_integer(end, engine_bytes(raw) + EC_COORDINATE_BYTES);
	der[0] = 0x30;
	der[1] = (unsigned char)(end - der - 2);
	return (size_t)(end - der);
}

static const char *digest_of(const struct key *k)
{
	if (k->alg == ALG_PS512) return "SHA512";
	return k->alg == ALG_EDDSA ? NULL : "SHA256"; /* Ed25519 hashes by itself */
}

/* MGF1 takes the same digest by itself. We salt with as many bytes as the digest has (RFC 9421 3.3.1); others, Node.js among them,
 * with as many as fit, which is no weaker, so any length verifies. */
static bool set_padding(const struct key *k, EVP_PKEY_CTX *c, int salt)
{
	return k->alg != ALG_PS512 || (EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
					  EVP_PKEY_CTX_set_rsa_pss_saltlen(c, salt) == 1);
}

enum err key_sign(struct arena *a, const struct key *k, struct str data, struct str *signature)
{
	unsigned char made[SIGNATURE_BYTES_MAX], raw[ES256_SIGNATURE_BYTES];
	size_t n = sizeof made;
	EVP_MD_CTX *c = engine_workbench()->signature;
	*signature = STR_NONE;
	if (!k->is_private) return ERR_CRYPTO;
	EVP_PKEY_CTX *padding;
	bool ok = EVP_DigestSignInit_ex(c, &padding, digest_of(k), NULL, NULL, k->pkey, NULL) == 1 &&
		  set_padding(k, padding, RSA_PSS_SALTLEN_DIGEST) &&
		  EVP_DigestSign(c, made, &n, engine_bytes(data), data.n) == 1;
	if (ok && k->alg == ALG_ES256) ok = es256_to_raw(made, n, raw);
	EVP_MD_CTX_reset(c);
	ERR_clear_error();
	if (!ok) return ERR_CRYPTO;
	struct str made_str = { (const char *)made, n }, raw_str = { (const char *)raw, sizeof raw };
	*signature = arena_str(a, k->alg == ALG_ES256 ? raw_str : made_str);
	return signature->p ? ERR_NONE : ERR_MEMORY;
}

enum err key_verify(const struct key *k, struct str data, struct str signature)
{
	unsigned char der[ECDSA_DER_BYTES_MAX];
	struct str given = signature;
	if (k->alg == ALG_ES256) {
		if (signature.n != ES256_SIGNATURE_BYTES) return ERR_SIGNATURE_INVALID;
		given = (struct str){ (const char *)der, es256_to_der(signature, der) };
	} else if (k->alg == ALG_EDDSA && signature.n != ED25519_SIGNATURE_BYTES) {
		return ERR_SIGNATURE_INVALID;
	}
	EVP_MD_CTX *c = engine_workbench()->signature;
	EVP_PKEY_CTX *padding;
	bool ok = EVP_DigestVerifyInit_ex(c, &padding, digest_of(k), NULL, NULL, k->pkey, NULL) == 1 &&
		  set_padding(k, padding, RSA_PSS_SALTLEN_AUTO) &&
		  EVP_DigestVerify(c, engine_bytes(given), given.n, engine_bytes(data), data.n) == 1;
	EVP_MD_CTX_reset(c);
	if (!ok) ERR_clear_error();
	return ok ? ERR_NONE : ERR_SIGNATURE_INVALID;
}
