/* SHA-256, SHA-512, HMAC, comparison, wiping, random bytes. */
#include "common/crypto/crypto.h"

#include <errno.h>
#include <sys/random.h>

#include <openssl/crypto.h>

#include "common/crypto/engine.h"

void sha256(struct str data, unsigned char out[SHA256_BYTES])
{
	EVP_MD_CTX *c = engine_workbench()->digest;
	CHECK(EVP_DigestInit_ex2(c, NULL, NULL));
	CHECK(EVP_DigestUpdate(c, engine_bytes(data), data.n));
	CHECK(EVP_DigestFinal_ex(c, out, NULL));
}

void sha1(struct str data, unsigned char out[SHA1_BYTES])
{
	CHECK(EVP_Digest(engine_bytes(data), data.n, out, NULL, EVP_sha1(), NULL));
}

void sha512(struct str data, unsigned char out[SHA512_BYTES])
{
	CHECK(EVP_Digest(engine_bytes(data), data.n, out, NULL, engine_get()->sha512, NULL));
}

void hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_BYTES])
{
	EVP_MAC_CTX *c = engine_workbench()->hmac;
	size_t n;
	CHECK(EVP_MAC_init(c, engine_bytes(key), key.n, NULL));
	CHECK(EVP_MAC_update(c, engine_bytes(data), data.n));
	CHECK(EVP_MAC_final(c, out, &n, SHA256_BYTES) && n == SHA256_BYTES);
}

bool crypto_equal(struct str a, struct str b)
{
	return a.n == b.n && CRYPTO_memcmp(engine_bytes(a), engine_bytes(b), a.n) == 0;
}

void crypto_wipe(void *p, size_t n)
{
	if (p) OPENSSL_cleanse(p, n);
}

void crypto_random(void *out, size_t n)
{
	unsigned char *to = out;
	while (n) {
		ssize_t got = getrandom(to, n, 0);
		CHECK(got > 0 || errno == EINTR);
		if (got < 0) continue;
		to += got;
		n -= (size_t)got;
	}
}
