/* One-time codes of RFC 6238 as authenticator apps make them. The matched step is told, so that the caller can refuse a second use. */
#include "common/crypto/secret.h"

#include "common/crypto/engine.h"

enum { STEP_S = 30, DIGITS = 6, SKEW_STEPS = 1 };

static void code_of_step(struct str secret, int64_t step, char out[DIGITS])
{
	unsigned char counter[8], mac[SHA1_BYTES];
	size_t n;
	for (int i = 0; i < 8; i++) counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
	EVP_MAC_CTX *c = engine_workbench()->hmac_sha1;
	CHECK(EVP_MAC_init(c, engine_bytes(secret), secret.n, NULL));
	CHECK(EVP_MAC_update(c, counter, sizeof counter));
	CHECK(EVP_MAC_final(c, mac, &n, sizeof mac) && n == sizeof mac);
	const unsigned char *at = mac + (mac[SHA1_BYTES - 1] & 15);
	uint32_t number = (uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	for (int i = DIGITS; i-- > 0; number /= 10) out[i] = (char)('0' + number % 10);
}

struct str totp_at(struct arena *a, struct str secret, int64_t now_s)
{
	char code[DIGITS];
	code_of_step(secret, now_s / STEP_S, code);
	return arena_str(a, str_span(code, sizeof code));
}

bool totp_verify(struct str secret, struct str code, int64_t now_s, int64_t *step)
{
	int64_t now_step = now_s / STEP_S;
	bool matched = false;
	*step = 0;
	if (secret.n == 0 || code.n != DIGITS || now_s < 0) return false;
	for (int64_t s = now_step - SKEW_STEPS; s <= now_step + SKEW_STEPS; s++) {
		char right[DIGITS];
		code_of_step(secret, s, right);
		if (!crypto_equal(code, str_span(right, sizeof right))) continue;
		matched = true;
		*step = s;
	}
	return matched;
}
