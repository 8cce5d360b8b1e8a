/*
 * The steps of contract routes with a cache: look up in this process, join those who ask already, look up in Redis, and what becomes
 * of the service's answer. A hit is one hash, one comparison and a check of numbers.
 */
#include "gateway/cached.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "gateway/cache/operation_tags.h"
#include "gateway/request.h"

enum { COPY_BYTES_MAX = 1024 * 1024 };

static struct cache *cache_of(const struct request *r)
{
	return r->gateway->cache;
}

static int64_t now_of(const struct request *r)
{
	return loop_now_ms(r->gateway->loop);
}

/* ── the request's part ── */

struct http_fields cached_asked(const struct request *r)
{
	static const struct http_field zh = { { "Accept-Language", 15 }, { "zh-CN", 5 } };
	static const struct http_field en = { { "Accept-Language", 15 }, { "en", 2 } };
	return (struct http_fields){ request_language(r) == LANGUAGE_EN ? &en : &zh, 1 };
}

void cached_forget(struct request *r)
{
	entry_release(r->cache.entry);
	entry_release(r->cache.stale);
	r->cache.entry = r->cache.stale = NULL;
}

void cached_take(struct request *r, struct entry *e, const char *how, enum cache_outcome outcome)
{
	entry_release(r->cache.entry);
	r->cache.entry = entry_share(e);
	r->cache.how = how;
	r->cache.outcome = outcome;
}

static void keep_in_mind(struct request *r, struct entry *e)
{
	entry_release(r->cache.stale);
	r->cache.stale = entry_share(e);
}

bool cached_may_be_stale(const struct request *r, const struct entry *e, int64_t window_ms)
{
	return !e->policy.strict && entry_age_ms(e, now_of(r)) <= e->policy.lifetime_ms + window_ms;
}

static bool make_key(struct request *r)
{
	struct str prefix = r->cache.policy->key_prefix, path = r->path, query = r->x->query;
	char *p = arena_alloc(&r->x->arena, prefix.n + path.n + query.n + 5);
	if (!p) return false;
	memcpy(p, prefix.p, prefix.n);
	size_t n = prefix.n;
	memcpy(p + n, path.p, path.n);
	n += path.n;
	memcpy(p + n, "|||", 3);
	n += 3;
	if (query.p) {
		p[n++] = '?';
		if (query.n) memcpy(p + n, query.p, query.n);
		n += query.n;
	}
	r->cache.key = str_span(p, n);
	r->cache.hash = id_hash(r->cache.key);
	return true;
}

/* ── look up ── */

/* Its tags are current: fresh, or stale within its window, it is the answer; else it is second best. */
static void judge(struct request *r, struct entry *e, bool shared)
{
	if (entry_age_ms(e, now_of(r)) < e->policy.lifetime_ms) {
		cached_take(r, e, shared ? "hit; detail=shared" : "hit", shared ? CACHE_HIT_SHARED : CACHE_HIT);
	} else if (cached_may_be_stale(r, e, e->policy.while_revalidate_ms)) {
		cached_take(r, e, "hit; detail=stale-while-revalidate", CACHE_STALE);
		if (!r->cache.flight) cached_refresh(r, e); /* else when that has landed */
	} else {
		keep_in_mind(r, e);
	}
}

/* Nobody knows whether it was purged. */
static void judge_unsure(struct request *r, struct entry *e)
{
	if (now_of(r) - e->checked_ms < CACHED_L1_CAP_MS)
		judge(r, e, false);
	else
		keep_in_mind(r, e);
}

static void verified(void *arg, enum tags_verdict verdict, int64_t seq)
{
	struct request *r = arg;
	struct entry *e = r->cache.stale;
	r->cache.stale = NULL;
	switch (verdict) {
	case TAGS_CURRENT:
		if (e->stamp.seq < seq) e->stamp.seq = seq;
		e->checked_ms = now_of(r);
		judge(r, e, false);
		break;
	case TAGS_PURGED:
		store_remove(cache_of(r)->store, e);
		break;
	case TAGS_UNSURE:
		judge_unsure(r, e);
		break;
	}
	entry_release(e);
	steps_run(r, AT_BODY);
}

static enum next verify(struct request *r, struct entry *e)
{
	keep_in_mind(r, e);
	enum err status = tags_verify(cache_of(r)->tags, e->stamp, e->tags, e->tag_count, verified, r);
	if (status == ERR_NONE) return NEXT_WAIT;
	judge_unsure(r, e);
	return NEXT_STEP;
}

enum next cached_look_up(struct request *r)
{
	const struct cached_policy *policy = &r->plan->operations[r->operation->index].cached;
	if (!policy->ttl_ms || !cache_of(r)->keeps) return NEXT_STEP;
	if (r->x->body.n) { /* its content is not in the key */
		cache_count(cache_of(r), CACHE_BYPASS);
		return NEXT_STEP;
	}
	r->cache.policy = policy;
	r->cache.outcome = CACHE_MISS;
	r->cache.path_values = r->path_values;
	r->cache.path_value_count = r->path_value_count;
	if (!make_key(r)) return request_fail(r, ERR_MEMORY);
	struct store *store = cache_of(r)->store;
	struct entry *e = store_find(store, r->cache.hash, r->cache.key, cached_asked(r));
	if (!e) return NEXT_STEP;
	switch (tags_check(cache_of(r)->tags, &e->stamp, e->slots, e->tag_count)) {
	case TAGS_CURRENT:
		e->checked_ms = now_of(r);
		judge(r, e, false);
		return r->cache.entry ? NEXT_DONE : NEXT_STEP;
	case TAGS_PURGED:
		store_remove(store, e);
		return NEXT_STEP;
	case TAGS_UNSURE:
		break;
	}
	return verify(r, e);
}

/* ── join flight ── */

/* Nobody gets what was purged while it was asked about, nor for long what nobody can judge. */
static bool is_good_for_want_of_better(struct request *r, struct entry *e)
{
	switch (tags_check(cache_of(r)->tags, &e->stamp, e->slots, e->tag_count)) {
	case TAGS_CURRENT:
		return true;
	case TAGS_PURGED:
		return false;
	case TAGS_UNSURE:
		break;
	}
	return now_of(r) - e->checked_ms < CACHED_L1_CAP_MS;
}

static bool use_stale(struct request *r, const char *how)
{
	struct entry *e = r->cache.stale;
	if (!e || !cached_may_be_stale(r, e, e->policy.if_error_ms) || !is_good_for_want_of_better(r, e)) return false;
	cached_take(r, e, how, CACHE_STALE);
	return true;
}

static void fail_unless_stale(struct request *r, enum err e, enum err behind)
{
	if (!use_stale(r, "fwd=stale; detail=unreachable")) {
		(void)request_fail_behind(r, e, behind);
		steps_fail(r);
		return;
	}
	steps_run(r, AT_BODY);
}

static void told(struct flight_wait *w, enum flight_news news, struct entry *e, struct flight *flight)
{
	struct request *r = CONTAINER_OF(w, struct request, cache.wait);
	switch (news) {
	case FLIGHT_LANDED:
		if (entry_selects(e, cached_asked(r))) cached_take(r, e, "fwd=miss; collapsed", CACHE_COLLAPSED);
		break;
	case FLIGHT_APART:
		break;
	case FLIGHT_LEAD:
		r->cache.flight = flight;
		break;
	case FLIGHT_FAILED:
		fail_unless_stale(r, ERR_BAD_UPSTREAM, ERR_SAFE_RETRY_LATER); /* twice now, and not for us */
		return;
	case FLIGHT_LATE:
		fail_unless_stale(r, ERR_TIMEOUT, ERR_TIMEOUT);
		return;
	}
	steps_run(r, AT_BODY);
}

enum next cached_join_flight(struct request *r)
{
	if (!r->cache.policy) return NEXT_STEP;
	if (r->cache.entry) return NEXT_DONE;
	if (http_list_has(r->x->fields, STR("cache-control"), STR("only-if-cached")))
		return request_fail(r, ERR_TIMEOUT);
	r->cache.wait.told = told;
	r->cache.wait.deadline_ms = r->deadline_ms;
	switch (flight_join(cache_of(r)->flights, r->cache.hash, r->cache.key, &r->cache.wait, &r->cache.flight)) {
	case FLIGHT_PLACE_WAIT:
		return NEXT_WAIT;
	case FLIGHT_PLACE_FULL:
		r->problem.retry_after_s = 1;
		return request_fail_behind(r, ERR_BUSY, ERR_BUSY);
	case FLIGHT_PLACE_LEAD:
	case FLIGHT_PLACE_APART:
		break;
	}
	return NEXT_STEP;
}

/* What was led comes to its end. */
static void land(struct request *r, struct entry *e)
{
	struct flight *flight = r->cache.flight;
	r->cache.flight = NULL;
	if (!flight) return;
	if (e)
		flight_land(flight, e);
	else
		flight_scatter(flight);
}

/* ── the second level ── */

struct str cached_variant(struct http_fields asked, struct str vary, struct buf *out)
{
	struct str name;
	if (!vary.n) return STR("");
	while (str_cut(&vary, ',', &name)) {
		rules_selecting(out, asked, name);
		buf_char(out, '\n');
	}
	return buf_ok(out) ? buf_view(out) : STR_NONE;
}

static struct str variant(void *arg, struct str vary)
{
	struct request *r = arg;
	struct buf *out = &r->gateway->scratch;
	buf_reset(out);
	return cached_variant(cached_asked(r), vary, out);
}

static void take_shared(struct request *r, const struct l2_hit *hit)
{
	struct cache *c = cache_of(r);
	struct entry_found found = { .tags = hit->tags,
		.tag_count = hit->tag_count,
		.stamp = hit->stamp,
		.response_time_us = hit->response_time_us };
	struct entry *e = entry_read(hit->blob, r->cache.key, &found, now_of(r), clock_wall_us() / 1000);
	if (!e) return;
	if (entry_selects(e, cached_asked(r)) &&
	    monotone_pass(c->monotone, cached_served(&r->cache, cached_asked(r)), hit->response_time_us)) {
		(void)store_put(c->store, e, cached_asked(r));
		judge(r, e, true);
	}
	entry_release(e);
}

static void shared_found(void *arg, const struct l2_hit *hit)
{
	struct request *r = arg;
	r->cache.call = NULL;
	if (hit && !r->gateway->stopped) take_shared(r, hit);
	if (r->cache.entry) {
		land(r, r->cache.entry);
		if (r->cache.outcome == CACHE_STALE) cached_refresh(r, r->cache.entry);
	}
	steps_run(r, AT_BODY);
}

static enum next ask_shared(struct request *r)
{
	struct cache *c = cache_of(r);
	enum err e = l2_get(c->l2, r->cache.key, variant, r->deadline_ms, shared_found, r, &r->cache.call);
	return e == ERR_NONE ? NEXT_WAIT : NEXT_STEP;
}

enum next cached_look_up_shared(struct request *r)
{
	if (!r->cache.policy) return NEXT_STEP;
	if (r->cache.entry) return NEXT_DONE;
	return cache_of(r)->l2 && !r->gateway->stopped ? ask_shared(r) : NEXT_STEP;
}

static void leased(void *arg, enum l2_lease outcome, uint64_t token)
{
	struct request *r = arg;
	r->cache.call = NULL;
	r->cache.leased = outcome == L2_LEASE_OURS;
	r->cache.lease = token;
	if (outcome == L2_LEASE_FILLED && !r->gateway->stopped && ask_shared(r) == NEXT_WAIT) return;
	steps_run(r, AT_BODY);
}

enum next cached_take_lease(struct request *r)
{
	struct cache *c = cache_of(r);
	if (!r->cache.policy) return NEXT_STEP;
	if (r->cache.entry) return NEXT_DONE;
	if (!r->cache.policy->expensive || !r->cache.flight || !c->l2 || r->gateway->stopped) return NEXT_STEP;
	int64_t lease_ms = r->deadline_ms - now_of(r);
	if (lease_ms <= 0) return NEXT_STEP;
	enum err e = l2_lease_take(c->l2, r->cache.key, lease_ms, leased, r, &r->cache.call);
	return e == ERR_NONE ? NEXT_WAIT : NEXT_STEP;
}

/* ── the service's answer ── */

void cached_begin(struct request *r)
{
	r->cache.stamp = tags_now(cache_of(r)->tags);
	r->cache.asked_ms = now_of(r);
}

static bool is_failure(enum err status, const struct http_reply *reply)
{
	return status != ERR_NONE || reply->status >= 500;
}

static void failed(struct request *r, enum err status)
{
	struct flight *flight = r->cache.flight;
	r->cache.flight = NULL;
	bool saved = use_stale(r, status ? "fwd=stale; detail=unreachable" : "fwd=stale; detail=stale-if-error");
	if (!flight) return;
	if (saved)
		flight_land(flight, r->cache.entry);
	else
		flight_fail(flight);
}

/* It is gone: what was kept of it goes too, everywhere. */
static void drop_gone(struct request *r)
{
	char url[TAG_OF_URL_BYTES];
	struct str tag = tag_of_url(r->cache.key, url);
	(void)store_drop(cache_of(r)->store, r->cache.key);
	(void)!tags_purge(cache_of(r)->tags, &tag, 1, NULL, NULL);
}

void cached_answered(struct request *r, enum err status, const struct http_reply *reply)
{
	struct cache *c = cache_of(r);
	struct entry *e = NULL, *old = r->cache.stale;
	if (is_failure(status, reply)) {
		if (r->cache.leased && c->l2) l2_lease_end(c->l2, r->cache.key, r->cache.lease);
		failed(r, status);
		return;
	}
	bool renewed = reply->status == 304 && old;
	e = cached_keep(c, &r->x->arena, &r->cache, cached_asked(r), renewed ? old : NULL, reply);
	if (e)
		cached_take(r, e,
		    renewed           ? "fwd=stale; fwd-status=304"
		    : e->place.stored ? "fwd=miss; stored"
				      : "fwd=miss",
		    renewed ? CACHE_RENEWED : CACHE_MISS);
	else if (renewed) /* purged while it was asked about: true when asked, and nobody else gets it */
		cached_take(r, old, "fwd=stale; fwd-status=304", CACHE_RENEWED);
	if (!e && r->cache.leased && c->l2) l2_lease_end(c->l2, r->cache.key, r->cache.lease);
	if (!renewed && (reply->status == 404 || reply->status == 410) && old) drop_gone(r);
	land(r, e);
	entry_release(e);
}

/* ── writes ── */

static void purged(void *arg)
{
	steps_run(arg, AT_ANSWER);
}

/* The reply lies in the memory of its call, which goes at the end of this turn. */
static bool copy_reply(struct request *r)
{
	struct arena *a = &r->x->arena;
	const struct http_reply *from = r->reply;
	if (from->body.n > COPY_BYTES_MAX)
		return false; /* the arena is for small things; then nobody waits for Redis */
	struct http_reply *to = ARENA_NEW(a, struct http_reply);
	struct http_field *items = arena_array(a, from->fields.count + 1, sizeof *items);
	if (!to || !items) return false;
	for (unsigned i = 0; i < from->fields.count; i++)
		items[i] = (struct http_field){ arena_str(a, from->fields.items[i].name),
			arena_str(a, from->fields.items[i].value) };
	*to = (struct http_reply){
		.status = from->status, .fields = { items, from->fields.count }, .body = arena_str(a, from->body)
	};
	if (a->overflow) return false;
	r->reply = to;
	return true;
}

bool cached_purge(struct request *r)
{
	struct operation_tags tags;
	struct cache *c = cache_of(r);
	if (!c->tags || r->reply->status >= 400) return false;
	operation_tags_to_purge(r->operation, r->path_values, r->path_value_count, &r->x->arena, &tags);
	if (!tags.count) return false;
	tags_purged *done = c->l2 && copy_reply(r) ? purged : NULL;
	return tags_purge(c->tags, tags.items, tags.count, done, r) == ERR_NONE && done;
}
