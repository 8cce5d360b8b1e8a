/* Envelope encryption. A person's data key is random and stored wrapped under the service's key-encryption key; fields lie under
 * the data key. Every sealed thing says its version first and authenticates what it is, so that one cannot stand for another:
 *   wrapped key, secret:  version (1 or 2) | id length | id | nonce (12) | ciphertext | tag (16)
 *   field:                version (3) | nonce (12) | ciphertext | tag (16)
 * The additional data are the bytes before the nonce, then the context. */
#include "common/crypto/secret.h"

#include "common/core/id.h"
#include "common/crypto/vault.h"

enum { FORM_KEY = 1, FORM_SECRET = 2, FORM_FIELD = 3 };
enum {
	HEAD_BYTES_MAX = 2 + VAULT_ID_BYTES_MAX,
	CONTEXT_BYTES_MAX = 256,
	AAD_BYTES_MAX = HEAD_BYTES_MAX + CONTEXT_BYTES_MAX
};

static struct str key_of(const unsigned char *key)
{
	return (struct str){ (const char *)key, AES_KEY_BYTES };
}

/* Head and context, one after the other; 0 when the context is too long. */
static size_t join_aad(unsigned char out[AAD_BYTES_MAX], struct str head, struct str context)
{
	if (context.n > CONTEXT_BYTES_MAX) return 0;
	memcpy(out, head.p, head.n);
	if (context.n) memcpy(out + head.n, context.p, context.n);
	return head.n + context.n;
}

static enum err seal(struct arena *a, struct str head, const unsigned char *key, struct str context, struct str plain,
    struct str *sealed)
{
	unsigned char aad[AAD_BYTES_MAX];
	size_t aad_bytes = join_aad(aad, head, context);
	*sealed = STR_NONE;
	if (!aad_bytes || plain.n > SIZE_MAX / 2) return ERR_CRYPTO;
	size_t n = head.n + GCM_NONCE_BYTES + plain.n + GCM_TAG_BYTES;
	unsigned char *out = arena_alloc(a, n);
	if (!out) return ERR_MEMORY;
	unsigned char *nonce = out + head.n;
	memcpy(out, head.p, head.n);
	crypto_random(nonce, GCM_NONCE_BYTES);
	TRY(aes_gcm_seal(key_of(key), str_span((const char *)nonce, GCM_NONCE_BYTES),
	    str_span((const char *)aad, aad_bytes), plain, nonce + GCM_NONCE_BYTES));
	*sealed = (struct str){ (const char *)out, n };
	return ERR_NONE;
}

/* `head_bytes` of `sealed` were checked by the caller; out has room for the plain bytes. */
static enum err unseal(
    struct str sealed, size_t head_bytes, const unsigned char *key, struct str context, unsigned char *out)
{
	unsigned char aad[AAD_BYTES_MAX];
	size_t aad_bytes = join_aad(aad, str_span(sealed.p, head_bytes), context);
	if (!aad_bytes) return ERR_CRYPTO;
	return aes_gcm_open(key_of(key), str_span(sealed.p + head_bytes, GCM_NONCE_BYTES),
	    str_span((const char *)aad, aad_bytes), str_from(sealed, head_bytes + GCM_NONCE_BYTES), out);
}

static size_t plain_bytes(struct str sealed, size_t head_bytes)
{
	return sealed.n - head_bytes - GCM_NONCE_BYTES - GCM_TAG_BYTES;
}

static struct str head_make(unsigned char out[HEAD_BYTES_MAX], int form, const struct vault_key *k)
{
	out[0] = (unsigned char)form;
	out[1] = (unsigned char)k->id.n;
	memcpy(out + 2, k->id.p, k->id.n);
	return (struct str){ (const char *)out, 2 + k->id.n };
}

/* The id in the head of a wrapped key or secret, if the whole is long enough to be one. */
static struct str head_id(struct str sealed)
{
	if (sealed.n < 2 || (sealed.p[0] != FORM_KEY && sealed.p[0] != FORM_SECRET)) return STR_NONE;
	size_t n = (unsigned char)sealed.p[1];
	if (n < 1 || n > VAULT_ID_BYTES_MAX || sealed.n < 2 + n + GCM_NONCE_BYTES + GCM_TAG_BYTES) return STR_NONE;
	return (struct str){ sealed.p + 2, n };
}

struct str vault_key_id(struct str wrapped)
{
	return head_id(wrapped);
}

struct str vault_current_id(const struct vault *v)
{
	return v->current->id;
}

enum err vault_new_key(const struct vault *v, struct arena *a, unsigned char key[AES_KEY_BYTES], struct str *wrapped)
{
	unsigned char head[HEAD_BYTES_MAX];
	crypto_random(key, AES_KEY_BYTES);
	return seal(a, head_make(head, FORM_KEY, v->current), v->current->bytes, STR_NONE, key_of(key), wrapped);
}

enum err vault_unwrap(const struct vault *v, struct str wrapped, unsigned char key[AES_KEY_BYTES])
{
	struct str id = head_id(wrapped);
	const struct vault_key *k = vault_find(v, id);
	if (!k || wrapped.p[0] != FORM_KEY || plain_bytes(wrapped, 2 + id.n) != AES_KEY_BYTES) return ERR_CRYPTO;
	return unseal(wrapped, 2 + id.n, k->bytes, STR_NONE, key);
}

enum err vault_seal(const struct vault *v, struct arena *a, struct str context, struct str plain, struct str *sealed)
{
	unsigned char head[HEAD_BYTES_MAX];
	return seal(a, head_make(head, FORM_SECRET, v->current), v->current->bytes, context, plain, sealed);
}

enum err vault_unseal(const struct vault *v, struct arena *a, struct str context, struct str sealed, struct str *plain)
{
	struct str id = head_id(sealed);
	const struct vault_key *k = vault_find(v, id);
	*plain = STR_NONE;
	if (!k || sealed.p[0] != FORM_SECRET) return ERR_CRYPTO;
	size_t n = plain_bytes(sealed, 2 + id.n);
	unsigned char *out = arena_alloc(a, n + 1);
	if (!out) return ERR_MEMORY;
	TRY(unseal(sealed, 2 + id.n, k->bytes, context, out));
	*plain = (struct str){ (const char *)out, n };
	return ERR_NONE;
}

enum err field_seal(
    struct arena *a, const unsigned char key[AES_KEY_BYTES], struct str context, struct str plain, struct str *sealed)
{
	static const char head[1] = { FORM_FIELD };
	return seal(a, str_span(head, 1), key, context, plain, sealed);
}

enum err field_open(
    struct arena *a, const unsigned char key[AES_KEY_BYTES], struct str context, struct str sealed, struct str *plain)
{
	*plain = STR_NONE;
	if (sealed.n < 1 + GCM_NONCE_BYTES + GCM_TAG_BYTES || sealed.p[0] != FORM_FIELD) return ERR_CRYPTO;
	size_t n = plain_bytes(sealed, 1);
	unsigned char *out = arena_alloc(a, n + 1);
	if (!out) return ERR_MEMORY;
	TRY(unseal(sealed, 1, key, context, out));
	*plain = (struct str){ (const char *)out, n };
	return ERR_NONE;
}

/* Two steps, so that no choice of context and value can collide with another pair. */
struct str blind_index(const struct vault *v, struct arena *a, struct str context, struct str plain)
{
	unsigned char key[SHA256_BYTES], mac[SHA256_BYTES];
	char *hex = arena_alloc(a, sizeof mac * 2);
	if (!hex) return STR_NONE;
	hmac_sha256(key_of(v->index), context, key);
	hmac_sha256(str_span((const char *)key, sizeof key), plain, mac);
	crypto_wipe(key, sizeof key);
	id_hex(mac, sizeof mac, hex);
	return (struct str){ hex, sizeof mac * 2 };
}
