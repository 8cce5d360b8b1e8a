/* What is answered when no operation was met: OPTIONS with and without CORS, 404, 405. */
#include "gateway/request.h"

static const struct str MAX_AGE = { "7200", 4 };

/* The operation that a preflight asks for, or NULL. */
static const struct operation *asked_operation(struct request *r, struct str method)
{
	struct route route;
	if (contract_route(r->plan->contract, &r->x->arena, method, r->path, &route) != ERR_NONE) return NULL;
	return route.operation && route.operation->access != ACCESS_INTERNAL ? route.operation : NULL;
}

static bool has_method(struct str allow, struct str method)
{
	struct str part;
	while (str_cut(&allow, ',', &part))
		if (str_eq(str_trim(part), method)) return true;
	return false;
}

static enum next answer_cors(struct request *r, struct str origin, struct str method)
{
	const struct operation *op = asked_operation(r, method);
	enum cors_verdict verdict = cors_decide(&r->gateway->cors, origin, op && op->access == ACCESS_PUBLIC);
	if (verdict == CORS_FORBIDDEN) return request_fail(r, ERR_ORIGIN_FORBIDDEN);
	struct http_field *f = arena_array(&r->x->arena, 5, sizeof *f);
	if (!f) return request_fail(r, ERR_MEMORY);
	f[0] = (struct http_field){ STR("Access-Control-Allow-Methods"), r->allow };
	f[1] = (struct http_field){ STR("Access-Control-Allow-Headers"), CORS_ALLOW_HEADERS };
	f[2] = (struct http_field){ STR("Access-Control-Max-Age"), MAX_AGE };
	f[3] = (struct http_field){ STR("Vary"), STR("Access-Control-Request-Method, Access-Control-Request-Headers") };
	f[4] = (struct http_field){ STR("Access-Control-Allow-Origin"), verdict == CORS_ANY ? STR("*") : origin };
	return request_answer(r, 204, STR_NONE, f, 5, STR_NONE);
}

static enum next answer_options(struct request *r)
{
	struct http_field *f = arena_array(&r->x->arena, 2, sizeof *f);
	if (!f) return request_fail(r, ERR_MEMORY);
	unsigned count = 0;
	f[count++] = (struct http_field){ STR("Allow"), r->allow };
	if (has_method(r->allow, STR("PATCH"))) {
		const struct operation *patch = asked_operation(r, STR("PATCH"));
		if (patch && patch->body_type.n)
			f[count++] = (struct http_field){ STR("Accept-Patch"), patch->body_type };
	}
	return request_answer(r, 204, STR_NONE, f, count, STR_NONE);
}

enum next preflight_answer(struct request *r)
{
	if (r->operation) return NEXT_STEP;
	bool options = str_eq(r->method, STR("OPTIONS"));
	if (options && str_eq(r->path, STR("*")))
		r->allow = STR("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
	else if (!r->allow.p)
		r->allow = plan_allowed_methods(r->plan, &r->x->arena, r->path);
	if (!r->allow.p) return request_fail(r, r->x->arena.overflow ? ERR_MEMORY : ERR_NOT_FOUND);
	if (!options) return request_fail(r, ERR_METHOD_NOT_ALLOWED);
	struct str origin = http_get(r->x->fields, STR("origin"));
	struct str method = http_get(r->x->fields, STR("access-control-request-method"));
	if (origin.p && method.p && cors_enabled(&r->gateway->cors)) return answer_cors(r, origin, method);
	return answer_options(r);
}
