/* OAuth 2: tokens for partners (RFC 6749 4.4), revocation (RFC 7009), introspection (RFC 7662), metadata (RFC 8414). Refusals are
 * problem documents that also say `error` in the words of the RFC. */
#include "services/identity/identity.h"

enum { ANSWER_BYTES_MAX = 8192 };

/* Titles of what RFC 6749 names and the platform's own errors do not; the same as in the contract's x-problems. */
static const struct oauth_error {
	const char *error;
	int status;
	struct str slug;
	struct str title[2];
} errors[] = {
	{ "invalid_client", 401, STR("invalid-client"),
	    { STR("客户端凭据无效"), STR("The client credentials are not valid") } },
	{ "unsupported_grant_type", 400, STR("unsupported-grant-type"),
	    { STR("不支持该授权类型"), STR("This grant type is not supported") } },
	{ "invalid_request", 400, STR("invalid-request"),
	    { STR("OAuth 请求不完整"), STR("The OAuth request is not complete") } },
	{ "invalid_scope", 400, STR("invalid-scope"),
	    { STR("请求了未授予的权限范围"), STR("A scope was asked for that is not granted") } },
	{ "unsupported_token_type", 400, STR("unsupported-token-type"),
	    { STR("不支持撤销此类令牌"), STR("Tokens of this type cannot be revoked here") } },
};

static const struct oauth_error *error_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (strcmp(errors[i].error, name) == 0) return &errors[i];
	CHECK(!"an OAuth error that is not in the table");
	return NULL;
}

static enum next oauth_refuse(struct request *r, const char *name, const char *description)
{
	const struct oauth_error *e = error_find(name);
	struct arena *a = request_arena(r);
	struct str id = request_value(r, "request.id");
	struct json_writer w;
	struct buf b;
	buf_init(&b, ANSWER_BYTES_MAX);
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_member_str(&w, "type", arena_printf(a, "/problems/%.*s", STR_FMT(e->slug)));
	json_put_member_str(&w, "title", e->title[request_language(r)]);
	json_put_member_i64(&w, "status", e->status);
	json_put_member_str(&w, "detail", str_of(description));
	json_put_member_str(&w, "instance", arena_printf(a, "urn:request:%.*s", STR_FMT(id)));
	json_put_member_str(&w, "code", e->slug);
	json_put_member_str(&w, "trace_id", id);
	json_put_member_str(&w, "error", str_of(e->error));
	json_put_member_str(&w, "error_description", str_of(description));
	json_end_object(&w);
	struct str body = buf_ok(&b) ? arena_str(a, buf_view(&b)) : STR_NONE;
	buf_free(&b);
	if (!body.p) return request_fail(r, ERR_MEMORY, NULL);
	if (e->status == 401)
		request_add_header(r, STR("WWW-Authenticate"), STR("Basic realm=\"yangguang\", charset=\"UTF-8\""));
	return request_answer_raw(r, e->status, STR("application/problem+json"), body);
}

/* ── oauth_token ── */

/* Name and secret from the header or from the form, never from both (RFC 6749 2.3). */
static const char *read_client(struct request *r, struct oauth_state *s)
{
	struct str authorization = request_header(r, STR("authorization"));
	struct str id = request_value(r, "body.client_id"), secret = request_value(r, "body.client_secret");
	if (!authorization.p) {
		s->client = (struct client_credentials){ id, secret };
		return id.n && secret.n ? NULL : "invalid_client";
	}
	if (basic_auth_read(request_arena(r), authorization, &s->client) != ERR_NONE) return "invalid_client";
	return secret.p || (id.p && !str_eq(id, s->client.id)) ? "invalid_request" : NULL;
}

enum next oauth_read(struct request *r)
{
	struct oauth_state *s = request_state(r);
	struct str grant = request_value(r, "body.grant_type");
	if (!grant.p) return oauth_refuse(r, "invalid_request", "grant_type is missing");
	if (!str_eq(grant, STR("client_credentials")))
		return oauth_refuse(r, "unsupported_grant_type", "only client_credentials");
	const char *bad = read_client(r, s);
	if (bad) return oauth_refuse(r, bad, "client_id and client_secret, in the Authorization header or in the form");
	note_caller(r);
	request_set(r, "flow.client_id", s->client.id);
	return request_query(r, "partner_find");
}

/* The row of the secret, or -1. Every row is compared, in constant time. */
static int find_secret(struct request *r, struct str secret)
{
	struct str hex = sha256_hex(request_arena(r), secret);
	int found = -1;
	for (unsigned i = 0; i < request_rows(r); i++)
		if (hex.p && crypto_equal(hex, request_column(r, i, "secret_sha256"))) found = (int)i;
	return found;
}

/* RFC 8705: the certificate that the connection has proved, in the gateway's words (X-Yangguang-Certificate). */
static const char *bind_certificate(struct request *r, struct oauth_state *s, unsigned row)
{
	struct str shown = request_header(r, STR("x-yangguang-certificate"));
	if (!str_eq(request_column(r, row, "bound"), STR("t"))) return NULL;
	if (!shown.n) return "this client must connect with its client certificate";
	if (str_eq(shown, STR("expired"))) return "the client certificate has expired";
	if (str_eq(shown, STR("untrusted"))) return "the client certificate is not issued by a trusted authority";
	if (!str_list_has(request_column(r, row, "certificates"), ' ', shown))
		return "the client certificate is not registered for this client";
	s->principal.certificates = shown;
	return NULL;
}

enum next oauth_check(struct request *r)
{
	struct oauth_state *s = request_state(r);
	int row = find_secret(r, s->client.secret);
	if (row < 0) return oauth_refuse(r, "invalid_client", "unknown client or wrong secret");
	s->principal = (struct principal){ .kind = PRINCIPAL_PARTNER,
		.subject = request_column(r, (unsigned)row, "id"),
		.organization = request_column(r, (unsigned)row, "organization"),
		.session = request_column(r, (unsigned)row, "key_id"),
		.client = s->client.id };
	enum err e = scopes_narrow(request_arena(r), request_column(r, (unsigned)row, "scopes"),
	    request_value(r, "body.scope"), &s->principal.scopes);
	if (e == ERR_MEMORY) return request_fail(r, e, NULL);
	if (e != ERR_NONE) return oauth_refuse(r, "invalid_scope", "scope names something this client does not have");
	const char *wrong = bind_certificate(r, s, (unsigned)row);
	if (wrong) return oauth_refuse(r, "invalid_client", wrong);
	request_set(r, "flow.subject", s->principal.subject);
	request_set(r, "flow.session", s->principal.session);
	return request_query(r, "token_event");
}

enum next oauth_answer(struct request *r)
{
	struct oauth_state *s = request_state(r);
	struct str access;
	enum err e = access_token_sign(r, &s->principal, &access);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "access_token", access);
	json_put_member_str(w, "token_type", STR("Bearer"));
	json_put_member_i64(w, "expires_in", ACCESS_TOKEN_TTL_S);
	json_put_member_str(w, "scope", s->principal.scopes);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── oauth_revoke ── */

enum next revoke_run(struct request *r)
{
	struct str token = request_value(r, "body.token");
	if (!token.n) return oauth_refuse(r, "invalid_request", "token is missing");
	if (str_index(token, '.') >= 0)
		return oauth_refuse(r, "unsupported_token_type", "an access token ends with its session or key");
	request_set(r, "flow.presented_sha256", sha256_hex(request_arena(r), token));
	return request_query(r, "oauth_revoke");
}

enum next revoke_answer(struct request *r)
{
	return request_answer(r, 200); /* RFC 7009 2.2: also when the token was unknown */
}

/* ── oauth_introspect ── */

enum next introspect_verify(struct request *r)
{
	struct oauth_state *s = request_state(r);
	struct str token = request_value(r, "body.token");
	if (!token.n) return oauth_refuse(r, "invalid_request", "token is missing");
	if (access_token_verify(r, token, &s->principal) != ERR_NONE) {
		s->principal.kind = PRINCIPAL_ANONYMOUS;
		return NEXT_STEP;
	}
	request_set(r, "flow.session", s->principal.session);
	return request_query(r, "session_is_live");
}

static void put_token(struct json_writer *w, const struct principal *p)
{
	json_put_member_str(w, "scope", p->scopes.p ? p->scopes : STR(""));
	json_put_member_str(w, "client_id", p->client);
	json_put_member_str(w, "token_type", STR("Bearer"));
	json_put_member_i64(w, "exp", p->expires_s);
	json_put_member_str(w, "sub", p->subject);
	json_put_member_str(w, "sid", p->session);
	json_put_member_str(w, "kind", principal_kind_name(p->kind));
	if (p->organization.p) json_put_member_str(w, "org", p->organization);
	if (!p->certificates.n) return;
	json_put_key(w, STR("cnf"));
	json_begin_object(w);
	json_put_member_str(w, "x5t#S256", p->certificates);
	json_end_object(w);
}

enum next introspect_answer(struct request *r)
{
	const struct oauth_state *s = request_state(r);
	bool active = s->principal.kind != PRINCIPAL_ANONYMOUS && str_eq(request_column(r, 0, "live"), STR("t"));
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_bool(w, "active", active);
	if (active) put_token(w, &s->principal);
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── oauth_metadata_get ── */

static void put_address(
    struct arena *a, struct json_writer *w, struct str public_url, const char *key, const char *path)
{
	json_put_member_str(w, key, arena_printf(a, "%.*s%s", STR_FMT(public_url), path));
}

static void put_list(struct json_writer *w, const char *key, const char *const *values, unsigned count)
{
	json_put_key(w, str_of(key));
	json_begin_array(w);
	for (unsigned i = 0; i < count; i++) json_put_str(w, str_of(values[i]));
	json_end_array(w);
}

struct str metadata_make(struct arena *a, struct str public_url)
{
	static const char *const grants[] = { "client_credentials" }, *const methods[] = { "client_secret_basic",
		"client_secret_post" };
	struct json_writer w;
	struct buf text;
	buf_init(&text, ANSWER_BYTES_MAX);
	json_write_init(&w, &text);
	json_begin_object(&w);
	put_address(a, &w, public_url, "issuer", "");
	put_address(a, &w, public_url, "token_endpoint", "/oauth/token");
	put_address(a, &w, public_url, "jwks_uri", "/.well-known/jwks.json");
	put_address(a, &w, public_url, "revocation_endpoint", "/oauth/revoke");
	put_address(a, &w, public_url, "introspection_endpoint", "/oauth/introspect");
	put_list(&w, "grant_types_supported", grants, ARRAY_LEN(grants));
	put_list(&w, "response_types_supported", NULL, 0);
	put_list(&w, "token_endpoint_auth_methods_supported", methods, ARRAY_LEN(methods));
	json_put_member_bool(&w, "tls_client_certificate_bound_access_tokens", true);
	json_end_object(&w);
	struct str made = buf_ok(&text) && !a->overflow ? arena_str(a, buf_view(&text)) : STR_NONE;
	buf_free(&text);
	return made;
}

enum next metadata_answer(struct request *r)
{
	const struct identity *context = request_context(r);
	return request_answer_raw(r, 0, STR("application/json"), context->metadata);
}
