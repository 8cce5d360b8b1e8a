/* Bytes from Redis read as a kept answer: refused, or whole and harmless. */
/* links: gateway */
#include <stdlib.h>

#include "gateway/cache/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_span((const char *)data, size);
	struct str tags[] = { STR("gifts") };
	struct entry_found found = { .tags = tags, .tag_count = 1 };
	struct entry *e = entry_read(bytes, STR("k"), &found, 1000, 2000);
	if (!e) return 0;
	CHECK(e->status >= 200 && e->status <= 999 && str_eq(e->key, STR("k")));
	CHECK(entry_age_ms(e, 1000) >= 0);
	struct str rest = e->lines, line;
	while (str_cut(&rest, '\n', &line)) {
		CHECK(!line.n || line.p[line.n - 1] == '\r');
		for (size_t i = 0; i + 1 < line.n; i++) CHECK((unsigned char)line.p[i] >= ' ' || line.p[i] == '\t');
	}
	struct buf out;
	buf_init(&out, 1 << 22);
	entry_write(e, 1000, 2000, &out);
	struct entry *again = entry_read(buf_view(&out), STR("k"), &found, 1000, 2000);
	CHECK(again && str_eq(again->lines, e->lines) && again->tag_count == 1);
	entry_release(again);
	entry_release(e);
	buf_free(&out);
	return 0;
}
