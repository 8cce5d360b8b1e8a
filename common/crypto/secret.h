#ifndef COMMON_CRYPTO_SECRET_H
#define COMMON_CRYPTO_SECRET_H

#include "common/crypto/crypto.h"

/* Secrets of people and of the platform. */

/**
 * The service's key-encryption keys, in a file of mode 0600 (others may not read it, the group not write it). Lines, '#' begins
 * a comment; keys are base64 of 32 bytes, ids 1 to 16 of [A-Za-z0-9_-]:
 *   current k2             the id that new wrappings use
 *   key k1 <base64>        one line per key; retired ones stay until nothing is wrapped under them
 *   key k2 <base64>
 *   index <base64>         the key of blind indexes: never changes when the others rotate
 * Fails: ERR_IO, ERR_CONFIG (both logged without content).
 */
enum { VAULT_KEYS_MAX = 16, VAULT_ID_BYTES_MAX = 16 };
struct vault;
MUST_USE enum err vault_open(struct arena *boot, const char *path, struct vault **out);
void vault_close(struct vault *v); /* wipes */

/** Id of the key that a wrapped key or vault-sealed secret lies under, for the rotation job; absent when it is no such thing. */
struct str vault_key_id(struct str wrapped);
struct str vault_current_id(const struct vault *v);

/** A person's data key: made, wrapped for storage, unwrapped. Destroying the wrapped form erases all that it sealed. */
MUST_USE enum err vault_new_key(
    const struct vault *v, struct arena *a, unsigned char key[AES_KEY_BYTES], struct str *wrapped);
MUST_USE enum err vault_unwrap(const struct vault *v, struct str wrapped, unsigned char key[AES_KEY_BYTES]);
/** Seals a field under a data key; `context` ("donations.gift.donor_name") is authenticated, so that a value cannot be moved. */
MUST_USE enum err field_seal(
    struct arena *a, const unsigned char key[AES_KEY_BYTES], struct str context, struct str plain, struct str *sealed);
MUST_USE enum err field_open(
    struct arena *a, const unsigned char key[AES_KEY_BYTES], struct str context, struct str sealed, struct str *plain);
/** Small platform secrets (TOTP seeds, session keys of WeChat): directly under the vault. */
MUST_USE enum err vault_seal(
    const struct vault *v, struct arena *a, struct str context, struct str plain, struct str *sealed);
MUST_USE enum err vault_unseal(
    const struct vault *v, struct arena *a, struct str context, struct str sealed, struct str *plain);
/** Keyed hash for look-up and uniqueness without the plain value; 32 bytes as hex. */
struct str blind_index(const struct vault *v, struct arena *a, struct str context, struct str plain);

/** Longer passwords are refused: hashing takes time by the byte. */
enum { PASSWORD_BYTES_MAX = 1024 };
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

/*
 * The masking table of the platform, for everything shown to others:
 *   name    张三 → 张*, 张三丰 → 张**, 欧阳修 → 欧阳**, John Smith → J**; organisations (肇庆市红十字会) in full
 *   phone   13812341234 → 138****1234; other numbers keep the last four
 *   id      441202199001011234 → 441***********1234; other documents keep the first and the last two
 *   email   zhang@example.org → z***@example.org
 *   bank    ****1234
 * Absent stays absent. What does not look like the thing it should be is hidden as a whole.
 */
struct str mask_name(struct arena *a, struct str name);
struct str mask_phone(struct arena *a, struct str phone);
struct str mask_id_number(struct arena *a, struct str id);
struct str mask_email(struct arena *a, struct str email);
struct str mask_bank(struct arena *a, struct str account);

#endif
