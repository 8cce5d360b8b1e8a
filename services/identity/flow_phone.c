/* me_phone_bind: WeChat gives the number for the code of a getPhoneNumber button, to who has an access token of the app. That one is
 * kept in memory until it expires; WeChat may still say it is stale, then a new one is fetched, once.
 * citizen_openid_get: the way back, for the service that lets people pay. */
#include "services/identity/identity.h"

#include "common/core/clock.h"

enum {
	WECHAT_TIMEOUT_MS = 3500,
	BODY_BYTES_MAX = 4096,
	TOKEN_MARGIN_S = 120,
	PHONE_BYTES_MIN = 5,
	PHONE_BYTES_MAX = 20,
	COUNTRY_BYTES_MAX = 4
};

#define PHONE_CONTEXT STR("identity.citizen.phone")

static enum next post(struct request *r, struct str url, struct json_writer *w)
{
	static const struct http_field fields[] = { { { "Content-Type", 12 }, { "application/json", 16 } } };
	struct str body = buf_ok(w->out) ? arena_str(request_arena(r), buf_view(w->out)) : STR_NONE;
	buf_free(w->out);
	if (!body.p || !url.p) return request_fail(r, ERR_MEMORY, NULL);
	struct fetch f = { .method = "POST",
		.url = url,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.body = body,
		.timeout_ms = WECHAT_TIMEOUT_MS };
	return request_fetch(r, &f);
}

static enum err read_reply(struct request *r, const struct json **out)
{
	const struct reply *reply = request_reply(r);
	struct json_error error;
	if (reply->err == ERR_TIMEOUT) return ERR_TIMEOUT;
	if (reply->err != ERR_NONE || reply->status != 200) return ERR_LOGIN_PROVIDER;
	if (json_read(request_arena(r), reply->body, JSON_DEPTH_MAX, out, &error) != ERR_NONE ||
	    json_type(*out) != JSON_OBJECT)
		return ERR_LOGIN_PROVIDER;
	return ERR_NONE;
}

/* ── the app's access token ── */

static enum next ask_token(struct request *r)
{
	const struct identity *context = request_context(r);
	struct json_writer w;
	struct buf b;
	buf_init(&b, BODY_BYTES_MAX);
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_member_str(&w, "grant_type", STR("client_credential"));
	json_put_member_str(&w, "appid", context->wechat_appid);
	json_put_member_str(&w, "secret", context->wechat_secret);
	json_put_member_bool(&w, "force_refresh", false);
	json_end_object(&w);
	return post(r, arena_printf(request_arena(r), "%.*s/cgi-bin/stable_token", STR_FMT(context->wechat_url)), &w);
}

static enum next keep_token(struct request *r)
{
	struct identity *context = request_context(r);
	const struct json *v = NULL;
	enum err e = read_reply(r, &v);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct str token = json_get_str(v, "access_token");
	int64_t errcode = json_get_i64(v, "errcode", 0), lifetime_s = json_get_i64(v, "expires_in", 0);
	if (errcode == -1) return request_fail(r, ERR_UNAVAILABLE, NULL);
	if (errcode != 0 || token.n == 0 || token.n > sizeof context->wechat_token)
		return request_fail(r, ERR_LOGIN_PROVIDER, NULL);
	memcpy(context->wechat_token, token.p, token.n);
	context->wechat_token_bytes = token.n;
	if (lifetime_s > 7200) lifetime_s = 7200;
	if (lifetime_s < TOKEN_MARGIN_S)
		lifetime_s = TOKEN_MARGIN_S; /* not kept; and what WeChat says overflows nothing */
	context->wechat_token_until_ms = clock_mono_ms() + (lifetime_s - TOKEN_MARGIN_S) * 1000;
	return NEXT_STEP;
}

enum next phone_token_ask(struct request *r)
{
	const struct identity *context = request_context(r);
	struct phone_state *s = request_state(r);
	if (request_principal(r)->kind != PRINCIPAL_CITIZEN) return request_fail(r, ERR_INSUFFICIENT_SCOPE, NULL);
	if (context->wechat_token_bytes && clock_mono_ms() < context->wechat_token_until_ms) return NEXT_STEP;
	s->asked = true;
	return ask_token(r);
}

enum next phone_token_take(struct request *r)
{
	const struct phone_state *s = request_state(r);
	return s->asked ? keep_token(r) : NEXT_STEP;
}

/* ── the number ── */

static enum next ask_phone(struct request *r)
{
	const struct identity *context = request_context(r);
	struct arena *a = request_arena(r);
	struct str token = percent_encode(a, str_span(context->wechat_token, context->wechat_token_bytes));
	struct json_writer w;
	struct buf b;
	buf_init(&b, BODY_BYTES_MAX);
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_member_str(&w, "code", request_value(r, "body.code"));
	json_end_object(&w);
	return post(r,
	    arena_printf(a, "%.*s/wxa/business/getuserphonenumber?access_token=%.*s", STR_FMT(context->wechat_url),
		STR_FMT(token)),
	    &w);
}

enum next phone_ask(struct request *r)
{
	return ask_phone(r);
}

enum next phone_token_renew(struct request *r)
{
	struct identity *context = request_context(r);
	struct phone_state *s = request_state(r);
	const struct json *v = NULL;
	s->again = read_reply(r, &v) == ERR_NONE && wechat_token_is_stale(json_get_i64(v, "errcode", 0));
	if (!s->again) return NEXT_STEP;
	context->wechat_token_bytes = 0;
	return ask_token(r);
}

enum next phone_token_renewed(struct request *r)
{
	const struct phone_state *s = request_state(r);
	return s->again ? keep_token(r) : NEXT_STEP;
}

enum next phone_ask_again(struct request *r)
{
	const struct phone_state *s = request_state(r);
	return s->again ? ask_phone(r) : NEXT_STEP;
}

static bool is_digits(struct str s, size_t least, size_t most)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9') return false;
	return s.n >= least && s.n <= most;
}

/* "+8613800138000": the country code is seen as a number and as a string. */
static enum err read_phone(struct request *r, const struct json *v, struct phone_state *s)
{
	const struct json *info = json_get(v, STR("phone_info"));
	if (!info || json_type(info) != JSON_OBJECT) return ERR_LOGIN_PROVIDER;
	const struct json *country = json_get(info, STR("countryCode"));
	struct str pure = json_get_str(info, "purePhoneNumber"), code = !country ? STR("86")
									: json_type(country) == JSON_NUMBER
									    ? json_number(country)
									    : json_string(country);
	/* "8e1" is a number too */
	if (!is_digits(pure, PHONE_BYTES_MIN, PHONE_BYTES_MAX) || !is_digits(code, 1, COUNTRY_BYTES_MAX))
		return ERR_LOGIN_PROVIDER;
	s->phone = arena_printf(request_arena(r), "+%.*s%.*s", STR_FMT(code), STR_FMT(pure));
	s->masked = mask_phone(request_arena(r), pure);
	return s->phone.p && s->masked.p ? ERR_NONE : ERR_MEMORY;
}

enum next phone_read(struct request *r)
{
	struct phone_state *s = request_state(r);
	const struct json *v = NULL;
	enum err e = read_reply(r, &v);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	int64_t errcode = json_get_i64(v, "errcode", 0);
	if (errcode == 40029 || errcode == 40163) return request_fail(r, ERR_PHONE_CODE, NULL);
	if (errcode == -1) return request_fail(r, ERR_UNAVAILABLE, NULL);
	e = errcode == 0 ? read_phone(r, v, s) : ERR_LOGIN_PROVIDER;
	return e == ERR_NONE ? citizen_key_ask(r) : request_fail(r, e, NULL);
}

static enum err seal_phone(struct request *r, struct phone_state *s)
{
	struct arena *a = request_arena(r);
	struct str wrapped = request_column(r, 0, "wrapped_key");
	TRY(seal_under(r, wrapped, "flow.phone_sealed", PHONE_CONTEXT, s->phone));
	request_set(r, "flow.wrapped_key", wrapped);
	request_set(
	    r, "flow.phone_index", blind_index(service_vault(request_service(r)), a, STR("identity.phone"), s->phone));
	request_set(r, "flow.phone_masked", s->masked);
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}

enum next phone_seal(struct request *r)
{
	struct phone_state *s = request_state(r);
	if (request_rows(r) == 0) return request_fail(r, ERR_UNAUTHENTICATED, NULL);
	enum err e = seal_phone(r, s);
	return e == ERR_NONE ? request_query(r, "citizen_phone_bind") : request_fail(r, e, NULL);
}

enum next phone_answer(struct request *r)
{
	const struct phone_state *s = request_state(r);
	if (!request_column(r, 0, "phone_bound_at").p) return request_fail(r, ERR_UNAUTHENTICATED, "the key is gone");
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "phone_masked", s->masked);
	json_put_member_str(w, "phone_bound_at", request_column(r, 0, "phone_bound_at"));
	json_end_object(w);
	return request_answer(r, 0);
}

/* ── citizen_openid_get ── */

enum next openid_find(struct request *r)
{
	return request_query(r, "citizen_openid_get");
}

enum next openid_answer(struct request *r)
{
	struct str openid;
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	enum err e = open_under(r, request_column(r, 0, "wrapped_key"), STR("identity.citizen_account.openid"),
	    request_column(r, 0, "openid_sealed"), &openid);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "openid", openid);
	json_end_object(w);
	return request_answer(r, 0);
}
