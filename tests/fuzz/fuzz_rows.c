/* Text forms of PostgreSQL: timestamps, reading arrays, and that what we build as an array reads back as it was.
 * links: pg */
#include <stdint.h>

#include "common/core/check.h"
#include "common/core/clock.h"
#include "common/pg/text_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void timestamps(struct str text)
{
	char out[TIMESTAMP_BYTES];
	int64_t us;
	size_t n = timestamptz_rfc3339(text, out);
	CHECK(n <= sizeof out);
	if (n) CHECK(n >= 25 && out[10] == 'T' && (clock_parse_rfc3339(str_span(out, n), &us) || 1));
	n = timestamp_iso(text, out);
	CHECK(n <= sizeof out && n <= text.n);
}

static void read_any(struct str text)
{
	struct array_scan s;
	struct buf scratch;
	struct str v;
	enum array_event e;
	int depth = 0;
	array_scan_init(&s, text);
	buf_init(&scratch, 1 << 16);
	for (size_t steps = 0; (e = array_next(&s, &scratch, &v)) != ARRAY_END && e != ARRAY_BROKEN; steps++) {
		CHECK(steps <= text.n);
		depth += e == ARRAY_OPEN ? 1 : e == ARRAY_CLOSE ? -1 : 0;
		CHECK(depth >= 0 && depth <= ARRAY_DEPTH_MAX);
	}
	CHECK(e == ARRAY_BROKEN || depth == 0);
	buf_free(&scratch);
}

/* Splits the input at byte 1 into elements; byte 2 alone stands for NULL. */
static void round_trip(struct str text)
{
	struct buf literal, scratch;
	struct str rest = text, part, v;
	struct array_scan s;
	buf_init(&literal, 1 << 22);
	buf_init(&scratch, 1 << 22);
	array_begin(&literal);
	while (str_cut(&rest, '\1', &part)) array_add(&literal, str_eq(part, STR("\2")) ? STR_NONE : part);
	array_end(&literal);
	array_scan_init(&s, buf_view(&literal));
	CHECK(array_next(&s, &scratch, &v) == ARRAY_OPEN);
	for (rest = text; str_cut(&rest, '\1', &part);) {
		enum array_event e = array_next(&s, &scratch, &v);
		if (str_eq(part, STR("\2")))
			CHECK(e == ARRAY_NULL);
		else
			CHECK(e == ARRAY_VALUE && str_eq(v, part));
	}
	CHECK(array_next(&s, &scratch, &v) == ARRAY_CLOSE);
	CHECK(array_next(&s, &scratch, &v) == ARRAY_END);
	buf_free(&literal);
	buf_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	if (!size) return 0;
	timestamps(text);
	read_any(text);
	round_trip(text);
	return 0;
}
