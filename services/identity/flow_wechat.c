/* auth_wechat: the code of wx.login goes to WeChat, which says who it is. HTTP is 200 there whatever happened; errcode decides. */
#include "services/identity/identity.h"

#include "common/core/id.h"

enum { WECHAT_TIMEOUT_MS = 4000, BUSY_PAUSE_MS = 200, OPENID_BYTES_MAX = 64, QUOTA_RETRY_S = 60 };

static enum next ask(struct request *r)
{
	const struct wechat_state *s = request_state(r);
	struct fetch f = { .method = "GET", .url = s->url, .timeout_ms = WECHAT_TIMEOUT_MS };
	return request_fetch(r, &f);
}

enum next wechat_ask(struct request *r)
{
	const struct identity *context = request_context(r);
	struct wechat_state *s = request_state(r);
	struct arena *a = request_arena(r);
	struct str appid = percent_encode(a, context->wechat_appid), secret = percent_encode(a, context->wechat_secret);
	struct str code = percent_encode(a, request_value(r, "body.code"));
	s->url =
	    arena_printf(a, "%.*s/sns/jscode2session?appid=%.*s&secret=%.*s&js_code=%.*s&grant_type=authorization_code",
		STR_FMT(context->wechat_url), STR_FMT(appid), STR_FMT(secret), STR_FMT(code));
	if (!s->url.p) return request_fail(r, ERR_MEMORY, NULL);
	return ask(r);
}

/* ERR_NONE and the object, when there is one to look at. */
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

enum next wechat_pause(struct request *r)
{
	struct wechat_state *s = request_state(r);
	const struct json *v;
	s->again = read_reply(r, &v) == ERR_NONE && json_get_i64(v, "errcode", 0) == -1;
	return s->again ? request_sleep(r, BUSY_PAUSE_MS) : NEXT_STEP;
}

/* A busy WeChat did not look at the code, so it is still good. */
enum next wechat_ask_again(struct request *r)
{
	const struct wechat_state *s = request_state(r);
	return s->again ? ask(r) : NEXT_STEP;
}

/* Binds of citizen_sign_in. A person's openid lies under a key of its own; destroying that erases it. */
static enum err seal_account(struct request *r, struct str openid, struct str unionid, struct str session_key)
{
	struct arena *a = request_arena(r);
	const struct vault *v = service_vault(request_service(r));
	const struct identity *context = request_context(r);
	unsigned char key[AES_KEY_BYTES];
	struct str wrapped, sealed;
	TRY(vault_new_key(v, a, key, &wrapped));
	enum err e = field_seal(a, key, STR("identity.citizen_account.openid"), openid, &sealed);
	if (e == ERR_NONE) {
		request_set(r, "flow.openid_sealed", bytea_text(a, sealed));
		if (unionid.n) e = field_seal(a, key, STR("identity.citizen_account.unionid"), unionid, &sealed);
	}
	crypto_wipe(key, sizeof key);
	if (e != ERR_NONE) return e;
	if (unionid.n) {
		request_set(r, "flow.unionid_sealed", bytea_text(a, sealed));
		request_set(r, "flow.unionid_index", blind_index(v, a, STR("identity.unionid"), unionid));
	}
	request_set(r, "flow.wrapped_key", bytea_text(a, wrapped));
	request_set(r, "flow.appid", context->wechat_appid);
	request_set(r, "flow.openid_index", blind_index(v, a, STR("identity.openid"), openid));
	return seal_bind(r, "flow.session_key_sealed", STR("identity.session_key"), session_key);
}

static enum next refused(struct request *r, enum err e)
{
	if (e == ERR_TOO_MANY_REQUESTS) request_retry_after(r, QUOTA_RETRY_S);
	return request_fail(r, e, NULL);
}

enum next wechat_read(struct request *r)
{
	struct wechat_state *s = request_state(r);
	const struct json *v = NULL;
	char session[UUID_TEXT_BYTES];
	enum err e = read_reply(r, &v);
	if (e == ERR_NONE) e = wechat_login_error(json_get_i64(v, "errcode", 0));
	if (e != ERR_NONE) return refused(r, e);
	struct str openid = json_get_str(v, "openid"), unionid = json_get_str(v, "unionid"),
		   session_key = json_get_str(v, "session_key");
	bool whole = openid.n && openid.n <= OPENID_BYTES_MAX && unionid.n <= OPENID_BYTES_MAX && session_key.n &&
		     session_key.n <= OPENID_BYTES_MAX;
	if (!whole) return request_fail(r, ERR_LOGIN_PROVIDER, "openid or session_key is missing");
	e = seal_account(r, openid, unionid, session_key);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	id_uuid7(session);
	s->refresh_token = secret_new(request_arena(r));
	note_caller(r);
	request_set(r, "flow.session", str_span(session, sizeof session));
	request_set(r, "flow.refresh_sha256", sha256_hex(request_arena(r), s->refresh_token));
	return request_query(r, "citizen_sign_in");
}

enum next wechat_answer(struct request *r)
{
	struct wechat_state *s = request_state(r);
	if (!str_eq(request_column(r, 0, "state"), STR("ACTIVE"))) return request_fail(r, ERR_USER_BLOCKED, NULL);
	s->principal = (struct principal){ .kind = PRINCIPAL_CITIZEN,
		.subject = request_column(r, 0, "citizen"),
		.scopes = request_column(r, 0, "scopes"),
		.session = request_value(r, "flow.session"),
		.client = STR("mini-program") };
	return tokens_answer(r, &s->principal, s->refresh_token, STR_NONE);
}
