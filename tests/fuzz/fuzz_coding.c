/* Content codings. The first byte says what the rest is: gzip, brotli, or text for the headers. What decodes codes and decodes back. */
/* links: http */
#include <stdint.h>

#include "common/core/check.h"
#include "common/http/coding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DECODED_BYTES_MAX = 256 * 1024 };

static void fuzz_bytes(struct arena *a, enum coding c, struct str coded)
{
	struct str text, again;
	if (coding_decompress(a, c, coded, DECODED_BYTES_MAX, &text) != ERR_NONE) return;
	CHECK(text.n <= DECODED_BYTES_MAX && text.n <= CODING_RATIO_FREE + coded.n * CODING_RATIO_MAX);
	struct str once = coding_compress(a, c, text);
	if (!once.p) return;
	CHECK(once.n < text.n);
	/* what we code may be smaller than what we would take */
	enum err e = coding_decompress(a, c, once, DECODED_BYTES_MAX, &again);
	CHECK(e == ERR_PAYLOAD_TOO_LARGE || (e == ERR_NONE && str_eq(text, again)));
}

static void fuzz_headers(struct arena *a, struct str text)
{
	struct str etags, etag = STR_NONE;
	enum coding c = coding_choose(text);
	CHECK(c < CODING_COUNT);
	(void)coding_parse(text, &c);
	(void)coding_suits(text);
	(void)str_cut(&text, '\n', &etag);
	etags = coding_etags_plain(a, text);
	CHECK(etags.n <= text.n);
	struct str met = coding_etag_match(text, etag);
	CHECK(!met.p || (met.p >= text.p && met.p + met.n <= text.p + text.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	if (size == 0 || size > 64 * 1024) return 0;
	struct str rest = str_span((const char *)data + 1, size - 1);
	arena_init(&a, 4096, 2 * 1024 * 1024);
	if (data[0] % 3)
		fuzz_bytes(&a, data[0] % 3 == 1 ? CODING_GZIP : CODING_BR, rest);
	else
		fuzz_headers(&a, rest);
	arena_release(&a);
	return 0;
}
