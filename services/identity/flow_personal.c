/* Personal data that lies sealed: a citizen's name and a partner's contact. Each is shown in full to whom it is about (me_get), masked
 * to others; staff who need a contact ask for it, and that is written down. pii_reseal seals what older versions left in clear. */
#include "services/identity/identity.h"

#include "common/core/log.h"

#define NAME_CONTEXT    STR("identity.citizen.display_name")
#define CONTACT_CONTEXT STR("identity.partner.contact")

enum { RESEAL_BYTES_MAX = 4 * 1024 * 1024 };

/* ── me_get ── */

enum next me_ask(struct request *r)
{
	return request_query(r, "me_get");
}

/* Writes the member, when there is something to open. */
static enum err put_opened(
    struct request *r, struct json_writer *w, const char *member, struct str context, const char *column)
{
	struct str sealed = request_column(r, 0, column), plain;
	if (!sealed.p) return ERR_NONE;
	TRY(open_under(r, request_column(r, 0, "wrapped_key"), context, sealed, &plain));
	json_put_member_str(w, member, plain);
	return ERR_NONE;
}

static enum err put_me(struct request *r, struct json_writer *w)
{
	static const char *const names[] = { "kind", "id", "username", "client_id", "language", "phone_masked",
		"organization", "created_at" };
	struct str grants = request_column(r, 0, "grants"), totp = request_column(r, 0, "totp_enabled");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (request_column(r, 0, names[i]).p) json_put_member_str(w, names[i], request_column(r, 0, names[i]));
	if (totp.p) json_put_member_bool(w, "totp_enabled", str_eq(totp, STR("t")));
	if (grants.p) {
		json_put_key(w, STR("grants"));
		json_put_raw(w, grants);
	}
	if (request_column(r, 0, "display_name_sealed").p)
		TRY(put_opened(r, w, "display_name", NAME_CONTEXT, "display_name_sealed"));
	else if (request_column(r, 0, "display_name").p)
		json_put_member_str(w, "display_name", request_column(r, 0, "display_name"));
	return put_opened(r, w, "contact", CONTACT_CONTEXT, "contact_sealed");
}

enum next me_answer(struct request *r)
{
	if (request_rows(r) == 0) return request_fail(r, ERR_UNAUTHENTICATED, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	enum err e = put_me(r, w);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── me_update ── */

enum next me_key(struct request *r)
{
	struct me_update_state *s = request_state(r);
	struct str name = request_value(r, "body.display_name");
	bool is_citizen = request_principal(r)->kind == PRINCIPAL_CITIZEN;
	if (name.p && !is_citizen) request_set(r, "flow.staff_name", name);
	s->names_citizen = name.p && is_citizen;
	return s->names_citizen ? citizen_key_ask(r) : NEXT_STEP;
}

enum next me_save(struct request *r)
{
	const struct me_update_state *s = request_state(r);
	if (s->names_citizen) {
		if (request_rows(r) == 0) return request_fail(r, ERR_UNAUTHENTICATED, NULL);
		struct str wrapped = request_column(r, 0, "wrapped_key");
		enum err e = seal_under(
		    r, wrapped, "flow.display_name_sealed", NAME_CONTEXT, request_value(r, "body.display_name"));
		if (e != ERR_NONE) return request_fail(r, e, NULL);
		request_set(r, "flow.wrapped_key", wrapped);
	}
	return request_query(r, "me_update"); /* a "!problem" ends the request here */
}

enum next me_saved(struct request *r)
{
	const struct principal *p = request_principal(r);
	struct str name = request_value(r, "body.display_name"), language = request_value(r, "body.language");
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "id", p->subject);
	json_put_member_str(w, "kind", principal_kind_name(p->kind));
	if (name.p) json_put_member_str(w, "display_name", name);
	if (language.p) json_put_member_str(w, "language", language);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── partner_create ── */

enum next partner_seal(struct request *r)
{
	struct str contact = request_value(r, "body.contact");
	if (contact.p) {
		enum err e = request_seal(r, "flow.contact_sealed", CONTACT_CONTEXT, contact);
		if (e != ERR_NONE) return request_fail(r, e, NULL);
		request_set(r, "flow.contact_masked", mask_contact(request_arena(r), contact));
	}
	return request_query(r, "partner_create");
}

enum next partner_answer(struct request *r)
{
	struct str answer = request_column(r, 0, "answer");
	if (!str_eq(request_column(r, 0, "same"), STR("t"))) return request_fail(r, ERR_IDEMPOTENCY_KEY_REUSED, NULL);
	if (!answer.p) return request_fail(r, ERR_INTERNAL, "a claimed key without its answer");
	if (!str_eq(request_column(r, 0, "claimed"), STR("t"))) request_mark_replayed(r);
	request_add_header(r, STR("Location"),
	    arena_printf(request_arena(r), "/v1/partners/%.*s", STR_FMT(request_column(r, 0, "id"))));
	return request_answer_raw(r, 0, STR("application/json"), answer);
}

/* ── partner_contact_get ── */

enum next contact_ask(struct request *r)
{
	return request_query(r, "partner_contact_get");
}

enum next contact_answer(struct request *r)
{
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	enum err e = put_opened(r, w, "contact", CONTACT_CONTEXT, "contact_sealed");
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── job pii_reseal ── */

enum next reseal_ask(struct request *r)
{
	return request_query(r, "pii_clear_list");
}

static void put_hex(struct arena *a, struct json_writer *w, const char *member, struct str bytes)
{
	struct str text = bytea_text(a, bytes);
	json_put_member_str(w, member, text.p ? str_from(text, 2) : STR_NONE);
}

/* One row sealed under its key, or under a new one; nothing is written when that fails. */
static enum err put_sealed(struct request *r, struct json_writer *w, unsigned row)
{
	struct arena *a = request_arena(r);
	const struct vault *v = service_vault(request_service(r));
	struct str kind = request_column(r, row, "kind"), clear = request_column(r, row, "clear");
	struct str wrapped = bytea_bytes(a, request_column(r, row, "wrapped_key")), sealed;
	bool is_partner = str_eq(kind, STR("partner"));
	unsigned char key[AES_KEY_BYTES];
	if (wrapped.p)
		TRY(vault_unwrap(v, wrapped, key));
	else
		TRY(vault_new_key(v, a, key, &wrapped));
	enum err e = field_seal(a, key, is_partner ? CONTACT_CONTEXT : NAME_CONTEXT, clear, &sealed);
	crypto_wipe(key, sizeof key);
	if (e != ERR_NONE) return e;
	json_begin_object(w);
	json_put_member_str(w, "kind", kind);
	json_put_member_str(w, "id", request_column(r, row, "id"));
	put_hex(a, w, "wrapped_key", wrapped);
	put_hex(a, w, "sealed", sealed);
	json_put_member_str(w, "masked", is_partner ? mask_contact(a, clear) : STR_NONE);
	json_put_member_str(w, "clear", clear); /* replaced only while it still says so */
	json_end_object(w);
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}

enum next reseal_seal(struct request *r)
{
	struct json_writer w;
	struct buf b;
	unsigned rows = request_rows(r), failed = 0;
	if (rows == 0) return NEXT_DONE;
	buf_init(&b, RESEAL_BYTES_MAX);
	json_write_init(&w, &b);
	json_begin_array(&w);
	for (unsigned row = 0; row < rows; row++) failed += put_sealed(r, &w, row) != ERR_NONE;
	json_end_array(&w);
	struct str text = buf_ok(&b) ? arena_str(request_arena(r), buf_view(&b)) : STR_NONE;
	buf_free(&b);
	if (failed)
		log_line(
		    LOG_ERROR, "personal data not sealed", "%u rows stay in clear: their key does not open", failed);
	if (!text.p) return request_fail(r, ERR_MEMORY, NULL);
	request_set(r, "flow.rows", text);
	return request_query(r, "pii_reseal");
}

enum next reseal_end(struct request *r)
{
	int64_t rows = request_column_i64(r, 0, "rows", 0);
	if (rows > 0) log_line(LOG_INFO, "personal data sealed", "%lld rows that stood in clear", (long long)rows);
	return NEXT_DONE;
}
