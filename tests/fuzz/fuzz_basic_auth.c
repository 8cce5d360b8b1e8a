/* Parsers of the identity service: Basic credentials, client addresses, scopes; and what they give out.
 * links: service */
#include <stdlib.h>

#include "services/identity/rules.h"

/* Fuzz targets link common/ only. */
#include "services/identity/rules.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct str text = str_span((const char *)data, size), out;
	struct client_credentials c;
	struct network n;
	arena_init(&a, 1024, 1 << 20);
	if (basic_auth_read(&a, text, &c) == ERR_NONE) {
		CHECK(c.id.n >= 1 && c.id.n <= CLIENT_ID_BYTES_MAX && c.secret.n <= CLIENT_SECRET_BYTES_MAX);
		CHECK(!memchr(c.id.p, 0, c.id.n) && utf8_valid(c.id) && utf8_valid(c.secret));
	}
	network_of(text, &n);
	CHECK(n.exact[0] && memchr(n.exact, 0, sizeof n.exact) && memchr(n.shown, 0, sizeof n.shown));
	if (scopes_narrow(&a, STR("gift:read gift:create staff:read"), text, &out) == ERR_NONE) CHECK(out.n <= 40);
	struct str encoded = percent_encode(&a, text);
	CHECK(!encoded.p || (encoded.n >= text.n && encoded.n <= 3 * text.n));
	arena_release(&a);
	return 0;
}
