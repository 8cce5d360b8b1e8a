/*
 * The life of one proxied request: from the store if the rules allow it, else from the origin, with what the store has as second
 * best. The order of decisions is RFC 9111 4's; the names are those of the rules.
 */
#include "common/core/clock.h"
#include "common/core/id.h"
#include "gateway/cache/serve.h"
#include "gateway/fields.h"
#include "gateway/proxy/fetch.h"
#include "gateway/request.h"

struct proxied {
	struct request *r;
	struct fetch fetch;
	uint64_t hash;
	struct directives want; /* Cache-Control of the request */
	bool unsure; /* nobody knows whether the entry was purged elsewhere, and it is not new */
	struct entry *entry; /* shared: what is being validated, or was offered */
	struct flight *flight; /* led on behalf of others */
	struct flight_wait wait;
};

static struct cache *cache_of(const struct proxied *p)
{
	return p->fetch.route->cache;
}

/* ── answers ── */

static void finish(struct proxied *p)
{
	entry_release(p->entry);
	p->entry = NULL;
}

static enum next serve(struct proxied *p, const struct entry *e, const char *how, enum cache_outcome outcome)
{
	struct serve s;
	struct http_exchange *x = p->r->x;
	serve_entry(&s, e, x, loop_now_ms(p->r->gateway->loop), how);
	cache_count(cache_of(p), outcome);
	*cache_of(p)->hit_bytes += s.response.body.n;
	http_respond(x, &s.response); /* copies: the entry may be ours alone by now */
	finish(p);
	return NEXT_WAIT;
}

static enum next fail(struct proxied *p, enum err e)
{
	struct request *r = p->r;
	finish(p);
	r->behind = e;
	if (e == ERR_CLOSED) e = ERR_BAD_UPSTREAM;
	if (e == ERR_SAFE_RETRY_LATER || e == ERR_BUSY || e == ERR_ABORTED) r->problem.retry_after_s = 1;
	return request_fail(r, e == ERR_ABORTED ? ERR_SAFE_RETRY_LATER : e);
}

/* only-if-cached: nobody behind us was asked (RFC 9111 5.2.1.7). */
static enum next not_kept(struct proxied *p)
{
	finish(p);
	return request_fail(p->r, ERR_TIMEOUT);
}

static void fail_later(struct proxied *p, enum err e)
{
	struct request *r = p->r;
	(void)fail(p, e);
	steps_fail(r);
}

/* Passes the origin's answer on as it came. */
static void pass(struct proxied *p, const struct answer *a, const char *how)
{
	struct http_exchange *x = p->r->x;
	struct http_field *fields = arena_array(&x->arena, a->fields.count + 1, sizeof *fields);
	if (!fields) {
		fail_later(p, ERR_MEMORY);
		return;
	}
	unsigned count = a->fields.count;
	memcpy(fields, a->fields.items, count * sizeof *fields);
	if (cache_of(p)) fields[count++] = (struct http_field){ STR("Cache-Status"), str_of(how) };
	finish(p);
	http_respond(
	    x, &(struct http_response){
		   .status = a->status, .reason = a->reason, .fields = fields, .field_count = count, .body = a->body });
}

static void on_interim(void *arg, int status, struct http_fields fields)
{
	struct proxied *p = CONTAINER_OF(arg, struct proxied, fetch);
	http_respond_interim(p->r->x, status, fetch_end_to_end(&p->r->x->arena, fields));
}

static enum next send(struct proxied *p, void (*done)(struct fetch *f, enum err status, const struct answer *a))
{
	p->fetch.done = done;
	p->fetch.interim = on_interim;
	if (p->r->gateway->stopped) return fail(p, ERR_ABORTED);
	enum err e = fetch_send(&p->fetch);
	return e ? fail(p, e) : NEXT_WAIT;
}

/* ── without the store ── */

static void passed(struct fetch *f, enum err status, const struct answer *a)
{
	struct proxied *p = CONTAINER_OF(f, struct proxied, fetch);
	if (status)
		fail_later(p, status);
	else
		pass(p, a, "yangguang; fwd=bypass");
}

static bool is_here(const struct fetch *f, struct str location)
{
	struct str host = http_get(f->asked, STR("host"));
	if (str_eq(location, f->target)) return true;
	return str_starts(location, STR("http://")) && location.n == 7 + host.n + f->target.n &&
	       str_eq_ci(str_span(location.p + 7, host.n), host) && str_eq(str_from(location, 7 + host.n), f->target);
}

/* The answer to POST may be kept for later GETs when it says that it is what they would get (RFC 9110 9.3.3). */
static void keep_post(struct fetch *f, const struct answer *a)
{
	struct http_fields asked = f->asked;
	if (!is_here(f, http_get(a->fields, STR("content-location")))) return;
	struct http_field *items = arena_array(f->arena, asked.count + 1, sizeof *items);
	unsigned count = 0;
	for (unsigned i = 0; items && i < asked.count; i++) {
		struct str name = asked.items[i].name;
		bool of_content = name.n > 8 && str_eq_ci(str_span(name.p, 8), STR("content-"));
		if (!of_content) items[count++] = asked.items[i];
	}
	f->asked = (struct http_fields){ items, count };
	f->stamp = tags_now(f->route->cache->tags); /* this very request has purged its URL */
	entry_release(fetch_keep(f, a, STR("POST")));
	f->asked = asked;
}

static void changed(struct fetch *f, enum err status, const struct answer *a)
{
	struct proxied *p = CONTAINER_OF(f, struct proxied, fetch);
	if (status) {
		fail_later(p, status);
		return;
	}
	fetch_invalidate(f, a);
	if (cache_of(p) && str_eq(f->method, STR("POST"))) keep_post(f, a);
	pass(p, a, "yangguang; fwd=method");
}

/* ── misses ── */

static bool is_fresh(const struct entry *e, int64_t now_ms)
{
	return !e->policy.no_cache && e->policy.lifetime_ms > entry_age_ms(e, now_ms);
}

static void land(struct proxied *p, struct entry *e)
{
	struct flight *flight = p->flight;
	p->flight = NULL;
	if (!flight) return;
	if (e && is_fresh(e, loop_now_ms(p->r->gateway->loop)))
		flight_land(flight, e);
	else
		flight_scatter(flight);
}

/* The problem is set: it is told, and somebody else may try. */
static void give_up(struct proxied *p)
{
	struct flight *flight = p->flight;
	p->flight = NULL;
	steps_fail(p->r);
	if (flight) flight_fail(flight);
}

static void missed(struct fetch *f, enum err status, const struct answer *a)
{
	struct proxied *p = CONTAINER_OF(f, struct proxied, fetch);
	if (status) {
		(void)fail(p, status);
		give_up(p);
		return;
	}
	bool keeps = str_eq(f->method, STR("GET")) && !directive_has(&p->want, DIRECTIVE_NO_STORE);
	struct entry *e = keeps ? fetch_keep(f, a, STR("GET")) : NULL;
	pass(p, a, e && e->place.stored ? "yangguang; fwd=miss; stored" : "yangguang; fwd=miss");
	land(p, e);
	entry_release(e);
}

/* The variant that a 304 speaks of: the one with its tag, or the only one there is when it says none (RFC 9111 4.3.4). */
static struct entry *variant_of(const struct proxied *p, const struct answer *a)
{
	const struct fetch *f = &p->fetch;
	const struct store *store = cache_of(p)->store;
	struct str tag = http_get(a->fields, STR("etag"));
	struct entry *only = NULL;
	unsigned count = 0;
	for (struct entry *e = store_next(store, p->hash, f->key, NULL); e; e = store_next(store, p->hash, f->key, e)) {
		if (!e->etag.p) continue;
		if (tag.p && str_eq(tag, e->etag)) return e;
		only = e;
		count++;
	}
	return !tag.p && count == 1 ? only : NULL;
}

/* A variant that did not match may still turn out to be the one, by its entity tag (RFC 9111 4.3.1). */
static void offered(struct fetch *f, enum err status, const struct answer *a)
{
	struct proxied *p = CONTAINER_OF(f, struct proxied, fetch);
	if (status || a->status != 304) {
		missed(f, status, a);
		return;
	}
	struct entry *chosen = variant_of(p, a);
	if (!chosen) { /* it has gone meanwhile, or nobody can tell which it is: asked once more, without an offer */
		f->offer = STR_NONE;
		if (send(p, missed) == NEXT_FAIL) give_up(p);
		return;
	}
	struct entry *old = entry_share(chosen), *e = fetch_renew(f, old, a);
	entry_release(old);
	if (!e) {
		(void)fail(p, ERR_BAD_UPSTREAM);
		give_up(p);
		return;
	}
	(void)serve(p, e, "fwd=vary-miss; fwd-status=304", CACHE_RENEWED);
	land(p, e);
	entry_release(e);
}

static struct str offer_of(const struct proxied *p)
{
	const struct fetch *f = &p->fetch;
	const struct store *store = cache_of(p)->store;
	struct str offer = STR_NONE;
	if (!str_eq(f->method, STR("GET")) || directive_has(&p->want, DIRECTIVE_NO_STORE)) return offer;
	for (unsigned i = 0; i < f->asked.count; i++) {
		struct str name = f->asked.items[i].name;
		if (str_eq_ci(name, STR("if-none-match")) || str_eq_ci(name, STR("if-modified-since")) ||
		    str_eq_ci(name, STR("range")))
			return offer;
	}
	for (struct entry *e = store_next(store, p->hash, f->key, NULL); e; e = store_next(store, p->hash, f->key, e)) {
		if (!e->etag.p) continue;
		offer = offer.p ? arena_printf(f->arena, "%.*s, %.*s", STR_FMT(offer), STR_FMT(e->etag))
				: arena_str(f->arena, e->etag);
	}
	return offer;
}

static enum next ask_alone(struct proxied *p)
{
	cache_count(cache_of(p), CACHE_MISS);
	p->fetch.offer = offer_of(p);
	return send(p, p->fetch.offer.p ? offered : missed);
}

static void told(struct flight_wait *w, enum flight_news news, struct entry *e, struct flight *flight)
{
	struct proxied *p = CONTAINER_OF(w, struct proxied, wait);
	struct request *r = p->r;
	enum next next = NEXT_WAIT;
	switch (news) {
	case FLIGHT_LANDED:
		next = entry_selects(e, p->fetch.asked) ? serve(p, e, "fwd=miss; collapsed", CACHE_COLLAPSED)
							: ask_alone(p);
		break;
	case FLIGHT_LEAD:
		p->flight = flight;
		next = ask_alone(p);
		if (next == NEXT_FAIL) flight_fail(flight);
		break;
	case FLIGHT_APART:
		next = ask_alone(p);
		break;
	case FLIGHT_FAILED:
		next = fail(p, ERR_BAD_UPSTREAM);
		r->behind = ERR_SAFE_RETRY_LATER; /* twice now, and not for us */
		break;
	case FLIGHT_LATE:
		next = fail(p, ERR_TIMEOUT);
		break;
	}
	if (next == NEXT_FAIL) steps_fail(r);
}

/* May this request wait for another's answer, and its answer be given to others? */
static bool may_share(const struct proxied *p)
{
	static const struct str alone[] = { { "authorization", 13 }, { "cookie", 6 }, { "range", 5 },
		{ "if-none-match", 13 }, { "if-modified-since", 17 }, { "if-match", 8 },
		{ "if-unmodified-since", 19 } };
	if (!str_eq(p->fetch.method, STR("GET")) || p->want.found) return false;
	for (unsigned i = 0; i < p->fetch.asked.count; i++)
		for (size_t k = 0; k < ARRAY_LEN(alone); k++)
			if (str_eq_ci(alone[k], p->fetch.asked.items[i].name)) return false;
	return true;
}

static enum next miss(struct proxied *p)
{
	if (!may_share(p)) return ask_alone(p);
	p->wait.told = told;
	p->wait.deadline_ms = p->r->deadline_ms;
	switch (flight_join(cache_of(p)->flights, p->hash, p->fetch.key, &p->wait, &p->flight)) {
	case FLIGHT_PLACE_WAIT:
		return NEXT_WAIT;
	case FLIGHT_PLACE_FULL:
		return fail(p, ERR_BUSY);
	case FLIGHT_PLACE_LEAD:
	case FLIGHT_PLACE_APART:
		break;
	}
	enum next next = ask_alone(p);
	if (next == NEXT_FAIL && p->flight) flight_fail(p->flight);
	return next;
}

/* ── validation ── */

/* May the entry be served past its lifetime, by `window_ms`? */
static bool may_be_stale(const struct proxied *p, int64_t window_ms)
{
	const struct entry *e = p->entry;
	int64_t left_ms = e->policy.lifetime_ms - entry_age_ms(e, loop_now_ms(p->r->gateway->loop));
	return !e->policy.strict && !directive_has(&p->want, DIRECTIVE_NO_CACHE) && -left_ms <= window_ms;
}

static bool has_condition(const struct http_exchange *x)
{
	return http_get(x->fields, STR("if-none-match")).p || http_get(x->fields, STR("if-modified-since")).p ||
	       http_get(x->fields, STR("range")).p;
}

static bool is_server_error(int status)
{
	return status == 500 || status == 502 || status == 503 || status == 504;
}

static void replaced(struct proxied *p, const struct answer *a)
{
	struct policy policy;
	struct entry *e = NULL;
	rules_policy(p->fetch.arena, a->status, a->fields, a->times, &policy);
	if (a->status < 500 || policy.explicit_lifetime) e = fetch_keep(&p->fetch, a, STR("GET"));
	if (e && e->status == 200 && (p->r->x->head || has_condition(p->r->x)))
		(void)serve(p, e, "fwd=stale; stored", CACHE_MISS);
	else
		pass(p, a, e ? "yangguang; fwd=stale; stored" : "yangguang; fwd=stale");
	entry_release(e);
}

static void validated(struct fetch *f, enum err status, const struct answer *a)
{
	struct proxied *p = CONTAINER_OF(f, struct proxied, fetch);
	int64_t if_error_ms = p->entry->policy.if_error_ms, unreachable_ms = f->route->config.stale_ms;
	if (status) {
		if (may_be_stale(p, if_error_ms > unreachable_ms ? if_error_ms : unreachable_ms))
			(void)serve(p, p->entry, "fwd=stale; detail=unreachable", CACHE_STALE);
		else
			fail_later(p, status);
		return;
	}
	if (a->status == 304) {
		struct entry *e = fetch_renew(f, p->entry, a);
		(void)serve(p, e ? e : p->entry, "fwd=stale; fwd-status=304", CACHE_RENEWED);
		entry_release(e);
		return;
	}
	if (is_server_error(a->status) && may_be_stale(p, if_error_ms)) {
		(void)serve(p, p->entry, "fwd=stale; detail=stale-if-error", CACHE_STALE);
		return;
	}
	replaced(p, a);
}

/* The answer to HEAD renews what is kept for GET, or tells that it is not what GET would bring now. */
static void looked(struct fetch *f, enum err status, const struct answer *a)
{
	struct proxied *p = CONTAINER_OF(f, struct proxied, fetch);
	if (status) {
		fail_later(p, status);
		return;
	}
	if (a->status == 200 && fetch_is_of(p->entry, a))
		entry_release(fetch_renew(f, p->entry, a));
	else if (a->status == 200)
		store_remove(cache_of(p)->store, p->entry);
	pass(p, a, "yangguang; fwd=stale");
}

static enum next validate(struct proxied *p)
{
	cache_count(cache_of(p), CACHE_MISS);
	if (p->r->x->head) return send(p, looked);
	p->fetch.conditional = p->entry;
	return send(p, validated);
}

/* ── look-up ── */

static enum next answer_from(struct proxied *p, struct entry *e)
{
	const struct directives *want = &p->want;
	int64_t now_ms = loop_now_ms(p->r->gateway->loop), age_ms = entry_age_ms(e, now_ms);
	int64_t left_ms = e->policy.lifetime_ms - age_ms;
	int64_t age_most_ms = rules_seconds(want->values[DIRECTIVE_MAX_AGE]) * 1000;
	bool no_cache = directive_has(want, DIRECTIVE_NO_CACHE), only = directive_has(want, DIRECTIVE_ONLY_IF_CACHED);
	bool enough = left_ms > rules_seconds(want->values[DIRECTIVE_MIN_FRESH]) * 1000;
	if (directive_has(want, DIRECTIVE_MAX_AGE) && (age_ms > age_most_ms || !age_most_ms)) enough = false;
	p->entry = entry_share(e);
	if (enough && !e->policy.no_cache && !no_cache && !p->unsure) return serve(p, e, "hit", CACHE_HIT);
	bool has_limit = want->values[DIRECTIVE_MAX_STALE].p != NULL;
	int64_t stale_most_ms = has_limit ? rules_seconds(want->values[DIRECTIVE_MAX_STALE]) * 1000 : INT64_MAX;
	if (left_ms <= 0 && directive_has(want, DIRECTIVE_MAX_STALE) && may_be_stale(p, stale_most_ms))
		return serve(p, e, "hit", CACHE_STALE);
	if (left_ms <= 0 && may_be_stale(p, e->policy.while_revalidate_ms)) {
		fetch_refresh(&p->fetch, e);
		return serve(p, e, "hit; detail=stale-while-revalidate", CACHE_STALE);
	}
	return only ? not_kept(p) : validate(p);
}

static void read_want(struct proxied *p)
{
	struct http_fields asked = p->fetch.asked;
	p->want = (struct directives){ 0 };
	if (!p->fetch.route->config.client_control) {
		struct directives all;
		rules_directives(asked, STR("cache-control"), &all);
		p->want.found = all.found & 1u << DIRECTIVE_ONLY_IF_CACHED;
		return;
	}
	rules_directives(asked, STR("cache-control"), &p->want);
	if (!http_get(asked, STR("cache-control")).p && http_list_has(asked, STR("pragma"), STR("no-cache")))
		p->want.found |= 1u << DIRECTIVE_NO_CACHE;
}

/* Writes through other processes are heard of; false: there was one. */
static bool check_purges(struct proxied *p, struct entry *e)
{
	int64_t now_ms = loop_now_ms(p->r->gateway->loop);
	switch (tags_check(cache_of(p)->tags, &e->stamp, e->slots, e->tag_count)) {
	case TAGS_CURRENT:
		e->checked_ms = now_ms;
		break;
	case TAGS_UNSURE:
		p->unsure = now_ms - e->checked_ms >= CACHED_L1_CAP_MS;
		break;
	case TAGS_PURGED:
		store_remove(cache_of(p)->store, e);
		return false;
	}
	return true;
}

static enum next look_up(struct proxied *p)
{
	read_want(p);
	p->hash = id_hash(p->fetch.key);
	struct entry *e = store_find(cache_of(p)->store, p->hash, p->fetch.key, p->fetch.asked);
	bool known = http_get(p->fetch.asked, STR("authorization")).p != NULL;
	if (e && known && !e->policy.for_authorized) e = NULL;
	if (e && !check_purges(p, e)) e = NULL;
	if (e && !directive_has(&p->want, DIRECTIVE_NO_STORE)) return answer_from(p, e);
	return directive_has(&p->want, DIRECTIVE_ONLY_IF_CACHED) ? not_kept(p) : miss(p);
}

/* ── steps ── */

enum next proxy_receive(struct request *r)
{
	id_uuid7(r->id);
	trace_begin(&r->trace, &r->x->arena, r->x->fields);
	if (r->gateway->otlp) otlp_sample(r->gateway->otlp, &r->trace);
	r->deadline_ms = loop_now_ms(r->gateway->loop) + (r->proxy ? r->proxy->config.timeout_ms : 0);
	return NEXT_STEP;
}

enum next proxy_serve(struct request *r)
{
	struct http_exchange *x = r->x;
	struct proxy_route *route = r->proxy;
	if (!route) return request_fail(r, ERR_NOT_FOUND);
	if (!fields_connection_fits(x->fields)) return request_fail(r, ERR_HEADERS_TOO_LARGE);
	struct proxied *p = ARENA_NEW(&x->arena, struct proxied);
	if (!p) return request_fail(r, ERR_MEMORY);
	struct str target =
	    x->query.p ? arena_printf(&x->arena, "%.*s?%.*s", STR_FMT(x->path), STR_FMT(x->query)) : x->path;
	struct str host = x->host.p ? x->host : route->config.origins[0];
	p->r = r;
	p->fetch = (struct fetch){ .route = route,
		.arena = &x->arena,
		.key = fetch_key(&x->arena, route, host, x->path, x->query),
		.method = x->method,
		.target = str_eq(x->target, STR("*")) ? x->target : target,
		.host = host,
		.asked = fetch_end_to_end(&x->arena, x->fields),
		.body = x->body,
		.deadline_ms = r->deadline_ms };
	if (x->arena.overflow) return request_fail(r, ERR_HEADERS_TOO_LARGE);
	bool get = str_eq(x->method, STR("GET")) || x->head;
	if (!get) return send(p, changed);
	if (!route->cache || x->body.n) return send(p, passed); /* its content is not in the key */
	return look_up(p);
}
