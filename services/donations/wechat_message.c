/* WeChat Pay APIv3: the JSON that is asked and answered. */
#include "services/donations/wechat_pay.h"

#include "common/core/clock.h"
#include "common/core/utf8.h"
#include "common/json/json_write.h"

enum { DESCRIPTION_BYTES_MAX = 127, REASON_BYTES_MAX = 80, NUMBER_BYTES_MAX = 64 };

static bool is_number_text(struct str s)
{
	if (s.n == 0 || s.n > NUMBER_BYTES_MAX) return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool fine = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
			    c == '-' || c == '|' || c == '*' || c == '@';
		if (!fine) return false;
	}
	return true;
}

static bool is_time(struct str s)
{
	int64_t at;
	return clock_parse_rfc3339(s, &at);
}

static enum trade_state trade_state_of(struct str s)
{
	if (str_eq(s, STR("SUCCESS"))) return TRADE_SUCCESS;
	if (str_eq(s, STR("REFUND"))) return TRADE_REFUND;
	if (str_eq(s, STR("NOTPAY")) || str_eq(s, STR("USERPAYING"))) return TRADE_NOTPAY;
	if (str_eq(s, STR("CLOSED")) || str_eq(s, STR("REVOKED")) || str_eq(s, STR("PAYERROR"))) return TRADE_CLOSED;
	return TRADE_OTHER;
}

enum err wechat_pay_read_transaction(
    const struct wechat_pay *p, const struct json *v, struct wechat_pay_transaction *out)
{
	const struct json *amount = json_get(v, STR("amount"));
	*out = (struct wechat_pay_transaction){
		.state = trade_state_of(json_get_str(v, "trade_state")),
		.ours = str_eq(json_get_str(v, "mchid"), p->mchid) && str_eq(json_get_str(v, "appid"), p->appid),
		.out_trade_no = json_get_str(v, "out_trade_no"),
		.transaction_id = json_get_str(v, "transaction_id"),
		.success_time = json_get_str(v, "success_time"),
		.total_fen = amount ? json_get_i64(amount, "total", -1) : -1,
	};
	if (!is_number_text(out->out_trade_no)) return ERR_SYNTAX;
	if (out->state != TRADE_SUCCESS && out->state != TRADE_REFUND) return ERR_NONE;
	struct str currency = json_get_str(amount, "currency");
	if (currency.p && !str_eq(currency, STR("CNY"))) out->ours = false;
	return is_number_text(out->transaction_id) && is_time(out->success_time) && out->total_fen > 0 ? ERR_NONE
												       : ERR_SYNTAX;
}

static bool is_refund_state(struct str s)
{
	return str_eq(s, STR("SUCCESS")) || str_eq(s, STR("CLOSED")) || str_eq(s, STR("PROCESSING")) ||
	       str_eq(s, STR("ABNORMAL"));
}

enum err wechat_pay_read_refund(
    const struct wechat_pay *p, const struct json *v, bool callback, struct wechat_pay_refund *out)
{
	const struct json *amount = json_get(v, STR("amount"));
	*out = (struct wechat_pay_refund){
		.state = json_get_str(v, callback ? "refund_status" : "status"),
		.ours = !callback || str_eq(json_get_str(v, "mchid"), p->mchid),
		.out_refund_no = json_get_str(v, "out_refund_no"),
		.refund_id = json_get_str(v, "refund_id"),
		.success_time = json_get_str(v, "success_time"),
		.refund_fen = amount ? json_get_i64(amount, "refund", -1) : -1,
	};
	if (out->success_time.p && !is_time(out->success_time)) return ERR_SYNTAX;
	return is_refund_state(out->state) && is_number_text(out->out_refund_no) && is_number_text(out->refund_id) &&
		       out->refund_fen > 0
		   ? ERR_NONE
		   : ERR_SYNTAX;
}

/* At most bytes_max bytes, cut between code points. */
static struct str cut(struct str s, size_t bytes_max)
{
	size_t at = 0, end = 0;
	while (at < s.n) {
		utf8_next(s, &at);
		if (at > bytes_max) break;
		end = at;
	}
	return str_span(s.p, end);
}

/* WeChat takes seconds only: "2026-11-24T10:00:00.123+08:00" loses its fraction. */
static struct str whole_seconds(struct arena *a, struct str at)
{
	return at.n >= 19 ? arena_printf(a, "%.*s+08:00", 19, at.p) : STR_NONE;
}

struct builder {
	struct buf out;
	struct json_writer w;
};

static void begin(struct builder *b)
{
	buf_init(&b->out, 8 * 1024);
	json_write_init(&b->w, &b->out);
	json_begin_object(&b->w);
}

static struct str end(struct builder *b, struct arena *a)
{
	json_end_object(&b->w);
	struct str text = buf_ok(&b->out) ? arena_str(a, buf_view(&b->out)) : STR_NONE;
	buf_free(&b->out);
	return text;
}

struct str wechat_pay_order_body(struct arena *a, const struct wechat_pay *p, const struct wechat_pay_order *o)
{
	struct builder b;
	begin(&b);
	json_put_member_str(&b.w, "appid", p->appid);
	json_put_member_str(&b.w, "mchid", p->mchid);
	json_put_member_str(&b.w, "description", cut(o->description, DESCRIPTION_BYTES_MAX));
	json_put_member_str(&b.w, "out_trade_no", o->out_trade_no);
	json_put_member_str(&b.w, "time_expire", whole_seconds(a, o->expires_at));
	json_put_member_str(&b.w, "notify_url", p->notify_url);
	json_put_key(&b.w, STR("amount"));
	json_begin_object(&b.w);
	json_put_member_i64(&b.w, "total", o->total_fen);
	json_put_member_str(&b.w, "currency", STR("CNY"));
	json_end_object(&b.w);
	json_put_key(&b.w, STR("payer"));
	json_begin_object(&b.w);
	json_put_member_str(&b.w, "openid", o->openid);
	json_end_object(&b.w);
	return end(&b, a);
}

struct str wechat_pay_close_body(struct arena *a, const struct wechat_pay *p)
{
	struct builder b;
	begin(&b);
	json_put_member_str(&b.w, "mchid", p->mchid);
	return end(&b, a);
}

struct str wechat_pay_refund_body(struct arena *a, const struct wechat_pay *p, struct str out_trade_no,
    struct str out_refund_no, struct str reason, int64_t refund_fen, int64_t total_fen)
{
	struct builder b;
	begin(&b);
	json_put_member_str(&b.w, "out_trade_no", out_trade_no);
	json_put_member_str(&b.w, "out_refund_no", out_refund_no);
	json_put_member_str(&b.w, "reason", cut(reason, REASON_BYTES_MAX));
	json_put_member_str(&b.w, "notify_url", p->notify_url);
	json_put_key(&b.w, STR("amount"));
	json_begin_object(&b.w);
	json_put_member_i64(&b.w, "refund", refund_fen);
	json_put_member_i64(&b.w, "total", total_fen);
	json_put_member_str(&b.w, "currency", STR("CNY"));
	json_end_object(&b.w);
	return end(&b, a);
}

struct str wechat_pay_error_code(struct arena *a, struct str body)
{
	struct json_error error;
	const struct json *v;
	if (body.n > WECHAT_PAY_BODY_BYTES_MAX || json_read(a, body, JSON_DEPTH_MAX, &v, &error) != ERR_NONE)
		return STR("");
	struct str code = json_get_str(v, "code");
	return code.p && code.n <= 64 ? code : STR("");
}

bool wechat_pay_refund_refused(struct str code)
{
	static const struct str final[] = { STR("PARAM_ERROR"), STR("INVALID_REQUEST"), STR("RESOURCE_NOT_EXISTS"),
		STR("USER_ACCOUNT_ABNORMAL") };
	for (size_t i = 0; i < ARRAY_LEN(final); i++)
		if (str_eq(code, final[i])) return true;
	return false;
}
