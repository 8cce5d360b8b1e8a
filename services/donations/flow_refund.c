/* Refunds on their way: asked for at WeChat under their own number, as often as it takes (one number is one refund there), then
 * followed until SUCCESS or CLOSED. ABNORMAL is not the end: someone may settle it in WeChat's console. What WeChat refuses for good
 * fails, but only after it has said that it knows no such refund: an earlier try may have arrived without our hearing of it. */
#include "services/donations/donations.h"

enum { PROVIDER_TIMEOUT_MS = 8000, IDLE_MS = 1000, REFUNDS_AT_ONCE = 8 };

enum next refund_take(struct request *r)
{
	return provider_rests(r) ? NEXT_STEP : request_query(r, "refund_take_due"); /* no query, no rows */
}

enum next refund_taken(struct request *r)
{
	return request_rows(r) ? request_each(r, &refund_ask, REFUNDS_AT_ONCE) : request_sleep(r, IDLE_MS);
}

static struct provider_call look_at(struct request *r, struct str out_refund_no)
{
	return (struct provider_call){ .method = "GET",
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.target = arena_printf(request_arena(r), "/v3/refund/domestic/refunds/%.*s", STR_FMT(out_refund_no)) };
}

enum next refund_begin(struct request *r)
{
	struct refund_state *f = request_state(r);
	const struct donations *d = request_context(r);
	f->out_refund_no = request_column(r, 0, "out_refund_no");
	f->asks = str_eq(request_column(r, 0, "state"), STR("REQUESTED"));
	request_set(r, "flow.out_refund_no", f->out_refund_no);
	f->call = look_at(r, f->out_refund_no);
	if (f->asks) {
		f->call.method = "POST";
		f->call.target = STR("/v3/refund/domestic/refunds");
		f->call.body = wechat_pay_refund_body(request_arena(r), &d->pay, request_column(r, 0, "out_trade_no"),
		    f->out_refund_no, request_column(r, 0, "reason"), request_column_i64(r, 0, "amount_fen", 0),
		    request_column_i64(r, 0, "total_fen", 0));
	}
	return provider_turn(r);
}

enum next refund_sign(struct request *r)
{
	struct refund_state *f = request_state(r);
	return provider_sign(r, &f->call);
}

enum next refund_send(struct request *r)
{
	struct refund_state *f = request_state(r);
	return provider_send(r, &f->call);
}

static enum next note(struct request *r, struct str code)
{
	request_set(r, "flow.error", code.n ? code : STR("no usable answer"));
	return request_query(r, "refund_note_error");
}

/* What WeChat says of this refund is written down; NEXT_STEP when it says nothing usable. */
static enum next settle(struct request *r, const struct provider_call *c, struct str out_refund_no)
{
	const struct donations *d = request_context(r);
	struct wechat_pay_refund reply;
	if (c->result != PROVIDER_OK || !c->reply ||
	    wechat_pay_read_refund(&d->pay, c->reply, false, &reply) != ERR_NONE ||
	    !str_eq(reply.out_refund_no, out_refund_no))
		return NEXT_STEP;
	request_set(r, "flow.state", reply.state);
	request_set(r, "flow.refund_id", reply.refund_id);
	request_set_i64(r, "flow.amount_fen", reply.refund_fen);
	request_set(r, "flow.at", reply.success_time);
	return request_query(r, "refund_settle");
}

enum next refund_read(struct request *r)
{
	struct refund_state *f = request_state(r);
	provider_read(r, &f->call);
	enum next next = settle(r, &f->call, f->out_refund_no);
	if (next != NEXT_STEP) return next;
	if (!f->asks || f->call.result != PROVIDER_REFUSED || !wechat_pay_refund_refused(f->call.code))
		return note(r, f->call.code);
	f->refusal = f->call.code;
	f->look = look_at(r, f->out_refund_no);
	return provider_turn(r);
}

enum next refund_sign_look(struct request *r)
{
	struct refund_state *f = request_state(r);
	return f->refusal.n ? provider_sign(r, &f->look) : NEXT_DONE;
}

enum next refund_send_look(struct request *r)
{
	struct refund_state *f = request_state(r);
	return provider_send(r, &f->look);
}

enum next refund_read_look(struct request *r)
{
	struct refund_state *f = request_state(r);
	provider_read(r, &f->look);
	enum next next = settle(r, &f->look, f->out_refund_no);
	if (next != NEXT_STEP) return next;
	if (f->look.result != PROVIDER_REFUSED || !str_eq(f->look.code, STR("RESOURCE_NOT_EXISTS")))
		return note(r, f->refusal);
	request_set(r, "flow.error", f->refusal);
	return request_query(r, "refund_fail");
}
