/*
 * The life of one request at the gateway: the table below. A step does its part and says how to go on; one that starts something
 * asynchronous returns NEXT_WAIT, and the next one sees the outcome. When nothing waits, a request runs from its body to the
 * service in one go, without a wake-up. NEXT_FAIL and NEXT_DONE go straight to "respond".
 */
#include "gateway/request.h"

struct step {
	enum stage stage;
	const char *name;
	enum next (*run)(struct request *r);
};

static const struct step table[] = {
	/* clang-format off */
	{ AT_HEAD,   "receive",       route_receive },     /* ids, trace, method override */
	{ AT_HEAD,   "normalise",     route_normalise },   /* one path for routing, authorization and the service */
	{ AT_HEAD,   "route",         route_find },        /* → operation, or the methods of the path */
	{ AT_BODY,   "limit address", limit_address },
	{ AT_BODY,   "redirect",      transport_redirect }, /* plain HTTP, if it is not served */
	{ AT_BODY,   "serve page",    pages_serve },       /* /, /docs, /problems/…, /openapi.json */
	{ AT_BODY,   "preflight",     preflight_answer },  /* OPTIONS, 404, 405 */
	{ AT_BODY,   "authenticate",  auth_authenticate }, /* may wait for a key set or an API key */
	{ AT_BODY,   "identify",      auth_identify },
	{ AT_BODY,   "claim nonce",   proof_claimed },     /* of a signed request */
	{ AT_BODY,   "bind",          transport_bind },    /* to the connection's certificate */
	{ AT_BODY,   "authorize",     auth_authorize },
	{ AT_BODY,   "limit rate",    limit_rate },        /* may wait 10 ms for Redis, no more */
	{ AT_BODY,   "decode body",   decode_body },       /* gzip, br: under the operation's limit */
	{ AT_BODY,   "serve own",     own_serve },         /* operations of the gateway itself: proto/gateway.yaml */
	{ AT_BODY,   "look up",       cached_look_up },    /* may wait: were its tags purged? */
	{ AT_BODY,   "join flight",   cached_join_flight },
	{ AT_BODY,   "look up shared", cached_look_up_shared }, /* in Redis */
	{ AT_BODY,   "take lease",    cached_take_lease }, /* of expensive reads, among all processes */
	{ AT_BODY,   "forward",       forward_send },      /* waits for the service */
	{ AT_ANSWER, "code answer",   encode_answer },     /* gzip, br: of what anybody may see */
	{ AT_ANSWER, "respond",       respond_write },     /* waits for the client to take it */
	{ AT_END,    "record",        record_write },
	/* clang-format on */
};

/* Requests of plain proxy routes: no contract, no credentials of ours. */
static const struct step proxy_table[] = {
	/* clang-format off */
	{ AT_HEAD,   "receive",       proxy_receive },
	{ AT_BODY,   "limit address", limit_address },
	{ AT_BODY,   "serve",         proxy_serve },       /* from the store or the origin; answers by itself */
	{ AT_ANSWER, "respond",       respond_write },     /* problems only */
	{ AT_END,    "record",        record_write },
	/* clang-format on */
};

static const struct step *step_of(const struct request *r)
{
	unsigned count = r->proxied ? ARRAY_LEN(proxy_table) : ARRAY_LEN(table);
	if (r->step >= count) return NULL;
	return r->proxied ? &proxy_table[r->step] : &table[r->step];
}

static void skip_to_answer(struct request *r)
{
	while (step_of(r)->stage < AT_ANSWER) r->step++;
}

void steps_run(struct request *r, enum stage stage)
{
	if (stage > r->reached) r->reached = stage;
	for (const struct step *s; (s = step_of(r)) && s->stage <= r->reached;) {
		r->step++;
		enum next next = s->run(r);
		if (next == NEXT_WAIT) return; /* r may be gone */
		if (next != NEXT_STEP) skip_to_answer(r);
	}
}

void steps_answer(struct request *r)
{
	skip_to_answer(r);
	steps_run(r, AT_ANSWER);
}

void steps_fail(struct request *r)
{
	steps_answer(r);
}

void steps_end(struct request *r)
{
	while (step_of(r)->stage < AT_END) r->step++; /* a client that left in the middle of its body gets no answer */
	steps_run(r, AT_END);
}

/* ── what every step uses ── */

static void forget(void *arg)
{
	struct request *r = arg;
	--*r->gateway->in_flight;
	cached_forget(r);
	proxy_route_release(r->proxy);
	plan_release(r->plan);
}

struct request *request_new(struct gateway *g, struct http_exchange *x)
{
	struct request *r = ARENA_NEW(&x->arena, struct request);
	if (!r) return NULL;
	r->gateway = g;
	r->x = x;
	r->plan = g->plan ? plan_share(g->plan) : NULL;
	r->metrics = &g->unmatched;
	r->method = x->method;
	r->client = client_address(&g->limiting.trusted, &x->arena, x->fields, x->peer);
	++*g->in_flight;
	x->user = r;
	arena_on_release(&x->arena, forget, r); /* however the exchange ends */
	return r;
}

void request_use_proxy(struct request *r, struct proxy_route *route)
{
	CHECK(r->step == 0);
	r->proxied = true;
	if (!route) return;
	r->proxy = proxy_route_share(route);
	r->metrics = &route->metrics;
}

void request_refused(struct request *r, struct http_exchange *x, enum err why)
{
	if (!r) {
		http_respond(x, &(struct http_response){ .status = err_info(why)->status, .close = true });
		return;
	}
	if (limit_address(r) != NEXT_FAIL)
		r->problem = (struct problem){ .err = why, .retry_after_s = why == ERR_BUSY ? 1 : 0 };
	steps_fail(r);
}

void request_finished(void *arg, struct http_exchange *x, int status, size_t bytes_sent)
{
	struct request *r = x->user;
	(void)arg;
	if (!r) return;
	r->sent_status = status;
	r->sent_bytes = bytes_sent;
	steps_end(r);
}

enum language request_language(const struct request *r)
{
	return http_language(r->x->fields);
}

enum next request_fail(struct request *r, enum err e)
{
	r->problem.err = e;
	return NEXT_FAIL;
}

enum next request_fail_detail(struct request *r, enum err e, const char *en, const char *zh)
{
	r->problem.detail = str_of(request_language(r) == LANGUAGE_EN ? en : zh);
	return request_fail(r, e);
}

enum next request_fail_behind(struct request *r, enum err e, enum err behind)
{
	r->behind = behind;
	return request_fail(r, e);
}

enum next request_answer(struct request *r, int status, struct str type, const struct http_field *fields,
    unsigned field_count, struct str body)
{
	r->answer = (struct http_response){
		.status = status, .content_type = type, .fields = fields, .field_count = field_count, .body = body
	};
	return NEXT_DONE;
}
