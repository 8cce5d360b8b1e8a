/* AES-256-GCM in one call. The thread's context keeps its cipher; key and nonce are set anew each time. */
#include "common/crypto/crypto.h"

#include <limits.h>

#include "common/crypto/engine.h"

enum { NONCE_BYTES_MAX = 16 };

/* Sets key, nonce and direction and feeds the additional data. */
static bool begin(EVP_CIPHER_CTX *c, struct str key, struct str nonce, struct str aad, int encrypt)
{
	int n;
	if (key.n != AES_KEY_BYTES || nonce.n < 1 || nonce.n > NONCE_BYTES_MAX || aad.n > INT_MAX) return false;
	if (EVP_CIPHER_CTX_get_iv_length(c) != (int)nonce.n &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce.n, NULL) != 1)
		return false;
	if (EVP_CipherInit_ex2(c, NULL, engine_bytes(key), engine_bytes(nonce), encrypt, NULL) != 1) return false;
	return aad.n == 0 || EVP_CipherUpdate(c, NULL, &n, engine_bytes(aad), (int)aad.n) == 1;
}

enum err aes_gcm_seal(struct str key, struct str nonce, struct str aad, struct str plain, unsigned char *out)
{
	EVP_CIPHER_CTX *c = engine_workbench()->aes_gcm;
	int n = 0, last = 0;
	if (plain.n > INT_MAX - GCM_TAG_BYTES || !begin(c, key, nonce, aad, 1)) return ERR_CRYPTO;
	if (plain.n && EVP_CipherUpdate(c, out, &n, engine_bytes(plain), (int)plain.n) != 1) return ERR_CRYPTO;
	if (EVP_CipherFinal_ex(c, out + n, &last) != 1 || (size_t)(n + last) != plain.n) return ERR_CRYPTO;
	if (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, out + plain.n) != 1) return ERR_CRYPTO;
	return ERR_NONE;
}

enum err aes_gcm_open(struct str key, struct str nonce, struct str aad, struct str cipher, unsigned char *out)
{
	EVP_CIPHER_CTX *c = engine_workbench()->aes_gcm;
	unsigned char tag[GCM_TAG_BYTES];
	int n = 0, last = 0;
	if (cipher.n < GCM_TAG_BYTES || cipher.n > INT_MAX || !begin(c, key, nonce, aad, 0)) return ERR_CRYPTO;
	size_t plain_bytes = cipher.n - GCM_TAG_BYTES;
	memcpy(tag, cipher.p + plain_bytes, sizeof tag);
	bool ok = plain_bytes == 0 || EVP_CipherUpdate(c, out, &n, engine_bytes(cipher), (int)plain_bytes) == 1;
	ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, tag) == 1;
	ok = ok && EVP_CipherFinal_ex(c, out + n, &last) == 1 && (size_t)(n + last) == plain_bytes;
	if (!ok) crypto_wipe(out, plain_bytes); /* nobody may use what was not authenticated */
	return ok ? ERR_NONE : ERR_CRYPTO;
}
