/* Receipts (JSON, leaf, note and proof) as anyone may hand them over. The first line of the input is the log's key. */
/* links: verify */
#include "deploy/verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trust t = { 0 };
	struct arena a;
	struct verdict v = { 0 };
	struct str input = str_span((const char *)data, size), line;
	if (size > 1 << 18 || !str_cut(&input, '\n', &line) || !input.p) return 0;
	arena_init(&a, 4096, 1 << 20);
	if (trust_add(&a, line, &t, &v) && t.log.key) {
		bool ok = verify_receipt(&t, input, &v);
		CHECK(ok == (v.kind == VERDICT_YES) && (ok || (v.check && *v.check && *v.text)));
	}
	trust_free(&t);
	arena_release(&a);
	return 0;
}
