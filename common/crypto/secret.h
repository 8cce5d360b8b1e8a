#ifndef COMMON_CRYPTO_SECRET_H
#define COMMON_CRYPTO_SECRET_H

#include "common/crypto/crypto.h"

/* Secrets of people and of the platform. */

/** The service's key-encryption keys, by id: {"current": "k1", "keys": {"k1": base64 of 32 bytes}} in a file of mode 0600. */
struct vault;
MUST_USE enum err vault_open(struct arena *boot, const char *path, struct vault **out);
void vault_close(struct vault *v); /* wipes */

/** A person's data key: made, wrapped for storage, unwrapped. Destroying the wrapped form erases all that it sealed. */
MUST_USE enum err vault_new_key(const struct vault *v, struct arena *a, unsigned char key[AES_KEY_BYTES], struct str *wrapped);
MUST_USE enum err vault_unwrap(const struct vault *v, struct str wrapped, unsigned char key[AES_KEY_BYTES]);
/** Seals a field under a data key; `context` ("donations.gift.donor_name") is authenticated, so that a value cannot be moved. */
MUST_USE enum err field_seal(struct arena *a, const unsigned char key[AES_KEY_BYTES], struct str context, struct str plain, struct str *sealed);
MUST_USE enum err field_open(struct arena *a, const unsigned char key[AES_KEY_BYTES], struct str context, struct str sealed, struct str *plain);
/** Small platform secrets (TOTP seeds, session keys of WeChat): directly under the vault. */
MUST_USE enum err vault_seal(const struct vault *v, struct arena *a, struct str context, struct str plain, struct str *sealed);
MUST_USE enum err vault_unseal(const struct vault *v, struct arena *a, struct str context, struct str sealed, struct str *plain);
/** Keyed hash for look-up and uniqueness without the plain value; 32 bytes as hex. */
struct str blind_index(const struct vault *v, struct arena *a, struct str context, struct str plain);

/** argon2id, PHC string ($argon2id$v=19$m=…). Slow on purpose: call from the thread pool only. Default 19 MiB, t=2, p=1. */
MUST_USE enum err password_hash(struct arena *a, struct str password, struct str *phc);
/** ERR_CREDENTIALS when it does not match; also burns the same time for an absent phc. */
MUST_USE enum err password_verify(struct str password, struct str phc);

/** RFC 6238, SHA-1, 30 s, 6 digits, one step of skew each way. *step is the time step that matched, so that it is used once. */
bool totp_verify(struct str secret, struct str code, int64_t now_s, int64_t *step);
struct str totp_at(struct arena *a, struct str secret, int64_t now_s);
/** base32 (RFC 4648) without padding. */
struct str base32_encode(struct arena *a, struct str bytes);
MUST_USE enum err base32_decode(struct arena *a, struct str text, struct str *out);

/** The masking table of the platform (ecosystem: masked on output): 张** , 138****1234, z***@x, … */
struct str mask_name(struct arena *a, struct str name);
struct str mask_phone(struct arena *a, struct str phone);
struct str mask_id_number(struct arena *a, struct str id);
struct str mask_email(struct arena *a, struct str email);
struct str mask_bank(struct arena *a, struct str account);

#endif
