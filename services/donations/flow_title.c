/* Receipts as people see them: the title (name of the payer) is sealed before it is stored, opened for its donor, masked for staff. */
#include "services/donations/donations.h"

#include "common/crypto/secret.h"

const char receipt_title_context[] = "donations.receipt.title";

enum next title_seal(struct request *r)
{
	struct str title = json_get_str(request_body(r), "title");
	enum err e = request_seal(r, "flow.title", str_of(receipt_title_context), title);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	give_commit_to(r, title);
	return NEXT_STEP;
}

enum next title_request(struct request *r)
{
	return request_query(r, "my_receipt_create"); /* what is wrong with the gift ends the request here */
}

static void put(struct request *r, struct json_writer *w, const char *column)
{
	struct str value = request_column(r, 0, column);
	if (value.p) json_put_member_str(w, column, value);
}

static void put_all(struct request *r, struct json_writer *w)
{
	static const char *const texts[] = { "id", "gift_id", "public_code", "amount_words", "payer_kind", "payer_uscc",
		"state", "created_at", "code", "number", "check_code", "issued_at", "ended_at", "replaces" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) put(r, w, texts[i]);
	json_put_member_i64(w, "amount_fen", request_column_i64(r, 0, "amount_fen", 0));
	struct str reversal = request_column(r, 0, "reversal");
	if (!reversal.p) return;
	json_put_key(w, STR("reversal"));
	json_put_raw(w, reversal);
}

enum next title_requested(struct request *r)
{
	struct json_writer *w = request_writer(r);
	struct str id = request_column(r, 0, "id");
	request_add_header(r, STR("Location"), arena_printf(request_arena(r), "/v1/me/receipts/%.*s", STR_FMT(id)));
	json_begin_object(w);
	put_all(r, w);
	json_put_member_str(w, "title", json_get_str(request_body(r), "title"));
	json_end_object(w);
	return request_answer(r, 0);
}

/* Begins the answer with what donor and staff both see; NEXT_STEP when it did. */
static enum next begin_shown(struct request *r, struct str *title)
{
	struct json_writer *w = request_writer(r);
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	enum err e = mine_open(r, "sealed", str_of(receipt_title_context), title);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	json_begin_object(w);
	put_all(r, w);
	return NEXT_STEP;
}

enum next title_load_mine(struct request *r)
{
	return request_query(r, "my_receipt_get");
}

enum next title_show_mine(struct request *r)
{
	struct str title;
	struct json_writer *w = request_writer(r);
	enum next next = begin_shown(r, &title);
	if (next != NEXT_STEP) return next;
	if (title.p) json_put_member_str(w, "title", title);
	mine_put_opening(w, "payer", title, request_column(r, 0, "salt"));
	json_end_object(w);
	return request_answer(r, 0);
}

enum next title_load(struct request *r)
{
	return request_query(r, "receipt_get");
}

enum next title_show(struct request *r)
{
	struct str title;
	struct json_writer *w = request_writer(r);
	enum next next = begin_shown(r, &title);
	if (next != NEXT_STEP) return next;
	if (title.p) json_put_member_str(w, "title", mask_name(request_arena(r), title));
	put(r, w, "organization");
	put(r, w, "campaign_id");
	put(r, w, "request_no");
	put(r, w, "last_error");
	json_put_member_i64(w, "attempts", request_column_i64(r, 0, "attempts", 0));
	json_end_object(w);
	return request_answer(r, 0);
}
