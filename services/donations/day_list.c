/* Reading the receipt platform's list of a day. What a number has to look like is the database's to say: a bad one costs no other row. */
#include "services/donations/day_list.h"

static const int64_t fen_max = 10000000000000; /* what a gift may be; so many lines cannot overflow a sum */

enum { CELLS = 10, AMOUNT = 6, STATE = 7, AT = 8, END_CELLS = 4 };

struct totals {
	int64_t lines, issued_fen, red_fen;
};

static unsigned split(struct str line, struct str cells[CELLS])
{
	unsigned n = 0;
	while (line.p && n < CELLS)
		if (!str_cut(&line, ',', &cells[n++])) break;
	return line.p ? CELLS + 1 : n;
}

static bool put(struct str line, struct buf *lines, struct totals *seen)
{
	struct str c[CELLS];
	int64_t fen;
	if (split(line, c) != CELLS || !str_to_i64(c[AMOUNT], &fen)) return false;
	bool issue = str_eq(c[0], STR("ISSUE"));
	if (!issue && !str_eq(c[0], STR("REVERSAL"))) return false;
	if ((issue ? fen < 1 : fen > -1) || fen > fen_max || fen < -fen_max) return false;
	if (!str_eq(c[STATE], STR("ISSUED")) && !str_eq(c[STATE], STR("VOIDED"))) return false;
	if (!c[1].n || !bill_is_time(c[AT])) return false;
	buf_printf(lines, "%s[", seen->lines ? "," : "");
	for (unsigned i = 0; i < CELLS; i++) {
		if (i == AMOUNT) {
			buf_printf(lines, "%lld,", (long long)fen);
			continue;
		}
		if (i != AT && !bill_is_number(c[i])) return false;
		buf_printf(lines, "\"%.*s\"%s", STR_FMT(c[i]), i + 1 < CELLS ? "," : "]");
	}
	seen->lines++;
	*(issue ? &seen->issued_fen : &seen->red_fen) += fen;
	return true;
}

static enum bill_fault read_end(struct str line, struct str rest, const struct totals *seen)
{
	struct str c[CELLS];
	struct totals said;
	if (split(line, c) != END_CELLS || rest.n || !str_to_i64(c[1], &said.lines) ||
	    !str_to_i64(c[2], &said.issued_fen) || !str_to_i64(c[3], &said.red_fen))
		return BILL_GARBAGE;
	if (said.lines > seen->lines) return BILL_TRUNCATED;
	return said.lines == seen->lines && said.issued_fen == seen->issued_fen && said.red_fen == seen->red_fen
		   ? BILL_OK
		   : BILL_GARBAGE;
}

enum bill_fault day_list_read(struct str text, struct str day, struct buf *lines)
{
	struct totals seen = { 0 };
	struct str rest = text, line, head;
	if (text.n > DAY_LIST_BYTES_MAX) return BILL_TOO_LARGE;
	if (!rest.n || !str_cut(&rest, '\n', &line) || !str_cut(&line, ',', &head)) return BILL_GARBAGE;
	if (!str_eq(head, STR("DAY")) || !str_eq(line, day)) return BILL_GARBAGE;
	buf_str(lines, STR("["));
	for (;;) {
		if (!rest.n || !str_cut(&rest, '\n', &line)) return BILL_TRUNCATED;
		if (str_starts(line, STR("END,"))) break;
		if (!put(line, lines, &seen)) return rest.n ? BILL_GARBAGE : BILL_TRUNCATED;
		if (lines->overflow) return BILL_TOO_LARGE;
	}
	buf_str(lines, STR("]"));
	if (lines->overflow) return BILL_TOO_LARGE;
	return read_end(line, rest, &seen);
}
