/* One of the caller's own gifts: the only place where a donor's real name is opened, for that donor. (flow_inkind.c opens those of
 * who counted goods on a donor's behalf, flow_title.c the names on receipts.) */
#include "services/donations/donations.h"

#include "common/core/id.h"

enum next mine_load(struct request *r)
{
	return request_query(r, "my_gift_get");
}

/* bytea comes as \x and hexadecimal digits. */
static struct str from_bytea(struct arena *a, struct str text)
{
	if (!str_starts(text, STR("\\x"))) return STR_NONE;
	size_t n = (text.n - 2) / 2;
	char *bytes = arena_alloc(a, n ? n : 1);
	return bytes && id_unhex(str_from(text, 2), bytes, n) ? str_span(bytes, n) : STR_NONE;
}

enum err mine_open(struct request *r, const char *column, struct str context, struct str *name)
{
	struct arena *a = request_arena(r);
	unsigned char key[AES_KEY_BYTES];
	struct str sealed = from_bytea(a, request_column(r, 0, column));
	struct str wrapped = from_bytea(a, request_column(r, 0, "wrapped_key"));
	*name = STR_NONE;
	if (!sealed.p || !wrapped.p) return ERR_NONE; /* none given, or its key was destroyed */
	TRY(vault_unwrap(service_vault(request_service(r)), wrapped, key));
	enum err e = field_open(a, key, context, sealed, name);
	crypto_wipe(key, sizeof key);
	return e;
}

static void put(struct request *r, struct json_writer *w, const char *column)
{
	struct str value = request_column(r, 0, column);
	if (value.p) json_put_member_str(w, column, value);
}

/* What opens a commitment in the public log, as a receipt has it (deploy/verify/README.md). */
void mine_put_opening(struct json_writer *w, const char *member, struct str name, struct str salt)
{
	if (!name.p || !salt.p) return;
	json_put_key(w, STR("openings"));
	json_begin_object(w);
	json_put_key(w, str_of(member));
	json_begin_object(w);
	json_put_member_str(w, "salt", salt);
	json_put_member_str(w, "value", name);
	json_end_object(w);
	json_end_object(w);
}

enum next mine_answer(struct request *r)
{
	struct str name;
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	enum err e = mine_open(r, "real_name", STR("donations.gift.real_name"), &name);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	put(r, w, "id");
	put(r, w, "public_code");
	json_put_key(w, STR("campaign"));
	json_put_raw(w, request_column(r, 0, "campaign"));
	struct str page = request_column(r, 0, "page");
	if (page.p) {
		json_put_key(w, STR("page"));
		json_put_raw(w, page);
	}
	json_put_member_i64(w, "amount_fen", request_column_i64(r, 0, "amount_fen", 0));
	json_put_member_i64(w, "refunded_fen", request_column_i64(r, 0, "refunded_fen", 0));
	static const char *const texts[] = { "channel", "state", "disclosure", "shown_name", "message", "created_at",
		"paid_at", "out_trade_no", "expires_at" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) put(r, w, texts[i]);
	if (name.p) json_put_member_str(w, "real_name", name);
	mine_put_opening(w, "donor", name, request_column(r, 0, "salt"));
	json_put_key(w, STR("refunds"));
	json_put_raw(w, request_column(r, 0, "refunds"));
	json_end_object(w);
	return request_answer(r, 0);
}
