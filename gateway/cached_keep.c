/* From a service's answer to one that is kept, in this process and in Redis; and answers renewed with nobody waiting. */
#include <stdlib.h>

#include "common/contract/contract.h"
#include "common/core/clock.h"
#include "gateway/cache/operation_tags.h"
#include "gateway/cached.h"
#include "gateway/fields.h"
#include "gateway/request.h"

enum { REFRESHES_MAX = 256, BACKOFF_MOST = 6, BLOB_BYTES_MAX = L2_BLOB_BYTES_MAX };

/* ── policy ── */

enum err cached_policy_read(struct arena *a, const struct operation *op, bool alone, struct cached_policy *out)
{
	struct directives cc = { 0 };
	*out = (struct cached_policy){ 0 };
	if (op->access != ACCESS_PUBLIC || op->cache_ttl_s <= 0) return ERR_NONE;
	rules_directives_add(&cc, op->cache_control);
	*out = (struct cached_policy){ .ttl_ms = op->cache_ttl_s * 1000,
		.while_revalidate_ms = rules_seconds(cc.values[DIRECTIVE_STALE_WHILE_REVALIDATE]) * 1000,
		.if_error_ms = rules_seconds(cc.values[DIRECTIVE_STALE_IF_ERROR]) * 1000,
		.strict =
		    directive_has(&cc, DIRECTIVE_MUST_REVALIDATE) || directive_has(&cc, DIRECTIVE_PROXY_REVALIDATE),
		.expensive = op->collapse_platform,
		.control = op->cache_control,
		.key_prefix = arena_printf(a, "v1|%.*s|||", STR_FMT(op->id)),
		.operation = op };
	if (!alone && out->ttl_ms > CACHED_L1_CAP_MS) out->ttl_ms = CACHED_L1_CAP_MS;
	if (!alone) out->while_revalidate_ms = 0; /* purges of the other processes are not heard of */
	return out->key_prefix.p ? ERR_NONE : ERR_MEMORY;
}

/* ── keeping ── */

static bool varies_by_person(struct http_fields f)
{
	struct vary_names v;
	struct str name;
	rules_vary_begin(&v, f);
	while (rules_vary_next(&v, &name))
		if (str_eq(name, STR("*")) || str_eq_ci(name, STR("authorization")) || str_eq_ci(name, STR("cookie")))
			return true;
	return false;
}

/* A service may be stricter than its contract, never laxer. */
static bool may_keep(int status, struct http_fields f)
{
	struct directives cc;
	rules_directives(f, STR("cache-control"), &cc);
	bool known = status == 200 || status == 203 || status == 204 || status == 301 || status == 308;
	return known && !directive_has(&cc, DIRECTIVE_NO_STORE) && !directive_has(&cc, DIRECTIVE_PRIVATE) &&
	       !http_get(f, STR("set-cookie")).p && !varies_by_person(f);
}

static bool is_kept(struct str name, struct str connection)
{
	static const struct str ours[] = { { "age", 3 }, { "cache-status", 12 }, { "ratelimit", 9 },
		{ "ratelimit-policy", 16 }, { "idempotency-replayed", 20 } };
	if (str_eq_ci(name, STR("content-type"))) return true;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq_ci(ours[i], name)) return false;
	return fields_pass_reply(name, connection);
}

static struct http_fields kept_fields(struct arena *a, const struct cached_policy *policy, struct http_fields f)
{
	struct str connection = fields_connection(a, f);
	struct http_field *items = arena_array(a, f.count + 1, sizeof *items);
	unsigned count = 0;
	bool has_control = false;
	for (unsigned i = 0; items && i < f.count; i++) {
		if (!is_kept(f.items[i].name, connection)) continue;
		if (str_eq_ci(f.items[i].name, STR("cache-control"))) has_control = true;
		items[count++] = f.items[i];
	}
	if (items && !has_control && policy->control.p)
		items[count++] = (struct http_field){ STR("Cache-Control"), policy->control };
	return (struct http_fields){ items, count };
}

/* A 304 may leave out what the answer itself had said. */
static bool find_tags(struct arena *a, const struct cached *k, const struct entry *renewed, struct http_fields f,
    char url[TAG_OF_URL_BYTES], struct operation_tags *out)
{
	if (renewed && !http_get(f, STR("cache-tag")).p) {
		out->count = renewed->tag_count;
		memcpy(out->items, renewed->tags, renewed->tag_count * sizeof *out->items);
		return true;
	}
	if (!operation_tags_of_answer(
		k->policy->operation, k->path_values, k->path_value_count, f, a, TAGS_PER_ENTRY_MAX - 1, out))
		return false;
	out->items[out->count++] = tag_of_url(k->key, url);
	return true;
}

static bool was_purged(struct cache *c, const struct cached *k, const struct operation_tags *tags)
{
	uint32_t slots[TAGS_PER_ENTRY_MAX];
	struct tags_stamp stamp = k->stamp;
	for (unsigned i = 0; i < tags->count; i++) slots[i] = tags_slot(tags->items[i]);
	return tags_check(c->tags, &stamp, slots, tags->count) == TAGS_PURGED;
}

/* ── the second level ── */

static struct str lower_names(const struct entry *e, struct buf *out)
{
	struct str names[ENTRY_VARY_MAX];
	for (unsigned i = 0; i < e->vary_count; i++) { /* sorted as they come */
		unsigned at = i;
		for (; at > 0 && str_cmp(names[at - 1], e->vary[i].name) > 0; at--) names[at] = names[at - 1];
		names[at] = e->vary[i].name;
	}
	for (unsigned i = 0; i < e->vary_count; i++) {
		if (i) buf_char(out, ',');
		for (size_t n = 0; n < names[i].n; n++) {
			char c = names[i].p[n];
			buf_char(out, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
		}
	}
	return out->n ? buf_view(out) : STR("");
}

struct fill {
	struct http_fields asked;
	struct buf variant;
};

static struct str variant(void *arg, struct str vary)
{
	struct fill *f = arg;
	buf_reset(&f->variant);
	return cached_variant(f->asked, vary, &f->variant);
}

static void share(struct cache *c, const struct entry *e, struct http_fields asked, int64_t now_ms)
{
	const struct policy *p = &e->policy;
	struct fill fill = { .asked = asked };
	struct buf blob, vary;
	int64_t longer_ms = p->while_revalidate_ms > p->if_error_ms ? p->while_revalidate_ms : p->if_error_ms;
	buf_init(&blob, BLOB_BYTES_MAX);
	buf_init(&vary, L2_VARY_BYTES_MAX);
	buf_init(&fill.variant, L2_VARIANT_BYTES_MAX);
	entry_write(e, now_ms, clock_wall_us() / 1000, &blob);
	struct l2_fill f = { .key = e->key,
		.vary = lower_names(e, &vary),
		.variant = variant,
		.arg = &fill,
		.blob = buf_view(&blob),
		.response_time_us = e->got_wall_us,
		.ttl_ms = p->lifetime_ms + longer_ms,
		.stamp = e->stamp,
		.tags = e->tags,
		.tag_count = e->tag_count };
	if (buf_ok(&blob) && buf_ok(&vary)) (void)l2_put(c->l2, &f);
	buf_free(&blob);
	buf_free(&vary);
	buf_free(&fill.variant);
}

/* Somebody asked later and was answered sooner: what he got takes its place, so that nobody sees an older answer after it. */
static struct entry *find_newer(struct cache *c, const struct cached *k, struct http_fields asked)
{
	struct entry *e = store_find(c->store, k->hash, k->key, asked);
	if (!e || e->born_ms <= k->asked_ms) return NULL;
	return tags_check(c->tags, &e->stamp, e->slots, e->tag_count) == TAGS_PURGED ? NULL : e;
}

struct entry *cached_keep(struct cache *c, struct arena *a, const struct cached *k, struct http_fields asked,
    struct entry *renewed, const struct http_reply *reply)
{
	const struct cached_policy *policy = k->policy;
	char url[TAG_OF_URL_BYTES];
	struct operation_tags tags;
	int64_t now_ms = loop_now_ms(c->loop);
	struct http_fields f = kept_fields(a, policy, reply->fields);
	if (renewed) f = rules_renew(a, renewed->fields, f);
	if (a->overflow || !c->tags || !may_keep(renewed ? renewed->status : reply->status, reply->fields)) return NULL;
	if (!find_tags(a, k, renewed, reply->fields, url, &tags)) return NULL; /* nothing could purge it */
	if (was_purged(c, k, &tags)) return NULL; /* what was asked before a write is not kept after it */
	struct entry *newer = find_newer(c, k, asked);
	if (newer) return entry_share(newer);
	struct policy p = { .lifetime_ms = policy->ttl_ms,
		.initial_age_ms = now_ms - k->asked_ms,
		.while_revalidate_ms = policy->while_revalidate_ms,
		.if_error_ms = policy->if_error_ms,
		.explicit_lifetime = true,
		.storable = true,
		.for_authorized = true,
		.strict = policy->strict };
	struct entry *e = entry_new(&(struct entry_source){ .key = k->key,
	    .status = renewed ? renewed->status : reply->status,
	    .fields = f,
	    .body = reply->body,
	    .share = renewed ? renewed->body : NULL,
	    .asked = asked,
	    .tags = tags.items,
	    .tag_count = tags.count,
	    .stamp = k->stamp,
	    .policy = &p,
	    .got_ms = now_ms,
	    .got_wall_us = clock_wall_us(),
	    .may_be_coded = true });
	if (!e) return NULL;
	(void)monotone_pass(c->monotone, cached_served(k, asked), e->got_wall_us);
	(void)store_put(c->store, e, asked);
	if (c->l2) share(c, e, asked, now_ms);
	return e;
}

/* ── in the background ── */

struct refresh {
	struct gateway *gateway;
	struct plan *plan;
	struct arena arena;
	struct cached cached; /* key, policy, stamp, flight */
	struct http_fields asked;
	struct entry *entry;
};

static void end_refresh(struct refresh *f, struct entry *e)
{
	struct flight *flight = f->cached.flight;
	f->entry->refreshing = false;
	entry_release(f->entry);
	f->gateway->refreshes--;
	if (e)
		flight_land(flight, e);
	else
		flight_fail(flight);
	entry_release(e);
	plan_release(f->plan);
	arena_release(&f->arena);
	free(f);
}

/* A failure changes nothing, and the next try comes later each time. */
static void back_off(struct refresh *f)
{
	struct entry *e = f->entry;
	e->refresh_at_ms = loop_now_ms(f->gateway->loop) + ((int64_t)1000 << e->refresh_failures);
	if (e->refresh_failures < BACKOFF_MOST) e->refresh_failures++;
}

static void refreshed(void *arg, enum err status, const struct http_reply *reply)
{
	struct refresh *f = arg;
	struct entry *e = NULL;
	if (status || reply->status >= 500) {
		back_off(f);
	} else {
		struct entry *renewed = reply->status == 304 ? f->entry : NULL;
		e = cached_keep(f->gateway->cache, &f->arena, &f->cached, f->asked, renewed, reply);
		if (!e) store_remove(f->gateway->cache->store, f->entry);
	}
	end_refresh(f, e);
}

static bool send_refresh(struct refresh *f, struct request *r)
{
	struct gateway *g = f->gateway;
	const struct operation_plan *to = &f->plan->operations[r->operation->index];
	struct upstream_call *call;
	struct buf head;
	buf_init(&head, 64 * 1024);
	forward_write_cached(&head, r, f->entry, to->timeout_ms);
	f->cached.stamp = tags_now(g->cache->tags);
	f->cached.asked_ms = loop_now_ms(g->loop);
	enum err e = buf_ok(&head)
			 ? upstream_send_as(to->upstream, (struct call_kind){ CALL_LOW, NULL, false }, buf_view(&head),
			       STR_NONE, false, true, f->cached.asked_ms + to->timeout_ms, refreshed, f, &call)
			 : ERR_HEADERS_TOO_LARGE;
	buf_free(&head);
	return e == ERR_NONE;
}

static void copy_path_values(struct refresh *f, const struct request *r)
{
	struct str *values = arena_array(&f->arena, PATH_PARAMETERS_MAX, sizeof *values);
	for (unsigned i = 0; values && i < r->path_value_count; i++) {
		values[i] = arena_str(&f->arena, r->path_values[i]);
		f->cached.path_value_count = i + 1;
	}
	f->cached.path_values = values;
}

void cached_refresh(struct request *r, struct entry *e)
{
	struct gateway *g = r->gateway;
	struct flight *flight;
	int64_t now_ms = loop_now_ms(g->loop);
	if (e->refreshing || now_ms < e->refresh_at_ms || g->refreshes >= REFRESHES_MAX || g->stopped) return;
	if (!flight_lead(g->cache->flights, r->cache.hash, r->cache.key, &flight)) return; /* somebody asks already */
	struct refresh *f = calloc(1, sizeof *f);
	CHECK(f != NULL);
	arena_init(&f->arena, 2048, 16 * 1024 * 1024);
	f->gateway = g;
	f->plan = plan_share(r->plan);
	f->entry = entry_share(e);
	f->asked = cached_asked(r); /* static */
	f->cached = (struct cached){ .policy = r->cache.policy, .hash = r->cache.hash, .flight = flight };
	f->cached.key = arena_str(&f->arena, r->cache.key);
	copy_path_values(f, r);
	e->refreshing = true;
	g->refreshes++;
	if (send_refresh(f, r)) return;
	back_off(f);
	end_refresh(f, NULL);
}
