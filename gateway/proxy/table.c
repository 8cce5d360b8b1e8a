/* The routes of one reading of the file, shared by count: by the process while they are the present ones, and by each request. */
#include "gateway/proxy/table.h"

#include <stdlib.h>

#include "common/contract/contract.h"
#include "common/http/wire.h"
#include "gateway/gateway.h"

enum { TABLE_BYTES_MAX = 1024 * 1024, ORIGIN_BYTES_MAX = 64 * 1024 };

enum err proxy_table_load(const char *path, struct proxy_table **out)
{
	struct proxy_table *t = calloc(1, sizeof *t);
	CHECK(t != NULL);
	*out = NULL;
	list_init(&t->link);
	arena_init(&t->arena, 4096, TABLE_BYTES_MAX);
	enum err e = proxy_config_load(&t->arena, path, &t->config);
	if (e) {
		proxy_table_free(t);
		return e;
	}
	*out = t;
	return ERR_NONE;
}

const struct proxy_config *proxy_table_config(const struct proxy_table *t)
{
	return &t->config;
}

/* ── origins ── */

static struct origin_config origin_settings(const struct proxy_route_config *c)
{
	return (struct origin_config){ .name = c->name,
		.addresses = c->origins,
		.address_count = c->origin_count,
		.connections_max = c->connections_max,
		.reply_bytes_max = c->reply_bytes_max };
}

static struct proxy_origin *open_origin(struct loop *l, const struct origin_config *settings, int64_t resolve_ms)
{
	struct proxy_origin *o = calloc(1, sizeof *o);
	CHECK(o != NULL);
	o->shares = 1;
	arena_init(&o->arena, 256, ORIGIN_BYTES_MAX);
	o->config = *settings;
	o->config.name = arena_str(&o->arena, settings->name);
	for (unsigned i = 0; i < settings->address_count; i++)
		o->addresses[i] = arena_str(&o->arena, settings->addresses[i]);
	o->config.addresses = o->addresses;
	o->resolve_ms = resolve_ms;
	struct origin_config open = o->config;
	bool named = names_among(o->addresses, open.address_count);
	if (named) open.address_count = 0; /* told by the names */
	o->origin = origin_new(l, &open);
	if (named)
		o->names = names_new(l, o->origin, o->config.name, o->addresses, o->config.address_count, resolve_ms);
	return o;
}

static bool is_same(const struct origin_config *a, const struct origin_config *b)
{
	if (!str_eq(a->name, b->name) || a->address_count != b->address_count ||
	    a->connections_max != b->connections_max || a->reply_bytes_max != b->reply_bytes_max)
		return false;
	for (unsigned i = 0; i < a->address_count; i++)
		if (!str_eq(a->addresses[i], b->addresses[i])) return false;
	return true;
}

static struct proxy_origin *take_over(
    const struct proxy_table *before, const struct origin_config *settings, int64_t resolve_ms)
{
	for (unsigned i = 0; before && i < before->route_count; i++) {
		struct proxy_origin *o = before->origins[i];
		if (!is_same(&o->config, settings) || o->resolve_ms != resolve_ms) continue;
		o->shares++;
		return o;
	}
	return NULL;
}

static void release_origin(struct proxy_origin *o)
{
	if (--o->shares) return;
	names_free(o->names);
	origin_free(o->origin);
	arena_release(&o->arena);
	free(o);
}

/* ── tables ── */

static void on_free_task(struct loop_task *task)
{
	struct proxy_table *t = CONTAINER_OF(task, struct proxy_table, free_task);
	if (t->shares == 0) proxy_table_free(t);
}

void proxy_table_open(struct proxy_table *t, struct gateway *g, const struct proxy_table *before)
{
	t->shares = 1;
	t->free_task.run = on_free_task;
	for (unsigned i = 0; i < t->config.route_count; i++) {
		const struct proxy_route_config *c = &t->config.routes[i];
		struct origin_config settings = origin_settings(c);
		struct proxy_origin *origin = take_over(before, &settings, c->resolve_ms);
		if (!origin) origin = open_origin(g->loop, &settings, c->resolve_ms);
		t->origins[i] = origin;
		t->routes[i] = (struct proxy_route){ .table = t,
			.config = *c,
			.origin = origin->origin,
			.cache = c->cache ? g->cache : NULL,
			.loop = g->loop };
		metrics_operation(g->metrics, c->name, STR("*"), &t->routes[i].metrics);
		t->route_count++;
	}
}

void proxy_table_stop(struct proxy_table *t)
{
	for (unsigned i = 0; i < t->route_count; i++) {
		names_free(t->origins[i]->names);
		origin_free(t->origins[i]->origin); /* a shared one once: it knows */
		t->origins[i]->names = NULL;
		t->origins[i]->origin = NULL;
	}
}

void proxy_table_free(struct proxy_table *t)
{
	if (!t) return;
	list_remove(&t->link);
	for (unsigned i = 0; i < t->route_count; i++) release_origin(t->origins[i]);
	arena_release(&t->arena);
	free(t);
}

struct proxy_route *proxy_route_share(struct proxy_route *route)
{
	route->table->shares++;
	return route;
}

/* Not at once: who releases it may stand in a call of its origin. */
void proxy_route_release(struct proxy_route *route)
{
	if (!route || --route->table->shares) return;
	loop_push(route->loop, PHASE_LAST, &route->table->free_task);
}

static bool covers(struct str prefix, struct str path)
{
	if (prefix.n == 1) return true;
	return str_starts(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/');
}

static struct proxy_route *find(struct proxy_table *t, struct str path, bool on_public)
{
	struct proxy_route *best = NULL;
	for (unsigned i = 0; i < t->route_count; i++) {
		struct proxy_route *r = &t->routes[i];
		if ((on_public && !r->config.is_public) || !covers(r->config.prefix, path)) continue;
		if (!best || best->config.prefix.n < r->config.prefix.n) best = r;
	}
	return best;
}

/* Nobody reads it otherwise than it stands. */
static bool is_plain(struct str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '%' || (path.p[i] == '/' && i + 1 < path.n && strchr("./", path.p[i + 1])))
			return false;
	return true;
}

/* The path without escapes and dot segments. Read freely, as some origins do, an escaped slash and a '\\' are slashes too, and many are
 * one. What no prefix is made of stands as '_'. */
static enum err read_path(struct arena *a, struct str path, bool freely, struct str *out)
{
	char *to = arena_alloc(a, path.n + 1);
	size_t n = 0;
	if (!to) return ERR_MEMORY;
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];
		if (c == '%') { /* two digits follow: it is a target */
			c = (char)(wire_hex(path.p[i + 1]) << 4 | wire_hex(path.p[i + 2]));
			i += 2;
			if (freely && c == '\\') c = '/';
			if (c == '/' && !freely) c = '_';
		}
		if (freely && c == '/' && n && to[n - 1] == '/') continue;
		to[n++] = (unsigned char)c <= ' ' || (unsigned char)c > '~' || strchr("%?#|\\\"<>^`{}", c) ? '_' : c;
	}
	return contract_normalize_path(a, str_span(to, n), out);
}

enum err proxy_table_find(
    struct proxy_table *t, struct arena *a, struct str path, bool on_public, struct proxy_route **out)
{
	struct str normal, free;
	*out = find(t, path, on_public);
	if (is_plain(path) || str_eq(path, STR("*"))) return ERR_NONE;
	TRY(read_path(a, path, false, &normal));
	TRY(read_path(a, path, true, &free));
	bool same = *out == find(t, normal, on_public) && *out == find(t, free, on_public);
	return same ? ERR_NONE : ERR_MALFORMED_REQUEST;
}
