/* The donor database: name and phone are sealed before they are stored, found by a blind index of the phone, and shown masked. */
#include "services/donations/donations.h"

#include "common/crypto/secret.h"

static const char name_context[] = "donations.party.name";
static const char phone_context[] = "donations.party.phone";

static void find_by(struct request *r, struct str phone)
{
	const struct vault *v = service_vault(request_service(r));
	request_set(r, "flow.phone_index", blind_index(v, request_arena(r), str_of(phone_context), phone));
}

enum next party_seal(struct request *r)
{
	struct str name = json_get_str(request_body(r), "name");
	struct str phone = json_get_str(request_body(r), "phone");
	enum err e = request_seal(r, "flow.name", str_of(name_context), name);
	if (e == ERR_NONE && phone.n) e = request_seal(r, "flow.phone", str_of(phone_context), phone);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	if (phone.n) find_by(r, phone);
	return NEXT_STEP;
}

enum next party_insert(struct request *r)
{
	return request_query(r, "party_create");
}

static void put(struct request *r, struct json_writer *w, const char *column)
{
	struct str value = request_column(r, 0, column);
	if (value.p) json_put_member_str(w, column, value);
}

enum next party_made(struct request *r)
{
	struct json_writer *w = request_writer(r);
	struct str id = request_column(r, 0, "id");
	static const char *const texts[] = { "id", "organization", "kind", "disclosure", "alias", "created_at" };
	request_add_header(r, STR("Location"), arena_printf(request_arena(r), "/v1/parties/%.*s", STR_FMT(id)));
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) put(r, w, texts[i]);
	json_end_object(w);
	return request_answer(r, 0);
}

enum next party_load(struct request *r)
{
	return request_query(r, "party_get");
}

enum next party_show(struct request *r)
{
	struct arena *a = request_arena(r);
	struct str name, phone;
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	enum err e = mine_open(r, "name", str_of(name_context), &name);
	if (e == ERR_NONE) e = mine_open(r, "phone", str_of(phone_context), &phone);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct json_writer *w = request_writer(r);
	static const char *const texts[] = { "id", "organization", "kind", "disclosure", "alias", "merged_into",
		"created_at", "erased_at" };
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) put(r, w, texts[i]);
	if (name.p) json_put_member_str(w, "name", mask_name(a, name));
	if (phone.p) json_put_member_str(w, "phone", mask_phone(a, phone));
	json_put_key(w, STR("subjects"));
	json_put_raw(w, request_column(r, 0, "subjects"));
	json_put_key(w, STR("consents"));
	json_put_raw(w, request_column(r, 0, "consents"));
	json_end_object(w);
	return request_answer(r, 0);
}

enum next party_look_up(struct request *r)
{
	find_by(r, json_get_str(request_body(r), "phone"));
	return request_query(r, "party_search");
}

enum next party_found(struct request *r)
{
	struct json_writer *w = request_writer(r);
	static const char *const texts[] = { "id", "organization", "kind", "disclosure", "alias", "merged_into" };
	json_begin_object(w);
	json_put_key(w, STR("items"));
	json_begin_array(w);
	for (unsigned i = 0; i < request_rows(r); i++) {
		json_begin_object(w);
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			struct str value = request_column(r, i, texts[k]);
			if (value.p) json_put_member_str(w, texts[k], value);
		}
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
	return request_answer(r, 0);
}
