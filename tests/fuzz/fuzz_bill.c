/* A bill as somebody may serve it; what is taken is JSON, within its limits, and sums to what it says. */
/* links: service */
#include "common/json/json.h"
#include "services/donations/bill.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = size ? str_span((const char *)data + 1, size - 1) : STR("");
	enum bill_kind kind = size && data[0] & 1 ? BILL_FUND : BILL_TRADE;
	struct bill_totals totals = { 0 };
	struct json_error error;
	const struct json *rows;
	struct str opened;
	struct arena a;
	struct buf lines;
	crypto_init();
	arena_init(&a, 4096, 1 << 24);
	buf_init(&lines, BILL_LINES_BYTES_MAX);
	if (bill_read(kind, text, &lines, &totals) == BILL_OK) {
		int64_t in = 0, out = 0;
		CHECK(json_read(&a, str_span(lines.p, lines.n), JSON_DEPTH_MAX, &rows, &error) == ERR_NONE);
		CHECK((int64_t)json_count(rows) == totals.lines);
		for (const struct json *row = json_first(rows); row; row = json_next(row)) {
			const struct json *v = json_first(row);
			bool refund = str_eq(json_string(v), STR("REFUND"));
			int64_t fen;
			for (int i = 0; i < 6; i++) v = json_next(v);
			CHECK(json_count(row) == 9 && json_int64(v, &fen));
			if (kind == BILL_FUND ? fen < 0 : refund)
				out += fen < 0 ? -fen : fen;
			else
				in += fen;
		}
		CHECK(in == totals.paid_fen && out == totals.refunded_fen);
	}
	enum bill_fault fault = bill_open(&a, text, STR("a9993e364706816aba3e25717850c26c9cd0d89d"), &opened);
	CHECK(fault != BILL_GARBAGE);
	buf_free(&lines);
	arena_release(&a);
	return 0;
}
