/* WeChat Pay calls. Nothing is believed before the signature over the raw bytes held; then the payment is settled and the bytes are
 * kept, in one transaction. WeChat looks at the status only: 204 is "taken", anything else "send again". */
#include "services/donations/donations.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/log.h"

/* WeChat waits five seconds for an answer; whoever was not answered in time is told to send again. */
enum { ANSWER_WITHIN_MS = 3000 };

static struct str hex_bytea(struct arena *a, struct str bytes)
{
	char *text = arena_alloc(a, 2 * bytes.n + 2);
	if (!text) return STR_NONE;
	memcpy(text, "\\x", 2);
	id_hex(bytes.p, bytes.n, text + 2);
	return str_span(text, 2 * bytes.n + 2);
}

static enum next settle_payment(struct request *r, const struct wechat_pay_event *e)
{
	const struct donations *d = request_context(r);
	struct wechat_pay_transaction t;
	if (wechat_pay_read_transaction(&d->pay, e->resource, &t) != ERR_NONE)
		return request_refuse(r, "notification-unreadable", "transaction");
	if (!t.ours) return request_refuse(r, "notification-foreign", NULL);
	if (t.state != TRADE_SUCCESS) return request_try_query(r, "notification_other");
	request_set(r, "flow.out_trade_no", t.out_trade_no);
	request_set(r, "flow.transaction_id", t.transaction_id);
	request_set_i64(r, "flow.amount_fen", t.total_fen);
	request_set(r, "flow.at", t.success_time);
	return request_try_query(r, "notification_payment");
}

static enum next settle_refund(struct request *r, const struct wechat_pay_event *e)
{
	const struct donations *d = request_context(r);
	struct wechat_pay_refund f;
	if (wechat_pay_read_refund(&d->pay, e->resource, true, &f) != ERR_NONE)
		return request_refuse(r, "notification-unreadable", "refund");
	if (!f.ours) return request_refuse(r, "notification-foreign", NULL);
	request_set(r, "flow.out_refund_no", f.out_refund_no);
	request_set(r, "flow.refund_id", f.refund_id);
	request_set(r, "flow.state", f.state);
	request_set_i64(r, "flow.amount_fen", f.refund_fen);
	request_set(r, "flow.at", f.success_time);
	return request_try_query(r, "notification_refund");
}

enum next notify_verify(struct request *r)
{
	const struct donations *d = request_context(r);
	struct arena *a = request_arena(r);
	struct str body = request_raw_body(r);
	struct wechat_pay_event event;
	request_limit_time(r, ANSWER_WITHIN_MS);
	struct wechat_pay_signature s = {
		.timestamp = request_header(r, STR("wechatpay-timestamp")),
		.nonce = request_header(r, STR("wechatpay-nonce")),
		.serial = request_header(r, STR("wechatpay-serial")),
		.signature = request_header(r, STR("wechatpay-signature")),
	};
	if (!wechat_pay_verify(a, &d->pay, &s, body, clock_wall_s()))
		return request_fail(r, ERR_SIGNATURE_INVALID, NULL);
	enum err e = wechat_pay_open_event(a, d->pay.apiv3_key, body, &event);
	if (e != ERR_NONE) return request_refuse(r, "notification-unreadable", "%s", err_info(e)->name);
	request_set(r, "flow.event_id", event.id);
	request_set(r, "flow.event_type", event.type);
	request_set(r, "flow.serial", s.serial);
	request_set(r, "flow.body", hex_bytea(a, body));
	if (!event.resource) return request_try_query(r, "notification_other");
	return event.is_refund ? settle_refund(r, &event) : settle_payment(r, &event);
}

enum next notify_answer(struct request *r)
{
	if (request_outcome(r) != ERR_NONE) {
		log_line(LOG_WARN, "notification not kept", "%s", err_info(request_outcome(r))->name);
		return request_fail(r, ERR_UNAVAILABLE, NULL); /* WeChat sends it again */
	}
	return request_answer_raw(r, 204, STR_NONE, STR_NONE);
}
