#ifndef GATEWAY_PROXY_TABLE_H
#define GATEWAY_PROXY_TABLE_H

#include "common/core/list.h"
#include "gateway/proxy/names.h"
#include "gateway/proxy/proxy.h"

/* Inside gateway/proxy: the routes of one reading of the file. A reload makes another; each request ends with the one it began with. */

/** An origin, and the texts that its settings point into: shared by the tables that name it alike. */
struct proxy_origin {
	unsigned shares;
	struct arena arena;
	struct origin *origin; /* NULL once the process ends */
	struct names *names; /* NULL: its addresses are no names, or the process ends */
	int64_t resolve_ms;
	struct origin_config config;
	struct str addresses[PROXY_ADDRESSES_MAX];
};

struct proxy_table {
	struct list link; /* in proxies->tables; alone before */
	unsigned shares; /* one is that of the present table */
	struct arena arena;
	struct proxy_config config;
	struct proxy_route routes[PROXY_ROUTES_MAX];
	struct proxy_origin *origins[PROXY_ROUTES_MAX]; /* of each route */
	unsigned route_count;
	struct loop_task free_task;
};

/** Fills in the routes. An origin that `before` (or NULL) has with the same settings is taken over. */
void proxy_table_open(struct proxy_table *t, struct gateway *g, const struct proxy_table *before);
/** Ends each call to its origins. */
void proxy_table_stop(struct proxy_table *t);
/** As proxies_find. */
MUST_USE enum err proxy_table_find(
    struct proxy_table *t, struct arena *a, struct str path, bool on_public, struct proxy_route **out);

#endif
