/* A callback's body as outsiders may send it, and the decrypted texts as WeChat may; what is taken has its members in form. */
/* links: service */
#include "services/donations/wechat_message.c"
#include "services/donations/wechat_pay.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wechat_pay pay = { .mchid = { "1900000001", 10 }, .appid = { "wxd678efh567hg6787", 18 } };
	struct str body = str_span((const char *)data, size);
	struct wechat_pay_event e;
	struct wechat_pay_transaction t;
	struct wechat_pay_refund f;
	struct json_error error;
	const struct json *v;
	struct arena a;
	crypto_init();
	arena_init(&a, 4096, 1 << 20);
	if (wechat_pay_open_event(&a, STR("0123456789abcdef0123456789ABCDEF"), body, &e) == ERR_NONE)
		CHECK(e.id.n && e.type.n);
	if (json_read(&a, body, JSON_DEPTH_MAX, &v, &error) == ERR_NONE) {
		if (wechat_pay_read_transaction(&pay, v, &t) == ERR_NONE) {
			CHECK(t.out_trade_no.n > 0);
			CHECK(t.state > TRADE_REFUND || (t.total_fen > 0 && t.transaction_id.n > 0));
		}
		if (wechat_pay_read_refund(&pay, v, true, &f) == ERR_NONE) CHECK(f.refund_fen > 0 && f.refund_id.n > 0);
		if (wechat_pay_read_refund(&pay, v, false, &f) == ERR_NONE) CHECK(f.ours && f.refund_fen > 0);
	}
	arena_release(&a);
	return 0;
}
