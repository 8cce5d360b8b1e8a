/* Orders whose callback never came: asked about after a minute and then ever more rarely; when their time is over they are closed at
 * WeChat first and here afterwards, so that a payment in between is still found. A run takes a slice and asks for several at a time;
 * their next look is put off before the first step, so a crash or a second process does no harm. */
#include "services/donations/donations.h"

enum { PROVIDER_TIMEOUT_MS = 8000, IDLE_MS = 1000, ORDERS_AT_ONCE = 16 };

enum next follow_take(struct request *r)
{
	return provider_rests(r) ? NEXT_STEP : request_query(r, "order_take_due"); /* no query, no rows */
}

enum next follow_taken(struct request *r)
{
	return request_rows(r) ? request_each(r, &order_ask, ORDERS_AT_ONCE) : request_sleep(r, IDLE_MS);
}

enum next follow_begin(struct request *r)
{
	struct follow_state *f = request_state(r);
	f->out_trade_no = request_column(r, 0, "out_trade_no");
	f->expired = str_eq(request_column(r, 0, "expired"), STR("t"));
	bool transfer = str_eq(request_column(r, 0, "channel"), STR("BANK_TRANSFER"));
	f->action = transfer ? (f->expired ? FOLLOW_CLOSE_HERE : FOLLOW_NOTHING) : FOLLOW_ASK;
	request_set(r, "flow.out_trade_no", f->out_trade_no);
	return f->action == FOLLOW_ASK ? provider_turn(r) : NEXT_STEP;
}

enum next follow_sign(struct request *r)
{
	struct follow_state *f = request_state(r);
	const struct donations *d = request_context(r);
	if (f->action != FOLLOW_ASK) return NEXT_STEP;
	f->call = (struct provider_call){ .method = "GET",
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.target = arena_printf(request_arena(r), "/v3/pay/transactions/out-trade-no/%.*s?mchid=%.*s",
		    STR_FMT(f->out_trade_no), STR_FMT(d->pay.mchid)) };
	return provider_sign(r, &f->call);
}

enum next follow_send(struct request *r)
{
	struct follow_state *f = request_state(r);
	return f->action == FOLLOW_ASK ? provider_send(r, &f->call) : NEXT_STEP;
}

static enum follow_action decide(struct request *r, const struct follow_state *f)
{
	const struct donations *d = request_context(r);
	struct wechat_pay_transaction t;
	if (f->call.result == PROVIDER_REFUSED &&
	    (str_eq(f->call.code, STR("ORDER_NOT_EXIST")) || str_eq(f->call.code, STR("ORDERNOTEXIST"))))
		return f->expired ? FOLLOW_CLOSE_HERE : FOLLOW_NOTHING;
	if (f->call.result != PROVIDER_OK || !f->call.reply) return FOLLOW_NOTHING;
	if (wechat_pay_read_transaction(&d->pay, f->call.reply, &t) != ERR_NONE || !t.ours ||
	    !str_eq(t.out_trade_no, f->out_trade_no))
		return FOLLOW_NOTHING;
	if (t.state == TRADE_SUCCESS || t.state == TRADE_REFUND) {
		request_set(r, "flow.transaction_id", t.transaction_id);
		request_set_i64(r, "flow.amount_fen", t.total_fen);
		request_set(r, "flow.at", t.success_time);
		return FOLLOW_SETTLE;
	}
	if (!f->expired) return FOLLOW_NOTHING;
	return t.state == TRADE_CLOSED   ? FOLLOW_CLOSE_HERE
	       : t.state == TRADE_NOTPAY ? FOLLOW_CLOSE_THERE
					 : FOLLOW_NOTHING;
}

enum next follow_read(struct request *r)
{
	struct follow_state *f = request_state(r);
	if (f->action != FOLLOW_ASK) return NEXT_STEP;
	provider_read(r, &f->call);
	f->action = decide(r, f);
	return f->action == FOLLOW_CLOSE_THERE ? provider_turn(r) : NEXT_STEP;
}

enum next follow_sign_close(struct request *r)
{
	struct follow_state *f = request_state(r);
	const struct donations *d = request_context(r);
	if (f->action != FOLLOW_CLOSE_THERE) return NEXT_STEP;
	f->close = (struct provider_call){ .method = "POST",
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.target = arena_printf(
		    request_arena(r), "/v3/pay/transactions/out-trade-no/%.*s/close", STR_FMT(f->out_trade_no)),
		.body = wechat_pay_close_body(request_arena(r), &d->pay) };
	return provider_sign(r, &f->close);
}

enum next follow_send_close(struct request *r)
{
	struct follow_state *f = request_state(r);
	return f->action == FOLLOW_CLOSE_THERE ? provider_send(r, &f->close) : NEXT_STEP;
}

/* Refused with ORDERPAID: it was paid in between; the next look settles it. */
enum next follow_read_close(struct request *r)
{
	struct follow_state *f = request_state(r);
	if (f->action != FOLLOW_CLOSE_THERE) return NEXT_STEP;
	provider_read(r, &f->close);
	f->action = f->close.result == PROVIDER_OK ? FOLLOW_CLOSE_HERE : FOLLOW_NOTHING;
	return NEXT_STEP;
}

enum next follow_write(struct request *r)
{
	struct follow_state *f = request_state(r);
	if (f->action == FOLLOW_SETTLE) return request_query(r, "payment_settle");
	if (f->action == FOLLOW_CLOSE_HERE) return request_query(r, "order_close");
	return NEXT_DONE;
}
