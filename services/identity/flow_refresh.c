/* auth_refresh: one refresh token for the next. The database decides alone, in one statement, whether this is the first use, a repeat
 * of a request whose answer was lost, or somebody else's. */
#include "services/identity/identity.h"

#define SUCCESSOR_CONTEXT STR("identity.refresh_token.successor")

/* Only who holds the old token can open the new one, so a copy of the table opens nothing. */
static void successor_key(struct str presented, unsigned char key[AES_KEY_BYTES])
{
	_Static_assert(AES_KEY_BYTES == SHA256_BYTES, "the digest is the key");
	hmac_sha256(presented, SUCCESSOR_CONTEXT, key);
}

enum next refresh_find(struct request *r)
{
	struct refresh_state *s = request_state(r);
	s->presented = request_value(r, "body.refresh_token");
	note_caller(r);
	request_set(r, "flow.presented_sha256", sha256_hex(request_arena(r), s->presented));
	return request_query(r, "refresh_find");
}

/* The principal as it is today: grants may have changed since the last token. */
static enum err read_principal(struct request *r, struct principal *p)
{
	struct arena *a = request_arena(r);
	struct str organization = STR_NONE, scopes = request_column(r, 0, "scopes");
	if (!principal_kind_parse(request_column(r, 0, "kind"), &p->kind)) return ERR_INTERNAL;
	if (p->kind == PRINCIPAL_STAFF) {
		unsigned rows = request_rows(r), count = 0;
		struct grant *grants = arena_array(a, rows, sizeof *grants);
		if (!grants) return ERR_MEMORY;
		for (unsigned i = 0; i < rows; i++)
			if (request_column(r, i, "organization").p)
				grants[count++] = (struct grant){ request_column(r, i, "organization"),
					request_column(r, i, "scopes") };
		TRY(grants_choose(a, grants, count, request_column(r, 0, "wanted"), &organization, &scopes));
	}
	p->subject = request_column(r, 0, "subject");
	p->session = request_column(r, 0, "session");
	p->client = request_column(r, 0, "client");
	p->organization = organization;
	p->scopes = scopes;
	return ERR_NONE;
}

enum next refresh_rotate(struct request *r)
{
	struct refresh_state *s = request_state(r);
	struct arena *a = request_arena(r);
	unsigned char key[AES_KEY_BYTES];
	struct str sealed;
	if (request_rows(r) == 0 || !str_eq(request_column(r, 0, "usable"), STR("t")))
		return request_fail(r, ERR_REFRESH_INVALID, NULL);
	enum err e = read_principal(r, &s->principal);
	if (e == ERR_INSUFFICIENT_SCOPE) {
		s->grants_gone = true;
		request_set(r, "flow.session", request_column(r, 0, "session"));
		return request_query(r, "refresh_grants_gone");
	}
	if (e == ERR_NONE) {
		s->successor = secret_new(a);
		successor_key(s->presented, key);
		e = field_seal(a, key, SUCCESSOR_CONTEXT, s->successor, &sealed);
		crypto_wipe(key, sizeof key);
	}
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	request_set(r, "flow.refresh_sha256", sha256_hex(a, s->successor));
	request_set(r, "flow.successor_sealed", bytea_text(a, sealed));
	return request_query(r, "refresh_rotate");
}

enum next refresh_answer(struct request *r)
{
	struct refresh_state *s = request_state(r);
	if (s->grants_gone) return request_fail(r, ERR_REFRESH_INVALID, NULL);
	struct str result = request_column(r, 0, "result");
	if (str_eq(result, STR("REUSED"))) return request_fail(r, ERR_REFRESH_REUSED, NULL);
	if (str_eq(result, STR("REPEATED"))) {
		unsigned char key[AES_KEY_BYTES];
		successor_key(s->presented, key);
		struct str sealed = bytea_bytes(request_arena(r), request_column(r, 0, "successor"));
		enum err e = field_open(request_arena(r), key, SUCCESSOR_CONTEXT, sealed, &s->successor);
		crypto_wipe(key, sizeof key);
		if (e != ERR_NONE) return request_fail(r, e, NULL);
	} else if (!str_eq(result, STR("ROTATED"))) {
		return request_fail(r, ERR_REFRESH_INVALID, NULL);
	}
	return tokens_answer(r, &s->principal, s->successor, STR_NONE);
}
