#ifndef GATEWAY_PROXY_PROXY_H
#define GATEWAY_PROXY_PROXY_H

#include "common/http/origin.h"
#include "common/http/server.h"
#include "gateway/cache/cache.h"
#include "gateway/proxy/config.h"

/*
 * Plain proxy routes: a prefix of paths goes to an origin as it came, and answers are kept as the origin's own Cache-Control allows
 * (RFC 9111, 5861, 9213). No contract, no credentials of ours, no retries.
 */
struct gateway;
struct request;
struct proxies;
struct proxy_table;

struct proxy_route {
	struct proxy_table *table; /* it is part of; the table's shares are what keeps it */
	struct proxy_route_config config;
	struct origin *origin;
	struct cache *cache; /* NULL: off */
	struct loop *loop;
	struct operation_metrics metrics;
	unsigned refreshes; /* going on in the background */
};

/** Reads the file. Fails: ERR_IO, ERR_CONFIG (logged). */
MUST_USE enum err proxy_table_load(const char *path, struct proxy_table **out);
const struct proxy_config *proxy_table_config(const struct proxy_table *t);
/** For a table that no proxies_… call was given. NULL is fine. */
void proxy_table_free(struct proxy_table *t);

/** Opens the routes' origins; the table is its own from now on. */
struct proxies *proxies_new(struct gateway *g, struct proxy_table *table);
/** Opens the listeners, on the sockets that the process holds. Fails: ERR_IO (logged). */
MUST_USE enum err proxies_listen(struct proxies *p);
/** New routes from now on; requests that have begun end as they began. What has not changed keeps its connections. */
void proxies_use(struct proxies *p, struct proxy_table *table);
/** Ends each call to an origin; listeners go later, with proxies_close. */
void proxies_stop(struct proxies *p);
void proxies_close(struct proxies *p);
/** After the loop has ended. NULL is fine. */
void proxies_free(struct proxies *p);
/** As http_server_drain, or with grace_ms as http_server_retire, for all listeners; `drained` at once, later, when there is none. */
void proxies_drain(struct proxies *p, int64_t grace_ms, void (*drained)(void *arg), void *arg);

/**
 * The route of a path: the longest prefix, by whole segments. *out NULL: none. It stays as long as it is shared, or until this turn ends.
 * Since the path goes on as it came, it must be of that route however an origin reads it (escapes, dot segments, doubled slashes): else
 * ERR_MALFORMED_REQUEST; ERR_MEMORY.
 */
MUST_USE enum err proxies_find(
    struct proxies *p, struct arena *a, struct str path, bool on_public, struct proxy_route **out);
struct proxy_route *proxy_route_share(struct proxy_route *route);
/** NULL is fine. */
void proxy_route_release(struct proxy_route *route);

#endif
