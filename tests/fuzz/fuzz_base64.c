/* What decodes has exactly that spelling; what is encoded decodes to the same bytes. base64, base64url, base32. */
/* links: crypto */
#include "common/crypto/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct str encoder(struct arena *a, struct str bytes);
typedef enum err decoder(struct arena *a, struct str text, struct str *out);

static void check(struct arena *a, encoder *encode, decoder *decode, struct str input)
{
	struct str bytes;
	if (decode(a, input, &bytes) == ERR_NONE) CHECK(str_eq(encode(a, bytes), input));
	CHECK(decode(a, encode(a, input), &bytes) == ERR_NONE && str_eq(bytes, input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct str input = str_span((const char *)data, size);
	arena_init(&a, 4096, 64 << 20);
	check(&a, base64_encode, base64_decode, input);
	check(&a, base64url_encode, base64url_decode, input);
	check(&a, base32_encode, base32_decode, input);
	arena_release(&a);
	return 0;
}
