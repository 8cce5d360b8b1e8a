/*
 * serve own: what the gateway itself is asked for. A table of functions by operation; bodies are checked against the contract here as
 * services do it.
 */
#include "gateway/own.h"

#include "common/core/log.h"
#include "common/json/json_write.h"
#include "gateway/request.h"

struct own {
	struct str operation;
	enum next (*serve)(struct request *r, const struct json *body);
};

/* ---- cache_purge_create ---- */

static enum next answer_purge(struct request *r, int64_t tags, bool confirmed)
{
	struct buf *out = &r->gateway->scratch;
	struct json_writer w;
	buf_reset(out);
	json_write_init(&w, out);
	json_begin_object(&w);
	json_put_member_i64(&w, "tags", tags);
	json_put_member_bool(&w, "confirmed", confirmed);
	json_end_object(&w);
	struct str body = arena_str(&r->x->arena, buf_view(out));
	static const struct http_field no_store = { { "Cache-Control", 13 }, { "no-store", 8 } };
	if (!body.p) return request_fail(r, ERR_MEMORY);
	return request_answer(r, 200, STR("application/json"), &no_store, 1, body);
}

/* Who purged what: one line of its own, beside that of the access log. */
static void log_purge(const struct request *r, const struct json *tags)
{
	log_begin(LOG_INFO, "cache purged");
	log_str("kind", principal_kind_name(r->caller.principal.kind));
	log_str("subject", r->caller.principal.subject);
	log_int("tags", (int64_t)json_count(tags));
	log_str("first", json_string(json_first(tags)));
	log_str("request_id", str_span(r->id, sizeof r->id));
	log_end();
}

static void purge_confirmed(void *arg)
{
	struct request *r = arg;
	(void)answer_purge(r, r->own_count, tags_purges_pending(r->gateway->cache->tags) == 0);
	steps_answer(r);
}

static enum next cache_purge_create(struct request *r, const struct json *body)
{
	const struct json *list = json_get(body, STR("tags"));
	struct str tags[TAGS_PER_PURGE_MAX];
	unsigned count = 0;
	CHECK(list && json_count(list) > 0);
	/* The scope holds at a unit and below; the cache is everybody's: only at the topmost unit does one have all of it. */
	if (str_index(r->caller.principal.organization, '/') >= 0)
		return request_fail_detail(r, ERR_INSUFFICIENT_SCOPE,
		    "The cache belongs to all units: sign in at the topmost one.",
		    "缓存为各单位共有，请以最上级单位的身份登录。");
	for (const struct json *i = json_first(list); i && count < TAGS_PER_PURGE_MAX; i = json_next(i))
		tags[count++] = json_string(i);
	log_purge(r, list);
	r->own_count = count;
	struct tags *t = r->gateway->cache->tags;
	if (r->gateway->stopped || !t) return request_fail(r, ERR_ABORTED);
	if (tags_purge(t, tags, count, purge_confirmed, r) == ERR_NONE) return NEXT_WAIT;
	return answer_purge(r, count, r->gateway->cache->l2 == NULL); /* alone: everybody knows */
}

/* ---- all of them ---- */

static const struct own table[] = {
	{ { "cache_purge_create", 18 }, cache_purge_create },
};

bool own_has(struct str operation_id)
{
	for (unsigned i = 0; i < ARRAY_LEN(table); i++)
		if (str_eq(table[i].operation, operation_id)) return true;
	return false;
}

static struct str header_of(const void *request, struct str name)
{
	return http_get(((const struct request *)request)->x->fields, name);
}

/* As services do it: UTF-8 JSON; a coding has been undone before (decode.c). */
static bool is_readable(const struct request *r)
{
	struct str type = http_get(r->x->fields, STR("content-type"));
	return http_is_type(type, STR("application/json")) && http_is_utf8(type);
}

static enum next check(struct request *r, const struct json **body)
{
	struct arena *a = &r->x->arena;
	struct violations v;
	struct bound_parameters parameters;
	struct route route = { .operation = r->operation, .path_value_count = r->path_value_count };
	struct json_error error;
	violations_init(&v, a);
	memcpy(route.path_values, r->path_values, sizeof route.path_values);
	enum err e = contract_bind_parameters(r->operation, a, &route, r->x->query, header_of, r, &parameters, &v);
	if (e != ERR_NONE) return request_fail(r, e);
	if (r->x->body.n == 0) return request_fail(r, ERR_MALFORMED_JSON);
	if (!is_readable(r)) return request_fail(r, ERR_UNSUPPORTED_MEDIA_TYPE);
	if ((e = json_read(a, r->x->body, JSON_DEPTH_MAX, body, &error)) != ERR_NONE) return request_fail(r, e);
	schema_validate(r->operation->body, *body, STR(""), &v);
	if (a->overflow) return request_fail(r, ERR_MEMORY);
	if (!v.count) return NEXT_STEP;
	bool unknown_only = true;
	for (const struct violation *i = v.first; i; i = i->next)
		unknown_only &= str_eq(i->code, STR("unknown")) && !i->pointer.p;
	r->problem.violations = v.first;
	return request_fail(r, unknown_only ? ERR_UNKNOWN_PARAMETER : ERR_VALIDATION_FAILED);
}

enum next own_serve(struct request *r)
{
	if (!r->operation || !own_is(r->operation)) return NEXT_STEP;
	const struct json *body;
	enum next next = check(r, &body);
	for (unsigned i = 0; next == NEXT_STEP && i < ARRAY_LEN(table); i++)
		if (str_eq(table[i].operation, r->operation->id)) return table[i].serve(r, body);
	return next == NEXT_STEP ? request_fail(r, ERR_NOT_FOUND) : next;
}
