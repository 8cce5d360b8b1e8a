/* receive, normalise, route: from the head alone, so that the body's limit is known before a byte of it is taken. */
#include "gateway/request.h"

#include "common/core/id.h"
#include "gateway/fields.h"

enum { OWN_TIMEOUT_MS = 10000 };

static enum next override_method(struct request *r)
{
	struct str name = STR("x-http-method-override"), to = http_get(r->x->fields, name);
	if (!to.p) return NEXT_STEP;
	if (!str_eq(r->method, STR("POST")) || !str_eq(to, STR("PATCH")) || http_count(r->x->fields, name) > 1)
		return request_fail(r, ERR_OVERRIDE_INVALID);
	r->method = STR("PATCH");
	return NEXT_STEP;
}

enum next route_receive(struct request *r)
{
	id_uuid7(r->id);
	r->deadline_ms = loop_now_ms(r->gateway->loop) + OWN_TIMEOUT_MS;
	enum err e = fields_drop_named(&r->x->arena, &r->x->fields);
	trace_begin(&r->trace, &r->x->arena, r->x->fields);
	if (r->gateway->otlp) otlp_sample(r->gateway->otlp, &r->trace);
	return e == ERR_NONE ? override_method(r) : request_fail(r, e);
}

enum next route_normalise(struct request *r)
{
	if (str_eq(r->x->target, STR("*"))) { /* "OPTIONS *": the server as a whole */
		r->path = STR("*");
		return str_eq(r->method, STR("OPTIONS")) ? NEXT_STEP : request_fail(r, ERR_MALFORMED_REQUEST);
	}
	enum err e = contract_normalize_path(&r->x->arena, r->x->path, &r->path);
	return e == ERR_NONE ? NEXT_STEP : request_fail(r, e);
}

static bool is_known_method(struct str m)
{
	return str_eq(m, STR("GET")) || str_list_has(STR("GET HEAD POST PUT PATCH DELETE OPTIONS"), ' ', m);
}

/* Finds the operation. That there is none is told later, by the page and preflight steps: some paths are the gateway's own. */
enum next route_find(struct request *r)
{
	struct route route;
	if (!is_known_method(r->method)) return request_fail(r, ERR_NOT_IMPLEMENTED);
	enum err e = contract_route(r->plan->contract, &r->x->arena, r->method, r->path, &route);
	if (e == ERR_MEMORY) return request_fail(r, e);
	if (e != ERR_NONE || !route.operation || route.operation->access == ACCESS_INTERNAL) return NEXT_STEP;
	const struct operation_plan *plan = &r->plan->operations[route.operation->index];
	r->operation = route.operation;
	r->path_value_count = route.path_value_count;
	for (unsigned i = 0; i < route.path_value_count; i++) r->path_values[i] = route.path_values[i];
	r->metrics = &plan->metrics;
	r->deadline_ms += plan->timeout_ms - OWN_TIMEOUT_MS;
	return NEXT_STEP;
}
