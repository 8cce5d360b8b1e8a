/* WeChat Pay's signatures, callbacks and bodies, against vectors made by node:crypto. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/donations/wechat_pay.h"
#include "tests/unit/donations/vectors.h"

static struct arena arena;
static struct wechat_pay pay;

static const struct wechat_pay_signature good = {
	.timestamp = { "1764000000", 10 },
	.nonce = { VECTOR_NONCE, sizeof VECTOR_NONCE - 1 },
	.serial = { "PUB_KEY_ID_1", 12 },
	.signature = { VECTOR_PAYMENT_SIGNATURE, sizeof VECTOR_PAYMENT_SIGNATURE - 1 },
};

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 4 << 20);
	crypto_init();
	pay = (struct wechat_pay){ .base_url = STR("https://pay.example"),
		.mchid = STR("1900000001"),
		.appid = STR("wxd678efh567hg6787"),
		.serial = STR("1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C"),
		.apiv3_key = STR(VECTOR_APIV3_KEY),
		.notify_url = STR("https://api.example/v1/payments/wechat/notifications"),
		.key_count = 1 };
	pay.keys[0].serial = STR("PUB_KEY_ID_1");
	if (key_read_pem(STR(VECTOR_MERCHANT_KEY), &pay.key) != ERR_NONE) return -1;
	return key_read_pem(STR(VECTOR_WECHAT_PUBLIC_KEY), &pay.keys[0].key) == ERR_NONE ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	key_free(pay.key);
	key_free(pay.keys[0].key);
	arena_release(&arena);
	return 0;
}

static void assert_str(struct str s, const char *expected)
{
	assert_int_equal(s.n, strlen(expected));
	assert_memory_equal(s.p, expected, s.n);
}

static void signs_requests(void **state)
{
	(void)state;
	struct str signature;
	struct str text = wechat_pay_request_text(
	    &arena, "POST", STR("/v3/pay/transactions/jsapi"), VECTOR_TIME, STR(VECTOR_NONCE), STR("{\"a\":1}"));
	assert_str(text, "POST\n/v3/pay/transactions/jsapi\n1764000000\n" VECTOR_NONCE "\n{\"a\":1}\n");
	assert_int_equal(key_sign(&arena, pay.key, text, &signature), ERR_NONE);
	assert_str(base64_encode(&arena, signature), VECTOR_REQUEST_SIGNATURE);
	assert_str(wechat_pay_authorization(&arena, &pay, VECTOR_TIME, STR(VECTOR_NONCE), signature),
	    "WECHATPAY2-SHA256-RSA2048 mchid=\"1900000001\",nonce_str=\"" VECTOR_NONCE
	    "\",timestamp=\"1764000000\",serial_no=\"1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C\",signature="
	    "\"" VECTOR_REQUEST_SIGNATURE "\"");
	/* without a body the empty line stays */
	assert_str(wechat_pay_request_text(&arena, "GET", STR("/x?mchid=1"), 1, STR("n"), STR_NONE),
	    "GET\n/x?mchid=1\n1\nn\n\n");
}

static void signs_for_the_client(void **state)
{
	(void)state;
	struct str signature, text = wechat_pay_client_text(&arena, pay.appid, STR("1764000000"), STR(VECTOR_NONCE),
				  STR("wx201410272009395522657a690389285100"));
	assert_int_equal(key_sign(&arena, pay.key, text, &signature), ERR_NONE);
	assert_str(base64_encode(&arena, signature), VECTOR_CLIENT_SIGNATURE);
}

static bool verify(struct wechat_pay_signature s, struct str body, int64_t now)
{
	return wechat_pay_verify(&arena, &pay, &s, body, now);
}

static void verifies_what_wechat_signed(void **state)
{
	(void)state;
	struct wechat_pay_signature s = good;
	assert_true(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	assert_true(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME + 299));
	assert_true(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME - 299));
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME + 300));
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME - 300));
	assert_false(verify(s, STR(VECTOR_PAYMENT " "), VECTOR_TIME)); /* the bytes count, not their meaning */
	assert_false(verify(s, STR_NONE, VECTOR_TIME));
	s.signature = STR(VECTOR_EMPTY_SIGNATURE);
	assert_true(verify(s, STR_NONE, VECTOR_TIME)); /* 204 */
}

static void refuses_bad_signature_headers(void **state)
{
	(void)state;
	struct wechat_pay_signature s;
	s = good, s.serial = STR("PUB_KEY_ID_2");
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	s = good, s.signature = STR("WECHATPAY/SIGNTEST/aGVsbG8=");
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	s = good, s.signature = STR_NONE;
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	s = good, s.timestamp = STR("1764000000\n");
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	s = good, s.timestamp = STR("99999999999999999999");
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	s = good, s.nonce = STR("");
	assert_false(verify(s, STR(VECTOR_PAYMENT), VECTOR_TIME));
	/* a line break moved from one part into the next would sign the same text */
	s = good, s.timestamp = STR("1764000000"), s.nonce = STR(VECTOR_NONCE "\n{\"id\":");
	assert_false(verify(s, STR("x"), VECTOR_TIME));
}

static void opens_a_payment(void **state)
{
	(void)state;
	struct wechat_pay_event e;
	struct wechat_pay_transaction t;
	assert_int_equal(wechat_pay_open_event(&arena, pay.apiv3_key, STR(VECTOR_PAYMENT), &e), ERR_NONE);
	assert_str(e.id, "EV-2018022511223320873");
	assert_str(e.type, "TRANSACTION.SUCCESS");
	assert_false(e.is_refund);
	assert_int_equal(wechat_pay_read_transaction(&pay, e.resource, &t), ERR_NONE);
	assert_true(t.ours);
	assert_int_equal(t.state, TRADE_SUCCESS);
	assert_int_equal(t.total_fen, 8800);
	assert_str(t.out_trade_no, "7KQ2M9X4TB1C8ZRV");
	assert_str(t.transaction_id, "4200001234202611240000000001");
	assert_str(t.success_time, "2026-11-24T10:34:56+08:00");
	struct wechat_pay other = pay;
	other.mchid = STR("1900000002");
	assert_int_equal(wechat_pay_read_transaction(&other, e.resource, &t), ERR_NONE);
	assert_false(t.ours);
}

static void opens_a_refund_with_empty_aad(void **state)
{
	(void)state;
	struct wechat_pay_event e;
	struct wechat_pay_refund f;
	assert_int_equal(wechat_pay_open_event(&arena, pay.apiv3_key, STR(VECTOR_REFUND), &e), ERR_NONE);
	assert_true(e.is_refund);
	assert_int_equal(wechat_pay_read_refund(&pay, e.resource, true, &f), ERR_NONE);
	assert_true(f.ours);
	assert_str(f.state, "SUCCESS");
	assert_int_equal(f.refund_fen, 800);
}

static void refuses_bad_events(void **state)
{
	(void)state;
	struct wechat_pay_event e;
	assert_int_equal(
	    wechat_pay_open_event(&arena, STR("0123456789abcdef0123456789ABCDEE"), STR(VECTOR_PAYMENT), &e),
	    ERR_CRYPTO);
	assert_int_not_equal(wechat_pay_open_event(&arena, pay.apiv3_key, STR("{"), &e), ERR_NONE);
	assert_int_equal(
	    wechat_pay_open_event(&arena, pay.apiv3_key, STR("{\"id\":\"a\",\"event_type\":\"b\"}"), &e), ERR_SYNTAX);
	assert_int_equal(wechat_pay_open_event(&arena, pay.apiv3_key, STR("[]"), &e), ERR_SYNTAX);
	assert_int_equal(wechat_pay_open_event(&arena, pay.apiv3_key,
			     STR("{\"id\":\"a\",\"event_type\":\"b\",\"resource\":{\"original_type\":\"transaction\","
				 "\"algorithm\":\"AEAD_AES_256_GCM\","
				 "\"nonce\":\"123456789012\",\"ciphertext\":\"AAAA\"}}"),
			     &e),
	    ERR_SYNTAX);
	/* of a kind we do not know: kept, not opened */
	assert_int_equal(wechat_pay_open_event(&arena, pay.apiv3_key,
			     STR("{\"id\":\"a\",\"event_type\":\"b\",\"resource\":{\"original_type\":\"x\"}}"), &e),
	    ERR_NONE);
	assert_null(e.resource);
}

static const struct json *read(const char *text)
{
	const struct json *v;
	struct json_error error;
	assert_int_equal(json_read(&arena, str_of(text), JSON_DEPTH_MAX, &v, &error), ERR_NONE);
	return v;
}

static const char *paid_text(const char *total, const char *currency)
{
	return arena_printf(&arena,
	    "{\"out_trade_no\":\"ABCDEF\",\"trade_state\":\"SUCCESS\",\"transaction_id\":\"42\",\"success_time\":"
	    "\"2026-11-24T10:34:56+08:00\","
	    "\"amount\":{\"total\":%s,\"currency\":\"%s\"},\"mchid\":\"1900000001\",\"appid\":\"wxd678efh567hg6787\"}",
	    total, currency)
	    .p;
}

static void reads_trade_states(void **state)
{
	(void)state;
	struct wechat_pay_transaction t;
	assert_int_equal(
	    wechat_pay_read_transaction(&pay, read("{\"out_trade_no\":\"ABCDEF\",\"trade_state\":\"NOTPAY\"}"), &t),
	    ERR_NONE);
	assert_int_equal(t.state, TRADE_NOTPAY);
	assert_int_equal(
	    wechat_pay_read_transaction(&pay, read("{\"out_trade_no\":\"ABCDEF\",\"trade_state\":\"REVOKED\"}"), &t),
	    ERR_NONE);
	assert_int_equal(t.state, TRADE_CLOSED);
	assert_int_equal(
	    wechat_pay_read_transaction(&pay, read("{\"out_trade_no\":\"ABCDEF\",\"trade_state\":\"ACCEPT\"}"), &t),
	    ERR_NONE);
	assert_int_equal(t.state, TRADE_OTHER);
	assert_int_equal(wechat_pay_read_transaction(&pay, read(paid_text("1", "CNY")), &t), ERR_NONE);
	assert_true(t.ours);
	assert_int_equal(wechat_pay_read_transaction(&pay, read(paid_text("1", "USD")), &t), ERR_NONE);
	assert_false(t.ours);
	assert_int_equal(wechat_pay_read_transaction(&pay, read(paid_text("0", "CNY")), &t), ERR_SYNTAX);
	assert_int_equal(wechat_pay_read_transaction(&pay, read(paid_text("1.5", "CNY")), &t), ERR_SYNTAX);
	assert_int_equal(
	    wechat_pay_read_transaction(&pay, read(paid_text("9223372036854775808", "CNY")), &t), ERR_SYNTAX);
	assert_int_equal(
	    wechat_pay_read_transaction(&pay, read("{\"out_trade_no\":\"ABCDEF\",\"trade_state\":\"SUCCESS\"}"), &t),
	    ERR_SYNTAX);
	assert_int_equal(wechat_pay_read_transaction(&pay, read("{\"trade_state\":\"NOTPAY\"}"), &t), ERR_SYNTAX);
}

static void writes_an_order(void **state)
{
	(void)state;
	struct wechat_pay_order o = { .description = STR("捐赠：守护\"心\"跳"),
		.out_trade_no = STR("7KQ2M9X4TB1C8ZRV"),
		.openid = STR("oUpF8uMuAJO"),
		.expires_at = STR("2026-11-24T11:04:56.123456+08:00"),
		.total_fen = 8800 };
	assert_str(wechat_pay_order_body(&arena, &pay, &o),
	    "{\"appid\":\"wxd678efh567hg6787\",\"mchid\":\"1900000001\",\"description\":\"捐赠：守护\\\"心\\\"跳\","
	    "\"out_trade_no\":\"7KQ2M9X4TB1C8ZRV\","
	    "\"time_expire\":\"2026-11-24T11:04:56+08:00\",\"notify_url\":\"https://api.example/v1/payments/wechat/"
	    "notifications\","
	    "\"amount\":{\"total\":8800,\"currency\":\"CNY\"},\"payer\":{\"openid\":\"oUpF8uMuAJO\"}}");
	/* 127 bytes at most, never half a character */
	char text[3 * 60];
	for (int i = 0; i < 60; i++) memcpy(text + 3 * i, "心", 3);
	o.description = str_span(text, sizeof text);
	const struct json *v = read(wechat_pay_order_body(&arena, &pay, &o).p);
	assert_int_equal(json_get_str(v, "description").n, 126);
}

static void writes_a_refund(void **state)
{
	(void)state;
	assert_str(wechat_pay_refund_body(&arena, &pay, STR("7KQ2M9X4TB1C8ZRV"), STR("R1"), STR("重复捐赠"), 800, 8800),
	    "{\"out_trade_no\":\"7KQ2M9X4TB1C8ZRV\",\"out_refund_no\":\"R1\",\"reason\":\"重复捐赠\","
	    "\"notify_url\":\"https://api.example/v1/payments/wechat/"
	    "notifications\",\"amount\":{\"refund\":800,\"total\":8800,\"currency\":\"CNY\"}}");
	assert_str(wechat_pay_close_body(&arena, &pay), "{\"mchid\":\"1900000001\"}");
}

static void reads_error_codes(void **state)
{
	(void)state;
	assert_str(
	    wechat_pay_error_code(&arena, STR("{\"code\":\"SYSTEM_ERROR\",\"message\":\"系统错误\"}")), "SYSTEM_ERROR");
	assert_str(wechat_pay_error_code(&arena, STR("<html>")), "");
	assert_str(wechat_pay_error_code(&arena, STR("{\"code\":7}")), "");
}

static void knows_which_refusals_are_final(void **state)
{
	(void)state;
	static const char *const final[] = { "PARAM_ERROR", "INVALID_REQUEST", "RESOURCE_NOT_EXISTS",
		"USER_ACCOUNT_ABNORMAL" };
	static const char *const passing[] = { "", "NOT_ENOUGH", "FREQUENCY_LIMITED", "SYSTEM_ERROR", "SIGN_ERROR",
		"NO_AUTH", "PARAM", "INVALID_REQUESTS" };
	for (size_t i = 0; i < ARRAY_LEN(final); i++) assert_true(wechat_pay_refund_refused(str_of(final[i])));
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) assert_false(wechat_pay_refund_refused(str_of(passing[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(signs_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signs_for_the_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verifies_what_wechat_signed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_bad_signature_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(opens_a_payment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(opens_a_refund_with_empty_aad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_bad_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_trade_states, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writes_an_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writes_a_refund, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_error_codes, set_up, tear_down),
		cmocka_unit_test(knows_which_refusals_are_final),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
