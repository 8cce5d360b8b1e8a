#ifndef COMMON_CRYPTO_VAULT_H
#define COMMON_CRYPTO_VAULT_H

#include "common/crypto/secret.h"

/* Inside common/crypto only. */

struct vault_key {
	struct str id;
	unsigned char bytes[AES_KEY_BYTES];
};

struct vault {
	struct vault_key keys[VAULT_KEYS_MAX];
	unsigned key_count;
	const struct vault_key *current;
	unsigned char index[AES_KEY_BYTES];
};

/** NULL when unknown (an absent id too). */
const struct vault_key *vault_find(const struct vault *v, struct str id);

#endif
