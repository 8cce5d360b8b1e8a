/* The head of PROXY protocol v2: whoever reaches the port may send anything. No prefix of a good head is bad, and an address is one, or none. */
/* links: net */
#include <arpa/inet.h>

#include "common/core/check.h"
#include "common/net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_span((const char *)data, size);
	struct proxy_header h, part;
	unsigned char address[16];
	if (proxy_header_read(all, &h) != PROXY_HEADER_DONE) return 0;
	CHECK(h.bytes >= 16 && h.bytes <= size && h.bytes <= PROXY_HEADER_BYTES_MAX);
	CHECK(!h.source[0] || str_eq(str_of(h.source), STR(PROXY_UNKNOWN)) ||
	      inet_pton(AF_INET, h.source, address) == 1 || inet_pton(AF_INET6, h.source, address) == 1);
	for (size_t i = 0; i < h.bytes; i++) CHECK(proxy_header_read(str_span(all.p, i), &part) == PROXY_HEADER_MORE);
	CHECK(proxy_header_read(str_span(all.p, h.bytes), &part) == PROXY_HEADER_DONE && part.bytes == h.bytes);
	return 0;
}
