/* Partner signatures: Signature-Input, Signature, Content-Digest and a query, one per line. What is read has a base, or is refused. */
/* links: http */
#include <stdint.h>

#include "common/core/check.h"
#include "common/http/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_field items[4] = { { STR("Signature-Input"), STR("") }, { STR("Signature"), STR("") },
		{ STR("Content-Digest"), STR("") }, { STR("Host"), STR("example.org") } };
	struct signed_message m = { .method = STR("POST"),
		.scheme = STR("https"),
		.authority = STR("example.org"),
		.path = STR("/v1/x"),
		.fields = { items, 4 } };
	struct str rest = str_span((const char *)data, size), base;
	struct message_signature s;
	struct content_digests d;
	struct arena a;
	for (unsigned i = 0; i < 3 && str_cut(&rest, '\n', &items[i].value); i++)
		;
	(void)str_cut(&rest, '\n', &m.query);
	arena_init(&a, 4096, 4 * 1024 * 1024);
	CHECK(signature_shown(m.fields));
	if (content_digests_read(&a, m.fields, &d) == ERR_NONE) {
		CHECK(!d.sha256.p || d.sha256.n == DIGEST_SHA256_BYTES);
		CHECK(!d.sha512.p || d.sha512.n == DIGEST_SHA512_BYTES);
	}
	if (signature_read(&a, m.fields, &s) == ERR_NONE) {
		CHECK(s.bytes.n > 0 && s.bytes.n <= SIGNATURE_BYTES_MAX && s.input->count <= SIGNATURE_COMPONENTS_MAX);
		if (signature_base(&a, &s, &m, &base) == ERR_NONE) {
			size_t lines = 0;
			for (size_t i = 0; i < base.n; i++) lines += base.p[i] == '\n';
			/* a line for each component, and no more: nothing in a value can end its line */
			bool feeds = false;
			for (unsigned i = 0; i < 3; i++) feeds |= str_index(items[i].value, '\n') >= 0;
			CHECK(lines == s.input->count || feeds);
		}
	}
	arena_release(&a);
	return 0;
}
