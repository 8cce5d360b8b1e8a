/* Structured fields: the first byte says item, list or dictionary. What is accepted has a canonical form, which reads back as itself. */
/* links: http */
#include <stdint.h>

#include "common/core/check.h"
#include "common/http/structured.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err round_trip(struct arena *a, uint8_t kind, struct str text, struct buf *out)
{
	struct sf_members members;
	struct sf_item item;
	if (kind % 3 == 0) {
		TRY(sf_parse_item(a, text, &item));
		return sf_write_item(out, &item);
	}
	if (kind % 3 == 1) {
		TRY(sf_parse_list(a, text, &members));
		return sf_write_list(out, &members);
	}
	TRY(sf_parse_dictionary(a, text, &members));
	return sf_write_dictionary(out, &members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 16 * 1024) return 0;
	struct arena a;
	struct buf once, again;
	arena_init(&a, 4096, 16 * 1024 * 1024);
	buf_init(&once, 1024 * 1024);
	buf_init(&again, 1024 * 1024);
	if (round_trip(&a, data[0], str_span((const char *)data + 1, size - 1), &once) == ERR_NONE) {
		CHECK(buf_ok(&once));
		CHECK(round_trip(&a, data[0], buf_view(&once), &again) == ERR_NONE);
		CHECK(str_eq(buf_view(&once), buf_view(&again)));
	}
	buf_free(&once);
	buf_free(&again);
	arena_release(&a);
	return 0;
}
