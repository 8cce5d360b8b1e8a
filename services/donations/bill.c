/* Reading WeChat Pay's bills. Cells are split at the comma and backtick that begin the next one; what the merchant wrote into a product's
 * name may hold that too, so columns after the free text are counted from the end of the row. */
#include "services/donations/bill.h"

#include "common/core/id.h"
#include "common/crypto/crypto.h"
#include "common/http/coding.h"

enum {
	COLUMNS_MAX = 40,
	CELLS_MAX = 200,
	NUMBER_BYTES_MAX = 64,
	YUAN_DIGITS_MAX = 10,
	YUAN_PLACES_MAX = 5,
	MILLI_FEN = 1000,
	TIME_BYTES = 19,
};

/* Columns that we read, by their names in the header. */
enum column {
	AT,
	TRANSACTION,
	ORDER,
	STATE,
	REFUND_ID,
	REFUND_NUMBER,
	REFUND_STATE,
	NAME, /* free text */
	NOTE, /* free text */
	FEE,
	TOTAL,
	ASKED,
	BUSINESS,
	DIRECTION,
	MOVED,
	VOUCHER,
	COLUMNS
};

static const char *const names[COLUMNS] = {
	[AT] = "交易时间",
	[TRANSACTION] = "微信订单号",
	[ORDER] = "商户订单号",
	[STATE] = "交易状态",
	[REFUND_ID] = "微信退款单号",
	[REFUND_NUMBER] = "商户退款单号",
	[REFUND_STATE] = "退款状态",
	[NAME] = "商品名称",
	[NOTE] = "商户数据包",
	[FEE] = "手续费",
	[TOTAL] = "订单金额",
	[ASKED] = "申请退款金额",
};
static const char *const fund_names[COLUMNS] = {
	[AT] = "记账时间",
	[TRANSACTION] = "微信支付业务单号",
	[BUSINESS] = "业务名称",
	[DIRECTION] = "收支类型",
	[MOVED] = "收支金额（元）",
	[NAME] = "资金变更提交申请人",
	[NOTE] = "备注",
	[VOUCHER] = "业务凭证号",
};

struct reader {
	enum bill_kind kind;
	struct str rest;
	int at[COLUMNS]; /* place in the header, -1: not there */
	unsigned columns;
	struct str cells[CELLS_MAX];
	unsigned cell_count;
	struct buf *lines;
	struct bill_totals seen;
};

const char *bill_fault_name(enum bill_fault fault)
{
	static const char *const text[] = { "DONE", "WRONG_HASH", "TRUNCATED", "GARBAGE", "TOO_LARGE" };
	return text[fault];
}

static bool is_gzip(struct str s)
{
	return s.n > 2 && (unsigned char)s.p[0] == 0x1f && (unsigned char)s.p[1] == 0x8b;
}

enum bill_fault bill_open(struct arena *a, struct str packed, struct str sha1_hex, struct str *text)
{
	unsigned char digest[SHA1_BYTES];
	char hex[BILL_SHA1_TEXT_BYTES];
	*text = packed;
	if (packed.n > BILL_PACKED_BYTES_MAX) return BILL_TOO_LARGE;
	if (is_gzip(packed)) {
		enum err e = coding_decompress(a, CODING_GZIP, packed, BILL_BYTES_MAX, text);
		if (e == ERR_PAYLOAD_TOO_LARGE || e == ERR_MEMORY) return BILL_TOO_LARGE;
		if (e != ERR_NONE) return BILL_TRUNCATED;
	}
	if (text->n > BILL_BYTES_MAX) return BILL_TOO_LARGE;
	sha1(*text, digest);
	id_hex(digest, sizeof digest, hex);
	return str_eq_ci(str_span(hex, sizeof hex), sha1_hex) ? BILL_OK : BILL_WRONG_HASH;
}

bool bill_yuan(struct str s, int64_t *milli_fen)
{
	bool negative = s.n && s.p[0] == '-';
	size_t i = negative, digits = 0, places = 0;
	int64_t v = 0;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && digits < YUAN_DIGITS_MAX; i++, digits++)
		v = 10 * v + (s.p[i] - '0');
	if (digits == 0) return false;
	if (i < s.n && s.p[i] == '.') {
		for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && places < YUAN_PLACES_MAX; i++, places++)
			v = 10 * v + (s.p[i] - '0');
		if (places == 0) return false;
	}
	if (i != s.n) return false;
	for (; places < YUAN_PLACES_MAX; places++) v *= 10;
	*milli_fen = negative ? -v : v;
	return true;
}

/* Whole fen only. */
static bool read_fen(struct str s, int64_t *fen)
{
	int64_t milli;
	if (!bill_yuan(s, &milli) || milli % MILLI_FEN) return false;
	*fen = milli / MILLI_FEN;
	return true;
}

static bool next_line(struct reader *r, struct str *line)
{
	if (r->rest.n == 0 || !str_cut(&r->rest, '\n', line)) return false;
	if (line->n && line->p[line->n - 1] == '\r') line->n--;
	return true;
}

static bool read_header(struct reader *r)
{
	const char *const *wanted = r->kind == BILL_TRADE ? names : fund_names;
	struct str line, cell;
	for (int c = 0; c < COLUMNS; c++) r->at[c] = -1;
	if (str_starts(r->rest, STR("\xef\xbb\xbf"))) r->rest = str_from(r->rest, 3);
	if (!next_line(r, &line)) return false;
	while (line.p && r->columns < COLUMNS_MAX && str_cut(&line, ',', &cell)) {
		for (int c = 0; c < COLUMNS; c++)
			if (wanted[c] && r->at[c] < 0 && str_eq(cell, str_of(wanted[c]))) r->at[c] = (int)r->columns;
		r->columns++;
	}
	for (int c = 0; c < COLUMNS; c++)
		if (wanted[c] && r->at[c] < 0) return false;
	return r->at[NAME] < r->at[NOTE];
}

/* "`a,`b" */
static bool split(struct reader *r, struct str line)
{
	r->cell_count = 0;
	if (line.n == 0 || line.p[0] != '`') return false;
	size_t from = 1;
	for (size_t i = 1; i <= line.n; i++) {
		if (i < line.n && !(line.p[i] == ',' && i + 1 < line.n && line.p[i + 1] == '`')) continue;
		if (r->cell_count == CELLS_MAX) return false;
		r->cells[r->cell_count++] = str_span(line.p + from, i - from);
		from = i + 2;
		i++;
	}
	return true;
}

static struct str cell(const struct reader *r, enum column c)
{
	unsigned at = (unsigned)r->at[c];
	if (r->at[c] > r->at[NAME]) at += r->cell_count - r->columns;
	return r->cells[at];
}

/* Our numbers and WeChat's: they go into JSON as they are. `0` and nothing mean none. */
bool bill_is_number(struct str s)
{
	if (s.n > NUMBER_BYTES_MAX) return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
			c == '|' || c == '*' || c == '@' || c == '-'))
			return false;
	}
	return true;
}

static struct str present(struct str s)
{
	return str_eq(s, STR("0")) ? STR("") : s;
}

static bool two_digits(struct str s, size_t at, int least, int most)
{
	int v = (s.p[at] - '0') * 10 + (s.p[at + 1] - '0');
	return s.p[at] >= '0' && s.p[at] <= '9' && s.p[at + 1] >= '0' && s.p[at + 1] <= '9' && v >= least && v <= most;
}

/* Not past the 28th unless the month has it is what the database would refuse; it never gets to see another. */
bool bill_is_time(struct str s)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (s.n != TIME_BYTES || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != ' ' || s.p[13] != ':' || s.p[16] != ':')
		return false;
	if (!two_digits(s, 0, 20, 20) || !two_digits(s, 2, 0, 99) || !two_digits(s, 5, 1, 12)) return false;
	int year = (s.p[2] - '0') * 10 + (s.p[3] - '0'), month = (s.p[5] - '0') * 10 + (s.p[6] - '0');
	int last = month == 2 && year % 4 ? 28 : days[month - 1];
	return two_digits(s, 8, 1, last) && two_digits(s, 11, 0, 23) && two_digits(s, 14, 0, 59) &&
	       two_digits(s, 17, 0, 59);
}

struct line {
	const char *kind;
	struct str order, transaction, refund_number, refund_id, state, at;
	int64_t amount_fen, fee_milli;
};

static bool put(struct reader *r, const struct line *l)
{
	if (!bill_is_number(l->order) || !bill_is_number(l->transaction) || !bill_is_number(l->refund_number) ||
	    !bill_is_number(l->refund_id) || !bill_is_number(l->state) || !bill_is_time(l->at))
		return false;
	buf_printf(r->lines, "%s[\"%s\",\"%.*s\",\"%.*s\",\"%.*s\",\"%.*s\",\"%.*s\",%lld,%lld,\"%.*s\"]",
	    r->seen.lines ? "," : "", l->kind, STR_FMT(l->order), STR_FMT(l->transaction), STR_FMT(l->refund_number),
	    STR_FMT(l->refund_id), STR_FMT(l->state), (long long)l->amount_fen, (long long)l->fee_milli,
	    STR_FMT(l->at));
	r->seen.lines++;
	return true;
}

static bool trade_row(struct reader *r)
{
	struct str state = cell(r, STATE);
	bool refund = str_eq(state, STR("REFUND")) || str_eq(state, STR("REVOKED"));
	struct line l = { .kind = refund ? "REFUND" : "PAYMENT",
		.order = cell(r, ORDER),
		.transaction = cell(r, TRANSACTION),
		.refund_number = refund ? present(cell(r, REFUND_NUMBER)) : STR(""),
		.refund_id = refund ? present(cell(r, REFUND_ID)) : STR(""),
		.state = refund ? cell(r, REFUND_STATE) : state,
		.at = cell(r, AT) };
	if (!read_fen(cell(r, refund ? ASKED : TOTAL), &l.amount_fen) || l.amount_fen < 0 ||
	    !bill_yuan(cell(r, FEE), &l.fee_milli))
		return false;
	*(refund ? &r->seen.refunded_fen : &r->seen.paid_fen) += l.amount_fen;
	return put(r, &l);
}

static bool fund_row(struct reader *r)
{
	struct str name = cell(r, BUSINESS), way = cell(r, DIRECTION);
	bool in = str_eq(way, STR("收入"));
	const char *kind = str_contains(name, STR("手续费"))  ? "FEE"
			   : in && str_eq(name, STR("交易"))  ? "PAYMENT"
			   : !in && str_eq(name, STR("退款")) ? "REFUND"
							      : "OTHER";
	struct line l = { .kind = kind,
		.order = cell(r, VOUCHER),
		.transaction = cell(r, TRANSACTION),
		.refund_number = STR(""),
		.refund_id = STR(""),
		.state = STR(""),
		.at = cell(r, AT) };
	if ((!in && !str_eq(way, STR("支出"))) || !read_fen(cell(r, MOVED), &l.amount_fen) || l.amount_fen < 0)
		return false;
	*(in ? &r->seen.paid_fen : &r->seen.refunded_fen) += l.amount_fen;
	if (!in) l.amount_fen = -l.amount_fen;
	if (!bill_is_number(l.order)) l.order = STR(""); /* a withdrawal's voucher may be anything */
	return put(r, &l);
}

/* The row below the second header: count and sums. */
static enum bill_fault read_summary(struct reader *r, struct bill_totals *totals)
{
	struct str line;
	bool trade = r->kind == BILL_TRADE;
	if (!next_line(r, &line)) return BILL_TRUNCATED;
	if (!split(r, line) || r->cell_count < 5) return BILL_GARBAGE;
	if (!str_to_i64(r->cells[0], &totals->lines) || totals->lines < 0) return BILL_GARBAGE;
	if (trade && r->cell_count < 7) return BILL_TRUNCATED;
	if (!read_fen(r->cells[trade ? 5 : 2], &totals->paid_fen) ||
	    !read_fen(r->cells[trade ? 6 : 4], &totals->refunded_fen))
		return BILL_GARBAGE;
	while (next_line(r, &line))
		if (line.n) return BILL_GARBAGE;
	if (totals->lines > r->seen.lines) return BILL_TRUNCATED;
	return totals->lines == r->seen.lines && totals->paid_fen == r->seen.paid_fen &&
		       totals->refunded_fen == r->seen.refunded_fen
		   ? BILL_OK
		   : BILL_GARBAGE;
}

enum bill_fault bill_read(enum bill_kind kind, struct str text, struct buf *lines, struct bill_totals *totals)
{
	struct reader r = { .kind = kind, .rest = text, .lines = lines };
	struct str line;
	if (!read_header(&r)) return BILL_GARBAGE;
	buf_str(lines, STR("["));
	for (;;) {
		if (!next_line(&r, &line)) return BILL_TRUNCATED;
		if (line.n == 0 || line.p[0] != '`') break;
		if (!split(&r, line)) return BILL_GARBAGE;
		if (r.cell_count < r.columns) return r.rest.n ? BILL_GARBAGE : BILL_TRUNCATED;
		if (!(kind == BILL_TRADE ? trade_row(&r) : fund_row(&r))) return BILL_GARBAGE;
		if (lines->overflow) return BILL_TOO_LARGE;
	}
	if (!str_starts(line, kind == BILL_TRADE ? STR("总交易单数") : STR("资金流水总笔数"))) return BILL_GARBAGE;
	buf_str(lines, STR("]"));
	if (lines->overflow) return BILL_TOO_LARGE;
	return read_summary(&r, totals);
}
