/* Where administration needs C: hashing a new password, making secrets that are shown once. */
#include "services/identity/identity.h"

enum { TOTP_SECRET_BYTES = 20 };

/* ── staff_create ── */

enum next staff_hash(struct request *r)
{
	struct staff_create_state *s = request_state(r);
	enum err e = hash_begin(r, &s->work, request_value(r, "body.password"), HASHES_MAX);
	return e == ERR_NONE ? request_work(r, hash_make, &s->work) : request_fail(r, e, NULL);
}

enum next staff_insert(struct request *r)
{
	static const char *const statements[] = { "staff_create", "staff_create_grants" };
	struct staff_create_state *s = request_state(r);
	hash_end(&s->work);
	enum err e = request_outcome(r) == ERR_NONE ? s->work.result : request_outcome(r);
	if (e == ERR_NONE) e = seal_bind(r, "flow.password_sealed", STR("identity.password"), s->work.phc);
	return e == ERR_NONE ? request_query_all(r, statements, ARRAY_LEN(statements)) : request_fail(r, e, NULL);
}

enum next staff_answer(struct request *r)
{
	static const char *const names[] = { "id", "username", "display_name", "organization", "state" };
	int64_t version = 1;
	(void)str_to_i64(request_column_at(r, 0, 0, "version"), &version);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_put_member_str(w, names[i], request_column_at(r, 0, 0, names[i]));
	json_put_member_i64(w, "version", version);
	json_put_member_str(w, "created_at", request_column_at(r, 0, 0, "created_at"));
	json_end_object(w);
	request_add_header(r, STR("Location"),
	    arena_printf(request_arena(r), "/v1/staff/%.*s", STR_FMT(request_column_at(r, 0, 0, "id"))));
	request_add_header(r, STR("ETag"), arena_printf(request_arena(r), "\"%lld\"", (long long)version));
	return request_answer(r, 201);
}

/* ── partner_key_create ── */

enum next partner_key_insert(struct request *r)
{
	struct secret_state *s = request_state(r);
	s->secret = secret_new(request_arena(r));
	request_set(r, "flow.secret_sha256", sha256_hex(request_arena(r), s->secret));
	return s->secret.p ? request_query(r, "partner_key_create") : request_fail(r, ERR_MEMORY, NULL);
}

enum next partner_key_answer(struct request *r)
{
	static const char *const names[] = { "id", "client_id", "kind", "label", "expires_at" };
	const struct secret_state *s = request_state(r);
	bool is_api_key = str_eq(request_column(r, 0, "kind"), STR("api_key"));
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (request_column(r, 0, names[i]).p) json_put_member_str(w, names[i], request_column(r, 0, names[i]));
	json_put_member_str(w, is_api_key ? "api_key" : "client_secret", s->secret);
	json_end_object(w);
	request_add_header(r, STR("Location"),
	    arena_printf(request_arena(r), "/v1/partners/%.*s", STR_FMT(request_value(r, "path.id"))));
	return request_answer(r, 201);
}

/* ── partner_signing_key_create ── */

static struct str signature_alg_name(enum signature_alg alg)
{
	switch (alg) {
	case ALG_EDDSA:
		return STR("ed25519");
	case ALG_ES256:
		return STR("ecdsa-p256-sha256");
	case ALG_RS256:
	case ALG_PS512:
		break;
	}
	return STR("rsa-pss-sha512"); /* the one that RSA keys have here */
}

/* A public key that we can use, in our own spelling. A private one is refused: it is no secret any more. */
static enum err read_public_key(struct request *r)
{
	struct key *k;
	struct str pem;
	TRY(key_read_pem(request_value(r, "body.public_key"), &k));
	enum err e = key_is_private(k) ? ERR_CRYPTO : key_write_pem(request_arena(r), k, false, &pem);
	if (e == ERR_NONE) {
		request_set(r, "flow.alg", signature_alg_name(key_alg(k)));
		request_set(r, "flow.public_key", pem);
	}
	key_free(k);
	return e;
}

enum next partner_signing_key_insert(struct request *r)
{
	enum err e = read_public_key(r);
	if (e == ERR_CRYPTO) return request_refuse(r, "signing-key-invalid", NULL);
	return e == ERR_NONE ? request_query(r, "partner_signing_key_create") : request_fail(r, e, NULL);
}

enum next partner_signing_key_answer(struct request *r)
{
	static const char *const names[] = { "id", "keyid", "alg", "label", "not_before", "not_after" };
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (request_column(r, 0, names[i]).p) json_put_member_str(w, names[i], request_column(r, 0, names[i]));
	json_end_object(w);
	request_add_header(r, STR("Location"),
	    arena_printf(request_arena(r), "/v1/partners/%.*s/signing-keys", STR_FMT(request_value(r, "path.id"))));
	return request_answer(r, 201);
}

/* ── staff_entry_code_create ── */

enum next entry_code_make(struct request *r)
{
	struct secret_state *s = request_state(r);
	s->secret = secret_new(request_arena(r));
	request_set(r, "flow.secret_sha256", sha256_hex(request_arena(r), s->secret));
	return s->secret.p ? request_query(r, "staff_entry_code_create") : request_fail(r, ERR_MEMORY, NULL);
}

enum next entry_code_show(struct request *r)
{
	const struct secret_state *s = request_state(r);
	struct str expires_at = request_column(r, 0, "expires_at");
	if (!expires_at.p) return request_fail(r, ERR_NOT_FOUND, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "entry_code", s->secret);
	json_put_member_str(w, "expires_at", expires_at);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── one-time codes: for oneself only ── */

bool is_oneself(struct request *r)
{
	const struct principal *p = request_principal(r);
	return p->kind == PRINCIPAL_STAFF && str_eq_ci(p->subject, request_value(r, "path.id"));
}

enum next totp_make(struct request *r)
{
	struct secret_state *s = request_state(r);
	unsigned char secret[TOTP_SECRET_BYTES];
	if (!is_oneself(r)) return request_fail(r, ERR_NOT_FOUND, NULL);
	crypto_random(secret, sizeof secret);
	s->secret = base32_encode(request_arena(r), str_span((const char *)secret, sizeof secret));
	enum err e =
	    seal_bind(r, "flow.totp_sealed", STR("identity.totp"), str_span((const char *)secret, sizeof secret));
	crypto_wipe(secret, sizeof secret);
	return e == ERR_NONE ? request_query(r, "totp_enrol") : request_fail(r, e, NULL);
}

enum next totp_show(struct request *r)
{
	const struct secret_state *s = request_state(r);
	struct arena *a = request_arena(r);
	if (!str_eq(request_column(r, 0, "enrolled"), STR("t")))
		return request_refuse(r, "totp-already-enrolled", NULL);
	struct str issuer = percent_encode(a, STR("阳光红会")),
		   account = percent_encode(a, request_column(r, 0, "username"));
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "secret", s->secret);
	json_put_member_str(w, "otpauth_uri",
	    arena_printf(a, "otpauth://totp/%.*s:%.*s?secret=%.*s&issuer=%.*s&algorithm=SHA1&digits=6&period=30",
		STR_FMT(issuer), STR_FMT(account), STR_FMT(s->secret), STR_FMT(issuer)));
	json_end_object(w);
	return request_answer(r, 0);
}
