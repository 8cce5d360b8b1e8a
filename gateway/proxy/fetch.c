/* Asking the origin, and what follows from its answer for the store. */
#include "gateway/proxy/fetch.h"

#include <stdlib.h>

#include "common/contract/contract.h"
#include "common/core/clock.h"
#include "common/core/id.h"
#include "gateway/fields.h"

enum { HEAD_BYTES_MAX = 128 * 1024, REFRESHES_MAX = 256, REFRESH_TIMEOUT_MS = 30000, BACKOFF_MOST = 6 };

/* ── fields ── */

static struct str connection_of(struct arena *a, struct http_fields all)
{
	struct str named = STR_NONE;
	for (unsigned i = 0; i < all.count; i++) {
		if (!str_eq_ci(all.items[i].name, STR("connection"))) continue;
		struct str v = all.items[i].value;
		named = named.p ? arena_printf(a, "%.*s,%.*s", STR_FMT(named), STR_FMT(v)) : v;
	}
	return named;
}

struct http_fields fetch_end_to_end(struct arena *a, struct http_fields all)
{
	struct str connection = connection_of(a, all);
	struct http_field *items = arena_array(a, all.count + 1, sizeof *items);
	unsigned count = 0;
	for (unsigned i = 0; items && i < all.count; i++)
		if (rules_is_end_to_end(all.items[i].name, connection)) items[count++] = all.items[i];
	return (struct http_fields){ items, count };
}

/* Names that others read with '_' as '-' (whoever makes environment variables of them) are compared so. */
static bool is_named(struct str ours, struct str name)
{
	if (name.n != ours.n) return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i] == '_' ? '-' : name.p[i];
		if (c >= 'A' && c <= 'Z') c |= 0x20;
		if (c != ours.p[i]) return false;
	}
	return true;
}

static bool is_prefixed(struct str ours, struct str name)
{
	return name.n >= ours.n && is_named(ours, str_span(name.p, ours.n));
}

/* What an origin might act on although no key holds it: a way to poison what others are given. Who asks is no part of an answer
 * that may be shared, so X-Forwarded-For stays: origins log it. */
static bool is_poison(struct str name)
{
	static const struct str families[] = { STR("x-forwarded-"), STR("x-original-"), STR("x-rewrite-"),
		STR("x-http-"), STR("x-override-") };
	static const struct str names[] = { STR("forwarded"), STR("x-host"), STR("x-method-override"),
		STR("x-url-scheme"), STR("front-end-https") };
	if (is_named(STR("x-forwarded-for"), name)) return false;
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (is_prefixed(families[i], name)) return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_named(names[i], name)) return true;
	return false;
}

/* A field that no rule of HTTP knows, and that an origin might read as the one that frames or routes the message. */
static bool is_disguised(struct str name)
{
	static const struct str names[] = { STR("content-length"), STR("transfer-encoding"), STR("host"),
		STR("connection") };
	if (!memchr(name.p, '_', name.n)) return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_named(names[i], name)) return true;
	return false;
}

static bool is_condition(struct str name)
{
	return str_eq_ci(name, STR("if-none-match")) || str_eq_ci(name, STR("if-modified-since")) ||
	       str_eq_ci(name, STR("range")) || str_eq_ci(name, STR("if-range"));
}

/* ── the request ── */

static void put_field(struct buf *out, struct str name, struct str value)
{
	buf_str(out, name);
	BUF_LIT(out, ": ");
	buf_str(out, value);
	BUF_LIT(out, "\r\n");
}

static bool has_content(const struct fetch *f)
{
	return f->body.n || str_eq(f->method, STR("POST")) || str_eq(f->method, STR("PUT")) ||
	       str_eq(f->method, STR("PATCH"));
}

static void put_fields(struct buf *out, const struct fetch *f)
{
	if (!http_get(f->asked, STR("host")).p) put_field(out, STR("Host"), f->host);
	for (unsigned i = 0; i < f->asked.count; i++) {
		const struct http_field *field = &f->asked.items[i];
		if (str_eq_ci(field->name, STR("content-length")) || str_eq_ci(field->name, STR("expect"))) continue;
		if (is_disguised(field->name) || (f->route->cache && is_poison(field->name))) continue;
		if (f->conditional && is_condition(field->name)) continue;
		put_field(out, field->name, field->value);
	}
	if (f->conditional && f->conditional->etag.p) put_field(out, STR("If-None-Match"), f->conditional->etag);
	if (f->conditional && f->conditional->last_modified.p)
		put_field(out, STR("If-Modified-Since"), f->conditional->last_modified);
	if (f->offer.p) put_field(out, STR("If-None-Match"), f->offer);
	put_field(out, STR("Via"), STR("1.1 yangguang"));
	if (has_content(f)) {
		BUF_LIT(out, "Content-Length: ");
		buf_i64(out, (int64_t)f->body.n);
		BUF_LIT(out, "\r\n");
	}
	BUF_LIT(out, "\r\n");
}

static void answered(void *arg, enum err status, const struct http_reply *reply)
{
	struct fetch *f = arg;
	if (status == ERR_NONE && !fields_connection_fits(reply->fields)) status = ERR_BAD_UPSTREAM;
	if (status) {
		f->done(f, status, NULL);
		return;
	}
	struct answer a = { .status = reply->status,
		.reason = reply->reason,
		.fields = fetch_end_to_end(f->arena, reply->fields),
		.body = reply->body,
		.times = { f->asked_wall_ms, clock_wall_us() / 1000 },
		.got_ms = loop_now_ms(f->route->loop) };
	if (f->arena->overflow)
		f->done(f, ERR_BAD_UPSTREAM, NULL);
	else
		f->done(f, ERR_NONE, &a);
}

static void interim(void *arg, int status, struct http_fields fields)
{
	struct fetch *f = arg;
	bool goes_on = (status == 102 || status == 103) && fields_connection_fits(fields);
	if (f->interim && goes_on) f->interim(f, status, fields);
}

enum err fetch_send(struct fetch *f)
{
	struct buf head;
	buf_init(&head, HEAD_BYTES_MAX);
	buf_str(&head, f->method);
	buf_char(&head, ' ');
	buf_str(&head, f->target);
	BUF_LIT(&head, " HTTP/1.1\r\n");
	put_fields(&head, f);
	f->asked_wall_ms = clock_wall_us() / 1000;
	if (f->route->cache) f->stamp = tags_now(f->route->cache->tags);
	struct origin_request r = { .head = buf_view(&head),
		.body = f->body,
		.head_request = str_eq(f->method, STR("HEAD")),
		.deadline_ms = f->deadline_ms,
		.interim = interim,
		.done = answered,
		.arg = f };
	enum err e = buf_ok(&head) ? origin_send(f->route->origin, &r) : ERR_HEADERS_TOO_LARGE;
	buf_free(&head);
	return e;
}

/* ── the store ── */

struct str fetch_key(struct arena *a, struct proxy_route *route, struct str host, struct str path, struct str query)
{
	char *lower = arena_alloc(a, host.n + 1);
	for (size_t i = 0; lower && i < host.n; i++)
		lower[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] | 0x20) : host.p[i];
	return arena_printf(a, "v1|p:%.*s|http|%.*s|%.*s|||%s%.*s", STR_FMT(route->config.name), (int)host.n, lower,
	    STR_FMT(path), query.p ? "?" : "", STR_FMT(query));
}

/* private="…" limits the named fields to private caches: they do not stay here. */
static struct http_fields without_private(struct arena *a, struct http_fields f)
{
	struct directives cc;
	rules_directives(f, STR("cache-control"), &cc);
	struct str list = directive_has(&cc, DIRECTIVE_PRIVATE) ? cc.values[DIRECTIVE_PRIVATE] : STR_NONE;
	if (!list.n) return f;
	struct http_field *items = arena_array(a, f.count + 1, sizeof *items);
	unsigned count = 0;
	for (unsigned i = 0; items && i < f.count; i++) {
		struct str rest = list, part;
		bool named = false;
		while (!named && str_cut(&rest, ',', &part)) named = str_eq_ci(str_trim(part), f.items[i].name);
		if (!named) items[count++] = f.items[i];
	}
	return (struct http_fields){ items, count };
}

static bool was_purged(const struct fetch *f, struct str tag)
{
	struct tags_stamp stamp = f->stamp;
	uint32_t slot = tags_slot(tag);
	return tags_check(f->route->cache->tags, &stamp, &slot, 1) == TAGS_PURGED;
}

static struct entry *make(const struct fetch *f, const struct answer *a, struct http_fields fields, int status,
    struct entry_body *share, const struct policy *p)
{
	char url[TAG_OF_URL_BYTES];
	struct str tag = tag_of_url(f->key, url);
	if (was_purged(f, tag)) return NULL; /* what was asked before a write is not kept after it */
	return entry_new(&(struct entry_source){ .key = f->key,
	    .status = status,
	    .reason = a->reason,
	    .fields = without_private(f->arena, fields),
	    .body = a->body,
	    .share = share,
	    .asked = f->asked,
	    .tags = &tag,
	    .tag_count = 1,
	    .stamp = f->stamp,
	    .policy = p,
	    .got_ms = a->got_ms,
	    .got_wall_us = a->times.got_ms * 1000 });
}

struct entry *fetch_keep(const struct fetch *f, const struct answer *a, struct str method)
{
	struct policy p;
	const struct proxy_route_config *c = &f->route->config;
	struct keep_options options = { .store_cookies = c->store_cookies, .heuristics = c->heuristics };
	if (!f->route->cache) return NULL;
	rules_policy(f->arena, a->status, a->fields, a->times, &p);
	if (!rules_keep(method, a->status, a->fields, f->asked, &p, &options)) return NULL;
	struct entry *e = make(f, a, a->fields, a->status, NULL, &p);
	if (e) (void)store_put(f->route->cache->store, e, f->asked);
	return e;
}

bool fetch_is_of(const struct entry *e, const struct answer *a)
{
	struct str etag = http_get(a->fields, STR("etag")), modified = http_get(a->fields, STR("last-modified"));
	struct str length = http_get(a->fields, STR("content-length"));
	uint64_t bytes;
	if (etag.p && !str_eq(etag, e->etag)) return false;
	if (modified.p && !str_eq(modified, e->last_modified)) return false;
	return !length.p || (str_to_u64(length, &bytes) && bytes == e->body->n);
}

struct entry *fetch_renew(const struct fetch *f, struct entry *old, const struct answer *a)
{
	struct policy p;
	struct store *store = f->route->cache->store;
	struct http_fields fields = rules_renew(f->arena, old->fields, a->fields);
	rules_policy(f->arena, old->status, fields, a->times, &p);
	struct answer kept = *a;
	kept.reason = old->reason;
	struct entry *e = fields.items ? make(f, &kept, fields, old->status, old->body, &p) : NULL;
	if (!e || !p.storable || rules_varies_by_all(fields)) {
		store_remove(store, old);
		return e;
	}
	if (!store_replace(store, old, e)) (void)store_put(store, e, f->asked);
	return e;
}

/* ── invalidation ── */

/* An absolute or relative reference on the same host → path and query. */
static bool resolve(struct arena *a, const struct fetch *f, struct str reference, struct str *path, struct str *query)
{
	struct str host = http_get(f->asked, STR("host")), base, rest = f->target;
	if (!host.p) host = f->host;
	(void)!str_cut(&rest, '?', &base);
	for (unsigned i = 0; i < 2; i++) {
		struct str scheme = i ? STR("https:") : STR("http:");
		if (reference.n > scheme.n && str_eq_ci(str_span(reference.p, scheme.n), scheme))
			reference = str_from(reference, scheme.n);
	}
	ptrdiff_t hash = str_index(reference, '#');
	if (hash >= 0) reference.n = (size_t)hash;
	if (str_starts(reference, STR("//"))) {
		size_t end = 2;
		while (end < reference.n && reference.p[end] != '/' && reference.p[end] != '?') end++;
		if (!str_eq_ci(str_span(reference.p + 2, end - 2), host)) return false;
		reference = str_from(reference, end);
		if (!reference.n) reference = STR("/");
	}
	struct str named = reference;
	*query = STR_NONE;
	ptrdiff_t mark = str_index(reference, '?');
	if (mark >= 0) {
		named = str_span(reference.p, (size_t)mark);
		*query = str_from(reference, (size_t)mark + 1);
		if (!query->p) *query = STR("");
	}
	if (!named.n) {
		*path = base;
		return true;
	}
	if (named.p[0] != '/') {
		while (base.n && base.p[base.n - 1] != '/') base.n--;
		named = arena_printf(a, "%.*s%.*s", STR_FMT(base), STR_FMT(named));
	}
	bool dots = str_contains(named, STR("/."));
	*path = named;
	return !dots || contract_normalize_path(a, named, path) == ERR_NONE;
}

static void invalidate_url(const struct fetch *f, struct str key)
{
	char url[TAG_OF_URL_BYTES];
	struct str tag = tag_of_url(key, url);
	(void)store_drop(f->route->cache->store, key);
	(void)!tags_purge(f->route->cache->tags, &tag, 1, NULL, NULL);
}

static struct str key_of(const struct fetch *f, struct str path, struct str query)
{
	struct str host = http_get(f->asked, STR("host"));
	return fetch_key(f->arena, f->route, host.p ? host : f->host, path, query);
}

static bool is_safe(struct str method)
{
	return str_list_has(STR("GET HEAD OPTIONS TRACE"), ' ', method);
}

void fetch_invalidate(const struct fetch *f, const struct answer *a)
{
	struct str path, query;
	if (!f->route->cache || is_safe(f->method) || a->status < 200 || a->status >= 400) return;
	invalidate_url(f, f->key);
	for (unsigned i = 0; i < a->fields.count; i++) {
		struct str name = a->fields.items[i].name;
		if (!str_eq_ci(name, STR("location")) && !str_eq_ci(name, STR("content-location"))) continue;
		if (resolve(f->arena, f, a->fields.items[i].value, &path, &query))
			invalidate_url(f, key_of(f, path, query));
	}
}

/* ── in the background ── */

struct refresh {
	struct fetch fetch;
	struct proxy_route *route;
	struct arena arena;
	struct entry *entry;
};

static void end_refresh(struct refresh *r)
{
	r->entry->refreshing = false;
	entry_release(r->entry);
	r->route->refreshes--;
	proxy_route_release(r->route);
	arena_release(&r->arena);
	free(r);
}

/* A failure changes nothing, and the next try comes later each time. */
static void back_off(struct refresh *r)
{
	struct entry *e = r->entry;
	e->refresh_at_ms = loop_now_ms(r->route->loop) + ((int64_t)1000 << e->refresh_failures);
	if (e->refresh_failures < BACKOFF_MOST) e->refresh_failures++;
}

static void refreshed(struct fetch *f, enum err status, const struct answer *a)
{
	struct refresh *r = CONTAINER_OF(f, struct refresh, fetch);
	if (status || (a->status >= 500 && a->status <= 599)) {
		back_off(r);
	} else if (a->status == 304) {
		entry_release(fetch_renew(f, r->entry, a));
	} else {
		entry_release(fetch_keep(f, a, STR("GET")));
	}
	end_refresh(r);
}

static struct http_fields copy_fields(struct arena *a, struct http_fields f)
{
	struct http_field *items = arena_array(a, f.count + 1, sizeof *items);
	for (unsigned i = 0; items && i < f.count; i++)
		items[i] = (struct http_field){ arena_str(a, f.items[i].name), arena_str(a, f.items[i].value) };
	return (struct http_fields){ items, items ? f.count : 0 };
}

void fetch_refresh(const struct fetch *like, struct entry *e)
{
	struct proxy_route *route = like->route;
	int64_t now_ms = loop_now_ms(route->loop);
	if (e->refreshing || now_ms < e->refresh_at_ms || route->refreshes >= REFRESHES_MAX) return;
	struct refresh *r = calloc(1, sizeof *r);
	CHECK(r != NULL);
	arena_init(&r->arena, 4096, 1024 * 1024);
	r->route = proxy_route_share(route);
	r->entry = entry_share(e);
	r->fetch = (struct fetch){ .route = route,
		.arena = &r->arena,
		.key = arena_str(&r->arena, like->key),
		.method = STR("GET"),
		.target = arena_str(&r->arena, like->target),
		.host = arena_str(&r->arena, like->host),
		.asked = copy_fields(&r->arena, like->asked),
		.conditional = e,
		.deadline_ms = now_ms + REFRESH_TIMEOUT_MS,
		.done = refreshed };
	route->refreshes++;
	e->refreshing = true;
	if (r->arena.overflow || fetch_send(&r->fetch)) {
		back_off(r);
		end_refresh(r);
	}
}
