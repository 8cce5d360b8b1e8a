/* Refunds on their way: asked for at WeChat under their own number, as often as it takes (one number is one refund there), then
 * followed until SUCCESS or CLOSED. ABNORMAL is not the end: someone may settle it in WeChat's console. */
#include "services/donations/donations.h"

enum { PROVIDER_TIMEOUT_MS = 8000, IDLE_MS = 1000 };

enum next refund_take(struct request *r)
{
	return request_query(r, "refund_take_due");
}

enum next refund_taken(struct request *r)
{
	struct refund_state *f = request_state(r);
	const struct donations *d = request_context(r);
	struct arena *a = request_arena(r);
	if (request_rows(r) == 0) return request_sleep(r, IDLE_MS);
	f->taken = true;
	f->out_refund_no = request_column(r, 0, "out_refund_no");
	request_set(r, "flow.out_refund_no", f->out_refund_no);
	f->call = (struct provider_call){ .method = "GET",
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.target = arena_printf(a, "/v3/refund/domestic/refunds/%.*s", STR_FMT(f->out_refund_no)) };
	if (!str_eq(request_column(r, 0, "state"), STR("REQUESTED"))) return NEXT_STEP;
	f->call.method = "POST";
	f->call.target = STR("/v3/refund/domestic/refunds");
	f->call.body = wechat_pay_refund_body(a, &d->pay, request_column(r, 0, "out_trade_no"), f->out_refund_no,
	    request_column(r, 0, "reason"), request_column_i64(r, 0, "amount_fen", 0),
	    request_column_i64(r, 0, "total_fen", 0));
	return NEXT_STEP;
}

enum next refund_sign(struct request *r)
{
	struct refund_state *f = request_state(r);
	return f->taken ? provider_sign(r, &f->call) : NEXT_DONE;
}

enum next refund_send(struct request *r)
{
	struct refund_state *f = request_state(r);
	return provider_send(r, &f->call);
}

enum next refund_read(struct request *r)
{
	struct refund_state *f = request_state(r);
	const struct donations *d = request_context(r);
	struct wechat_pay_refund reply;
	provider_read(r, &f->call);
	bool usable = f->call.result == PROVIDER_OK && f->call.reply &&
		      wechat_pay_read_refund(&d->pay, f->call.reply, false, &reply) == ERR_NONE &&
		      str_eq(reply.out_refund_no, f->out_refund_no);
	if (!usable) {
		request_set(r, "flow.error", f->call.code.n ? f->call.code : STR("no usable answer"));
		return request_query(r, "refund_note_error");
	}
	request_set(r, "flow.state", reply.state);
	request_set(r, "flow.refund_id", reply.refund_id);
	request_set_i64(r, "flow.amount_fen", reply.refund_fen);
	request_set(r, "flow.at", reply.success_time);
	return request_query(r, "refund_settle");
}
