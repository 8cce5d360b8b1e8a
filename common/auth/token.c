/* Access tokens: JWS compact serialization, JWT claims after RFC 9068, checked after RFC 8725. Nothing in a token is believed
 * before its signature is right, and the key alone decides the algorithm. */
#include "common/auth/token.h"

#include "common/json/json.h"
#include "common/json/json_write.h"

enum { HEADER_BYTES_MAX = 512, TOKEN_JSON_DEPTH_MAX = 4, AUDIENCES_MAX = 16, JTI_BYTES_MAX = 128 };

static struct str alg_name(enum signature_alg alg)
{
	switch (alg) {
	case ALG_ES256:
		return STR("ES256");
	case ALG_EDDSA:
		return STR("EdDSA");
	case ALG_RS256:
	case ALG_PS512:
		break; /* only for partners' signatures, never for tokens */
	}
	return STR_NONE;
}

static void put_optional(struct json_writer *w, const char *key, struct str value)
{
	if (value.n) json_put_member_str(w, key, value);
}

static struct str finish(struct arena *a, struct buf *b)
{
	struct str text = buf_ok(b) ? base64url_encode(a, buf_view(b)) : STR_NONE;
	buf_free(b);
	return text;
}

static struct str write_header(struct arena *a, const struct token_key *k)
{
	struct buf b;
	struct json_writer w;
	buf_init(&b, HEADER_BYTES_MAX);
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_member_str(&w, "alg", alg_name(key_alg(k->key)));
	json_put_member_str(&w, "typ", STR("at+jwt"));
	json_put_member_str(&w, "kid", k->kid);
	json_end_object(&w);
	return finish(a, &b);
}

static struct str write_claims(
    struct arena *a, const struct token_issuer *i, const struct principal *p, struct str jti, int64_t now_s)
{
	struct buf b;
	struct json_writer w;
	buf_init(&b, TOKEN_BYTES_MAX);
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_member_str(&w, "iss", i->issuer);
	json_put_member_str(&w, "sub", p->subject);
	json_put_member_str(&w, "aud", i->audience);
	json_put_member_i64(&w, "exp", p->expires_s);
	json_put_member_i64(&w, "iat", now_s);
	json_put_member_str(&w, "jti", jti);
	json_put_member_str(&w, "client_id", p->client);
	put_optional(&w, "scope", p->scopes);
	put_optional(&w, "sid", p->session);
	json_put_member_str(&w, "kind", principal_kind_name(p->kind));
	put_optional(&w, "org", p->organization);
	if (p->certificates.n) {
		json_put_key(&w, STR("cnf"));
		json_begin_object(&w);
		json_put_member_str(&w, "x5t#S256", p->certificates);
		json_end_object(&w);
	}
	json_end_object(&w);
	return finish(a, &b);
}

/* What a token must know: an anonymous caller has none. */
static bool is_token_holder(const struct principal *p)
{
	return p->kind != PRINCIPAL_ANONYMOUS && p->subject.n && p->client.n && principal_is_valid(p);
}

enum err token_sign(struct arena *a, const struct token_issuer *i, const struct token_key *k, const struct principal *p,
    struct str jti, int64_t now_s, struct str *out)
{
	struct str signature;
	*out = STR_NONE;
	if (!alg_name(key_alg(k->key)).p || !k->kid.n) return ERR_CRYPTO;
	if (!is_token_holder(p) || !jti.n || jti.n > JTI_BYTES_MAX || now_s >= p->expires_s) return ERR_SYNTAX;
	struct str header = write_header(a, k), claims = write_claims(a, i, p, jti, now_s);
	if (!header.p || !claims.p) return a->overflow ? ERR_MEMORY : ERR_SYNTAX;
	struct str data = arena_printf(a, "%.*s.%.*s", STR_FMT(header), STR_FMT(claims));
	if (!data.p) return ERR_MEMORY;
	TRY(key_sign(a, k->key, data, &signature));
	struct str encoded = base64url_encode(a, signature);
	if (!encoded.p) return ERR_MEMORY;
	if (data.n + 1 + encoded.n > TOKEN_BYTES_MAX) return ERR_SYNTAX;
	*out = arena_printf(a, "%.*s.%.*s", STR_FMT(data), STR_FMT(encoded));
	return out->p ? ERR_NONE : ERR_MEMORY;
}

/* Decodes and reads one part; NULL unless it is an object. */
static const struct json *read_object(struct arena *a, struct str part)
{
	struct str text;
	const struct json *v;
	struct json_error ignored;
	if (base64url_decode(a, part, &text) != ERR_NONE) return NULL;
	if (json_read(a, text, TOKEN_JSON_DEPTH_MAX, &v, &ignored) != ERR_NONE) return NULL;
	return json_type(v) == JSON_OBJECT ? v : NULL;
}

static const struct token_key *find_key(const struct token_keys *keys, struct str kid)
{
	for (unsigned i = 0; kid.n && i < keys->count; i++)
		if (str_eq(keys->items[i].kid, kid)) return &keys->items[i];
	return NULL;
}

static bool is_access_token_type(struct str typ)
{
	return str_eq_ci(typ, STR("at+jwt")) || str_eq_ci(typ, STR("application/at+jwt"));
}

/* The key that the header names, if the header is one of ours. */
static const struct token_key *key_of_header(struct arena *a, const struct token_keys *keys, struct str part)
{
	const struct json *header = part.n <= HEADER_BYTES_MAX * 4 / 3 ? read_object(a, part) : NULL;
	if (!header) return NULL;
	for (const struct json *m = json_first(header); m; m = json_next(m)) {
		struct str name = json_key(m);
		if (!str_eq(name, STR("alg")) && !str_eq(name, STR("typ")) && !str_eq(name, STR("kid"))) return NULL;
	}
	const struct token_key *k = find_key(keys, json_get_str(header, "kid"));
	if (!k || !is_access_token_type(json_get_str(header, "typ"))) return NULL;
	struct str alg = alg_name(key_alg(k->key));
	return alg.p && str_eq(json_get_str(header, "alg"), alg) ? k : NULL;
}

static bool audience_matches(const struct json *aud, struct str audience)
{
	if (!aud || !audience.n) return false;
	if (json_type(aud) == JSON_STRING) return str_eq(json_string(aud), audience);
	bool found = false;
	if (json_type(aud) != JSON_ARRAY || json_count(aud) > AUDIENCES_MAX) return false;
	for (const struct json *item = json_first(aud); item; item = json_next(item)) {
		if (json_type(item) != JSON_STRING) return false;
		found |= str_eq(json_string(item), audience);
	}
	return found;
}

/* True when the claim is missing and may be, or is a time that a machine can have. */
static bool read_time(const struct json *claims, const char *name, bool required, int64_t fallback, int64_t *out)
{
	static const int64_t year_9999 = 253402300799;
	const struct json *v = json_get(claims, str_of(name));
	*out = fallback;
	if (!v) return !required;
	return json_int64(v, out) && *out >= 0 && *out <= year_9999;
}

static bool read_string(const struct json *claims, const char *name, bool required, struct str *out)
{
	const struct json *v = json_get(claims, str_of(name));
	*out = STR_NONE;
	if (!v) return !required;
	if (json_type(v) != JSON_STRING) return false;
	*out = json_string(v);
	return !required || out->n > 0;
}

/* RFC 7800: a confirmation of a kind that we do not know must not be passed over. */
static bool read_confirmation(const struct json *claims, struct str *out)
{
	const struct json *cnf = json_get(claims, STR("cnf"));
	*out = STR_NONE;
	if (!cnf) return true;
	return json_type(cnf) == JSON_OBJECT && json_count(cnf) == 1 && read_string(cnf, "x5t#S256", true, out) &&
	       str_index(*out, ' ') < 0;
}

static enum err check_times(const struct json *claims, int64_t now_s, int64_t *expires_s)
{
	int64_t issued_s, not_before_s;
	if (!read_time(claims, "exp", true, 0, expires_s) || !read_time(claims, "iat", true, 0, &issued_s) ||
	    !read_time(claims, "nbf", false, 0, &not_before_s))
		return ERR_TOKEN_INVALID;
	if (issued_s > now_s + TOKEN_SKEW_S || not_before_s > now_s + TOKEN_SKEW_S) return ERR_TOKEN_INVALID;
	return now_s >= *expires_s + TOKEN_SKEW_S ? ERR_TOKEN_EXPIRED : ERR_NONE;
}

static enum err read_claims(
    const struct token_issuer *i, const struct json *claims, int64_t now_s, struct principal *out)
{
	struct str issuer, jti, kind;
	if (!read_string(claims, "iss", true, &issuer) || !str_eq(issuer, i->issuer)) return ERR_TOKEN_INVALID;
	if (!audience_matches(json_get(claims, STR("aud")), i->audience)) return ERR_TOKEN_INVALID;
	if (!read_string(claims, "jti", true, &jti) || !read_string(claims, "kind", true, &kind) ||
	    !read_string(claims, "sub", true, &out->subject) || !read_string(claims, "client_id", true, &out->client) ||
	    !read_string(claims, "scope", false, &out->scopes) || !read_string(claims, "sid", false, &out->session) ||
	    !read_string(claims, "org", false, &out->organization))
		return ERR_TOKEN_INVALID;
	if (!read_confirmation(claims, &out->certificates)) return ERR_TOKEN_INVALID;
	if (!principal_kind_parse(kind, &out->kind) || !is_token_holder(out)) return ERR_TOKEN_INVALID;
	return check_times(claims, now_s, &out->expires_s);
}

enum err token_verify_old(struct arena *a, const struct token_issuer *i, const struct token_keys *keys,
    struct str token, int64_t now_s, struct principal *out)
{
	struct str rest = token, header, payload, signature;
	*out = (struct principal){ .kind = PRINCIPAL_ANONYMOUS };
	if (token.n == 0 || token.n > TOKEN_BYTES_MAX) return ERR_TOKEN_INVALID;
	if (!str_cut(&rest, '.', &header) || !str_cut(&rest, '.', &payload) || !rest.p || str_index(rest, '.') >= 0)
		return ERR_TOKEN_INVALID;
	const struct token_key *k = key_of_header(a, keys, header);
	if (!k || base64url_decode(a, rest, &signature) != ERR_NONE) return ERR_TOKEN_INVALID;
	struct str data = { token.p, header.n + 1 + payload.n };
	if (key_verify(k->key, data, signature) != ERR_NONE) return ERR_TOKEN_INVALID;
	const struct json *claims = read_object(a, payload);
	struct principal p = { .kind = PRINCIPAL_ANONYMOUS };
	if (!claims) return ERR_TOKEN_INVALID;
	enum err e = read_claims(i, claims, now_s, &p);
	if (e == ERR_NONE || e == ERR_TOKEN_EXPIRED) *out = p;
	return e;
}

enum err token_verify(struct arena *a, const struct token_issuer *i, const struct token_keys *keys, struct str token,
    int64_t now_s, struct principal *out)
{
	enum err e = token_verify_old(a, i, keys, token, now_s, out);
	if (e != ERR_NONE) *out = (struct principal){ .kind = PRINCIPAL_ANONYMOUS };
	return e;
}
