/* The receipt platform's list of a day as somebody may serve it; what is taken is JSON of so many cells, and sums to what its end says. */
/* links: service */
#include "common/json/json.h"
#define split bill_split /* the two readers name their parts alike */
#define put   bill_put
#define AT    BILL_AT
#define STATE BILL_STATE
#include "services/donations/bill.c"
#undef split
#undef put
#undef AT
#undef STATE
#include "services/donations/day_list.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const struct json *rows, struct str text)
{
	int64_t lines = 0, issued = 0, red = 0, said[3];
	for (const struct json *row = json_first(rows); row; row = json_next(row), lines++) {
		const struct json *v = json_first(row);
		bool issue = str_eq(json_string(v), STR("ISSUE"));
		int64_t fen;
		for (int i = 0; i < AMOUNT; i++) v = json_next(v);
		CHECK(json_count(row) == CELLS && json_int64(v, &fen) && (issue ? fen > 0 : fen < 0));
		*(issue ? &issued : &red) += fen;
	}
	struct str cells[CELLS], line = STR("");
	while (text.n) str_cut(&text, '\n', &line);
	CHECK(split(line, cells) == END_CELLS);
	for (int i = 0; i < 3; i++) CHECK(str_to_i64(cells[i + 1], &said[i]));
	CHECK(said[0] == lines && said[1] == issued && said[2] == red);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_span((const char *)data, size);
	struct json_error error;
	const struct json *rows;
	struct arena a;
	struct buf lines;
	arena_init(&a, 4096, 1 << 24);
	buf_init(&lines, DAY_LIST_BYTES_MAX);
	if (day_list_read(text, STR("2026-11-26"), &lines) == BILL_OK) {
		CHECK(json_read(&a, str_span(lines.p, lines.n), JSON_DEPTH_MAX, &rows, &error) == ERR_NONE);
		check_lines(rows, text);
	}
	buf_free(&lines);
	arena_release(&a);
	return 0;
}
