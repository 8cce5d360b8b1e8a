/* Unsealed text never opens; rightly sealed text that opens is the one spelling of what it says. */
/* links: auth */
#include "common/auth/principal.h"
#include "common/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str key = { "0123456789abcdef0123456789abcdef", 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct principal p;
	unsigned char mac[SHA256_BYTES];
	struct str input = str_span((const char *)data, size);
	if (size > IDENTITY_BYTES_MAX) return 0;
	arena_init(&a, 4096, 1 << 20);
	CHECK(identity_open(&a, &key, 1, input, 0, &p) != ERR_NONE);
	hmac_sha256(key, input, mac);
	struct str encoded = base64url_encode(&a, str_span((char *)mac, sizeof mac));
	char *to = arena_alloc(&a, size + 1 + encoded.n);
	CHECK(to && encoded.p);
	struct str sealed = { to, size + 1 + encoded.n };
	if (size) memcpy(to, data, size);
	to[size] = '.';
	memcpy(to + size + 1, encoded.p, encoded.n);
	if (identity_open(&a, &key, 1, sealed, 0, &p) == ERR_NONE) {
		CHECK(principal_is_valid(&p) && p.expires_s > 0);
		if (p.expires_s >= IDENTITY_TTL_S)
			CHECK(str_eq(identity_seal(&a, key, &p, p.expires_s - IDENTITY_TTL_S), sealed));
	}
	arena_release(&a);
	return 0;
}
