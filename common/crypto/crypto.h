#ifndef COMMON_CRYPTO_CRYPTO_H
#define COMMON_CRYPTO_CRYPTO_H

#include "common/core/arena.h"
#include "common/core/err.h"

/* Digests, MACs, encodings, AEAD. Only common/crypto includes OpenSSL and argon2. Algorithms are fetched once (crypto_init). */

enum {
	SHA1_BYTES = 20,
	SHA256_BYTES = 32,
	SHA512_BYTES = 64,
	AES_KEY_BYTES = 32,
	GCM_NONCE_BYTES = 12,
	GCM_TAG_BYTES = 16
};

/** Idempotent; everything here calls it by itself. All functions of this folder may run in any thread. */
void crypto_init(void);
/** Random bytes for keys, salts and nonces: from the kernel, so safe in any thread and after fork. */
void crypto_random(void *out, size_t n);

void sha256(struct str data, unsigned char out[SHA256_BYTES]);
/** Only for comparing with what others send; never a proof of anything by itself. */
void sha1(struct str data, unsigned char out[SHA1_BYTES]);
void sha512(struct str data, unsigned char out[SHA512_BYTES]);
void hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_BYTES]);
/** Constant time in the content; lengths may leak. */
bool crypto_equal(struct str a, struct str b);
void crypto_wipe(void *p, size_t n);

/** Standard base64 with padding / base64url without; result in the arena. */
struct str base64_encode(struct arena *a, struct str bytes);
struct str base64url_encode(struct arena *a, struct str bytes);
/** Strict: no white space, right padding (none for url), no stray bits. */
MUST_USE enum err base64_decode(struct arena *a, struct str text, struct str *out);
MUST_USE enum err base64url_decode(struct arena *a, struct str text, struct str *out);

/** AES-256-GCM; out gets ciphertext then the 16-byte tag (plain.n + 16 bytes). Any nonce length in [1, 16] is taken as given by the peer; ours are 12 random bytes. */
MUST_USE enum err aes_gcm_seal(struct str key, struct str nonce, struct str aad, struct str plain, unsigned char *out);
/** ERR_CRYPTO when the tag is wrong; out has room for cipher.n - 16 bytes. */
MUST_USE enum err aes_gcm_open(struct str key, struct str nonce, struct str aad, struct str cipher, unsigned char *out);

#endif
