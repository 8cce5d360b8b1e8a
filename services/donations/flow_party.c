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
	request_add_header(r, STR("ETag"), arena_printf(a, "\"%.*s\"", STR_FMT(request_column(r, 0, "version"))));
	json_begin_object(w);
	json_put_member_i64(w, "version", request_column_i64(r, 0, "version", 0));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) put(r, w, texts[i]);
	if (name.p) json_put_member_str(w, "name", mask_name(a, name));
	if (phone.p) json_put_member_str(w, "phone", mask_phone(a, phone));
	json_put_key(w, STR("subjects"));
	json_put_raw(w, request_column(r, 0, "subjects"));
	json_put_key(w, STR("consents"));
	json_put_raw(w, request_column(r, 0, "consents"));
	json_put_key(w, STR("letters"));
	json_put_raw(w, request_column(r, 0, "letters"));
	json_end_object(w);
	return request_answer(r, 0);
}

/* A member of the patch, or what stood there; null takes it away. */
static struct str patched(const struct request *r, const char *member, struct str old)
{
	const struct json *given = json_get(request_body(r), str_of(member));
	return given ? json_string(given) : old;
}

/* The record is opened and sealed as a whole, under a new key: what is not in the patch stays. */
enum next party_reseal(struct request *r)
{
	struct str name, phone;
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	if (request_column(r, 0, "erased_at").p) return request_refuse(r, "party-erased", NULL);
	enum err e = mine_open(r, "name", str_of(name_context), &name);
	if (e == ERR_NONE) e = mine_open(r, "phone", str_of(phone_context), &phone);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	name = patched(r, "name", name);
	phone = patched(r, "phone", phone);
	e = request_seal(r, "flow.name", str_of(name_context), name);
	if (e == ERR_NONE && phone.n) e = request_seal(r, "flow.phone", str_of(phone_context), phone);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	if (phone.n) find_by(r, phone);
	request_set(r, "flow.alias", patched(r, "alias", request_column(r, 0, "alias")));
	request_set(r, "flow.disclosure", patched(r, "disclosure", request_column(r, 0, "disclosure")));
	request_set(r, "flow.version", request_column(r, 0, "version"));
	return NEXT_STEP;
}

enum next party_save(struct request *r)
{
	return request_query(r, "party_update");
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
