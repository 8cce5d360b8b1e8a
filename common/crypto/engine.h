#ifndef COMMON_CRYPTO_ENGINE_H
#define COMMON_CRYPTO_ENGINE_H

#include <openssl/evp.h>

#include "common/core/str.h"

/* Inside common/crypto only: the fetched algorithms and each thread's working contexts. */

struct engine {
	EVP_MD *sha256;
	EVP_MD *sha512;
	EVP_CIPHER *aes_256_gcm;
	EVP_MAC *hmac;
};

/** Contexts of the calling thread: made at first use, freed when the thread ends. */
struct workbench {
	EVP_MD_CTX *digest; /* SHA-256 */
	EVP_MD_CTX *signature; /* scratch for DigestSign/DigestVerify */
	EVP_MAC_CTX *hmac; /* HMAC-SHA-256 */
	EVP_MAC_CTX *hmac_sha1; /* TOTP only */
	EVP_CIPHER_CTX *aes_gcm; /* AES-256-GCM, key and nonce set per call */
};

const struct engine *engine_get(void);
struct workbench *engine_workbench(void);

/** What is absent has no pointer; OpenSSL wants one. */
static inline const unsigned char *engine_bytes(struct str s)
{
	return (const unsigned char *)(s.p ? s.p : "");
}

#endif
