#ifndef COMMON_CRYPTO_SIGN_H
#define COMMON_CRYPTO_SIGN_H

#include "common/crypto/crypto.h"

/* Asymmetric keys and signatures. */
struct key;

enum signature_alg {
	ALG_RS256 /* PKCS#1 v1.5, SHA-256 */,
	ALG_ES256 /* JOSE form: r||s, 64 bytes */,
	ALG_EDDSA /* Ed25519 */,
	ALG_PS512 /* RSASSA-PSS, SHA-512 for the digest and MGF1 */
};

/** PEM private or public key (or certificate, whose public key is taken). key_free(NULL) is fine. */
MUST_USE enum err key_read_pem(struct str pem, struct key **out);
MUST_USE enum err key_generate(enum signature_alg alg, struct key **out);
void key_free(struct key *k);
/** An RSA key just read is one of ALG_RS256; from now on it is one of ALG_PS512. ERR_CRYPTO for any other key. */
MUST_USE enum err key_use_pss(struct key *k);
bool key_is_private(const struct key *k);
enum signature_alg key_alg(const struct key *k);
/** PKCS#8 / SPKI PEM into the arena. */
MUST_USE enum err key_write_pem(struct arena *a, const struct key *k, bool private_part, struct str *out);
/** Public JWK members without braces' surroundings: a JSON object text with kty, crv/n/e, alg, use, kid. */
MUST_USE enum err key_write_jwk(struct arena *a, const struct key *k, struct str kid, struct str *out);
/** From JWK members (decoded by the caller from JSON): kty "EC" P-256, "OKP" Ed25519, "RSA". Absent members are not needed for the kty. */
MUST_USE enum err key_read_jwk(
    struct str kty, struct str crv, struct str x, struct str y, struct str n, struct str e, struct key **out);

MUST_USE enum err key_sign(struct arena *a, const struct key *k, struct str data, struct str *signature);
/** ERR_NONE only for a right signature. RSA keys under 2048 bits are refused when read. */
MUST_USE enum err key_verify(const struct key *k, struct str data, struct str signature);

#endif
