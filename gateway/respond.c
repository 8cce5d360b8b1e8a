/* respond: the service's answer, the gateway's own, or a problem, with the fields that every answer carries. */
#include "gateway/request.h"

#include "common/http/problem.h"
#include "gateway/fields.h"

enum { OWN_FIELDS_MAX = 12 };

struct answer_fields {
	struct http_field *items;
	unsigned count;
	unsigned cap;
};

static void add(struct answer_fields *f, struct str name, struct str value)
{
	CHECK(f->count < f->cap);
	f->items[f->count++] = (struct http_field){ name, value };
}

static bool make_fields(struct request *r, struct answer_fields *f, unsigned more)
{
	*f = (struct answer_fields){ .cap = more + OWN_FIELDS_MAX };
	f->items = arena_array(&r->x->arena, f->cap, sizeof *f->items);
	return f->items != NULL;
}

/* RFC 6750 3: what is missing or wrong, and which scopes would do. */
static struct str challenge(struct request *r, enum err e)
{
	if (e == ERR_UNAUTHENTICATED || e == ERR_SIGNATURE_INVALID) return STR("Bearer realm=\"yangguang\"");
	if (e == ERR_TOKEN_EXPIRED)
		return STR("Bearer realm=\"yangguang\", error=\"invalid_token\", error_description=\"The access token "
			   "expired\"");
	if (e != ERR_INSUFFICIENT_SCOPE) return STR("Bearer realm=\"yangguang\", error=\"invalid_token\"");
	struct str scopes = STR("");
	for (unsigned i = 0; r->operation && i < r->operation->scope_count; i++)
		scopes = arena_printf(
		    &r->x->arena, "%.*s%s%.*s", STR_FMT(scopes), i ? " " : "", STR_FMT(r->operation->scopes[i]));
	return arena_printf(
	    &r->x->arena, "Bearer realm=\"yangguang\", error=\"insufficient_scope\", scope=\"%.*s\"", STR_FMT(scopes));
}

/* RFC 9209 2.3: what the next hop did, in one of the words registered for it. Which hop it was is nobody's business. */
static struct str proxy_status(enum err behind)
{
	switch ((int)behind) {
	case ERR_TIMEOUT:
		return STR("yangguang; error=http_response_timeout");
	case ERR_BAD_UPSTREAM:
		return STR("yangguang; error=http_protocol_error");
	case ERR_CLOSED:
		return STR("yangguang; error=connection_terminated");
	case ERR_BUSY:
	case ERR_REDUCED_CAPACITY:
		return STR("yangguang; error=connection_limit_reached");
	case ERR_SAFE_RETRY_LATER:
		return STR("yangguang; error=destination_unavailable");
	default:
		return STR_NONE;
	}
}

static void respond_problem(struct request *r, struct answer_fields *f, struct http_response *out)
{
	struct buf *body = &r->gateway->scratch;
	enum language language = request_language(r);
	enum err e = r->problem.err;
	struct str violated[RATE_WINDOWS_MAX];
	buf_reset(body);
	r->problem.violated_policies = violated;
	r->problem.violated_count = limit_violated(&r->limit, violated);
	problem_write(body, &r->problem, language, str_span(r->id, sizeof r->id));
	r->problem.violated_count = 0; /* their names were ours for this moment */
	r->problem.violated_policies = NULL;
	out->status = problem_status(&r->problem);
	out->content_type = STR("application/problem+json");
	out->body = buf_ok(body) ? buf_view(body) : STR_NONE;
	add(f, STR("Content-Language"), language == LANGUAGE_EN ? STR("en") : STR("zh-CN"));
	add(f, STR("Cache-Control"), STR("no-store"));
	if (proxy_status(r->behind).p) add(f, STR("Proxy-Status"), proxy_status(r->behind));
	if (out->status == 405) add(f, STR("Allow"), r->allow);
	if (out->status == 401 || e == ERR_INSUFFICIENT_SCOPE) add(f, STR("WWW-Authenticate"), challenge(r, e));
	if (e == ERR_SIGNATURE_INVALID) add(f, STR("Accept-Signature"), PROOF_WANTED);
	if (out->status == 415) add(f, STR("Accept-Encoding"), STR("gzip, br"));
	if (r->problem.retry_after_s)
		add(f, STR("Retry-After"), arena_printf(&r->x->arena, "%d", r->problem.retry_after_s));
}

static void respond_reply(struct request *r, struct answer_fields *f, struct http_response *out)
{
	const struct http_reply *reply = r->reply;
	struct str connection = fields_connection(&r->x->arena, reply->fields);
	bool cache_control = false;
	out->status = reply->status;
	out->body = reply->body;
	for (unsigned i = 0; i < reply->fields.count; i++) {
		const struct http_field *field = &reply->fields.items[i];
		if (field->name.n == 12 && str_eq_ci(field->name, STR("content-type")))
			out->content_type = field->value;
		if (!fields_pass_reply(field->name, connection)) continue;
		if (field->name.n == 13 && str_eq_ci(field->name, STR("cache-control"))) cache_control = true;
		f->items[f->count++] = *field;
	}
	if (!cache_control) add(f, STR("Cache-Control"), STR("private, no-store"));
}

/* What encode.c has decided. */
static void add_coding(struct request *r, struct answer_fields *f, struct http_response *out)
{
	if (r->varies) add(f, STR("Vary"), STR("Accept-Encoding"));
	for (unsigned i = 0; r->etag.p && i < f->count; i++)
		if (f->items[i].name.n == 4 && str_eq_ci(f->items[i].name, STR("etag"))) f->items[i].value = r->etag;
	if (!r->coded.p) return;
	out->body = r->coded;
	add(f, STR("Content-Encoding"), coding_name(r->coding));
}

/* From the cache: everything that is always the same stands ready in the entry. */
static void respond_entry(struct request *r, struct serve *s, struct http_response *out)
{
	struct cache *c = r->gateway->cache;
	serve_entry(s, r->cache.entry, r->x, loop_now_ms(r->gateway->loop), r->cache.how);
	*out = s->response;
	if (r->cache.outcome != CACHE_MISS) *c->hit_bytes += out->body.n;
}

/* What every answer says, and what the cache says of this one: nothing in it needs to be checked for bytes that break a head. */
static struct str own_lines(struct request *r, struct str of_cache)
{
	static const struct str sniff = STR("\r\nX-Content-Type-Options: nosniff\r\n"),
				strict = STR("Strict-Transport-Security: max-age=31536000\r\n"),
				id = STR("Request-Id: ");
	bool is_strict = r->x->secure && r->gateway->public_https;
	size_t bytes = of_cache.n + id.n + sizeof r->id + sniff.n + limit_lines_bytes(&r->limit) + strict.n;
	char *text = arena_alloc(&r->x->arena, bytes), *to = text;
	if (!text) return STR_NONE;
	to = str_put(to, of_cache);
	to = limit_lines(&r->limit, to);
	to = str_put(to, id);
	to = str_put(to, str_span(r->id, sizeof r->id));
	to = str_put(to, sniff);
	if (is_strict) to = str_put(to, strict);
	return str_span(text, (size_t)(to - text));
}

static void add_cors(struct request *r, struct answer_fields *f)
{
	const struct cors *c = &r->gateway->cors;
	if (!cors_enabled(c)) return;
	add(f, STR("Vary"), STR("Origin"));
	struct str origin = http_get(r->x->fields, STR("origin"));
	if (!origin.p) return;
	for (unsigned i = 0; i < f->count; i++) /* a preflight has said it already */
		if (str_eq(f->items[i].name, STR("Access-Control-Allow-Origin"))) return;
	bool public_answer = r->operation ? r->operation->access == ACCESS_PUBLIC : r->metrics == &r->gateway->pages;
	enum cors_verdict verdict = cors_decide(c, origin, public_answer);
	if (verdict == CORS_FORBIDDEN) return;
	add(f, STR("Access-Control-Allow-Origin"), verdict == CORS_ANY ? STR("*") : origin);
	add(f, STR("Access-Control-Expose-Headers"), CORS_EXPOSE_HEADERS);
}

enum next respond_write(struct request *r)
{
	struct http_response out = r->answer;
	struct answer_fields f;
	struct serve s;
	bool failed = r->problem.err != ERR_NONE;
	unsigned given = failed || r->cache.entry ? 0 : r->reply ? r->reply->fields.count : r->answer.field_count;
	if (!make_fields(r, &f, given)) { /* the arena is full: the shortest answer there is */
		http_respond(r->x, &(struct http_response){ .status = 413, .close = true });
		return NEXT_WAIT;
	}
	if (r->cache.policy) cache_count(r->gateway->cache, r->cache.outcome);
	if (failed) {
		respond_problem(r, &f, &out);
	} else if (r->cache.entry) {
		respond_entry(r, &s, &out);
	} else if (r->reply) {
		respond_reply(r, &f, &out);
		if (r->cache.policy) add(&f, STR("Cache-Status"), STR("yangguang; fwd=miss"));
	} else {
		for (unsigned i = 0; i < r->answer.field_count; i++) f.items[f.count++] = r->answer.fields[i];
	}
	if (r->varies) add_coding(r, &f, &out);
	out.tail = own_lines(r, out.tail);
	add_cors(r, &f);
	out.fields = f.items;
	out.field_count = f.count;
	r->reply = NULL;
	http_respond(r->x, &out);
	return NEXT_WAIT; /* on_finished goes on with "record" */
}
