/*
 * authenticate, identify, authorize. A credential that is shown must be good, on public operations too: a client with an old token
 * must hear so, not silently become anonymous. Only unknown schemes on public operations are left alone (Basic of /oauth/token).
 */
#include "gateway/request.h"

#include "common/core/clock.h"

static void woken_by_keyring(struct keyring_wait *w)
{
	steps_run(CONTAINER_OF(w, struct request, wait.keyring), AT_BODY);
}

static void woken_by_credentials(struct credential_wait *w)
{
	steps_run(CONTAINER_OF(w, struct request, wait.credential), AT_BODY);
}

static enum next refuse(struct request *r, enum err e)
{
	if (e == ERR_BUSY || e == ERR_UNAVAILABLE || e == ERR_SAFE_RETRY_LATER) {
		r->problem.retry_after_s = 1;
		return request_fail_detail(
		    r, ERR_UNAVAILABLE, "The identity service is not reachable.", "身份服务暂时无法连接。");
	}
	return request_fail(r, e);
}

static enum next authenticate_anonymous(struct request *r)
{
	enum err e = credentials_anonymous(r->gateway->credentials, &r->x->arena, clock_wall_s(), &r->caller);
	r->known = e == ERR_NONE;
	return r->known ? NEXT_STEP : refuse(r, e);
}

static enum next authenticate_token(struct request *r)
{
	struct gateway *g = r->gateway;
	enum err e = credentials_token(g->credentials, &r->x->arena, r->credential.secret, clock_wall_s(), &r->caller);
	r->known = e == ERR_NONE;
	if (r->known) return NEXT_STEP;
	if (e != ERR_RETRY) return refuse(r, e);
	r->wait.keyring.wake = woken_by_keyring;
	return keyring_ask(g->keyring, r->credential.secret, &r->wait.keyring) ? NEXT_WAIT : NEXT_STEP;
}

static enum next authenticate_api_key(struct request *r)
{
	struct credentials *c = r->gateway->credentials;
	enum err e = credentials_api_key(c, &r->x->arena, r->credential.secret, clock_wall_s(), &r->caller);
	r->known = e == ERR_NONE;
	if (r->known) return NEXT_STEP;
	if (e != ERR_RETRY) return refuse(r, e);
	r->wait.credential.wake = woken_by_credentials;
	e = credentials_resolve(c, r->credential.secret, &r->wait.credential);
	return e == ERR_NONE ? NEXT_WAIT : refuse(r, e);
}

enum next auth_authenticate(struct request *r)
{
	if (credential_read(r->x->fields, &r->credential) != ERR_NONE)
		return request_fail_detail(
		    r, ERR_MALFORMED_REQUEST, "Show one credential only.", "只能携带一种身份凭证。");
	switch (r->credential.kind) {
	case CREDENTIAL_NONE:
	case CREDENTIAL_OTHER:
		return authenticate_anonymous(r);
	case CREDENTIAL_TOKEN:
		return authenticate_token(r);
	case CREDENTIAL_API_KEY:
		return authenticate_api_key(r);
	case CREDENTIAL_SIGNATURE:
		return proof_begin(r);
	}
	return request_fail(r, ERR_INTERNAL);
}

enum next auth_identify(struct request *r)
{
	struct credentials *c = r->gateway->credentials;
	if (r->known) return NEXT_STEP;
	if (r->credential.kind == CREDENTIAL_SIGNATURE) return proof_check(r);
	enum err e;
	if (r->credential.kind == CREDENTIAL_TOKEN) {
		e = credentials_verify(c, &r->x->arena, r->credential.secret, clock_wall_s(), &r->caller);
	} else {
		e = r->wait.credential.outcome;
		if (e == ERR_NONE)
			e = credentials_api_key(c, &r->x->arena, r->credential.secret, clock_wall_s(), &r->caller);
		if (e == ERR_RETRY || e == ERR_BAD_UPSTREAM) e = ERR_UNAVAILABLE;
	}
	r->known = e == ERR_NONE;
	return r->known ? NEXT_STEP : refuse(r, e);
}

enum next auth_authorize(struct request *r)
{
	const struct operation *op = r->operation;
	if (op->access == ACCESS_PUBLIC) return NEXT_STEP;
	if (r->caller.principal.kind == PRINCIPAL_ANONYMOUS)
		return request_fail(r, op->schemes & SCHEME_TOKEN ? ERR_UNAUTHENTICATED : ERR_SIGNATURE_INVALID);
	if (!(op->schemes & (r->credential.kind == CREDENTIAL_SIGNATURE ? SCHEME_SIGNATURE : SCHEME_TOKEN)))
		return request_fail_detail(
		    r, ERR_SIGNATURE_INVALID, "This operation takes signed requests only.", "此接口只接受签名请求。");
	for (unsigned i = 0; i < op->scope_count; i++)
		if (scope_has(r->caller.principal.scopes, op->scopes[i])) return NEXT_STEP;
	return op->scope_count ? request_fail(r, ERR_INSUFFICIENT_SCOPE) : NEXT_STEP;
}
