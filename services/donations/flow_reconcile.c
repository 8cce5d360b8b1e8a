/* Reconciliation of a day: both bills are asked for (the reply is signed and names the file's hash), fetched, unpacked and read in the
 * thread pool, and so is the receipt platform's list of the day; then all is compared and kept in one transaction. Whatever goes wrong is
 * the state of the run; it is tried again later. A platform that stays away does not keep WeChat's bills waiting for ever. */
#include "services/donations/donations.h"

enum {
	PROVIDER_TIMEOUT_MS = 8000,
	FILE_TIMEOUT_MS = 15000,
	WORK_BYTES_MAX = 16 * 1024,
	EMPTY_AFTER_ATTEMPTS =
	    6, /* WeChat makes no bill of a day without transactions; some hours later that is believed */
};

enum next reconcile_take(struct request *r)
{
	return provider_rests(r) ? NEXT_STEP : request_query(r, "reconciliation_take_due"); /* no query, no rows */
}

enum next reconcile_taken(struct request *r)
{
	return request_rows(r) ? request_each(r, &reconciliation_ask, 1) : NEXT_STEP;
}

enum next reconcile_watch(struct request *r)
{
	return request_query(r, "reconciliation_matters");
}

enum next reconcile_show(struct request *r)
{
	const struct donations *d = request_context(r);
	*d->matters.differences_open = request_column_i64(r, 0, "differences_open", 0);
	*d->matters.days_due = request_column_i64(r, 0, "days_due", 0);
	return NEXT_DONE;
}

static enum next fail(struct request *r, const char *state, struct str why)
{
	struct reconcile_state *f = request_state(r);
	f->failed = true;
	request_set(r, "flow.state", str_of(state));
	request_set(r, "flow.error", why.n ? why : STR("no usable answer"));
	return request_query(r, "reconciliation_fail");
}

static void work_release(void *arg)
{
	struct bill_work *w = arg;
	buf_free(&w->lines);
	arena_release(&w->arena);
}

static void list_release(void *arg)
{
	struct list_work *w = arg;
	buf_free(&w->lines);
	arena_release(&w->arena);
}

enum next reconcile_begin(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	f->day = request_column(r, 0, "day");
	f->last_try = request_column_i64(r, 0, "attempts", 0) >= EMPTY_AFTER_ATTEMPTS;
	request_set(r, "flow.run_id", request_column(r, 0, "id"));
	for (int i = 0; i < BILLS; i++) {
		struct bill_work *w = &f->bills[i].work;
		w->kind = i == 0 ? BILL_TRADE : BILL_FUND;
		buf_init(&w->lines, BILL_LINES_BYTES_MAX);
		arena_init(&w->arena, 1024, WORK_BYTES_MAX);
		arena_on_release(request_arena(r), work_release, w);
	}
	f->bill = f->bills;
	buf_init(&f->receipts.lines, DAY_LIST_BYTES_MAX);
	arena_init(&f->receipts.arena, 1024, 2 * DAY_LIST_BYTES_MAX);
	arena_on_release(request_arena(r), list_release, &f->receipts);
	return provider_turn(r);
}

enum next reconcile_sign(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	if (f->failed) return NEXT_DONE;
	const char *what =
	    f->bill->work.kind == BILL_TRADE ? "tradebill?bill_type=ALL" : "fundflowbill?account_type=BASIC";
	f->bill->ask = (struct provider_call){ .method = "GET",
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.target =
		    arena_printf(request_arena(r), "/v3/bill/%s&bill_date=%.*s&tar_type=GZIP", what, STR_FMT(f->day)) };
	return provider_sign(r, &f->bill->ask);
}

enum next reconcile_send(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	return provider_send(r, &f->bill->ask);
}

static bool not_there(struct str code)
{
	return str_eq(code, STR("NO_STATEMENT_EXIST")) || str_eq(code, STR("STATEMENT_CREATING"));
}

enum next reconcile_read(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	const struct donations *d = request_context(r);
	struct bill_of_day *b = f->bill;
	provider_read(r, &b->ask);
	if (b->ask.result == PROVIDER_REFUSED && not_there(b->ask.code)) {
		b->empty = f->last_try && str_eq(b->ask.code, STR("NO_STATEMENT_EXIST"));
		return b->empty ? NEXT_STEP : fail(r, "NOT_READY", b->ask.code);
	}
	if (b->ask.result == PROVIDER_REFUSED) return fail(r, "REFUSED", b->ask.code);
	if (b->ask.result != PROVIDER_OK || !b->ask.reply) return fail(r, "UNREACHABLE", b->ask.code);
	struct str url = json_get_str(b->ask.reply, "download_url");
	b->work.sha1 = json_get_str(b->ask.reply, "hash_value");
	if (!str_eq(json_get_str(b->ask.reply, "hash_type"), STR("SHA1")) || b->work.sha1.n != BILL_SHA1_TEXT_BYTES)
		return fail(r, "GARBAGE", STR("no hash that we know"));
	struct str target = str_starts(url, d->pay.base_url) ? str_from(url, d->pay.base_url.n) : STR("");
	if (!str_starts(target, STR("/v3/billdownload/"))) return fail(r, "GARBAGE", STR("the file is somewhere else"));
	b->file = (struct provider_call){ .method = "GET", .timeout_ms = FILE_TIMEOUT_MS, .target = target };
	return NEXT_STEP;
}

enum next reconcile_sign_file(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	if (f->failed) return NEXT_DONE;
	return f->bill->empty ? NEXT_STEP : provider_sign(r, &f->bill->file);
}

enum next reconcile_send_file(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	return f->bill->empty ? NEXT_STEP : provider_send(r, &f->bill->file);
}

static void read_bill(void *arg) /* in a thread of the pool */
{
	struct bill_work *w = arg;
	struct str text;
	w->fault = bill_open(&w->arena, w->packed, w->sha1, &text);
	if (w->fault == BILL_OK) w->fault = bill_read(w->kind, text, &w->lines, &w->totals);
}

/* The file itself is not signed: the hash in the signed reply answers for it. */
enum next reconcile_read_file(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	struct bill_of_day *b = f->bill;
	if (b->empty) {
		buf_str(&b->work.lines, STR("[]"));
		return NEXT_STEP;
	}
	const struct reply *reply = request_reply(r);
	if (reply->err == ERR_PAYLOAD_TOO_LARGE) return fail(r, bill_fault_name(BILL_TOO_LARGE), STR("download"));
	if (reply->err != ERR_NONE) return fail(r, "UNREACHABLE", str_of(err_info(reply->err)->name));
	if (reply->status != 200)
		return fail(r, "UNREACHABLE", arena_printf(request_arena(r), "download: status %d", reply->status));
	b->work.packed = reply->body.p ? reply->body : STR("");
	return request_work(r, read_bill, &b->work);
}

enum next reconcile_bill_done(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	if (f->failed) return NEXT_DONE;
	const struct bill_work *w = &f->bill->work;
	if (w->fault != BILL_OK)
		return fail(r, bill_fault_name(w->fault), w->kind == BILL_TRADE ? STR("trade bill") : STR("fund bill"));
	request_set_kept(r, w->kind == BILL_TRADE ? "flow.trade" : "flow.fund", str_span(w->lines.p, w->lines.n));
	request_set(r, w->kind == BILL_TRADE ? "flow.trade_sha1" : "flow.fund_sha1", w->sha1);
	if (w->kind == BILL_FUND) return NEXT_STEP;
	f->bill++;
	return provider_turn(r);
}

/* ── the receipt platform's list ── */

enum next reconcile_receipts(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	const struct donations *d = request_context(r);
	struct list_work *w = &f->receipts;
	if (f->failed) return NEXT_DONE;
	if (!d->receipts.base_url.n) return NEXT_STEP;
	w->key = d->receipts.key;
	w->day = f->day;
	w->ask = (struct receipt_call){ .method = "GET",
		.target = arena_printf(request_arena(r), "/v1/days/%.*s", STR_FMT(f->day)),
		.body = STR(""),
		.timeout_ms = FILE_TIMEOUT_MS };
	return receipt_call(r, &w->ask);
}

static void read_list(void *arg) /* in a thread of the pool */
{
	struct list_work *w = arg;
	w->is_signed = receipt_signed(&w->arena, w->key, &w->ask, &w->reply);
	if (w->is_signed && w->reply.status == 200) w->fault = day_list_read(w->reply.body, w->day, &w->lines);
}

enum next reconcile_read_receipts(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	if (!f->receipts.ask.target.p) return NEXT_STEP;
	f->receipts.reply = *request_reply(r);
	return f->receipts.reply.err == ERR_NONE ? request_work(r, read_list, &f->receipts) : NEXT_STEP;
}

/* The state of a run that could not have the list, or NULL. */
static const char *list_fault(struct request *r, const struct list_work *w, struct str *why)
{
	const struct json *said;
	struct json_error error;
	*why = STR("receipts");
	if (w->reply.err == ERR_PAYLOAD_TOO_LARGE) return bill_fault_name(BILL_TOO_LARGE);
	if (w->reply.err != ERR_NONE || !w->is_signed) {
		const char *reason = w->reply.err != ERR_NONE ? err_info(w->reply.err)->name : "not signed";
		*why = arena_printf(request_arena(r), "receipts: %s", reason);
		return "UNREACHABLE";
	}
	if (w->reply.status == 200) return w->fault == BILL_OK ? NULL : bill_fault_name(w->fault);
	struct str code = STR("");
	if (json_read(request_arena(r), w->reply.body, JSON_DEPTH_MAX, &said, &error) == ERR_NONE)
		code = json_get_str(said, "code");
	*why = arena_printf(request_arena(r), "receipts: status %d %.*s", w->reply.status, STR_FMT(code));
	if (str_eq(code, STR("DAY_NOT_READY"))) return "NOT_READY";
	return w->reply.status >= 500 || w->reply.status == 429 ? "UNREACHABLE" : "REFUSED";
}

enum next reconcile_receipts_done(struct request *r)
{
	struct reconcile_state *f = request_state(r);
	const struct list_work *w = &f->receipts;
	struct str why;
	if (!w->ask.target.p) return NEXT_STEP; /* no platform, no third side */
	const char *state = list_fault(r, w, &why);
	if (state && !f->last_try) return fail(r, state, why);
	if (state)
		request_set(r, "flow.receipts_error", arena_printf(request_arena(r), "%s: %.*s", state, STR_FMT(why)));
	else
		request_set_kept(r, "flow.receipts", str_span(w->lines.p, w->lines.n));
	return NEXT_STEP;
}

enum next reconcile_write(struct request *r)
{
	const struct reconcile_state *f = request_state(r);
	return f->failed ? NEXT_DONE : request_query_apart(r, "reconciliation_finish");
}
