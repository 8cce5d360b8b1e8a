/* Bytes from Redis read as a value of the second level: refused, or exactly what would be written again. */
/* links: gateway */
#include "gateway/cache/l2_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_span((const char *)data, size);
	struct l2_value v;
	struct buf again;
	char names[L2_VARY_BYTES_MAX];
	size_t n;
	if (l2_value_read(bytes, &v)) {
		buf_init(&again, 4 * 1024 * 1024);
		CHECK(l2_value_write(&again, &v));
		CHECK(str_eq(buf_view(&again), bytes));
		buf_free(&again);
	}
	struct str rest = bytes, half;
	if (str_cut(&rest, '\n', &half) && l2_vary_union(half, rest, names, &n)) {
		char twice[L2_VARY_BYTES_MAX];
		size_t m;
		CHECK(n <= sizeof names);
		CHECK(l2_vary_union(str_span(names, n), str_span(names, n), twice, &m));
		CHECK(str_eq(str_span(names, n), str_span(twice, m)));
	}
	return 0;
}
