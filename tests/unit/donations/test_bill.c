/* WeChat's bills: what is read of them, and what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/donations/bill.h"

#define TRADE_HEADER                                                                                                                                                   \
	"交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"         \
	"货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名" \
	"称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
#define TRADE_SUMMARY "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
#define PAID(name)                                                                                                     \
	"`2026-02-28 08:35:41,`wx1,`19,`0,`,`4200001,`ABCDEF01,`openid,`JSAPI,`SUCCESS,`PSBC,`CNY,`6.00,`0.00,`0,`0,`" \
	"0.00,`0.00,`,`,`" name ",`,`0.04000,`0.60%,`6.00,`0.00,`\r\n"
#define BACK                                                                                                           \
	"`2026-02-28 09:00:00,`wx1,`19,`0,`,`4200001,`ABCDEF01,`openid,`JSAPI,`REFUND,`PSBC,`CNY,`0.00,`0.00,`5030,"   \
	"`Rabc123,`2.50,`0.00,`ORIGINAL,`SUCCESS,`name,`,`-0.02000,`0.60%,`0.00,`2.50,`\r\n"
#define SUMMARY(n, paid, back) TRADE_SUMMARY "`" n ",`" paid ",`" back ",`0.00,`0.02000,`" paid ",`" back "\r\n"
#define FUND_HEADER                                                                                                                                                      \
	"记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交" \
	"申请人,备注,业务凭证号\r\n"
#define FUND_SUMMARY "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n"

static enum bill_fault read_text(enum bill_kind kind, struct str text, struct str expected, struct bill_totals *totals)
{
	struct buf lines;
	buf_init(&lines, BILL_LINES_BYTES_MAX);
	enum bill_fault fault = bill_read(kind, text, &lines, totals);
	if (expected.p) assert_true(str_eq(str_span(lines.p, lines.n), expected));
	buf_free(&lines);
	return fault;
}
#define READ(text) read_text(BILL_TRADE, STR(text), STR_NONE, &totals)

static void reads_a_trade_bill(void **state)
{
	(void)state;
	struct bill_totals totals = { 0 };
	static const char expected[] =
	    "[[\"PAYMENT\",\"ABCDEF01\",\"4200001\",\"\",\"\",\"SUCCESS\",600,4000,\"2026-02-28 08:35:41\"],"
	    "[\"REFUND\",\"ABCDEF01\",\"4200001\",\"Rabc123\",\"5030\",\"SUCCESS\",250,-2000,\"2026-02-28 09:00:00\"]]";
	struct str text = STR("\xef\xbb\xbf" TRADE_HEADER PAID("name") BACK SUMMARY("2", "6.00", "2.50"));
	assert_int_equal(read_text(BILL_TRADE, text, str_of(expected), &totals), BILL_OK);
	assert_int_equal(totals.lines, 2);
	assert_int_equal(totals.paid_fen, 600);
	assert_int_equal(totals.refunded_fen, 250);
	assert_int_equal(READ(TRADE_HEADER SUMMARY("0", "0.00", "0.00")), BILL_OK);
}

static void free_text_may_hold_the_separator(void **state)
{
	(void)state;
	struct bill_totals totals;
	assert_int_equal(READ(TRADE_HEADER PAID("a,b") SUMMARY("1", "6.00", "0.00")), BILL_OK);
	assert_int_equal(READ(TRADE_HEADER PAID("a,`b,`9.00") SUMMARY("1", "6.00", "0.00")), BILL_OK);
}

static void reads_a_fund_bill(void **state)
{
	(void)state;
	struct bill_totals totals;
	static const char expected[] =
	    "[[\"PAYMENT\",\"ABCDEF01\",\"4200001\",\"\",\"\",\"\",600,0,\"2024-02-29 08:35:41\"],"
	    "[\"FEE\",\"ABCDEF01\",\"4200001\",\"\",\"\",\"\",-4,0,\"2024-02-29 08:35:41\"],"
	    "[\"OTHER\",\"\",\"77\",\"\",\"\",\"\",-100,0,\"2024-02-29 10:00:00\"]]";
	struct str text = STR(FUND_HEADER
	    "`2024-02-29 08:35:41,`4200001,`1,`交易,`交易,`收入,`6.00,`6.00,`system,`,`ABCDEF01\n"
	    "`2024-02-29 08:35:41,`4200001,`2,`扣除交易手续费,`扣除交易手续费,`支出,`0.04,`5.96,`system,`,`ABCDEF01\n"
	    "`2024-02-29 10:00:00,`77,`3,`提现,`提现,`支出,`1.00,`4.96,`system,`,`提 现\n" FUND_SUMMARY
	    "`3,`1,`6.00,`2,`1.04\n");
	assert_int_equal(read_text(BILL_FUND, text, str_of(expected), &totals), BILL_OK);
}

static void what_ends_too_early_is_truncated(void **state)
{
	(void)state;
	struct bill_totals totals;
	assert_int_equal(READ(TRADE_HEADER), BILL_TRUNCATED);
	assert_int_equal(READ(TRADE_HEADER PAID("x")), BILL_TRUNCATED);
	assert_int_equal(READ(TRADE_HEADER PAID("x") TRADE_SUMMARY), BILL_TRUNCATED);
	assert_int_equal(READ(TRADE_HEADER PAID("x") SUMMARY("2", "12.00", "0.00")), BILL_TRUNCATED);
	assert_int_equal(READ(TRADE_HEADER PAID("x") "`2026-02-28 08:35"), BILL_TRUNCATED);
}

static void what_is_no_bill_is_garbage(void **state)
{
	(void)state;
	struct bill_totals totals;
	assert_int_equal(READ(""), BILL_GARBAGE);
	assert_int_equal(READ("<html>"), BILL_GARBAGE);
	assert_int_equal(READ(TRADE_HEADER "`1,`2\r\n" SUMMARY("1", "6.00", "0.00")), BILL_GARBAGE);
	assert_int_equal(READ(TRADE_HEADER PAID("x") SUMMARY("1", "6.01", "0.00")), BILL_GARBAGE);
	assert_int_equal(READ(TRADE_HEADER PAID("x") SUMMARY("0", "6.00", "0.00")), BILL_GARBAGE);
	assert_int_equal(READ(TRADE_HEADER PAID("x") SUMMARY("1", "6.00", "0.00") PAID("x")), BILL_GARBAGE);
	assert_int_equal(
	    read_text(BILL_FUND, STR(TRADE_HEADER SUMMARY("0", "0.00", "0.00")), STR_NONE, &totals), BILL_GARBAGE);
}

static void amounts_are_exact(void **state)
{
	(void)state;
	int64_t v;
	assert_true(bill_yuan(STR("6.00"), &v) && v == 600000);
	assert_true(bill_yuan(STR("-0.02345"), &v) && v == -2345);
	assert_true(bill_yuan(STR("9999999999.99999"), &v) && v == 999999999999999);
	static const char *const wrong[] = { "", "-", ".5", "1.", "1.234567", "12345678901", "1e3", " 1", "+1",
		"1,000.00", "--1" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) assert_false(bill_yuan(str_of(wrong[i]), &v));
}

static void the_hash_decides(void **state)
{
	(void)state;
	struct arena a;
	struct str text;
	arena_init(&a, 1024, 1 << 16);
	assert_int_equal(bill_open(&a, STR("abc"), STR("a9993e364706816aba3e25717850c26c9cd0d89d"), &text), BILL_OK);
	assert_int_equal(bill_open(&a, STR("abc"), STR("A9993E364706816ABA3E25717850C26C9CD0D89D"), &text), BILL_OK);
	assert_int_equal(
	    bill_open(&a, STR("abd"), STR("a9993e364706816aba3e25717850c26c9cd0d89d"), &text), BILL_WRONG_HASH);
	assert_int_equal(
	    bill_open(&a, STR("\x1f\x8b\x08"), STR("a9993e364706816aba3e25717850c26c9cd0d89d"), &text), BILL_TRUNCATED);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_trade_bill),
		cmocka_unit_test(free_text_may_hold_the_separator),
		cmocka_unit_test(reads_a_fund_bill),
		cmocka_unit_test(what_ends_too_early_is_truncated),
		cmocka_unit_test(what_is_no_bill_is_garbage),
		cmocka_unit_test(amounts_are_exact),
		cmocka_unit_test(the_hash_decides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
