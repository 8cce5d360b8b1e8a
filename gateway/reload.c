/* SIGHUP: everything that stands in files is read anew. What is wrong in one of them is told, and then nothing has changed at all. */
#include "gateway/gateway.h"

#include "gateway/limit/address_rules.h"
#include "gateway/request.h"

enum { SEAL_BYTES_MAX = 64 * 1024 };

struct news {
	struct arena seal_arena;
	struct str seal_key;
	struct plan *plan; /* NULL: no contracts */
	struct proxy_table *routes; /* NULL: no plain proxy routes */
	struct address_rules *address_rules; /* NULL: none */
};

struct named {
	const struct plan *plan;
	const struct proxy_table *routes;
};

static bool is_name(void *arg, struct str name)
{
	const struct named *n = arg;
	for (unsigned i = 0; n->plan && i < n->plan->contract->operation_count; i++)
		if (str_eq(n->plan->contract->operations[i].id, name)) return true;
	const struct proxy_config *c = n->routes ? proxy_table_config(n->routes) : NULL;
	for (unsigned i = 0; c && i < c->route_count; i++)
		if (str_eq(c->routes[i].name, name)) return true;
	return false;
}

enum err gateway_load_address_rules(
    const struct gateway *g, const struct plan *plan, const struct proxy_table *routes, struct address_rules **out)
{
	struct named named = { plan, routes };
	*out = NULL;
	if (!g->settings.address_rules.p) return ERR_NONE;
	return address_rules_load(g->settings.address_rules.p, (struct address_names){ is_name, &named }, out);
}

enum err gateway_load_plan(struct gateway *g, struct plan **out)
{
	bool hears_purges = g->settings.workers == 1 || g->settings.redis.p;
	return plan_load(g->settings.proto.p, g->settings.rate_policies.p, g->upstreams, g->metrics,
	    g->settings.public_url, hears_purges, out);
}

static void drop(struct news *n)
{
	address_rules_free(n->address_rules);
	proxy_table_free(n->routes);
	if (n->plan) plan_release(n->plan);
	arena_release(&n->seal_arena);
}

static enum err read_all(struct gateway *g, struct news *n)
{
	if (g->proxies) TRY(proxy_table_load(g->settings.config.p, &n->routes));
	if (g->settings.contracts) {
		TRY(settings_read_identity_key(&n->seal_arena, g->settings.identity_key_file, &n->seal_key));
		TRY(gateway_load_plan(g, &n->plan));
	}
	TRY(gateway_load_address_rules(g, n->plan, n->routes, &n->address_rules));
	return g->tls ? tls_reload(g->tls) : ERR_NONE; /* last: it changes what is used */
}

static void use_contracts(struct gateway *g, struct news *n)
{
	plan_release(g->plan);
	g->plan = n->plan;
	arena_release(&g->seal_arena);
	g->seal_arena = n->seal_arena;
	g->seal_key = n->seal_key;
	limits_set_key(g->limiting.limits, g->seal_key);
	credentials_flush(g->credentials);
	signing_keys_flush(g->signing_keys);
	keyring_refresh(g->keyring);
}

void gateway_reload(void *gateway, int signo)
{
	struct gateway *g = gateway;
	struct news n = { 0 };
	(void)signo;
	if (g->draining) return;
	arena_init(&n.seal_arena, 4096, SEAL_BYTES_MAX);
	enum err e = read_all(g, &n);
	if (e != ERR_NONE) {
		drop(&n);
		log_line(LOG_ERROR, "reload refused, nothing changed", "%s", err_info(e)->name);
		return;
	}
	unsigned operations = n.plan ? n.plan->contract->operation_count : 0;
	unsigned routes = n.routes ? proxy_table_config(n.routes)->route_count : 0;
	address_rules_free(g->address_rules);
	g->address_rules = n.address_rules;
	if (n.plan) use_contracts(g, &n);
	if (n.routes) proxies_use(g->proxies, n.routes);
	log_line(LOG_INFO, "reloaded", "%u operations, %u plain proxy routes", operations, routes);
}
