/*
 * What the connection itself has to do with a request: plain HTTP may be sent to https, and a credential that is bound to a client
 * certificate (RFC 8705) is good only on a connection that has proved it. A bad certificate was taken by the handshake so that its
 * owner can be told here, in words, what is wrong with it.
 */
#include "gateway/request.h"

#include "common/core/clock.h"

enum next transport_redirect(struct request *r)
{
	const struct settings *s = &r->gateway->settings;
	const struct http_exchange *x = r->x;
	if (!s->redirect_plain || x->secure) return NEXT_STEP;
	struct http_field *location = ARENA_NEW(&r->x->arena, struct http_field);
	struct str to = x->query.p ? arena_printf(&r->x->arena, "%.*s%.*s?%.*s", STR_FMT(s->public_url),
					 STR_FMT(r->path), STR_FMT(x->query))
				   : arena_printf(&r->x->arena, "%.*s%.*s", STR_FMT(s->public_url), STR_FMT(r->path));
	if (!location || !to.p) return request_fail(r, ERR_MEMORY);
	*location = (struct http_field){ STR("Location"), to };
	return request_answer(r, 308, STR_NONE, location, 1, STR(""));
}

static enum tls_verdict verdict_now(const struct tls_client *c)
{
	return c->verdict == TLS_CLIENT_GOOD && clock_wall_s() >= c->not_after_s ? TLS_CLIENT_EXPIRED : c->verdict;
}

static struct str thumbprint(const struct tls_client *c)
{
	return str_span(c->thumbprint, sizeof c->thumbprint);
}

struct str transport_certificate(const struct request *r)
{
	const struct tls_client *c = r->x->certificate;
	if (!c) return STR_NONE;
	switch (verdict_now(c)) {
	case TLS_CLIENT_GOOD:
		return thumbprint(c);
	case TLS_CLIENT_EXPIRED:
		return STR("expired");
	case TLS_CLIENT_UNTRUSTED:
		break;
	}
	return STR("untrusted");
}

enum next transport_bind(struct request *r)
{
	struct str bound = r->caller.principal.certificates;
	if (!bound.n) return NEXT_STEP;
	const struct tls_client *c = r->x->certificate;
	if (!c)
		return request_fail_detail(r, ERR_CLIENT_CERTIFICATE,
		    "This credential is bound to a client certificate: connect by TLS with it.",
		    "该凭证已绑定客户端证书，请使用该证书建立 TLS 连接。");
	switch (verdict_now(c)) {
	case TLS_CLIENT_GOOD:
		break;
	case TLS_CLIENT_EXPIRED:
		return request_fail_detail(
		    r, ERR_CLIENT_CERTIFICATE, "The client certificate has expired.", "客户端证书已过期。");
	case TLS_CLIENT_UNTRUSTED:
		return request_fail_detail(r, ERR_CLIENT_CERTIFICATE,
		    "The client certificate is not issued by an authority that is trusted here.",
		    "客户端证书不是由本平台信任的机构签发。");
	}
	if (str_list_has(bound, ' ', thumbprint(c))) return NEXT_STEP;
	return request_fail_detail(r, ERR_CLIENT_CERTIFICATE, "This credential is bound to another client certificate.",
	    "该凭证绑定的是另一张客户端证书。");
}
