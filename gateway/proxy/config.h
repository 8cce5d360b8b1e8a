#ifndef GATEWAY_PROXY_CONFIG_H
#define GATEWAY_PROXY_CONFIG_H

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/err.h"

/* `gateway --config FILE`: plain proxy routes to any origin. The file is YAML, read as contracts are; keys: gateway/README.md. */

enum { PROXY_LISTENERS_MAX = 8, PROXY_ROUTES_MAX = 64, PROXY_ADDRESSES_MAX = 16 };

struct proxy_route_config {
	struct str name; /* in logs and metrics */
	struct str prefix; /* of the path, by whole segments */
	struct str origins[PROXY_ADDRESSES_MAX]; /* addresses, or names with a port */
	unsigned origin_count;
	bool is_public; /* on the gateway's own listener too */
	bool cache; /* honour-origin; else off */
	bool store_cookies;
	bool heuristics;
	bool client_control; /* Cache-Control of requests is honoured */
	int64_t stale_ms; /* past its lifetime an answer may stand in for an origin that cannot be reached */
	int64_t timeout_ms;
	int64_t resolve_ms; /* so often names are looked up */
	size_t body_bytes_max;
	size_t reply_bytes_max;
	unsigned connections_max;
};

struct proxy_config {
	struct str listeners[PROXY_LISTENERS_MAX];
	unsigned listener_count;
	struct str metrics_listen; /* absent: none of its own */
	size_t cache_bytes; /* 0: not said */
	struct proxy_route_config routes[PROXY_ROUTES_MAX];
	unsigned route_count;
};

/** Every fault is logged; ERR_CONFIG, ERR_IO. */
MUST_USE enum err proxy_config_load(struct arena *a, const char *path, struct proxy_config *out);
/** The same of text in memory; faults are written to `report`, one line each. */
MUST_USE enum err proxy_config_read(
    struct arena *a, struct str text, const char *name, struct proxy_config *out, struct buf *report);

#endif
