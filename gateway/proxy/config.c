/* The file of plain proxy routes. All faults are told at once, with their lines, as those of contracts are. */
#include "gateway/proxy/config.h"

#include "common/contract/contract.h"
#include "common/contract/yaml.h"
#include "common/core/config.h"
#include "common/core/log.h"
#include "common/net/names.h"

enum {
	FILE_BYTES_MAX = 256 * 1024,
	REPORT_BYTES_MAX = 64 * 1024,
	MESSAGE_BYTES_MOST = 15 * 1024 * 1024 /* with its head within what a stream takes at once */
};

struct config_reader {
	struct arena *arena;
	struct yaml_faults faults;
};

static void check_keys(struct config_reader *c, const struct json *object, const char *what, const char *allowed)
{
	if (json_type(object) != JSON_OBJECT) {
		yaml_fault(&c->faults, object, "%s must be an object", what);
		return;
	}
	for (const struct json *m = json_first(object); m; m = json_next(m))
		if (!str_list_has(str_of(allowed), ' ', json_key(m)))
			yaml_fault(&c->faults, m, "%s: key %.*s is not known", what, STR_FMT(json_key(m)));
}

static struct str read_text(struct config_reader *c, const struct json *object, const char *key, const char *fallback)
{
	const struct json *v = json_get(object, str_of(key));
	if (!v) return str_of(fallback);
	struct str s = json_string(v);
	if (!s.n) yaml_fault(&c->faults, v, "%s must be a text", key);
	return arena_str(c->arena, s);
}

static int64_t read_number(
    struct config_reader *c, const struct json *object, const char *key, int64_t fallback, int64_t least, int64_t most)
{
	const struct json *v = json_get(object, str_of(key));
	int64_t n = fallback;
	if (!v || (json_int64(v, &n) && n >= least && n <= most)) return n;
	yaml_fault(&c->faults, object, "%s must be a number from %lld to %lld", key, (long long)least, (long long)most);
	return fallback; /* what is out of range is not calculated with */
}

static bool read_flag(struct config_reader *c, const struct json *object, const char *key, bool fallback)
{
	const struct json *v = json_get(object, str_of(key));
	if (!v) return fallback;
	if (json_type(v) != JSON_BOOL) yaml_fault(&c->faults, v, "%s must be true or false", key);
	return json_type(v) == JSON_BOOL && json_bool(v);
}

/* A list of texts, 1 to `most` of them. */
static unsigned read_list(
    struct config_reader *c, const struct json *object, const char *key, struct str *out, unsigned most)
{
	const struct json *list = json_get(object, str_of(key));
	unsigned count = 0;
	if (!list || json_type(list) != JSON_ARRAY || !json_count(list) || json_count(list) > most) {
		yaml_fault(&c->faults, list ? list : object, "%s must be a list of 1 to %u texts", key, most);
		return 0;
	}
	for (const struct json *v = json_first(list); v; v = json_next(v)) {
		if (!json_string(v).n) yaml_fault(&c->faults, v, "%s must hold texts", key);
		out[count++] = arena_str(c->arena, json_string(v));
	}
	return count;
}

static void read_cache_mode(struct config_reader *c, const struct json *object, struct proxy_route_config *r)
{
	struct str mode = read_text(c, object, "cache", "honour-origin");
	r->cache = str_eq(mode, STR("honour-origin"));
	if (!r->cache && !str_eq(mode, STR("off")))
		yaml_fault(&c->faults, object, "cache must be honour-origin or 'off'");
}

/* Written in the one way in which paths are compared with it (table.c). */
static bool is_prefix(struct config_reader *c, struct str s)
{
	struct str normal;
	if (!s.n || s.p[0] != '/' || (s.n > 1 && s.p[s.n - 1] == '/') || str_index(s, '%') >= 0) return false;
	if (contract_normalize_path(c->arena, s, &normal) != ERR_NONE) return false;
	return str_eq(normal, s) && !str_contains(s, STR("//"));
}

static void read_route(struct config_reader *c, const struct json *object, struct proxy_config *config)
{
	static const int64_t MIB = 1024 * 1024;
	struct proxy_route_config *r = &config->routes[config->route_count];
	check_keys(c, object, "route",
	    "name prefix origins resolve_s cache public store_cookies heuristics client_control stale_s timeout_s "
	    "body_bytes_max reply_bytes_max connections_max");
	*r = (struct proxy_route_config){ .name = read_text(c, object, "name", ""),
		.prefix = read_text(c, object, "prefix", "/"),
		.is_public = read_flag(c, object, "public", false),
		.store_cookies = read_flag(c, object, "store_cookies", false),
		.heuristics = read_flag(c, object, "heuristics", true),
		.client_control = read_flag(c, object, "client_control", true),
		.stale_ms = read_number(c, object, "stale_s", 60, 0, 86400) * 1000,
		.timeout_ms = read_number(c, object, "timeout_s", 30, 1, 3600) * 1000,
		.resolve_ms = read_number(c, object, "resolve_s", 30, 1, 3600) * 1000,
		.body_bytes_max = (size_t)read_number(c, object, "body_bytes_max", MIB, 0, MESSAGE_BYTES_MOST),
		.reply_bytes_max = (size_t)read_number(c, object, "reply_bytes_max", 8 * MIB, 1, MESSAGE_BYTES_MOST),
		.connections_max = (unsigned)read_number(c, object, "connections_max", 256, 1, 10000) };
	r->origin_count = read_list(c, object, "origins", r->origins, PROXY_ADDRESSES_MAX);
	for (unsigned i = 0; i < r->origin_count; i++)
		if (r->origins[i].n && address_kind_of(r->origins[i]) == ADDRESS_BAD)
			yaml_fault(&c->faults, object, "origins: %.*s is neither an address nor a name with a port",
			    STR_FMT(r->origins[i]));
	read_cache_mode(c, object, r);
	if (!r->name.n) yaml_fault(&c->faults, object, "a route needs a name");
	if (str_index(r->name, '|') >= 0) yaml_fault(&c->faults, object, "a name has no '|'");
	if (!is_prefix(c, r->prefix))
		yaml_fault(&c->faults, object,
		    "prefix must be a path without '/' at its end, escapes, dot segments and empty ones");
	for (unsigned i = 0; i < config->route_count; i++)
		if (str_eq(config->routes[i].name, r->name) || str_eq(config->routes[i].prefix, r->prefix))
			yaml_fault(&c->faults, object, "two routes have this name or prefix");
	config->route_count++;
}

static void read_config(struct config_reader *c, const struct json *root, struct proxy_config *out)
{
	*out = (struct proxy_config){ 0 };
	check_keys(c, root, "the file", "listeners metrics cache_bytes routes");
	if (json_get(root, STR("listeners")))
		out->listener_count = read_list(c, root, "listeners", out->listeners, PROXY_LISTENERS_MAX);
	if (json_get(root, STR("metrics"))) out->metrics_listen = read_text(c, root, "metrics", NULL);
	out->cache_bytes = (size_t)read_number(c, root, "cache_bytes", 0, 1024 * 1024, INT64_C(1) << 40);
	const struct json *routes = json_get(root, STR("routes"));
	if (!routes || json_type(routes) != JSON_ARRAY || !json_count(routes) ||
	    json_count(routes) > PROXY_ROUTES_MAX) {
		yaml_fault(&c->faults, root, "routes must be a list of 1 to %d routes", PROXY_ROUTES_MAX);
		return;
	}
	for (const struct json *r = json_first(routes); r; r = json_next(r)) read_route(c, r, out);
}

enum err proxy_config_read(
    struct arena *a, struct str text, const char *name, struct proxy_config *out, struct buf *report)
{
	struct config_reader c = { .arena = a, .faults = { name, report, 0 } };
	const struct json *root;
	TRY(yaml_read(a, text, name, &root, report));
	read_config(&c, root, out);
	return c.faults.count || a->overflow ? ERR_CONFIG : ERR_NONE;
}

enum err proxy_config_load(struct arena *a, const char *path, struct proxy_config *out)
{
	struct buf report;
	struct str text, line;
	TRY(config_read_file(a, path, FILE_BYTES_MAX, &text));
	buf_init(&report, REPORT_BYTES_MAX);
	enum err e = proxy_config_read(a, text, path, out, &report);
	struct str rest = buf_view(&report);
	while (str_cut(&rest, '\n', &line))
		if (line.n) log_line(LOG_ERROR, "configuration is not usable", "%.*s", STR_FMT(line));
	buf_free(&report);
	return e;
}
