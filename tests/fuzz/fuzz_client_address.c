/* Forwarded and X-Forwarded-For of an untrusted client behind a trusted proxy: the walk ends, and gives an address that can be read. */
/* links: http */
#include <arpa/inet.h>
#include <stdlib.h>

#include "common/http/client_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trusted_proxies both[2];
	struct arena arena;
	char key[ADDRESS_KEY_BYTES_MAX], z[ADDRESS_BYTES_MAX];
	unsigned char bytes[16];
	if (!both[0].count) {
		if (trusted_proxies_read(&both[0], STR("10.0.0.0/8, fd00::/8"), STR("X-Forwarded-For")) != ERR_NONE)
			abort();
		if (trusted_proxies_read(&both[1], STR("10.0.0.0/8, fd00::/8"), STR("Forwarded")) != ERR_NONE) abort();
	}
	arena_init(&arena, 1024, 64 * 1024);
	for (unsigned i = 0; i < 2; i++) {
		struct http_field field = { i ? STR("Forwarded") : STR("X-Forwarded-For"),
			str_span((const char *)data, size) };
		struct str client =
		    client_address(&both[i], &arena, (struct http_fields){ &field, 1 }, STR("10.0.0.1"));
		if (client.n == 0 || client.n >= sizeof z) abort();
		memcpy(z, client.p, client.n);
		z[client.n] = 0;
		if (inet_pton(AF_INET, z, bytes) != 1 && inet_pton(AF_INET6, z, bytes) != 1) abort();
		client = address_key(client, key);
		if (client.n == 0 || client.n > ADDRESS_KEY_BYTES_MAX) abort();
		arena_reset(&arena);
	}
	arena_release(&arena);
	return 0;
}
