#ifndef COMMON_CRYPTO_KEY_H
#define COMMON_CRYPTO_KEY_H

#include "common/crypto/sign.h"

#include <openssl/evp.h>

/* Inside common/crypto only. */

struct key {
	EVP_PKEY *pkey;
	enum signature_alg alg;
	bool is_private;
};

enum { EC_COORDINATE_BYTES = 32, ES256_SIGNATURE_BYTES = 64, ED25519_KEY_BYTES = 32, ED25519_SIGNATURE_BYTES = 64 };
enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

/** Checks that it is a key we use and sound; takes pkey in any case. Fails: ERR_CRYPTO. */
MUST_USE enum err key_adopt(EVP_PKEY *pkey, bool is_private, struct key **out);
/** True for an RSA modulus that gives its factors away. */
bool key_has_weak_primes(const EVP_PKEY *rsa);

#endif
